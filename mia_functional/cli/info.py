"""`mia info`: what is in a dataset."""

import argparse

import mia_functional as mia
from mia_functional.cli.options import DATASET, DONE, Command

__all__ = ["INFO_COMMAND"]


def _run_info(options: argparse.Namespace) -> int:
    """Describe a dataset."""
    print(mia.dataset.info(mia.dataset.open(options.dataset)))
    return DONE


INFO_COMMAND = Command("info", "print what is in a dataset", _run_info, DATASET)
