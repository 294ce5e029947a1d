"""Tables of results from files: what `write_csv` wrote, or pymia's CSV writer."""

import csv
import math
import os
from pathlib import Path

from mia_functional import _check
from mia_functional.evaluation.reporting import MISSING
from mia_functional.evaluation.results import Result, Results

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
        _check.invalid_value("read_csv", "path", "name a table with SUBJECT, LABEL and metrics", path)
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
        return _check.invalid_value("read_csv", "path", "hold numbers", f"{text!r} in line {line} of {path}")


def _unquoted(cell: str) -> str:
    """Return a text without the apostrophe that keeps spreadsheets from computing."""
    return cell[1:] if cell.startswith("'") else cell
