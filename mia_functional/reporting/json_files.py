"""Tables of results, and records of any kind, as JSON: every field, inf and nan in words."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mia_functional._core import atomic_files, checks
from mia_functional.evaluation.results import Result, Results
from mia_functional.evaluation.run_record import Run, run_from_json, run_to_json
from mia_functional.reporting.cells import require_distinct_rows

__all__ = ["plain_data", "read_json", "write_json"]


def plain_data(value: Any) -> Any:
    """Return records, mappings and sequences as plain data for JSON; what is not finite becomes a word.

    Example:
        >>> plain_data(Result(subject="A", label="liver", metric="HDRFDST", value=math.inf))["value"]
        'inf'
    """
    if isinstance(value, Run):
        return plain_data(run_to_json(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_data(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain_data(entry) for name, entry in value.items()}
    if isinstance(value, tuple | list):
        return [plain_data(entry) for entry in value]
    # A number of NumPy becomes one of Python.
    value = value.item() if hasattr(value, "item") else value
    # JSON has no infinity and no NaN, and what Python writes in their place is read by few others.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: str | os.PathLike[str], results: Results, *, overwrite: bool = False) -> None:
    r"""Write results as JSON: one object with `rows`, each with the fields of `Result`, and `runs`.

    Numbers have all digits; `"inf"`, `"-inf"` and `"nan"` are words. Under its name the file is complete or absent.

    Args:
        path: The file; its folder must exist.
        results: The table.
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        OSError: The file could not be written.
        TypeError: These are no results.

    Example:
        >>> rows = (Result(subject="A", label="liver", metric="HDRFDST", value=math.inf, unit="mm"),)
        >>> write_json(folder / "results.json", Results(rows=rows))
        >>> read_json(folder / "results.json") == Results(rows=rows)
        True
    """
    checks.require_instance("write_json", "results", results, Results, "a table of results")
    text = json.dumps(plain_data(results), indent=1, ensure_ascii=False, allow_nan=False)
    target = Path(checks.path_text("write_json", "path", path))
    with atomic_files.atomic_write("write_json", target, overwrite=overwrite) as draft:
        # Names of files may hold bytes that are no text; JSON writes those as escapes.
        draft.write_text(f"{text}\n", encoding="utf-8", errors="backslashreplace")


def read_json(path: str | os.PathLike[str]) -> Results:
    """Read (load) results that `write_json` wrote.

    Args:
        path: The file.

    Returns:
        The table, equal to the one that was written, with how it came about.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not hold results, or a row is there twice.
    """
    target = Path(checks.path_text("read_json", "path", path))
    try:
        data = json.loads(target.read_text(encoding="utf-8"))
        rows = tuple(Result(**{**row, "value": float(row["value"])}) for row in data["rows"])
        texts = (field.name for field in dataclasses.fields(Result) if field.name != "value")
        if not all(isinstance(getattr(row, name), str) for name in texts for row in rows):
            raise TypeError("names are text")
        runs = tuple(map(run_from_json, data["runs"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        checks.invalid_value("read_json", "path", "name results that `write_json` wrote", path)
    require_distinct_rows("read_json", str(path), rows)
    return Results(rows=rows, runs=runs)
