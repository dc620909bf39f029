"""The simulator of `cairn dev`: emulated platforms, their people, and a page to see them all."""
