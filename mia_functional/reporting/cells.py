"""Cells of tables in files: text that no spreadsheet takes for a formula, and lines of cells back into results."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from mia_functional._core import checks
from mia_functional.evaluation.results import STATUSES, Result, Results
from mia_functional.reporting.run_files import read_runs
from mia_functional.reporting.tables import NO_VALUE

__all__ = ["require_distinct_rows", "results_of_lines", "safe_text"]

_KEYS = ("METHOD", "SUBJECT", "LABEL", "STATUS", "REASON")
"""Columns that any table may have, and that are no metrics."""

_FORMULA = "'*[ \u00a0\ufeff]*[=+\\-@|%\uff1d\uff0b\uff0d\uff20]"
"""Beginnings that make a spreadsheet compute, the full-width forms too, and such as an apostrophe was put before."""

_APOSTROPHE = re.compile(f"^'(?={_FORMULA})")
"""The apostrophe that `safe_text` puts before them, and no other: the name `'t Hart` keeps its own."""

_COMMA = re.compile(r"\s*[+-]?(?=,?\d)\d*,(\d*)(e[+-]?\d+)?\s*", re.IGNORECASE)
"""A number with one comma, and the digits behind it."""

_WITHOUT_NUMBER = ("failed", "missing", "undefined")
"""What a status is where an empty cell may stand for NaN."""


def safe_text(function: str, text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; raise for control characters."""
    # Spreadsheets skip no-break spaces in front of a formula. They count as not printable, but names may hold them.
    if any(not (character.isprintable() or character == "\u00a0") for character in text):
        checks.invalid_value(function, "data", "hold printable text", repr(text))
    return f"'{text}" if re.match(_FORMULA, text) else text


def results_of_lines(
    function: str, path: str, header: Sequence[str], lines: Iterable[tuple[int, Sequence[str]]], *, escaped: bool,
    commas: bool = False,
) -> Results:  # fmt: skip
    """Return the results in a file's lines of cells, long or wide, with the record beside the file.

    Args:
        function: The public function, for messages.
        path: The file.
        header: Names of the columns.
        lines: The number of each line in the file, for messages, and its cells.
        escaped: Whether an apostrophe keeps spreadsheets from computing, as `safe_text` puts it.
        commas: Whether numbers may have decimal commas: the comma does not stand between cells.

    Raises:
        ValueError: These are no results, a column or a row is there twice, or a value is not a number.
    """
    if not {"SUBJECT", "LABEL"} <= set(header) or set(header) <= set(_KEYS):
        checks.invalid_value(function, "path", "name a table with SUBJECT, LABEL and metrics", path)
    if doubled := [name for name, count in Counter(header).items() if count > 1]:
        checks.invalid_value(function, "path", "have every column once", f"{doubled[0]} twice in {path}")
    rows: list[Result] = []
    is_long = {"METRIC", "VALUE"} <= set(header)
    # pandas writes numbers of the lines in front, as a column without a name.
    numeric = [k for k, name in enumerate(header) if (name == "VALUE" if is_long else name and name not in _KEYS)]
    if commas:
        lines = _with_points(function, path, tuple(lines), numeric)
    for number, line in lines:
        if len(line) != len(header):
            got = f"{len(line)} of {len(header)} in line {number} of {path}"
            checks.invalid_value(function, "path", "name a table with a cell for every column", got)
        with checks.speaking_for(function, "results_of_lines"):
            cells = [_APOSTROPHE.sub("", cell) for cell in line] if escaped else line
            rows.extend(_results_of_line(dict(zip(header, cells, strict=True)), f"line {number} of {path}"))
    require_distinct_rows(function, path, rows)
    with checks.speaking_for(function, "read_runs"):
        return Results(rows=tuple(rows), runs=read_runs(path))


