"""How a table of results came about, in a file beside it: `results.run.json` beside `results.csv`."""

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mia_functional._core import atomic_files, checks
from mia_functional.evaluation.results import Results
from mia_functional.evaluation.run_record import Run, run_from_json, run_to_json

__all__ = ["read_runs", "run_path", "write_runs"]


def run_path(path: str | os.PathLike[str]) -> Path:
    """Return where the record of a table lies: beside it, with the ending `.run.json`."""
    return Path(path).with_suffix(".run.json")


def write_runs(
    path: str | os.PathLike[str], results: Results, *, command: Sequence[str] = (), overwrite: bool = False
) -> None:
    """Write beside a table how its results came about: versions, what was asked for, and the files of every case.

    Args:
        path: The table; the record is `run_path(path)`.
        results: The table.
        command: Words of the command line that made it.
        overwrite: Replace a record that is there already.

    Raises:
        FileExistsError: The record exists and `overwrite` is false.
        OSError: The record could not be written.

    Example:
        >>> write_runs(folder / "results.csv", Results())
        >>> read_runs(folder / "results.csv")
        ()
    """
    target = run_path(checks.path_text("write_runs", "path", path))
    runs = [replace(run, command=shlex.join(command) or run.command) for run in results.runs]
    with atomic_files.atomic_write("write_runs", target, overwrite=overwrite) as draft:
        draft.write_text(json.dumps({"runs": list(map(run_to_json, runs))}, indent=1) + "\n", encoding="utf-8")


def read_runs(path: str | os.PathLike[str]) -> tuple[Run, ...]:
    """Return how the results of a table came about; nothing if there is no record beside it.

    Raises:
        ValueError: The record is none.
    """
    record = run_path(checks.path_text("read_runs", "path", path))
    if not record.is_file():
        return ()
    try:
        return tuple(map(run_from_json, json.loads(record.read_text(encoding="utf-8"))["runs"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        checks.invalid_value("read_runs", "path", "have a record that `write_runs` wrote beside it", record)
