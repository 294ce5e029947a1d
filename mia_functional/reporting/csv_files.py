"""Tables of results and statistics as CSV files, out and in."""

import csv
import io
import os
from pathlib import Path

from mia_functional._core import atomic_files, checks
from mia_functional.evaluation.results import Results
from mia_functional.reporting.cells import results_of_lines, safe_text
from mia_functional.reporting.tables import Data, Layout, long_table, statistics_table, table_of

__all__ = ["read_csv", "render_csv", "write_csv"]


def read_csv(path: str | os.PathLike[str]) -> Results:
    r"""Read (load) a table of results, long or wide, with any of `,`, `;` and tab between the cells.

    What pandas and spreadsheets make of such a table is read, too: an empty cell is NaN where STATUS is `undefined`,
    `missing` or `failed`; with `;` or tab, numbers may have decimal commas, if none has a point and at least one has
    not exactly three digits behind its comma (else 1,234 might be 1234).

    Args:
        path: The file. A long table has the columns SUBJECT, LABEL, METRIC and VALUE, and any of METHOD, UNIT,
            CONVENTION, STATUS and REASON; any other is a wide one, with SUBJECT, LABEL and a column per metric, and any
            of METHOD, STATUS and REASON.

    Returns:
        The table. A wide file has neither units nor conventions, and the reason of a line counts for all of its values
        that are not ok. How it came about is read from the record beside it (see `write_runs`), if there is one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not hold a table of results, a column or a row is there twice, a value is not a
            number, or it is not clear whether commas are decimal ones; the text names the line.

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
            delimiter = max(",;\t", key=first.count)
            reader = csv.reader(stream, delimiter=delimiter)
            # A line of a spreadsheet may hold several lines of the file, and empty ones mean nothing.
            lines = [(reader.line_num, line) for line in reader if line]
        except (UnicodeDecodeError, csv.Error):  # no text, or a cell beyond what the module holds
            checks.invalid_value("read_csv", "path", "name a table as text in UTF-8", path)
    header = lines[0][1] if lines else ()
    text, commas = checks.path_text("read_csv", "path", path), delimiter != ","
    return results_of_lines("read_csv", text, header, lines[1:], escaped=True, commas=commas)


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
        writer.writerow([safe_text("render_csv", cell) if isinstance(cell, str) else str(cell) for cell in line])
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
