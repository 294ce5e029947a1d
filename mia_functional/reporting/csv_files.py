"""Tables of results and statistics as CSV files, out and in."""

import csv
import io
import math
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from mia_functional._core import atomic_files, checks
from mia_functional.evaluation.results import Result, Results
from mia_functional.reporting.tables import LONG_COLUMNS, NO_VALUE, Data, Layout, statistics_table, table_of

__all__ = ["read_csv", "render_csv", "write_csv"]

_FORMULA_STARTS = ("=", "+", "-", "@", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters that make a spreadsheet compute, the full-width forms too."""


def read_csv(path: str | os.PathLike[str]) -> Results:
    r"""Read (load) a table of results, wide or long, with any of `;`, `,` and tab between the cells.

    Args:
        path: The file.

    Returns:
        The table. A wide file has neither units nor conventions, and the reason of a line counts for all of its values
        that are not finite.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not hold a table of results, or a value is not a number; the text names the line.

    Example:
        >>> _ = Path(folder, "results.csv").write_text("SUBJECT;LABEL;DICE\nA;liver;0.5\n")
        >>> read_csv(folder / "results.csv")[0].value
        0.5
    """
    # Spreadsheets on Windows begin UTF-8 files with a byte-order mark, which "utf-8-sig" drops.
    with Path(checks.path_text("read_csv", "path", path)).open(newline="", encoding="utf-8-sig") as stream:
        try:
            first = stream.readline()
            stream.seek(0)
            lines = list(csv.reader(stream, delimiter=max(";,\t", key=first.count)))
        except (UnicodeDecodeError, csv.Error):  # no text, or a cell beyond what the module holds
            checks.invalid_value("read_csv", "path", "name a table as text in UTF-8", path)
    header = tuple(lines[0]) if lines else ()
    if header[:2] != LONG_COLUMNS[:2] or len(header) < 3 or any(len(line) != len(header) for line in lines):
        checks.invalid_value("read_csv", "path", "name a table with SUBJECT, LABEL and metrics", path)
    numbered = enumerate(lines[1:], start=2)
    rows = (_results_of_line(header, line, f"line {number} of {path}") for number, line in numbered)
    return Results(rows=tuple(chain.from_iterable(rows)))


def _results_of_line(header: tuple[str, ...], line: list[str], where: str) -> Iterator[Result]:
    """Yield the values of a line: one in a long table, one per metric in a wide one."""
    # An apostrophe keeps spreadsheets from computing: see `_safe`.
    cells = {name: cell.removeprefix("'") for name, cell in zip(header, line, strict=True)}
    subject, label, reason = (cells.pop(name, "") for name in ("SUBJECT", "LABEL", "REASON"))
    is_long = header == LONG_COLUMNS
    unit, convention = (cells["UNIT"], cells["CONVENTION"]) if is_long else ("", "")
    texts = {cells["METRIC"]: cells["VALUE"]} if is_long else cells
    for metric, text in texts.items():
        if text == NO_VALUE and not is_long:
            continue
        try:
            value = float(text)
        except ValueError:
            checks.invalid_value("read_csv", "path", "hold numbers", f"{text!r} in {where}")
        yield Result(
            subject=subject, label=label, metric=metric, value=value, unit=unit, convention=convention,
            reason=reason if is_long or not math.isfinite(value) else "",
        )  # fmt: skip


def render_csv(data: Data, *, delimiter: str = ";", layout: Layout | None = None) -> str:
    r"""Return a table as CSV, with all digits (`float(text)` gives the very number back), `inf` and `nan` in words.

    Text that a spreadsheet would take for a formula is led by an apostrophe.

    Args:
        data: Results, or the statistics that `summarize` returns.
        delimiter: What stands between cells.
        layout: How data become a table; `wide_table` for results and `statistics_table` for statistics by default.

    Raises:
        TypeError: The data are neither results nor statistics.
        ValueError: A text holds control characters, or the delimiter is not one character.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> render_csv(Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),)))
        'SUBJECT;LABEL;DICE\nA;liver;0.5\n'
    """
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        checks.invalid_value("render_csv", "delimiter", "be one character", repr(delimiter))
    table = table_of("render_csv", data, layout, statistics=statistics_table)
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    for line in (table.header, *table.rows):
        # Of a float this is the shortest text that is read back as the same number.
        writer.writerow([_safe(cell) if isinstance(cell, str) else str(cell) for cell in line])
    return stream.getvalue()


def write_csv(
    path: str | os.PathLike[str], data: Data, *, delimiter: str = ";", layout: Layout | None = None,
    overwrite: bool = False,
) -> None:  # fmt: skip
    r"""Write results or statistics as a CSV file; under its name it is complete or absent.

    Args:
        path: The file; its folder must exist.
        data: Results, or the statistics that `summarize` returns.
        delimiter: What stands between cells.
        layout: How data become a table. By default `wide_table` for results (SUBJECT, LABEL and a column per metric)
            and `statistics_table` for statistics (LABEL, METRIC, STATISTIC, VALUE, N, UNDEFINED, INFINITE).
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        OSError: The file could not be written.
        TypeError: The data are neither results nor statistics.
        ValueError: A text holds control characters, or the delimiter is not one character.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> rows = (Result(subject="A", label="liver", metric="DICE", value=0.5),)
        >>> write_csv(folder / "results.csv", Results(rows=rows))
        >>> Path(folder, "results.csv").read_text()
        'SUBJECT;LABEL;DICE\nA;liver;0.5\n'
    """
    with checks.speaking_for("write_csv", "render_csv"):
        text = render_csv(data, delimiter=delimiter, layout=layout)
    target = Path(checks.path_text("write_csv", "path", path))
    with atomic_files.atomic_write("write_csv", target, overwrite=overwrite) as draft:
        draft.write_text(text, encoding="utf-8", newline="")  # line ends stay as they are


def _safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; raise for control characters."""
    # Spreadsheets skip no-break spaces in front of a formula. They count as not printable, but names may hold them.
    if any(not (character.isprintable() or character == "\u00a0") for character in text):
        checks.invalid_value("render_csv", "data", "hold printable text", repr(text))
    return f"'{text}" if text.lstrip(" \u00a0\ufeff").startswith(_FORMULA_STARTS) else text
