"""`mia metrics`: the metrics, or all about one."""

import json

import mia_functional as mia
from mia_functional.cli.options import JSON, Command, Options

__all__ = ["METRICS_COMMAND"]


_METRIC_FACTS = (
    "abbreviation", "name", "aliases", "summary", "formula", "where", "undefined", "lowest", "highest", "best", "unit",
    "symmetric", "parameter", "groups", "source",
)  # fmt: skip
"""What is said of a metric, as `Metric` has it: all but the functions behind it."""


def _run_metrics(options: Options) -> None:
    """Print the metrics, or what is known about one."""
    if options.json:
        rows = mia.metrics.METRICS if options.name is None else [mia.metrics.find(options.name)]
        entries = [
            {name: getattr(row, name) for name in _METRIC_FACTS} | {"options": dict(row.options)} for row in rows
        ]
        print(json.dumps(mia.reporting.json_files.plain_data({"metrics": entries}), indent=1))
    else:
        print(mia.metrics.listing() if options.name is None else mia.metrics.describe(options.name))


METRICS_COMMAND = Command(
    "metrics", "list the metrics, or print a metric's formula, range, unit, undefined cases and source",
    _run_metrics,
    {"name": {"nargs": "?", "help": "name, abbreviation or alias, for example HDRFDST95"}, **JSON},
    example="mia metrics HDRFDST95",
)  # fmt: skip
