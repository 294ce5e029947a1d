"""Tables of results as Parquet files, for data frames and databases."""

import os
from pathlib import Path

from mia_functional._core import atomic_files, checks, optional
from mia_functional.evaluation.results import Results
from mia_functional.reporting.cells import results_of_lines
from mia_functional.reporting.tables import long_table

__all__ = ["read_parquet", "write_parquet"]


def write_parquet(path: str | os.PathLike[str], results: Results, *, overwrite: bool = False) -> None:
    """Write results as a Parquet file with the columns of `long_table`: VALUE in float64, the others text.

    NaN is a number there and no null, so that a value that is undefined is not one that is absent. Under its name the
    file is complete or absent.

    Args:
        path: The file; its folder must exist.
        results: The table.
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        ImportError: pyarrow is not installed; the text names the extra.
        OSError: The file could not be written.
        TypeError: These are no results.
        ValueError: A name is not text of Unicode.

    Example:
        >>> from mia_functional.evaluation import Result
        >>> table = Results(rows=(Result(subject="A", label="liver", metric="DICE", value=1 / 3),))
        >>> write_parquet(folder / "results.parquet", table)
        >>> read_parquet(folder / "results.parquet") == table
        True
    """
    checks.require_instance("write_parquet", "results", results, Results, "a table of results")
    pyarrow, parquet = optional.require("pyarrow"), optional.require("pyarrow.parquet")
    header, rows = long_table(results)
    # By their kinds also where there are no rows. Not by pandas, which makes nulls of NaN.
    kinds = [pyarrow.float64() if name == "VALUE" else pyarrow.string() for name in header]
    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    try:
        arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    except UnicodeEncodeError as error:
        checks.invalid_value("write_parquet", "results", "have names of Unicode", ascii(error.object))
    target = Path(checks.path_text("write_parquet", "path", path))
    with atomic_files.atomic_write("write_parquet", target, overwrite=overwrite) as draft:
        parquet.write_table(pyarrow.table(arrays, names=list(header)), draft)


def read_parquet(path: str | os.PathLike[str]) -> Results:
    """Read (load) a table of results from a Parquet file, long or wide as `read_csv` has it.

    Args:
        path: The file.

    Returns:
        The table; how it came about is read from the record beside it (see `write_runs`), if there is one.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: pyarrow is not installed; the text names the extra.
        ValueError: The file does not hold a table of results.
    """
    text = checks.path_text("read_parquet", "path", path)
    pyarrow, parquet = optional.require("pyarrow"), optional.require("pyarrow.parquet")
    try:
        with Path(text).open("rb") as stream:
            table = parquet.read_table(stream)
            columns = [column.to_pylist() for column in table.columns]
    except (pyarrow.ArrowException, UnicodeDecodeError):
        checks.invalid_value("read_parquet", "path", "name a Parquet file", text)
    # Text and back is exact: of a float this is the shortest text that is read as the same number.
    lines = [["" if cell is None else str(cell) for cell in line] for line in zip(*columns, strict=True)]
    return results_of_lines("read_parquet", text, table.column_names, enumerate(lines, 1), escaped=False)
