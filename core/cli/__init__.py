"""The command line: `cairn dev serve worker migrate doctor chat ingest dead creators channels`."""

from core.cli.app import main

__all__ = ["main"]
