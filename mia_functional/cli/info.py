"""`mia info`: what is in a dataset."""

import argparse
from pathlib import Path
from typing import Any

import mia_functional as mia
from mia_functional.cli.options import DONE, command


def add_info(commands: Any) -> None:
    """Add `mia info`."""
    command(commands, run_info, "tell what is in a dataset").add_argument("dataset", type=Path)


def run_info(options: argparse.Namespace) -> int:
    """Describe a dataset."""
    print(mia.dataset.info(mia.dataset.open(options.dataset)))
    return DONE
