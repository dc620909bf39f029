"""The command line: `cairn dev serve worker migrate doctor chat ingest dead creators channels`."""
