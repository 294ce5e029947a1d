"""`mia metrics`: the metrics, or all about one."""

import mia_functional as mia
from mia_functional.cli.options import Command, Options

__all__ = ["METRICS_COMMAND"]


def _run_metrics(options: Options) -> None:
    """List the metrics or describe one."""
    print(mia.metrics.listing() if options.name is None else mia.metrics.describe(options.name))


_SUMMARY = "list the metrics, or print a metric's formula, range, unit, undefined cases and source"
METRICS_COMMAND = Command("metrics", _SUMMARY, _run_metrics, {
    "name": {"nargs": "?", "help": "name, abbreviation or alias, for example HDRFDST95"},
})  # fmt: skip
