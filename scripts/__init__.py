"""Commands of the workshop; nothing here ships in the package."""
