"""Results and statistics as tables: a header, and rows of text and numbers."""

import textwrap
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from mia_functional._core import checks
from mia_functional.analysis.comparison import Comparison
from mia_functional.analysis.ranking import Ranking
from mia_functional.analysis.summary import Statistic
from mia_functional.evaluation.results import Result, Results

__all__ = [
    "LONG_COLUMNS",
    "NO_VALUE",
    "Data",
    "Layout",
    "Table",
    "comparison_table",
    "long_table",
    "ranking_table",
    "statistics_table",
    "summary_table",
    "table_of",
    "wide_table",
]

Data: TypeAlias = Results | tuple[Statistic, ...] | tuple[Comparison, ...] | tuple[Ranking, ...]
"""What can be written down: results, or what `summarize`, `compare` and `rank` make of them."""

LONG_COLUMNS = ("METHOD", "SUBJECT", "LABEL", "METRIC", "VALUE", "UNIT", "CONVENTION", "STATUS", "REASON")
"""The columns of a long table: the fields of `Result` in capitals. The first three identify a row of a wide one."""

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
    """Return a table with a row per subject and label and a column per metric, as pymia writes it.

    METHOD stands in front if there are several. STATUS and REASON stand behind if not all values are ok: one word for
    all values of a row, or that of each metric that is not ok, `HDRFDST95=undefined; SSIM=failed`; the reasons follow
    one another.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> wide_table(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),)))
        Table(header=('SUBJECT', 'LABEL', 'DICE'), rows=(('A', 'liver', 0.5),))
    """
    checks.require_instance("wide_table", "results", results, Results, "a table of results")
    metrics = tuple(dict.fromkeys(row.metric for row in results))
    lines: dict[tuple[str, str, str], dict[str, Result]] = {}
    for row in results:
        lines.setdefault((row.method, row.subject, row.label), {})[row.metric] = row
    with_notes = any(row.status != "ok" or row.reason for row in results)
    first = _first_column(results)
    rows = []
    for key, line in lines.items():
        words = [entry.status for entry in line.values()]
        others = "; ".join(f"{name}={entry.status}" for name, entry in line.items() if entry.status != "ok")
        status = words[0] if len(set(words)) == 1 else others
        reason = "; ".join(dict.fromkeys(entry.reason for entry in line.values() if entry.reason))
        cells = (line[metric].value if metric in line else NO_VALUE for metric in metrics)
        rows.append((*key[first:], *cells, *(status, reason)[: 2 * with_notes]))
    return Table((*LONG_COLUMNS[first:3], *metrics, *("STATUS", "REASON")[: 2 * with_notes]), tuple(rows))


def _first_column(data: Results | tuple[Statistic, ...]) -> int:
    """Return 0, or 1 if the column of methods is left out since it would say the same in every row."""
    return int(len({entry.method for entry in data}) < 2)


def long_table(results: Results) -> Table:
    """Return a table with a row per value, all that is known of it: the fields of `Result`.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> long_table(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))).rows
        (('', 'A', 'liver', 'DICE', 0.5, '', '', 'ok', ''),)
    """
    checks.require_instance("long_table", "results", results, Results, "a table of results")
    return Table(LONG_COLUMNS, tuple(tuple(getattr(row, name.lower()) for name in LONG_COLUMNS) for row in results))


_COUNTS = ("N", "UNDEFINED", "INFINITE", "MISSING", "FAILED")
"""Columns: values behind a statistic, those without a number, and cases without a value."""

_REASONS_SHOWN = 3
"""Reasons in a cell; the records have all."""

_REASON_WIDTH = 50
"""Characters of a reason in a cell of a summary; the table of results has all of it."""

_counts_of = attrgetter("count", "undefined", "infinite", "missing", "failed")


