"""`mia verify`: a dataset against its digests."""

import argparse
from pathlib import Path
from typing import Any

import mia_functional as mia
from mia_functional.cli.options import DONE, FAILED, bar, command


def add_verify(commands: Any) -> None:
    """Add `mia verify`."""
    command(commands, run_verify, "check every bit of a dataset against its digests").add_argument("dataset", type=Path)


def run_verify(options: argparse.Namespace) -> int:
    """Verify a dataset and print what is wrong with it."""
    data = mia.dataset.open(options.dataset)
    faults = mia.dataset.verify(data, progress=bar(options, "Verifying"))
    print("\n".join(faults) or f"{options.dataset}: all {len(data)} subjects are what was written.")
    return FAILED if faults else DONE
