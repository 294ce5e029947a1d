"""`mia metrics`: the metrics, or all about one."""

import argparse
from typing import Any

import mia_functional as mia
from mia_functional.cli.options import DONE, command


def add_metrics(commands: Any) -> None:
    """Add `mia metrics`."""
    metrics = command(commands, run_metrics, "list the metrics, or tell all about one")
    metrics.add_argument("name", nargs="?", help="name, abbreviation or alias, for example HDRFDST95")


def run_metrics(options: argparse.Namespace) -> int:
    """List the metrics or describe one."""
    print(mia.metrics.listing() if options.name is None else mia.metrics.describe(options.name))
    return DONE
