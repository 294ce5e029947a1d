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
        roles=_roles_by_category(options.roles),
        absent=options.absent,
    )
    with futures.ThreadPoolExecutor(options.jobs) as pool:
        mia.dataset.create(
            options.dataset, subjects, load=partial(mia.images.read, affine=options.affine, spacing=options.spacing),
            align=options.align, executor=pool, progress=progress_bar(options, "Creating dataset"),
            overwrite=options.overwrite, resume=options.resume,
        )  # fmt: skip
    print(mia.dataset.info(mia.dataset.open(options.dataset)))


def _entry(text: str) -> tuple[str, str, str]:
    """Return the category, the name and the pattern or column of an entry."""
    address, equals, value = text.partition("=")
    category, slash, name = address.partition("/")
    if not (equals and slash and category and name and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form CATEGORY/ENTRY=VALUE")
    return category, name, value


def _role(text: str) -> tuple[str, str]:
    """Return the category and the role of an option."""
    category, equals, role = text.partition("=")
    if not (equals and category and role):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form CATEGORY=ROLE")
    return category, role


def _roles_by_category(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return roles as `discover` takes them; raise if that of a category is given twice."""
    roles = dict(pairs)
    if repeated := [category for category, role in pairs if roles[category] != role]:
        given = " and ".join(role for category, role in pairs if category == repeated[0])
        checks.invalid_value("create", "--role", f"be given once for {repeated[0]}", given)
    return roles


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
    "--role": {"action": "append", "default": [], "type": _role, "dest": "roles", "metavar": "CATEGORY=ROLE",
               "help": "image, labels or numbers (without a grid), for categories of other names: ct=image"},
    **AFFINE,
    **SPACING,
    **ALIGN,
    **JOBS,
    "--overwrite": {"action": "store_true", "help": "replace a dataset that is there"},
    "--resume": {"action": "store_true", "help": "go on where an interrupted run stopped"},
}, example="mia create cohort.h5 references labels/GT={subject}.nii.gz")  # fmt: skip
