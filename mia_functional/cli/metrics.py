"""`mia metrics`: the metrics, or all about one."""

import mia_functional as mia
from mia_functional.cli.options import Command

__all__ = ["METRICS_COMMAND"]

METRICS_COMMAND = Command(
    "metrics", "list the metrics, or print a metric's formula, range, unit, undefined cases and source",
    lambda options: print(mia.metrics.listing() if options.name is None else mia.metrics.describe(options.name)),
    {"name": {"nargs": "?", "help": "name, abbreviation or alias, for example HDRFDST95"}},
    example="mia metrics HDRFDST95",
)  # fmt: skip
