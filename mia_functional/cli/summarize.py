"""`mia summarize`: statistics of a table of results."""

import argparse
from pathlib import Path

import mia_functional as mia
from mia_functional.cli.options import DONE, Command

__all__ = ["SUMMARIZE_COMMAND"]


def _run_summarize(options: argparse.Namespace) -> int:
    """Summarize a table of results."""
    results = mia.reporting.read_csv(options.results)
    statistics = mia.analysis.summarize(results)
    print(mia.reporting.render_console(statistics))
    return DONE


SUMMARIZE_COMMAND = Command("summarize", "print mean and standard deviation of a table of results", _run_summarize, {
    "results": {"type": Path, "help": "CSV file that `mia evaluate` or pymia wrote"},
})  # fmt: skip