def summary_table(data: tuple[Statistic, ...]) -> Table:
    """Return a table with a row per label and metric and a column per statistic, and how many values are behind it.

    METHOD stands in front if there are several, then the columns that the results are grouped by. N is the number of
    values used, UNDEFINED, INFINITE, MISSING and FAILED say what else there was, and REASON why, if there is a reason.

    Example:
        >>> table = summary_table((Statistic(label="liver", metric="DICE", statistic="MEAN", value=0.5, count=3),))
        >>> table.header
        ('LABEL', 'METRIC', 'MEAN', 'N', 'UNDEFINED', 'INFINITE', 'MISSING', 'FAILED')
        >>> table.rows
        (('liver', 'DICE', 0.5, 3, 0, 0, 0, 0),)
    """
    checks.require_instance("summary_table", "data", data, tuple, "statistics as `summarize` returns them")
    names = tuple(dict.fromkeys(entry.statistic for entry in data))
    groups: dict[tuple[str, ...], dict[str, Statistic]] = {}
    for entry in data:
        groups.setdefault(_cells_of(entry), {})[entry.statistic] = entry
    first, columns = _first_column(data), _group_columns(data)
    reasons = any(entry.reasons for entry in data)
    rows = []
    for key, entries in groups.items():
        values = (entries[name].value if name in entries else NO_VALUE for name in names)
        # All statistics of a method, label and metric are of the same values.
        one = next(iter(entries.values()))
        rows.append((*key[first:], *values, *_counts_of(one), *(_few_reasons(one),) * reasons))
    header = ("METHOD", *columns, "LABEL", "METRIC")[first:]
    return Table((*header, *names, *_COUNTS, *("REASON",) * reasons), tuple(rows))


def _few_reasons(entry: Statistic) -> str:
    """Return the beginnings of the first reasons as one cell: a hundred broken files would fill a page."""
    more = len(entry.reasons) - _REASONS_SHOWN
    # Of "evaluate_folders: `predictions` must lie on the grid ...; got corners up to 5 voxels apart ..." the end tells
    # most: all of the beginning is about a function.
    ends = [reason.partition("; got ")[2] or reason for reason in entry.reasons[:_REASONS_SHOWN]]
    shown = [textwrap.shorten(end, _REASON_WIDTH, placeholder=" ...") for end in ends]
    return "; ".join((*shown, f"and {more} more") if more > 0 else shown)


def _group_columns(data: tuple[Statistic, ...] | tuple[Comparison, ...] | tuple[Ranking, ...]) -> tuple[str, ...]:
    """Return the names of the columns that all records are grouped by."""
    return tuple(name for name, _ in data[0].group) if data else ()


def _cells_of(entry: Statistic) -> tuple[str, ...]:
    """Return the cells that say what a statistic is of."""
    return (entry.method, *(value for _, value in entry.group), entry.label, entry.metric)


def statistics_table(data: tuple[Statistic, ...]) -> Table:
    """Return a table with a row per statistic, and the counts of `summary_table`.

    METHOD stands in front if there are several, then the columns that the results are grouped by; POLICY and REASON
    stand behind if statistics have them.

    Example:
        >>> statistics_table((Statistic(label="liver", metric="DICE", statistic="MEAN", value=0.5, count=3),)).rows
        (('liver', 'DICE', 'MEAN', 0.5, 3, 0, 0, 0, 0),)
    """
    checks.require_instance("statistics_table", "data", data, tuple, "statistics as `summarize` returns them")
    policy, reasons = (any(getattr(entry, name) for entry in data) for name in ("policy", "reasons"))
    last = ("POLICY",) * policy + ("REASON",) * reasons
    header = ("METHOD", *_group_columns(data), "LABEL", "METRIC", "STATISTIC", "VALUE", *_COUNTS, *last)
    first = _first_column(data)
    rows = [
        (*_cells_of(e), e.statistic, e.value, *_counts_of(e), *(e.policy,) * policy, *(_few_reasons(e),) * reasons)
        for e in data
    ]
    return Table(header[first:], tuple(row[first:] for row in rows))


