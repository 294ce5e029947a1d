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


def safe_text(function: str, text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; raise for control characters."""
    # Spreadsheets skip no-break spaces in front of a formula. They count as not printable, but names may hold them.
    if any(not (character.isprintable() or character == "\u00a0") for character in text):
        checks.invalid_value(function, "data", "hold printable text", repr(text))
    return f"'{text}" if re.match(_FORMULA, text) else text


def results_of_lines(
    function: str, path: str, header: Sequence[str], lines: Iterable[tuple[int, Sequence[str]]], *, escaped: bool
) -> Results:
    """Return the results in a file's lines of cells, long or wide, with the record beside the file.

    Args:
        function: The public function, for messages.
        path: The file.
        header: Names of the columns.
        lines: The number of each line in the file, for messages, and its cells.
        escaped: Whether an apostrophe keeps spreadsheets from computing, as `safe_text` puts it.

    Raises:
        ValueError: These are no results, a column or a row is there twice, or a value is not a number.
    """
    if not {"SUBJECT", "LABEL"} <= set(header) or set(header) <= set(_KEYS):
        checks.invalid_value(function, "path", "name a table with SUBJECT, LABEL and metrics", path)
    if doubled := [name for name, count in Counter(header).items() if count > 1]:
        checks.invalid_value(function, "path", "have every column once", f"{doubled[0]} twice in {path}")
    rows: list[Result] = []
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
        if text == NO_VALUE and not is_long:
            continue
        try:
            value = float(text)
        except ValueError:
            checks.invalid_value("results_of_lines", "path", "hold numbers", f"{text!r} in {where}")
        own = statuses.get(metric, status) or ("undefined" if math.isnan(value) else "ok")
        if own not in STATUSES:
            checks.invalid_value(
                "results_of_lines", "path", f"state one of {', '.join(STATUSES)}", f"{own!r} in {where}"
            )
        yield Result(
            method=method, subject=subject, label=label, metric=metric, value=value, unit=unit, convention=convention,
            status=own, reason=reason if is_long or own != "ok" or not math.isfinite(value) else "",
        )  # fmt: skip
