"""Describe a dataset file for people, and check that it is still to the bit what was written."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import h5py

from mia_functional._core import checks
from mia_functional.dataset._hdf5 import blocks, handles, layout, validation
from mia_functional.dataset._hdf5.dtypes import dtype_in_file
from mia_functional.dataset.reading import grid_of_subject, read, subject_rows, view
from mia_functional.dataset.records import Category, Dataset, check_dataset
from mia_functional.dataset.volume_cache import forget_volumes
from mia_functional.typing import Progress

__all__ = ["dataset_contents", "file_digests", "info", "scales", "verify"]


def verify(dataset: Dataset, *, progress: Progress | None = None) -> tuple[str, ...]:
    """Check every array of a dataset: it can be read, has its shape, and is to the bit what was written.

    The tables of the file were checked when it was opened. Files of pymia have no digests: all that can be known of
    them is that every array exists and can be read.

    Args:
        dataset: From `open`.
        progress: Called with the number of subjects done, of all, and the identifier of the one just done.

    Returns:
        What is wrong, a sentence each; empty if nothing is.

    Example:
        >>> verify(cohort)  # `cohort` is from `open("cohort.h5")`
        ()
    """
    check_dataset("verify", dataset)
    checks.require_callable("verify", "progress", progress, "`print`", optional=True)

    forget_volumes(dataset.path)  # files may have changed and kept their size and time
    faults = list(_unlisted(dataset))
    for number, name in enumerate(dataset.subjects):
        faults += [fault for category in dataset.categories if (fault := _array_fault(dataset, number, category))]
        if progress is not None:
            progress(number + 1, len(dataset), name)
    return tuple(faults)


def _array_fault(dataset: Dataset, number: int, category: Category) -> str | None:
    """Return what is wrong with an array, if anything is."""
    where = f"{category.name} of {dataset.subjects[number]}"
    try:
        array = read(dataset, number, category.name)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        return f"{where} cannot be read: {error}"
    table = handles.expected_handle(dataset.path, dataset.digest).tables.get(layout.DIGESTS.format(category.name))
    if table is not None and bytes(table[number]).hex() != blocks.digest_of(array):
        return f"{where} is not what was written."
    return None


def _unlisted(dataset: Dataset) -> Iterator[str]:
    """Yield what is in the file and not in its tables."""
    file = handles.expected_handle(dataset.path, dataset.digest).file
    known = {category.name for category in dataset.categories}
    data = validation.group_at(file, "data") if "data" in file else {}
    for category in data:
        expected = {layout.data_path(category, number, len(dataset)).split("/")[2] for number in range(len(dataset))}
        if category not in known:
            yield f"The file has data/{category}, of which its tables say nothing."
        elif extra := sorted(set(validation.group_at(data, category)) - expected):
            yield f"The file has {', '.join(extra)} in data/{category}, of which its tables say nothing."


def info(dataset: Dataset) -> str:
    """Return what is in a dataset, as text of a few lines: shape, dtype, role and entries of each category.

    Args:
        dataset: From `open`.

    Example:
        >>> for line in info(cohort).splitlines()[1:]:  # `cohort` is from `open("cohort.h5")`
        ...     print(line)
        1 subjects: A
        images     3 x 4 x 1  float32  image    T1
        numerical  1          float64  numbers  AGE
        gender     1          text     text     GENDER
        spacing in mm: 2 x 1
    """
    check_dataset("info", dataset)
    known = dataset_contents(dataset)
    names = ", ".join(dataset.subjects[:5]) + (", ..." if len(dataset) > 5 else "")
    head = f"{known['file']}: {known['bytes'] / 1e6:.1f} MB, written by {known['written_by'] or 'another library'}"
    lines = [head, f"{len(dataset)} subjects: {names}"]
    rows = [
        (entry["name"], _range_text(entry["shapes"]), entry["dtype"] or "in files", entry["role"] or "?",
         " ".join(entry["entries"]) or "?")
        for entry in known["categories"]
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    for name, of_each in known["spacings"].items():
        if spacings := [spacing for spacing in of_each if spacing is not None]:
            of_what = "" if name == dataset.grid else f" of {name}"
            lines.append(f"spacing{of_what} in mm: {_range_text(spacings)}")
    if not known["roles_kept"]:
        lines.append("roles by the names of the categories, as the file keeps none")
    return "\n".join(lines)


def dataset_contents(dataset: Dataset) -> dict[str, Any]:
    """Return what `info` says as plain data, of every subject where subjects differ.

    Args:
        dataset: From `open`.

    Returns:
        `file`, `bytes`, `written_by` ("" if unknown), `subjects`, `categories` with `name`, `entries`, `shapes` (one
        per subject), `dtype` (None if the voxels are in other files), `role` and `grid`, `spacings` by the names of
        grids (one per subject, None where it is unknown), and `roles_kept`, whether the file says what roles are.
    """
    handle = handles.expected_handle(dataset.path, dataset.digest)
    categories = []
    for category in dataset.categories:
        dtype = None
        if category.stored:
            array = view(dataset, 0, category.name)
            own = dtype_in_file(array) if isinstance(array, h5py.Dataset) else None
            dtype = "text" if isinstance(array, tuple) else str(array.dtype if own is None else own)
        categories.append({
            "name": category.name, "entries": category.entries, "shapes": category.shapes, "dtype": dtype,
            "role": category.role, "grid": category.grid,
        })  # fmt: skip
    spacings = {}
    for name in dict.fromkeys((dataset.grid, *(category.grid for category in dataset.categories if category.grid))):
        of_each = [grid_of_subject(dataset, number, name) for number in range(len(dataset))]
        spacings[name] = [None if grid is None else grid.spacing for grid in of_each]
    return {
        "file": dataset.path, "bytes": os.stat(dataset.path).st_size,
        "written_by": validation.text_attribute(handle.file, "format"), "subjects": dataset.subjects,
        "categories": categories, "spacings": spacings, "roles_kept": layout.ROLES in handle.tables,
    }  # fmt: skip


def scales(dataset: Dataset, subject: str | int) -> dict[str, tuple[tuple[float, float], ...]]:
    """Return how the files of a subject scale their numbers (`scl_slope`, `scl_inter`, rescale).

    What `images.read` returns is `slope * number + intercept` of the numbers in the file. A dataset that was made with
    it holds the scaled values, float32 as a rule; one that was made with `images.read_stored` holds the numbers. Labels
    are what they mean in both.

    Args:
        dataset: From `open`.
        subject: The identifier, or the position.

    Returns:
        By category, slope and intercept of every entry; only categories in which a file of any subject has a scale.

    Example:
        >>> scales(cohort, "A")  # `cohort` is from `open("cohort.h5")`
        {}
    """
    rows = subject_rows("scales", dataset, subject, layout.SCALES)
    return {name: tuple(map(tuple, row.tolist())) for name, row in rows.items()}


def file_digests(dataset: Dataset, subject: str | int) -> dict[str, tuple[str, ...]]:
    """Return the SHA-256 of the files that a subject was made from, in the order of `files`.

    Args:
        dataset: From `open`; it was made with `Storage(file_digests=True)`.
        subject: The identifier, or the position.

    Returns:
        By category, the digest of every file as 64 hexadecimal digits; empty if none were kept.

    Example:
        >>> file_digests(cohort, "A")  # `cohort` is from `open("cohort.h5")`
        {}
    """
    rows = subject_rows("file_digests", dataset, subject, layout.FILE_DIGESTS)
    return {name: tuple(bytes(digest).hex() for digest in row) for name, row in rows.items()}


def _range_text(rows: Sequence[tuple[float, ...]]) -> str:
    """Return the smallest and the largest number on every axis, as text.

    Example:
        >>> _range_text([(3, 1.25), (4, 1.25)])
        '3..4 x 1.25'
    """
    pairs = [(min(column), max(column)) for column in zip(*rows, strict=True)]
    return " x ".join(f"{low:g}" if low == high else f"{low:g}..{high:g}" for low, high in pairs)
