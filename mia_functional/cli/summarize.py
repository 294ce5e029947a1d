"""`mia summarize`, `mia compare` and `mia rank`: what a table of results says."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mia_functional as mia
from mia_functional._core import checks
from mia_functional.cli.options import COUNTING, JSON, Command, Options, read_tables

__all__ = ["COMPARE_COMMAND", "RANK_COMMAND", "SUMMARIZE_COMMAND"]


def _run_compare(options: Options) -> None:
    """Print how methods differ."""
    _print("comparisons", mia.analysis.compare, options, baseline=options.baseline, method=options.interval)


def _run_rank(options: Options) -> None:
    """Print rankings of methods."""
    import numpy as np  # here, so that `mia --help` stays light

    _print(
        "rankings", mia.analysis.rank, options, scheme=options.scheme.replace("-", " "), ties=options.ties,
        function={"mean": np.mean, "median": np.median}[options.function], bootstraps=options.bootstraps,
    )  # fmt: skip


def _print(name: str, records_of: Callable[..., Any], options: Options, **rest: object) -> None:
    """Print what a function of the room `analysis` makes of tables of results."""
    results = read_tables(options, options.results, "results")
    if options.metrics:
        chosen = [mia.evaluation.select_rows(results, metric=metric) for metric in dict.fromkeys(options.metrics)]
        results = mia.evaluation.concatenate(chosen)
    records = records_of(
        results, by=_columns(options), policy=options.policy, missing=options.missing, infinite=options.infinite,
        diagonals=options.diagonal, **rest,
    )  # fmt: skip
    if options.json:
        print(json.dumps(mia.reporting.json_files.plain_data({name: records}), indent=1))
    else:
        print(mia.reporting.render_console(records))


def _columns(options: Options) -> list[object]:
    """Return the columns to group by: those of the table of subjects, and of the results."""
    rows: dict[str, dict[str, str]] = {} if options.table is None else mia.discovery.tables.table_rows(options.table)
    known = next(iter(rows.values()), {})
    if options.table is not None and not any(name in known for name in options.by):
        needed = f"name a column of {options.table}"
        checks.invalid_value(options.command, "--by", needed, ", ".join(options.by) or "none")
    return [
        {name: {subject: row[name] for subject, row in rows.items()}} if name in known else name for name in options.by
    ]


_SHARED: Mapping[str, Mapping[str, Any]] = {
    "results": {"type": Path, "nargs": "+", "help": "files that `mia evaluate` or pymia wrote"},
    "--metrics": {"nargs": "+", "metavar": "METRIC", "help": "only these metrics of the table"},
    "--by": {"nargs": "+", "default": [], "metavar": "COLUMN",
             "help": "group by columns of the results or of --table, for example site sex"},
    "--table": {"type": Path, "metavar": "CSV", "help": "table of subjects, whose first column names them"},
    **COUNTING,
    **JSON,
}  # fmt: skip

SUMMARIZE_COMMAND = Command(
    "summarize", "print statistics of tables of results",
    lambda options: _print("statistics", mia.analysis.summarize, options), _SHARED,
    example="mia summarize results.csv --metrics DICE --policy monai",
)  # fmt: skip

COMPARE_COMMAND = Command("compare", "compare methods by pairs: differences, intervals, tests", _run_compare, {
    **_SHARED,
    "--baseline": {"metavar": "METHOD", "help": "the method that all others are compared with (all pairs)"},
    "--interval": {"choices": ("bca", "percentile", "t"), "default": "bca", "help": "kind of interval (bca)"},
}, example="mia compare results.csv --metrics DICE --baseline net_a")  # fmt: skip

RANK_COMMAND = Command("rank", "rank methods, and say how stable the ranking is", _run_rank, {
    **_SHARED,
    "--scheme": {"choices": ("aggregate-then-rank", "rank-then-aggregate", "test-then-rank"),
                 "default": "aggregate-then-rank", "help": "how the ranking is made (aggregate-then-rank)"},
    "--function": {"choices": ("mean", "median"), "default": "mean", "help": "what values or ranks become (mean)"},
    "--ties": {"choices": ("min", "average", "max"), "default": "min", "help": "rank of equal methods (min)"},
    "--bootstraps": {"type": int, "default": 1000, "metavar": "N", "help": "bootstrap samples of the cases (1000)"},
}, example="mia rank results.csv --metrics DICE --scheme rank-then-aggregate")  # fmt: skip
