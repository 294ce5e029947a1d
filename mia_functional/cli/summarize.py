"""`mia summarize`: statistics of a table of results."""

from pathlib import Path

import mia_functional as mia
from mia_functional.cli.options import Command, Options

__all__ = ["SUMMARIZE_COMMAND"]


def _run_summarize(options: Options) -> None:
    """Summarize a table of results."""
    results = mia.reporting.read_csv(options.results)
    statistics = mia.analysis.summarize(results)
    print(mia.reporting.render_console(statistics))


SUMMARIZE_COMMAND = Command("summarize", "print mean and standard deviation of a table of results", _run_summarize, {
    "results": {"type": Path, "help": "CSV file that `mia evaluate` or pymia wrote"},
})  # fmt: skip
