"""The command `mia`: one file per command, and a parser that imports nothing heavy."""

from mia_functional.cli.parser import main

__all__ = ["main"]

__dir__ = __all__.copy  # dir() shows what users may touch
