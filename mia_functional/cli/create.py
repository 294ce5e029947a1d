"""`mia create`: a folder of images and a table into a dataset."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import mia_functional as mia
from mia_functional._core import checks
from mia_functional.cli.options import AFFINE, ALIGN, JOBS, SPACING, Command, Options, progress_bar

__all__ = ["CREATE_COMMAND"]


def _run_create(options: Options) -> None:
    """Create a dataset and describe it."""
    from concurrent import futures  # here: it is a quarter of what `mia --help` would import

    patterns, columns = _by_category(options.entries), _by_category(options.columns)
    subjects = mia.dataset.discover(
        options.root,
        patterns,
        table=options.table,
        columns=columns,
        roles=_once_each("--role", options.roles),
        absent=options.absent,
    )
    with futures.ThreadPoolExecutor(options.jobs) as pool:
        mia.dataset.create(
            options.dataset, subjects, load=partial(mia.images.read, affine=options.affine, spacing=options.spacing),
            align=options.align, grids=_once_each("--grid", options.grids), executor=pool,
            progress=progress_bar(options, "Creating dataset"), overwrite=options.overwrite, resume=options.resume,
        )  # fmt: skip
    print(mia.dataset.info(mia.dataset.open(options.dataset)))


def _entry(text: str) -> tuple[str, str, str]:
    """Return the category, the name and the pattern or column of an entry."""
    address, equals, value = text.partition("=")
    category, slash, name = address.partition("/")
    if not (equals and slash and category and name and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form CATEGORY/ENTRY=VALUE")
    return category, name, value


def _pair_of(kind: str, text: str) -> tuple[str, str]:
    """Return the category of an option and what it says of it, which is of some kind."""
    category, equals, value = text.partition("=")
    if not (equals and category and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form CATEGORY={kind}")
    return category, value


def _once_each(option: str, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return what an option says by category; raise if it says two things of one."""
    values = dict(pairs)
    if repeated := [category for category, value in pairs if values[category] != value]:
        given = " and ".join(value for category, value in pairs if category == repeated[0])
        checks.invalid_value("create", option, f"be given once for {repeated[0]}", given)
    return values


def _by_category(entries: Sequence[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    """Return entries as `discover` takes them: by category, then by name; raise if one is given twice."""
    categories: dict[str, dict[str, str]] = {}
    for category, name, value in entries:
        values = categories.setdefault(category, {})
        # In a dictionary the second would silently replace the first.
        if name in values:
            checks.invalid_value("create", f"{category}/{name}", "be given once", f"{values[name]} and {value}")
        values[name] = value
    return categories


CREATE_COMMAND = Command("create", "make a dataset of a folder of images and a table", _run_create, {
    "dataset": {"type": Path, "help": "file to write, .h5"},
    "root": {"type": Path, "help": "folder of the cohort"},
    "entries": {"nargs": "+", "type": _entry, "metavar": "CATEGORY/ENTRY=PATTERN",
                "help": "for example images/T1={subject}/T1.nii.gz labels/GT={subject}/GT.nii.gz"},
    "--table": {"type": Path, "metavar": "CSV", "help": "table of the subjects; the first column names them"},
    "--column": {"action": "append", "default": [], "type": _entry, "dest": "columns",
                 "metavar": "CATEGORY/ENTRY=COLUMN", "help": "for example numerical/AGE=age"},
    "--absent": {"choices": ("error", "skip", "empty"), "default": "error",
                 "help": "subjects that lack a file or a value: refused, left out, or kept with empty values"},
    "--role": {"action": "append", "default": [], "type": partial(_pair_of, "ROLE"), "dest": "roles",
               "metavar": "CATEGORY=ROLE",
               "help": "image, labels or numbers (without a grid), for categories of other names: ct=image"},
    "--grid": {"action": "append", "default": [], "type": partial(_pair_of, "GRID"), "dest": "grids",
               "metavar": "CATEGORY=GRID", "help": "a grid of its own, by a name that others may share: pet=pet"},
    **AFFINE,
    **SPACING,
    **ALIGN,
    **JOBS,
    "--overwrite": {"action": "store_true", "help": "replace a dataset that is there"},
    "--resume": {"action": "store_true", "help": "go on where an interrupted run stopped"},
}, example="mia create cohort.h5 references labels/GT={subject}.nii.gz")  # fmt: skip