def comparison_table(data: tuple[Comparison, ...]) -> Table:
    """Return a table with a row per pair of methods: the difference and its interval, tests, and who is better.

    DIFFERENCE is above 0 where METHOD is better than BASELINE. P is that of Wilcoxon's test and P_HOLM corrected for
    all comparisons. BETTER is the method whose mean, or other statistic, is better, by chance or not; it is empty if
    neither is, or if no case has both methods. UNPAIRED says how many cases only one of the two has, and LEFT_OUT how
    many are not compared; the records have their names, and the permutation test. The columns that the results are
    grouped by stand in front.

    Example:
        >>> from mia_functional.analysis import compare
        >>> from mia_functional.evaluation import Result
        >>> rest = {"subject": "A", "label": "x", "metric": "DICE"}
        >>> rows = [Result(method=name, value=value, **rest) for name, value in (("a", 0.5), ("b", 0.25))]
        >>> comparison_table(compare(Results(rows=tuple(rows)))).rows[0][2:7]
        ('a', 'b', 0.25, nan, nan)
    """
    checks.require_instance("comparison_table", "data", data, tuple, "comparisons as `compare` returns them")
    columns = ("LABEL", "METRIC", "METHOD", "BASELINE", "DIFFERENCE", "LOW", "HIGH", "P", "P_HOLM", "SUPERIORITY",
               "BETTER", "N", "UNPAIRED", "LEFT_OUT", "NOTE")  # fmt: skip
    rows: tuple[tuple[str | float, ...], ...] = tuple(
        (
            *(value for _, value in entry.group), entry.label, entry.metric, entry.method, entry.baseline,
            entry.difference, entry.low, entry.high, entry.wilcoxon, entry.wilcoxon_holm, entry.superiority,
            entry.better, entry.n, len(entry.only_method) + len(entry.only_baseline), len(entry.left_out), entry.note,
        )
        for entry in data
    )  # fmt: skip
    return Table((*_group_columns(data), *columns), rows)


def ranking_table(data: tuple[Ranking, ...]) -> Table:
    """Return a table with a row per method of each ranking: rank, score, the interval of the rank, and the counts.

    TAU is the mean of Kendall's tau between the ranking and those of bootstrap samples. The columns that the results
    are grouped by stand in front.

    Example:
        >>> from mia_functional.analysis import rank
        >>> from mia_functional.evaluation import Result
        >>> rest = {"subject": "A", "label": "x", "metric": "DICE"}
        >>> rows = [Result(method=name, value=value, **rest) for name, value in (("a", 0.5), ("b", 0.25))]
        >>> [row[:5] for row in ranking_table(rank(Results(rows=tuple(rows)))).rows]
        [('x', 'DICE', 1, 'a', 0.5), ('x', 'DICE', 2, 'b', 0.25)]
    """
    checks.require_instance("ranking_table", "data", data, tuple, "rankings as `rank` returns them")
    columns = ("LABEL", "METRIC", "RANK", "METHOD", "SCORE", "RANK_LOW", "RANK_HIGH", *_COUNTS, "TAU")
    rows: tuple[tuple[str | float, ...], ...] = tuple(
        (
            *(value for _, value in ranking.group), ranking.label, ranking.metric, _whole(entry.rank), entry.method,
            entry.score, _whole(entry.low), _whole(entry.high), *_counts_of(entry), ranking.tau,
        )
        for ranking in data
        for entry in ranking.ranks
    )  # fmt: skip
    return Table((*_group_columns(data), *columns), rows)


def _whole(rank: float) -> float:
    """Return a rank as a whole number unless it is shared: 2, and 2.5."""
    return int(rank) if rank.is_integer() else rank


def table_of(function: str, data: Data, layout: Layout | None, *, results: Layout, statistics: Layout) -> Table:
    """Return data as a table, by default by the layout for its kind; those for results and statistics are given.

    Raises:
        TypeError: The data are no results and no records of one kind; `function` is the name for the message.
    """
    if isinstance(data, Results):
        return (layout or results)(data)
    layouts: dict[type, Layout] = {Statistic: statistics, Comparison: comparison_table, Ranking: ranking_table}
    kinds = {type(entry) for entry in data} if isinstance(data, tuple) else {type(data)}
    if len(kinds) > 1 or not kinds <= layouts.keys():
        needed = "be results, or what `summarize`, `compare` or `rank` returns"
        checks.invalid_kind(function, "data", needed, type(data).__name__)
    return (layout or layouts[next(iter(kinds), Statistic)])(data)
