"""Which rows belong together: columns of results, and tables of subjects such as site, sex or scanner."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import TypeAlias

from mia_functional._core import checks
from mia_functional.evaluation.results import Result, Results

__all__ = ["By", "Group", "SubjectTable", "group_rows", "grouping"]

SubjectTable: TypeAlias = Mapping[str, object] | Mapping[str, Mapping[str, object]]
"""A value for each subject, or a column of them for each name: `{"site": {"A": "Bern"}}`."""

By: TypeAlias = str | SubjectTable | Iterable[str | SubjectTable] | None
"""Columns of results, tables of subjects, or several of both."""

Group: TypeAlias = tuple[tuple[str, str], ...]
"""The columns that results are grouped by besides method, label and metric, and the value of each."""

_RESULT_COLUMNS = ("method", "subject", "label", "metric", "unit", "convention", "status", "reason")
_ALWAYS = ("method", "label", "metric")
"""Columns that all statistics are grouped by."""


def grouping(function: str, by: By) -> Callable[[Result], Group]:
    """Return the function that says which group a row belongs to.

    Args:
        function: The public function, for messages.
        by: Columns of results; mappings from subjects to values, which make the column GROUP, or from names of columns
            to such mappings; or several of both.

    Returns:
        A function of a row that gives the columns, in capitals, and their values as text.

    Raises:
        TypeError: It is none of these.
        ValueError: There is no such column. The function raises where a table has no value for a subject.
    """
    parts = (by,) if isinstance(by, str | Mapping) else by or ()
    if not isinstance(parts, Iterable):
        checks.invalid_kind(function, "by", "name columns of the results, or map subjects to values", repr(by))
    cells: dict[str, Callable[[Result], object]] = {}
    for part in parts:
        if isinstance(part, Mapping):
            columns = {str(name).upper(): column for name, column in part.items() if isinstance(column, Mapping)}
            for name, table in (columns or {"GROUP": part}).items():
                cells[name] = partial(_value_of, function, name, table)
        else:
            column = str(part).lower()
            checks.one_of(function, "by", column, _RESULT_COLUMNS)
            if column not in _ALWAYS:
                cells[column.upper()] = attrgetter(column)
    return lambda row: tuple((name, str(cell(row))) for name, cell in cells.items())


def _value_of(function: str, name: str, table: Mapping[str, object], row: Result) -> object:
    """Return what a table says of the subject of a row."""
    if row.subject not in table:
        checks.invalid_value(function, "by", f"have {name} for every subject of the results", f"none for {row.subject}")
    return table[row.subject]


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
