"""`mia create`: a folder of images and a table into a dataset."""

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mia_functional as mia
from mia_functional._core import checks
from mia_functional.cli.options import DONE, bar, command, jobs


def add_create(commands: Any) -> None:
    """Add `mia create`."""
    create = command(commands, run_create, "make a dataset of a folder of images and a table")
    create.add_argument("dataset", type=Path, help="file to write, .h5")
    create.add_argument("root", type=Path, help="folder of the cohort")
    create.add_argument("entries", nargs="+", metavar="CATEGORY/ENTRY=PATTERN", type=entry,
                        help="for example images/T1={subject}/T1.nii.gz labels/GT={subject}/GT.nii.gz")  # fmt: skip
    create.add_argument("--table", type=Path, metavar="CSV", help="table of the subjects; the first column names them")
    create.add_argument("--column", action="append", default=[], type=entry, dest="columns",
                        metavar="CATEGORY/ENTRY=COLUMN", help="for example numerical/AGE=age")  # fmt: skip
    create.add_argument("--jobs", type=jobs, default=1, help="threads that read files (1)")
    create.add_argument("--overwrite", action="store_true", help="replace a dataset that is there")
    create.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")


def run_create(options: argparse.Namespace) -> int:
    """Create a dataset and describe it."""
    patterns, columns = nested(options.entries), nested(options.columns)
    subjects = mia.dataset.discover(options.root, patterns, table=options.table, columns=columns)
    with ThreadPoolExecutor(options.jobs) as pool:
        mia.dataset.create(
            options.dataset, subjects, executor=pool, progress=bar(options, "Creating dataset"),
            overwrite=options.overwrite, resume=options.resume,
        )  # fmt: skip
    print(mia.dataset.info(mia.dataset.open(options.dataset)))
    return DONE


def entry(text: str) -> tuple[str, str, str]:
    """Return the category, the name and the pattern or column of an entry."""
    place, equals, value = text.partition("=")
    category, slash, name = place.partition("/")
    if not (equals and slash and category and name and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form CATEGORY/ENTRY=VALUE")
    return category, name, value


def nested(entries: Sequence[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    """Return entries as `discover` takes them: by category, then by name; refuse one that is given twice."""
    found: dict[str, dict[str, str]] = {}
    for category, name, value in entries:
        group = found.setdefault(category, {})
        if name in group:
            checks.invalid_value("create", f"{category}/{name}", "be given once", f"{group[name]} and {value}")
        group[name] = value
    return found
