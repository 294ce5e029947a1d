"""Tables of results and statistics as Excel workbooks."""

import math
import os
import re
import zipfile
from pathlib import Path
from typing import Any

from mia_functional._core import atomic_files, checks, optional
from mia_functional.evaluation.results import Results
from mia_functional.reporting.cells import results_of_lines, safe_text
from mia_functional.reporting.tables import Data, Layout, long_table, statistics_table, table_of

__all__ = ["read_excel", "write_excel"]

_LINES, _CHARACTERS = 1_048_576, 32_767
"""What Excel holds: lines of a sheet, and characters of a cell."""


_CODE = "x[0-9A-Fa-f]{4}_"
"""What makes a character of its number in Excel, behind a `_`."""


def write_excel(
    path: str | os.PathLike[str], data: Data, *, layout: Layout | None = None, overwrite: bool = False
) -> None:
    """Write results or statistics as an Excel workbook of one sheet; under its name it is complete or absent.

    Text that Excel would take for a formula is led by an apostrophe, as in CSV files. Numbers have all digits; those
    that Excel has none for, inf and nan, are words.

    Args:
        path: The file; its folder must exist.
        data: Results, or the statistics that `summarize` returns.
        layout: How data become a table; `long_table` for results and `statistics_table` for statistics by default.
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        ImportError: openpyxl is not installed; the text names the extra.
        OSError: The file could not be written.
        TypeError: The data are neither results nor statistics.
        ValueError: A text holds control characters, or the table is larger than Excel can hold.

    Example:
        >>> from mia_functional.evaluation import Result
        >>> table = Results(rows=(Result(subject="A", label="=liver", metric="DICE", value=1 / 3),))
        >>> write_excel(folder / "results.xlsx", table)
        >>> read_excel(folder / "results.xlsx") == table
        True
    """
    table = table_of("write_excel", data, layout, results=long_table, statistics=statistics_table)
    openpyxl = optional.require("openpyxl")
    if len(table.rows) >= _LINES:
        checks.invalid_value("write_excel", "data", f"have less than {_LINES} rows, as Excel has", len(table.rows))
    for cell in (cell for line in (table.header, *table.rows) for cell in line if isinstance(cell, str)):
        if len(safe_text("write_excel", cell)) > _CHARACTERS:
            needed = f"have texts of at most {_CHARACTERS} characters, as Excel has"
            checks.invalid_value("write_excel", "data", needed, len(cell))
    target = Path(checks.path_text("write_excel", "path", path))
    with atomic_files.atomic_write("write_excel", target, overwrite=overwrite) as draft:
        # Only now, since a sheet that is begun and not saved ends in an error when its memory is freed.
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("RESULTS" if isinstance(data, Results) else "STATISTICS")
        sheet.freeze_panes = "A2"
        for line in (table.header, *table.rows):
            sheet.append([_cell_of(sheet, cell) for cell in line])
        book.save(draft)


def _cell_of(sheet: Any, value: str | float) -> Any:
    """Return a cell of openpyxl."""
    if isinstance(value, str):
        # Excel reads `_x0041_` as the character of that number, so that the text itself begins with one.
        text = re.sub(rf"_(?={_CODE})", "_x005F_", safe_text("write_excel", value))
        return optional.require("openpyxl.cell").WriteOnlyCell(sheet, text)
    cell = optional.require("openpyxl.cell").WriteOnlyCell(sheet, str(float(value)))
    if math.isfinite(value):
        # openpyxl (3.1.5) writes numbers with 16 digits, and some need 17. What is text already it leaves as it is.
        cell.data_type = "n"
    return cell


def read_excel(path: str | os.PathLike[str]) -> Results:
    """Read (load) a table of results from the first sheet of an Excel workbook, long or wide as `read_csv` has it.

    Args:
        path: The file.

    Returns:
        The table; how it came about is read from the record beside it (see `write_runs`), if there is one.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: openpyxl is not installed; the text names the extra.
        ValueError: The file does not hold a table of results.
    """
    text = checks.path_text("read_excel", "path", path)
    openpyxl = optional.require("openpyxl")
    with Path(text).open("rb") as stream:
        try:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            lines = [
                (number, ["" if cell is None else re.sub(f"_x005F_(?={_CODE})", "_", str(cell)) for cell in line])
                for number, line in enumerate(book.worksheets[0].iter_rows(values_only=True), 1)
                if any(cell is not None for cell in line)
            ]
        # What openpyxl raises depends on which part of the archive is wrong: SyntaxError is that of XML.
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, AttributeError, SyntaxError):
            checks.invalid_value("read_excel", "path", "name an Excel workbook (.xlsx)", text)
    header = lines[0][1] if lines else ()
    return results_of_lines("read_excel", text, header, lines[1:], escaped=True, commas=True)
