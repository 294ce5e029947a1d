"""Tables of results and statistics as CSV files, out and in."""

import csv
import io
import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mia_functional._core import atomic_files, checks
from mia_functional.evaluation.results import STATUSES, Result, Results, concatenate
from mia_functional.reporting.run_files import read_runs
from mia_functional.reporting.tables import NO_VALUE, Data, Layout, long_table, statistics_table, table_of

__all__ = ["read_csv", "render_csv", "write_csv"]

_KEYS = ("METHOD", "SUBJECT", "LABEL", "STATUS", "REASON")
"""Columns that any table may have, and that are no metrics."""

_FORMULA = "'*[ \u00a0\ufeff]*[=+\\-@|%\uff1d\uff0b\uff0d\uff20]"
"""Beginnings that make a spreadsheet compute, the full-width forms too, and such as an apostrophe was put before."""

_APOSTROPHE = re.compile(f"^'(?={_FORMULA})")
"""The apostrophe that `_safe` puts before them, and no other: the name `'t Hart` keeps its own."""


def read_csv(path: str | os.PathLike[str]) -> Results:
    r"""Read (load) a table of results, long or wide, with any of `,`, `;` and tab between the cells.

    Args:
        path: The file. A long table has the columns SUBJECT, LABEL, METRIC and VALUE, and any of METHOD, UNIT,
            CONVENTION, STATUS and REASON; any other is a wide one, with SUBJECT, LABEL and a column per metric, and any
            of METHOD, STATUS and REASON.

    Returns:
        The table. A wide file has neither units nor conventions, and the reason of a line counts for all of its values
        that are not ok. How it came about is read from the record beside it (see `write_runs`), if there is one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not hold a table of results, a column or a row is there twice, or a value is not a
            number; the text names the line.

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
            reader = csv.reader(stream, delimiter=max(",;\t", key=first.count))
            # A line of a spreadsheet may hold several lines of the file, and empty ones mean nothing.
            lines = [(reader.line_num, line) for line in reader if line]
        except (UnicodeDecodeError, csv.Error):  # no text, or a cell beyond what the module holds
            checks.invalid_value("read_csv", "path", "name a table as text in UTF-8", path)
    header = tuple(lines[0][1]) if lines else ()
    if not {"SUBJECT", "LABEL"} <= set(header) or set(header) <= set(_KEYS):
        checks.invalid_value("read_csv", "path", "name a table with SUBJECT, LABEL and metrics", path)
    if doubled := [name for name, count in Counter(header).items() if count > 1]:
        checks.invalid_value("read_csv", "path", "have every column once", f"{doubled[0]} twice in {path}")
    rows: list[Result] = []
    for number, line in lines[1:]:
        if len(line) != len(header):
            got = f"{len(line)} of {len(header)} in line {number} of {path}"
            checks.invalid_value("read_csv", "path", "name a table with a cell for every column", got)
        rows.extend(_results_of_line(header, line, f"line {number} of {path}"))
    with checks.speaking_for("read_csv", "concatenate", "read_runs", tables="path"):
        return concatenate([Results(rows=tuple(rows), runs=read_runs(path))])


def _results_of_line(header: tuple[str, ...], line: list[str], where: str) -> Iterator[Result]:
    """Yield the values of a line: one in a long table, one per metric in a wide one."""
    # An apostrophe keeps spreadsheets from computing: see `_safe`.
    cells = {name: _APOSTROPHE.sub("", cell) for name, cell in zip(header, line, strict=True)}
    is_long = {"METRIC", "VALUE"} <= set(header)
    unit, convention = (cells.pop("UNIT", ""), cells.pop("CONVENTION", "")) if is_long else ("", "")
    method, subject, label, status, reason = (cells.pop(name, "") for name in _KEYS)
    # In a wide table one word holds for all values of the line, or every metric that is not ok has its own.
    statuses = dict(part.rpartition("=")[::2] for part in status.split("; ")) if "=" in status else {}
    status = "ok" if statuses else status
    texts = {cells["METRIC"]: cells["VALUE"]} if is_long else cells
    for metric, text in texts.items():
        if text == NO_VALUE and not is_long:
            continue
        try:
            value = float(text)
        except ValueError:
            checks.invalid_value("read_csv", "path", "hold numbers", f"{text!r} in {where}")
        own = statuses.get(metric, status) or ("undefined" if math.isnan(value) else "ok")
        if own not in STATUSES:
            checks.invalid_value("read_csv", "path", f"state one of {', '.join(STATUSES)}", f"{own!r} in {where}")
        yield Result(
            method=method, subject=subject, label=label, metric=metric, value=value, unit=unit, convention=convention,
            status=own, reason=reason if is_long or own != "ok" or not math.isfinite(value) else "",
        )  # fmt: skip


def render_csv(data: Data, *, delimiter: str = ",", layout: Layout | None = None) -> str:
    r"""Return a table as CSV, with all digits (`float(text)` gives the very number back), `inf` and `nan` in words.

    Text that a spreadsheet would take for a formula is led by an apostrophe.

    Args:
        data: Results, or the statistics that `summarize` returns.
        delimiter: What stands between cells; pymia's is `;`.
        layout: How data become a table; `long_table` for results and `statistics_table` for statistics by default;
            `wide_table` is pymia's.

    Raises:
        TypeError: The data are neither results nor statistics.
        ValueError: A text holds control characters, or the delimiter is not one character.

    Example:
        >>> from mia_functional.evaluation import Result, Results
        >>> from mia_functional.reporting import wide_table
        >>> rows = (Result(subject="A", label="liver", metric="DICE", value=0.5),)
        >>> render_csv(Results(rows=rows), layout=wide_table)
        'SUBJECT,LABEL,DICE\nA,liver,0.5\n'
    """
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        checks.invalid_value("render_csv", "delimiter", "be one character", repr(delimiter))
    table = table_of("render_csv", data, layout, results=long_table, statistics=statistics_table)
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    for line in (table.header, *table.rows):
        # Of a float this is the shortest text that is read back as the same number.
        writer.writerow([_safe(cell) if isinstance(cell, str) else str(cell) for cell in line])
    return stream.getvalue()


def write_csv(
    path: str | os.PathLike[str], data: Data, *, delimiter: str = ",", layout: Layout | None = None,
    overwrite: bool = False,
) -> None:  # fmt: skip
    r"""Write results or statistics as a CSV file; under its name it is complete or absent.

    Args:
        path: The file; its folder must exist.
        data: Results, or the statistics that `summarize` returns.
        delimiter: What stands between cells; pymia's is `;`.
        layout: How data become a table. By default `long_table` for results (a row per value, with all that is known
            of it) and `statistics_table` for statistics; `wide_table` (a column per metric) is pymia's.
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
        >>> print(Path(folder, "results.csv").read_text())
        METHOD,SUBJECT,LABEL,METRIC,VALUE,UNIT,CONVENTION,STATUS,REASON
        ,A,liver,DICE,0.5,,,ok,
        <BLANKLINE>
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
    return f"'{text}" if re.match(_FORMULA, text) else text
