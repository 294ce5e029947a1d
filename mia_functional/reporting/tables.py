"""Results and statistics as tables: a header, and rows of text and numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from mia_functional._core import checks
from mia_functional.analysis.summary import Statistic
from mia_functional.evaluation.results import Results

__all__ = [
    "LONG_COLUMNS",
    "NO_VALUE",
    "Data",
    "Layout",
    "Table",
    "long_table",
    "statistics_table",
    "summary_table",
    "table_of",
    "wide_table",
]

Data: TypeAlias = Results | tuple[Statistic, ...]
"""What can be written down: results, or what `summarize` makes of them."""

LONG_COLUMNS = ("SUBJECT", "LABEL", "METRIC", "VALUE", "UNIT", "CONVENTION", "REASON")
"""The columns of a long table: the fields of `Result` in capitals. The first two identify a row of a wide one."""

# As pymia writes it. Not "nan", which a wide table has for values that were computed and are undefined.
NO_VALUE = "n/a"
"""What stands in a wide table where a subject has no value."""


class Table(NamedTuple):
    """A header, and rows of as many cells: text stays text, numbers are floats or ints."""

    header: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]


Layout: TypeAlias = Callable[[Any], Table]
"""How data become a table: `wide_table`, `long_table`, `summary_table`, `statistics_table`, or a function like them."""


def wide_table(results: Results) -> Table:
    """Return a table with a row per subject and label and a column per metric; REASON where a value is not finite.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> wide_table(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),)))
        Table(header=('SUBJECT', 'LABEL', 'DICE'), rows=(('A', 'liver', 0.5),))
    """
    checks.require_instance("wide_table", "results", results, Results, "a table of results")
    metrics = tuple(dict.fromkeys(row.metric for row in results))
    cells = {(row.subject, row.label, row.metric): row.value for row in results}
    # One reason for a row of several metrics: the first, since an empty structure is the reason of all of them.
    reasons: dict[tuple[str, str], str] = {}
    for row in results:
        reasons[row.subject, row.label] = reasons.get((row.subject, row.label)) or row.reason
    with_reasons = any(reasons.values())
    rows = tuple(
        (*key, *(cells.get((*key, metric), NO_VALUE) for metric in metrics), *[reason] * with_reasons)
        for key, reason in reasons.items()
    )
    return Table((*LONG_COLUMNS[:2], *metrics, *["REASON"] * with_reasons), rows)


def long_table(results: Results) -> Table:
    """Return a table with a row per value: subject, label, metric, value, unit, convention, reason.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> long_table(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))).rows
        (('A', 'liver', 'DICE', 0.5, '', '', ''),)
    """
    checks.require_instance("long_table", "results", results, Results, "a table of results")
    rows = tuple((r.subject, r.label, r.metric, r.value, r.unit, r.convention, r.reason) for r in results)
    return Table(LONG_COLUMNS, rows)


def summary_table(data: tuple[Statistic, ...]) -> Table:
    """Return a table with a row per label and metric and a column per statistic, and how many values are behind it.

    Example:
        >>> summary_table((Statistic(label="liver", metric="DICE", statistic="MEAN", value=0.5, count=3),))
        Table(header=('LABEL', 'METRIC', 'MEAN', 'N'), rows=(('liver', 'DICE', 0.5, 3),))
    """
    checks.require_instance("summary_table", "data", data, tuple, "statistics as `summarize` returns them")
    names = tuple(dict.fromkeys(entry.statistic for entry in data))
    groups: dict[tuple[str, str], dict[str, Statistic]] = {}
    for entry in data:
        groups.setdefault((entry.label, entry.metric), {})[entry.statistic] = entry
    rows = []
    for (label, metric), entries in groups.items():
        values = (entries[name].value if name in entries else NO_VALUE for name in names)
        # All statistics of a label and metric are of the same values.
        rows.append((label, metric, *values, next(iter(entries.values())).count))
    return Table(("LABEL", "METRIC", *names, "N"), tuple(rows))


def statistics_table(data: tuple[Statistic, ...]) -> Table:
    """Return a table with a row per statistic, and the numbers of values used, undefined and infinite.

    Example:
        >>> statistics_table((Statistic(label="liver", metric="DICE", statistic="MEAN", value=0.5, count=3),)).rows
        (('liver', 'DICE', 'MEAN', 0.5, 3, 0, 0),)
    """
    checks.require_instance("statistics_table", "data", data, tuple, "statistics as `summarize` returns them")
    header = ("LABEL", "METRIC", "STATISTIC", "VALUE", "N", "UNDEFINED", "INFINITE")
    rows = tuple((e.label, e.metric, e.statistic, e.value, e.count, e.undefined, e.infinite) for e in data)
    return Table(header, rows)


def table_of(function: str, data: Data, layout: Layout | None, *, statistics: Layout) -> Table:
    """Return data as a table, by default results as a wide one and statistics by the layout `statistics`.

    Raises:
        TypeError: The data are neither; `function` is the name for the message.
    """
    default: Layout = wide_table if isinstance(data, Results) else statistics
    if default is statistics and not (isinstance(data, tuple) and all(isinstance(entry, Statistic) for entry in data)):
        checks.invalid_kind(function, "data", "be results, or what `summarize` returns", type(data).__name__)
    return (layout or default)(data)
