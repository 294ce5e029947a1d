"""Tables of results and statistics as CSV files, out and in."""

import csv
import io
import math
import os
from pathlib import Path

from mia_functional._core import atomic_files, checks
from mia_functional.analysis.summary import Statistic
from mia_functional.evaluation.results import Result, Results
from mia_functional.reporting.rendering import _text
from mia_functional.reporting.tables import MISSING, Data, Layout, _layout, statistics_table, wide_table

KEYS = ("SUBJECT", "LABEL")
"""The first columns of a table of results."""


LONG = ("METRIC", "VALUE", "UNIT", "CONVENTION", "REASON")
"""The other columns of a long table."""


def read_csv(path: str | os.PathLike[str]) -> Results:
    r"""Read (load) a table of results, wide or long, with any of `;`, `,` and tab between the cells.

    Args:
        path: The file.

    Returns:
        The table. From a wide one, units and conventions are not known, and the reason of a row is that of all its
        values that are not finite.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no table of results, or a value is no number; the text names the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "results.csv").write_text("SUBJECT;LABEL;DICE\nA;liver;0.5\n")
        ...     read_csv(f"{folder}/results.csv")[0].value
        0.5
    """
    with Path(path).open(newline="", encoding="utf-8-sig") as stream:
        first = stream.readline()
        stream.seek(0)
        lines = list(csv.reader(stream, delimiter=max(";,\t", key=first.count)))
    header = tuple(lines[0]) if lines else ()
    if header[:2] != KEYS or len(header) < 3 or any(len(line) != len(header) for line in lines):
        checks.invalid_value("read_csv", "path", "name a table with SUBJECT, LABEL and metrics", path)
    rows = [
        row
        for number, line in enumerate(lines[1:], start=2)
        for row in (_long(path, number, line) if header[2:] == LONG else _wide(path, number, header, line))
    ]
    return Results(rows=tuple(rows))


def _long(path: str | os.PathLike[str], number: int, line: list[str]) -> list[Result]:
    """Return the one value of a line."""
    subject, label, metric, value, unit, convention, reason = map(_unquoted, line)
    return [
        Result(
            subject=subject, label=label, metric=metric, value=_number(path, number, value), unit=unit,
            convention=convention, reason=reason,
        )
    ]  # fmt: skip


def _wide(path: str | os.PathLike[str], number: int, header: tuple[str, ...], line: list[str]) -> list[Result]:
    """Return the values of a line, a metric each."""
    cells = dict(zip(header, line, strict=True))
    subject, label, reason = (_unquoted(cells.pop(name, "")) for name in (*KEYS, "REASON"))
    values = {metric: _number(path, number, text) for metric, text in cells.items() if text != MISSING}
    return [
        Result(subject=subject, label=label, metric=metric, value=value, reason="" if math.isfinite(value) else reason)
        for metric, value in values.items()
    ]


def _number(path: str | os.PathLike[str], line: int, text: str) -> float:
    """Return a cell as a number."""
    try:
        return float(text)
    except ValueError:
        return checks.invalid_value("read_csv", "path", "hold numbers", f"{text!r} in line {line} of {path}")


def _unquoted(cell: str) -> str:
    """Return a text without the apostrophe that keeps spreadsheets from computing."""
    return cell[1:] if cell.startswith("'") else cell


def render_csv(data: Data, *, delimiter: str = ";", layout: Layout | None = None) -> str:
    r"""Return a table as CSV, with all digits (`float(text)` gives the very number back), `inf` and `nan` in words.

    Text that a spreadsheet would take for a formula is led by an apostrophe.

    Args:
        data: Results, or the statistics that `summarize` returns.
        delimiter: What stands between cells.
        layout: `wide_table` for results and `statistics_table` for statistics where left out.

    Raises:
        ValueError: A text holds control characters, or the delimiter is not one character.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> render_csv(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),)))
        'SUBJECT;LABEL;DICE\nA;liver;0.5\n'
    """
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        checks.invalid_value("render_csv", "delimiter", "be one character", repr(delimiter))
    table = (layout or _layout(data, wide_table, statistics_table))(data)
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
        layout: `wide_table` where left out: SUBJECT, LABEL and a column per metric.
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        OSError: The file could not be written.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = (Result(subject="A", label="liver", metric="DICE", value=0.5),)
        ...     write_csv(f"{folder}/results.csv", Results(rows=rows))
        ...     Path(folder, "results.csv").read_text()
        'SUBJECT;LABEL;DICE\nA;liver;0.5\n'
    """
    text = render_csv(results, delimiter=delimiter, layout=layout)
    atomic_files.write_text("write_csv", Path(path), text, overwrite=overwrite)


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
    atomic_files.write_text("write_statistics_csv", Path(path), text, overwrite=overwrite)


FORMULA = ("=", "+", "-", "@", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters that make a spreadsheet compute, the full-width forms too."""


def _safe(cell: str | float) -> str | float:
    """Return a cell that no spreadsheet takes for a formula; refuse control characters."""
    if not isinstance(cell, str):
        return cell
    if any(not (character.isprintable() or character == "\u00a0") for character in cell):
        checks.invalid_value("render_csv", "data", "hold printable text", repr(cell))
    return f"'{cell}" if cell.lstrip(" \u00a0\ufeff").startswith(FORMULA) else cell