def _with_points(
    function: str, path: str, lines: Sequence[tuple[int, Sequence[str]]], numeric: Sequence[int]
) -> Sequence[tuple[int, Sequence[str]]]:
    """Return lines whose numbers have decimal points in place of commas; those without commas as they are.

    Raises:
        ValueError: Commas may stand between thousands: all have three digits behind them, or there are points, too.
    """
    cells = [(number, line[k]) for number, line in lines for k in numeric if k < len(line)]
    marked = [(number, cell, _COMMA.fullmatch(cell)) for number, cell in cells if "," in cell]
    # What is no number at all has its own message, in the line where it stands.
    if not marked or any(found is None and re.search("[^-+0-9.,e\\s]", cell, re.I) for _, cell, found in marked):
        return lines
    pointed = any("." in cell for _, cell in cells)
    if pointed or not all(found for *_, found in marked) or all(len(found[1]) == 3 for *_, found in marked if found):
        number, cell, _ = marked[0]
        needed = "have numbers whose commas can only be decimal ones (save it with points, or with more digits)"
        got = f"{cell!r} in line {number} of {path}, where numbers have points, too" * pointed
        got = got or f"{cell!r} in line {number} of {path}, where every comma may stand between thousands"
        checks.invalid_value(function, "path", needed, got)
    columns = set(numeric)
    return [(n, [c.replace(",", ".") if k in columns else c for k, c in enumerate(line)]) for n, line in lines]


def require_distinct_rows(function: str, path: str, rows: Iterable[Result]) -> None:
    """Raise if a file has a value twice; which of several files it is, is in the message."""
    counts = Counter((row.method, row.subject, row.label, row.metric) for row in rows)
    for key, count in counts.items():
        if count > 1:
            got = f"{', '.join(filter(None, key))} twice in {path}"
            checks.invalid_value(function, "path", "have every subject, label and metric of a method once", got)


def _results_of_line(cells: dict[str, str], where: str) -> Iterator[Result]:
    """Yield the values of a line: one in a long table, one per metric in a wide one."""
    is_long = {"METRIC", "VALUE"} <= set(cells)
    unit, convention = (cells.pop("UNIT", ""), cells.pop("CONVENTION", "")) if is_long else ("", "")
    method, subject, label, status, reason = (cells.pop(name, "") for name in _KEYS)
    # In a wide table one word holds for all values of the line, or every metric that is not ok has its own.
    statuses = dict(part.rpartition("=")[::2] for part in status.split("; ")) if "=" in status else {}
    status = "ok" if statuses else status
    texts = {cells["METRIC"]: cells["VALUE"]} if is_long else cells
    for metric, text in texts.items():
        if not is_long and (text == NO_VALUE or not metric):
            continue
        own = statuses.get(metric, status)
        value = _value_in_cell(text, own, where)
        own = own or ("undefined" if math.isnan(value) else "ok")
        if own not in STATUSES:
            checks.invalid_value(
                "results_of_lines", "path", f"state one of {', '.join(STATUSES)}", f"{own!r} in {where}"
            )
        yield Result(
            method=method, subject=subject, label=label, metric=metric, value=value, unit=unit, convention=convention,
            status=own, reason=reason if is_long or own != "ok" or not math.isfinite(value) else "",
        )  # fmt: skip


def _value_in_cell(text: str, status: str, where: str) -> float:
    """Return the number in a cell: NaN for an empty one where the status says that there is none."""
    # pandas and what is built on it write an empty cell for NaN.
    if not text.strip() and status in _WITHOUT_NUMBER:
        return math.nan
    try:
        return float(text)
    except ValueError:
        needed = "hold numbers"
        if not text.strip():
            needed += f" (an empty cell is NaN only where STATUS is {', '.join(_WITHOUT_NUMBER)}; write nan)"
        elif _COMMA.fullmatch(text):
            needed += " (with decimal points, or with ; or tab between cells and decimal commas in all of them)"
        checks.invalid_value("results_of_lines", "path", needed, f"{text!r} in {where}")
