"""Which rows belong together: columns of results, and tables of subjects such as site, sex or scanner."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from mia_functional._core import checks
from mia_functional.evaluation.results import Result, Results

__all__ = ["By", "Group", "group_rows", "grouping"]

By: TypeAlias = str | Iterable[str] | Mapping[str, object] | Mapping[str, Mapping[str, object]] | None
"""Columns of results, one or several, or a table of subjects: by column `{"site": {"A": "Bern"}}`, or just one."""

Group: TypeAlias = tuple[tuple[str, str], ...]
"""The columns that results are grouped by besides method, label and metric, and the value of each."""

_RESULT_COLUMNS = ("method", "subject", "label", "metric", "unit", "convention", "status", "reason")


def grouping(function: str, by: By) -> Callable[[Result], Group]:
    """Return the function that says which group a row belongs to.

    Args:
        function: The public function, for messages.
        by: Columns of results; a mapping from subjects to values, which makes the column GROUP; or one from names of
            columns to such mappings.

    Returns:
        A function of a row that gives the columns, in capitals, and their values as text.

    Raises:
        TypeError: It is none of these.
        ValueError: There is no such column. The function raises where a table has no value for a subject.
    """
    if isinstance(by, Mapping):
        columns_of = {str(name).upper(): column for name, column in by.items() if isinstance(column, Mapping)}
        tables: Mapping[str, Mapping[str, object]] = columns_of or {"GROUP": by}

        def group(row: Result) -> Group:
            for name, table in tables.items():
                if row.subject not in table:
                    needed = f"have {name} for every subject of the results"
                    checks.invalid_value(function, "by", needed, f"none for {row.subject}")
            return tuple((name, str(table[row.subject])) for name, table in tables.items())

        return group
    if by is not None and not isinstance(by, Iterable):
        checks.invalid_kind(function, "by", "name columns of the results, or map subjects to values", repr(by))
    columns = (by,) if isinstance(by, str) else tuple(by or ())
    for column in columns:
        checks.one_of(function, "by", str(column).lower(), _RESULT_COLUMNS)
    return lambda row: tuple((column.upper(), str(getattr(row, column.lower()))) for column in columns)


def group_rows(
    function: str, results: Results, by: By, *, fields: tuple[str, ...]
) -> dict[tuple[Group, tuple[str, ...]], list[Result]]:
    """Return rows by group and by some of their fields, in the order in which each first occurs.

    Raises:
        TypeError: These are no results.
        ValueError: There are none, or `by` does not fit them.
    """
    checks.require_instance(function, "results", results, Results, "a table of results")
    if not results.rows:
        checks.invalid_value(function, "results", "hold at least one value", "none")
    group = grouping(function, by)
    groups: dict[tuple[Group, tuple[str, ...]], list[Result]] = {}
    for row in results:
        groups.setdefault((group(row), tuple(getattr(row, field) for field in fields)), []).append(row)
    return groups
