"""Results as text: tables for the console, Markdown and CSV files, with the same rows and columns in each.

A table is a header and rows of text. `wide` has a row per subject and label and a column per metric; `long` a row per
value with all that is known of it; `summary` a row per label and metric and a column per statistic; `statistics` a row
per statistic.
"""

import csv
import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from mia_functional import _check, _files
from mia_functional.evaluation.results import Results
from mia_functional.evaluation.statistics import Statistic

Data: TypeAlias = Results | tuple[Statistic, ...]
"""What can be written down: results, or what `summarize` makes of them."""

Format: TypeAlias = Callable[[float], str]
"""From a number to its digits."""

MISSING = "n/a"
"""What stands in a wide table where a subject has no value."""


class Table(NamedTuple):
    """A header, and rows of as many cells: text stays text, numbers are floats or ints."""

    header: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]


Layout: TypeAlias = Callable[[Any], Table]
"""How data become a table: `wide`, `long`, `summary`, `statistics`, or any function like them."""


def wide(results: Results) -> Table:
    """Return a table with a row per subject and label and a column per metric; REASON where a value is not finite.

    Example:
        >>> from mia_functional.evaluation import Result
        >>> wide(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),)))
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


def long(results: Results) -> Table:
    """Return a table with a row per value: subject, label, metric, value, unit, convention, reason.

    Example:
        >>> from mia_functional.evaluation import Result
        >>> long(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))).rows
        (('A', 'liver', 'DICE', 0.5, '', '', ''),)
    """
    header = ("SUBJECT", "LABEL", "METRIC", "VALUE", "UNIT", "CONVENTION", "REASON")
    rows = tuple((r.subject, r.label, r.metric, r.value, r.unit, r.convention, r.reason) for r in results)
    return Table(header, rows)


def summary(data: tuple[Statistic, ...]) -> Table:
    """Return a table with a row per label and metric and a column per statistic, and how many values are behind it.

    Example:
        >>> summary((Statistic(label="liver", metric="DICE", statistic="MEAN", value=0.5, count=3),))
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


def statistics(data: tuple[Statistic, ...]) -> Table:
    """Return a table with a row per statistic, and the numbers of values used, undefined and infinite.

    Example:
        >>> statistics((Statistic(label="liver", metric="DICE", statistic="MEAN", value=0.5, count=3),)).rows
        (('liver', 'DICE', 'MEAN', 0.5, 3, 0, 0),)
    """
    header = ("LABEL", "METRIC", "STATISTIC", "VALUE", "N", "UNDEFINED", "INFINITE")
    rows = tuple((e.label, e.metric, e.statistic, e.value, e.count, e.undefined, e.infinite) for e in data)
    return Table(header, rows)


def _layout(data: Data, results: Layout, figures: Layout) -> Layout:
    """Return the layout for a kind of data."""
    return results if isinstance(data, Results) else figures


def render_console(data: Data, *, precision: int = 3, layout: Layout | None = None) -> str:
    """Return a table for the eye: aligned columns, numbers rounded.

    Args:
        data: Results, or the statistics that `summarize` returns.
        precision: Digits behind the decimal point.
        layout: `wide` for results and `summary` for statistics where left out.

    Example:
        >>> from mia_functional.evaluation import Result
        >>> print(render_console(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))))
        SUBJECT  LABEL   DICE
        -------  -----  -----
        A        liver  0.500
    """
    digits = _check.integer("render_console", "precision", precision, minimum=0)
    table = (layout or _layout(data, wide, summary))(data)
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
        layout: `wide` for results and `summary` for statistics where left out.

    Example:
        >>> from mia_functional.evaluation import Result
        >>> print(render_markdown(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))))
        | SUBJECT | LABEL | DICE |
        |---|---|---:|
        | A | liver | 0.500 |
    """
    digits = _check.integer("render_markdown", "precision", precision, minimum=0)
    table = (layout or _layout(data, wide, summary))(data)
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in _texts(table, digits)]
    lines.insert(1, "|" + "|".join("---:" if right else "---" for right in _numeric(table)) + "|")
    return "\n".join(lines)


def render_csv(data: Data, *, delimiter: str = ";", layout: Layout | None = None) -> str:
    r"""Return a table as CSV, with all digits (`float(text)` gives the very number back), `inf` and `nan` in words.

    Text that a spreadsheet would take for a formula is led by an apostrophe.

    Args:
        data: Results, or the statistics that `summarize` returns.
        delimiter: What stands between cells.
        layout: `wide` for results and `statistics` for statistics where left out.

    Raises:
        ValueError: A text holds control characters, or the delimiter is not one character.

    Example:
        >>> from mia_functional.evaluation import Result
        >>> render_csv(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),)))
        'SUBJECT;LABEL;DICE\nA;liver;0.5\n'
    """
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        _check.invalid_value("render_csv", "delimiter", "be one character", repr(delimiter))
    table = (layout or _layout(data, wide, statistics))(data)
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    for line in (table.header, *table.rows):
        writer.writerow([_text(_safe(cell), repr) for cell in line])
    return stream.getvalue()


def write_csv(
    path: str | os.PathLike[str], results: Results, *, delimiter: str = ";", layout: Layout | None = None,
    overwrite: bool = False,
) -> None:  # fmt: skip
    r"""Write results as a CSV file; under its name it is complete or absent.

    Args:
        path: The file; its folder must exist.
        results: A table.
        delimiter: What stands between cells.
        layout: `wide` where left out: SUBJECT, LABEL and a column per metric.
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        OSError: The file could not be written.

    Example:
        >>> from mia_functional.evaluation import Result
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = (Result(subject="A", label="liver", metric="DICE", value=0.5),)
        ...     write_csv(f"{folder}/results.csv", Results(rows=rows))
        ...     Path(folder, "results.csv").read_text()
        'SUBJECT;LABEL;DICE\nA;liver;0.5\n'
    """
    text = render_csv(results, delimiter=delimiter, layout=layout)
    _files.write_text("write_csv", Path(path), text, overwrite=overwrite)


def write_statistics_csv(
    path: str | os.PathLike[str], data: tuple[Statistic, ...], *, delimiter: str = ";", overwrite: bool = False
) -> None:
    """Write what `summarize` returns as a CSV file: LABEL, METRIC, STATISTIC, VALUE, N, UNDEFINED, INFINITE.

    Args:
        path: The file; its folder must exist.
        data: Statistics.
        delimiter: What stands between cells.
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        OSError: The file could not be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     entry = Statistic(label="liver", metric="DICE", statistic="MEAN", value=0.5, count=3)
        ...     write_statistics_csv(f"{folder}/statistics.csv", (entry,))
        ...     len(Path(folder, "statistics.csv").read_text().splitlines())
        2
    """
    text = render_csv(data, delimiter=delimiter)
    _files.write_text("write_statistics_csv", Path(path), text, overwrite=overwrite)


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


FORMULA = ("=", "+", "-", "@", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters that make a spreadsheet compute, the full-width forms too."""


def _safe(cell: str | float) -> str | float:
    """Return a cell that no spreadsheet takes for a formula; refuse control characters."""
    if not isinstance(cell, str):
        return cell
    if any(not (character.isprintable() or character == "\u00a0") for character in cell):
        _check.invalid_value("render_csv", "data", "hold printable text", repr(cell))
    return f"'{cell}" if cell.lstrip(" \u00a0\ufeff").startswith(FORMULA) else cell
