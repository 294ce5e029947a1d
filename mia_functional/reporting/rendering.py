"""Tables for people: console and Markdown."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from mia_functional._core import checks
from mia_functional.reporting.tables import Data, Layout, Table, _layout, summary_table, wide_table

Format: TypeAlias = Callable[[float], str]
"""From a number to its digits."""


def render_console(data: Data, *, precision: int = 3, layout: Layout | None = None) -> str:
    """Return a table for the eye: aligned columns, numbers rounded.

    Args:
        data: Results, or the statistics that `summarize` returns.
        precision: Digits behind the decimal point.
        layout: `wide_table` for results and `summary_table` for statistics where left out.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> print(render_console(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))))
        SUBJECT  LABEL   DICE
        -------  -----  -----
        A        liver  0.500
    """
    digits = checks.integer("render_console", "precision", precision, minimum=0)
    table = (layout or _layout(data, wide_table, summary_table))(data)
    lines = _texts(table, digits)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    right = _numeric(table)
    return "\n".join(_aligned(line, widths, right).rstrip() for line in lines)


def render_markdown(data: Data, *, precision: int = 3, layout: Layout | None = None) -> str:
    """Return a table in Markdown, numbers rounded.

    Args:
        data: Results, or the statistics that `summarize` returns.
        precision: Digits behind the decimal point.
        layout: `wide_table` for results and `summary_table` for statistics where left out.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> print(render_markdown(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))))
        | SUBJECT | LABEL | DICE |
        |---|---|---:|
        | A | liver | 0.500 |
    """
    digits = checks.integer("render_markdown", "precision", precision, minimum=0)
    table = (layout or _layout(data, wide_table, summary_table))(data)
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in _texts(table, digits)]
    lines.insert(1, "|" + "|".join("---:" if right else "---" for right in _numeric(table)) + "|")
    return "\n".join(lines)


def _texts(table: Table, digits: int) -> list[list[str]]:
    """Return header and rows with every cell as text, numbers rounded."""
    rows = [[_text(cell, lambda number: f"{number:.{digits}f}") for cell in row] for row in table.rows]
    return [list(table.header), *rows]


def _text(cell: str | float, number: Format) -> str:
    """Return a cell as text; infinite and undefined numbers in words."""
    if isinstance(cell, str):
        return cell
    return str(cell) if isinstance(cell, int) or not math.isfinite(cell) else number(cell)


def _numeric(table: Table) -> list[bool]:
    """Return which columns hold numbers."""
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.header)
    return [any(not isinstance(cell, str) for cell in column) for column in columns]


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    """Return one line of a table: numbers to the right, text to the left."""
    padded = zip(cells, widths, right, strict=True)
    return "  ".join(cell.rjust(width) if numeric else cell.ljust(width) for cell, width, numeric in padded)
