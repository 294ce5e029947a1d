"""Results and statistics as tables: a header, and rows of text and numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from mia_functional.analysis.summary import Statistic
from mia_functional.evaluation.results import Results

Data: TypeAlias = Results | tuple[Statistic, ...]
"""What can be written down: results, or what `summarize` makes of them."""


MISSING = "n/a"
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
    metrics = tuple(dict.fromkeys(row.metric for row in results))
    cells = {(row.subject, row.label, row.metric): row.value for row in results}
    reasons: dict[tuple[str, str], str] = {}
    for row in results:
        reasons[row.subject, row.label] = reasons.get((row.subject, row.label)) or row.reason
    explain = any(reasons.values())
    rows = tuple(
        (subject, label, *(cells.get((subject, label, metric), MISSING) for metric in metrics), *[reason] * explain)
        for (subject, label), reason in reasons.items()
    )
    return Table(("SUBJECT", "LABEL", *metrics, *["REASON"] * explain), rows)


def long_table(results: Results) -> Table:
    """Return a table with a row per value: subject, label, metric, value, unit, convention, reason.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> long_table(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))).rows
        (('A', 'liver', 'DICE', 0.5, '', '', ''),)
    """
    header = ("SUBJECT", "LABEL", "METRIC", "VALUE", "UNIT", "CONVENTION", "REASON")
    rows = tuple((r.subject, r.label, r.metric, r.value, r.unit, r.convention, r.reason) for r in results)
    return Table(header, rows)


def summary_table(data: tuple[Statistic, ...]) -> Table:
    """Return a table with a row per label and metric and a column per statistic, and how many values are behind it.

    Example:
        >>> summary_table((Statistic(label="liver", metric="DICE", statistic="MEAN", value=0.5, count=3),))
        Table(header=('LABEL', 'METRIC', 'MEAN', 'N'), rows=(('liver', 'DICE', 0.5, 3),))
    """
    names = tuple(dict.fromkeys(entry.statistic for entry in data))
    groups: dict[tuple[str, str], dict[str, Statistic]] = {}
    for entry in data:
        groups.setdefault((entry.label, entry.metric), {})[entry.statistic] = entry
    rows = []
    for (label, metric), entries in groups.items():
        values = (entries[name].value if name in entries else MISSING for name in names)
        rows.append((label, metric, *values, next(iter(entries.values())).count))
    return Table(("LABEL", "METRIC", *names, "N"), tuple(rows))


def statistics_table(data: tuple[Statistic, ...]) -> Table:
    """Return a table with a row per statistic, and the numbers of values used, undefined and infinite.

    Example:
        >>> statistics_table((Statistic(label="liver", metric="DICE", statistic="MEAN", value=0.5, count=3),)).rows
        (('liver', 'DICE', 'MEAN', 0.5, 3, 0, 0),)
    """
    header = ("LABEL", "METRIC", "STATISTIC", "VALUE", "N", "UNDEFINED", "INFINITE")
    rows = tuple((e.label, e.metric, e.statistic, e.value, e.count, e.undefined, e.infinite) for e in data)
    return Table(header, rows)


def _layout(data: Data, results: Layout, figures: Layout) -> Layout:
    """Return the layout for a kind of data."""
    return results if isinstance(data, Results) else figures
