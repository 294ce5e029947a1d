"""What a dataset file is and whether it is still what was written: text for people, and every bit checked."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mia_functional.dataset import volume_cache
from mia_functional.dataset._hdf5 import handles, validation
from mia_functional.dataset._hdf5.metadata import DIGESTS, FILE_DIGESTS, SCALES, number_name
from mia_functional.dataset.checkpoints import digest, digest_of_texts
from mia_functional.dataset.reading import grid_of, read, view
from mia_functional.dataset.records import Category, Dataset, subject_number
from mia_functional.typing import Progress


def verify(dataset: Dataset, *, progress: Progress | None = None) -> tuple[str, ...]:
    """Check every array of a dataset: it can be read, has its shape, and is to the bit what was written.

    The tables of the file were checked when it was opened. Files of pymia have no digests: of them, that everything is
    there and can be read is all that can be known.

    Args:
        dataset: From `open`.
        progress: Called with the number of subjects done, of all, and the identifier of the one just done.

    Returns:
        What is wrong, a sentence each; nothing where all is well.

    Example:
        >>> import tempfile
        >>> from mia_functional.dataset import Entry, Subject, create, open
        >>> someone = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     create(f"{folder}/cohort.h5", [someone])
        ...     verify(open(f"{folder}/cohort.h5"))
        ()
    """
    volume_cache.forget(dataset.path)
    faults = list(strangers(dataset))
    for number, name in enumerate(dataset.subjects):
        faults += [fault for category in dataset.categories if (fault := fault_of(dataset, number, category))]
        if progress is not None:
            progress(number + 1, len(dataset), name)
    return tuple(faults)


def fault_of(dataset: Dataset, number: int, category: Category) -> str | None:
    """Return what is wrong with an array, or none."""
    where = f"{category.name} of {dataset.subjects[number]}"
    try:
        found = read(dataset, number, category.name)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        return f"{where} cannot be read: {error}"
    table = handles.expected(dataset.path, dataset.digest).tables.get(DIGESTS.format(category.name))
    actual = digest_of_texts(found) if isinstance(found, tuple) else digest(np.ascontiguousarray(found))
    if table is not None and bytes(table[number]).hex() != actual:
        return f"{where} is not what was written."
    return None


def strangers(dataset: Dataset) -> Iterator[str]:
    """Yield what is in the file and in no table."""
    file = handles.expected(dataset.path, dataset.digest).file
    known = {category.name for category in dataset.categories}
    names = {number_name(number, len(dataset)) for number in range(len(dataset))}
    data = validation.group_at(file, "data") if "data" in file else {}
    for category in data:
        if category not in known:
            yield f"The file has data/{category}, of which its tables say nothing."
        elif extra := sorted(set(validation.group_at(data, category)) - names):
            yield f"The file has {', '.join(extra)} in data/{category}, of which its tables say nothing."


def info(dataset: Dataset) -> str:
    """Return what is in a dataset, as text of a few lines.

    Args:
        dataset: From `open`.

    Example:
        >>> import tempfile
        >>> from mia_functional.dataset import Entry, Subject, create, open
        >>> someone = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     create(f"{folder}/cohort.h5", [someone])
        ...     print(info(open(f"{folder}/cohort.h5")).splitlines()[2])
        numerical  1  float64  AGE
    """
    state = os.stat(dataset.path)
    file = handles.expected(dataset.path, dataset.digest).file
    writer = validation.attribute(file, "format") or "another library"
    lines = [
        f"{dataset.path}: {state.st_size / 1e6:.1f} MB, written by {writer}",
        f"{len(dataset)} subjects: {shortened(dataset.subjects)}",
    ]
    table = [
        (category.name, extent(category.shapes), kind_of(dataset, category), " ".join(category.entries) or "?")
        for category in dataset.categories
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    grids = [grid for number in range(len(dataset)) if (grid := grid_of(dataset, number)) is not None]
    if grids:
        lines.append(f"spacing in mm: {extent([grid.spacing for grid in grids])}")
    return "\n".join(lines)


def scales(dataset: Dataset, subject: str | int) -> dict[str, tuple[tuple[float, float], ...]]:
    """Return by what the files of a subject scale their numbers (`scl_slope`, `scl_inter`, rescale).

    What `images.read` returns is `slope * number + intercept` of the numbers in the file. A dataset that was made with
    it holds the scaled values, float32 as a rule; one that was made with `images.read_stored` holds the numbers.

    Args:
        dataset: From `open`.
        subject: The identifier, or the position.

    Returns:
        By category, slope and intercept of every entry; only categories in which a file of any subject has a scale.

    Example:
        >>> import tempfile
        >>> from mia_functional.dataset import Entry, Subject, create, open
        >>> someone = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     create(f"{folder}/cohort.h5", [someone])
        ...     scales(open(f"{folder}/cohort.h5"), "A")
        {}
    """
    rows = rows_of("scales", dataset, subject, SCALES)
    return {name: tuple(map(tuple, row.tolist())) for name, row in rows.items()}


def file_digests(dataset: Dataset, subject: str | int) -> dict[str, tuple[str, ...]]:
    """Return the SHA-256 of the files that a subject was made from, in the order of `files`.

    Args:
        dataset: From `open`; it was made with `Storage(file_digests=True)`.
        subject: The identifier, or the position.

    Returns:
        By category, the digest of every file as 64 hexadecimal digits; nothing where none were kept.

    Example:
        >>> import tempfile
        >>> from mia_functional.dataset import Entry, Subject, create, open
        >>> someone = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     create(f"{folder}/cohort.h5", [someone])
        ...     file_digests(open(f"{folder}/cohort.h5"), "A")
        {}
    """
    rows = rows_of("file_digests", dataset, subject, FILE_DIGESTS)
    return {name: tuple(bytes(digest).hex() for digest in row) for name, row in rows.items()}


def rows_of(function: str, dataset: Dataset, subject: str | int, place: str) -> dict[str, Any]:
    """Return the row of a subject in the tables at a place, by category; only where there is a table."""
    number = subject_number(function, dataset, subject)
    tables = handles.expected(dataset.path, dataset.digest).tables
    found = {category.name: tables.get(place.format(category.name)) for category in dataset.categories}
    return {name: table[number] for name, table in found.items() if table is not None}


def kind_of(dataset: Dataset, category: Category) -> str:
    """Return the dtype of a category in the first subject."""
    if not category.stored:
        return "in files"
    array = view(dataset, 0, category.name)
    return "text" if isinstance(array, tuple) else str(array.dtype)


def extent(rows: Sequence[tuple[float, ...]]) -> str:
    """Return the smallest and the largest number on every axis, as text.

    Example:
        >>> extent([(3, 1.25), (4, 1.25)])
        '3..4 x 1.25'
    """
    pairs = [(min(column), max(column)) for column in zip(*rows, strict=True)]
    return " x ".join(f"{low:g}" if low == high else f"{low:g}..{high:g}" for low, high in pairs)


def shortened(names: Sequence[str]) -> str:
    """Return the first names, and that there are more."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
