"""`mia summarize`: statistics of a table of results."""

import argparse
from pathlib import Path
from typing import Any

import mia_functional as mia
from mia_functional.cli.options import DONE, command


def add_summarize(commands: Any) -> None:
    """Add `mia summarize`."""
    summarize = command(commands, run_summarize, "print mean and standard deviation of a table of results")
    summarize.add_argument("results", type=Path, help="CSV file that `mia evaluate` or pymia wrote")


def run_summarize(options: argparse.Namespace) -> int:
    """Summarize a table of results."""
    print(mia.reporting.render_console(mia.analysis.summarize(mia.reporting.read_csv(options.results))))
    return DONE
