"""Tables of results in whichever format the extension of a file says."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from mia_functional._core import checks
from mia_functional.evaluation.results import Results
from mia_functional.reporting.csv_files import read_csv, write_csv
from mia_functional.reporting.excel_files import read_excel, write_excel
from mia_functional.reporting.json_files import read_json, write_json
from mia_functional.reporting.parquet_files import read_parquet, write_parquet
from mia_functional.reporting.tables import Layout, long_table

__all__ = ["RESULT_FORMATS", "ResultFormat", "read_results", "result_format", "write_results"]


class ResultFormat(NamedTuple):
    """How results become a file and come back.

    Attributes:
        write: Function of a path and results.
        read: Function of a path.
        layouts: Whether a table may be laid out otherwise than in a row per value.
        packages: What has to be installed.
    """

    write: Callable[..., None]
    read: Callable[[str | os.PathLike[str]], Results]
    layouts: bool
    packages: tuple[str, ...] = ()


RESULT_FORMATS: Mapping[str, ResultFormat] = MappingProxyType({
    ".csv": ResultFormat(write_csv, read_csv, layouts=True),
    ".json": ResultFormat(write_json, read_json, layouts=False),
    ".parquet": ResultFormat(write_parquet, read_parquet, layouts=False, packages=("pyarrow",)),
    ".xlsx": ResultFormat(write_excel, read_excel, layouts=True, packages=("openpyxl",)),
})  # fmt: skip
"""The formats by extension."""


def result_format(function: str, path: str | os.PathLike[str], *, layout: Layout | None = None) -> ResultFormat:
    """Return the format that the extension of a file stands for; raise if it has none, or not in this layout."""
    text = checks.path_text(function, "path", path)
    found = RESULT_FORMATS.get(Path(text).suffix.lower())
    if found is None:
        checks.invalid_value(function, "path", f"end in {', '.join(RESULT_FORMATS)}", text)
    if layout not in (None, long_table) and not found.layouts:
        checks.invalid_value(function, "path", "end in .csv or .xlsx for any layout but the long one", text)
    return found


def write_results(
    path: str | os.PathLike[str], results: Results, *, layout: Layout | None = None, overwrite: bool = False
) -> None:
    """Write results in the format that the extension says: `.csv`, `.json`, `.parquet` or `.xlsx`.

    Args:
        path: The file; its folder must exist.
        results: The table.
        layout: How it becomes a table in CSV and Excel files: `long_table` (by default) or `wide_table`.
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        ImportError: A package that writes the format is not installed; the text names the extra.
        OSError: The file could not be written.
        ValueError: The extension is none of these, or the format does not have the layout.

    Example:
        >>> from mia_functional.evaluation import Result
        >>> table = Results(rows=(Result(subject="A", label="liver", metric="DICE", value=1 / 3),))
        >>> write_results(folder / "results.json", table)
        >>> read_results(folder / "results.json") == table
        True
    """
    form = result_format("write_results", path, layout=layout)
    options = {"layout": layout} if form.layouts else {}
    names = (form.write.__name__, "render_csv")
    with checks.speaking_for("write_results", *names, data="results"):
        form.write(path, results, overwrite=overwrite, **options)


def read_results(path: str | os.PathLike[str]) -> Results:
    """Read (load) results from a file in the format that its extension says: see `write_results`.

    Args:
        path: The file.

    Returns:
        The table, with status and reason of every value. A wide table has neither units nor conventions.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: A package that reads the format is not installed; the text names the extra.
        ValueError: The extension is none of these, or the file does not hold results.
    """
    form = result_format("read_results", path)
    with checks.speaking_for("read_results", form.read.__name__):
        return form.read(path)
