"""A dataset file opened: a record of all that it says of itself."""

import os
from collections.abc import Hashable
from typing import Any

from mia_functional import images
from mia_functional._core import checks
from mia_functional.dataset import verification
from mia_functional.dataset._hdf5 import handles, validation
from mia_functional.dataset._hdf5.metadata import CATEGORIES, FILE_ROOT, NAMES, PROPERTIES, SHAPES, SUBJECTS, Tables
from mia_functional.dataset.records import Category, Dataset, Files
from mia_functional.discovery.records import Load, is_name
from mia_functional.typing import Shape

CACHE_BYTES = 1 << 30
"""Bytes of decoded volumes that are kept unless the caller wishes otherwise."""


def open(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    load: Load = images.read,
    cache_bytes: int = CACHE_BYTES,
    verify: bool = False,
) -> Dataset:
    """Open (describe) a dataset file: its subjects, its categories, their entries and shapes.

    Nothing but the tables of the file is read, and they are checked. Files of pymia 0.3 can be opened too.

    Args:
        path: The file.
        root: For a dataset that leaves the images in their files: the folder of the files. It may be left out if it is
            the folder of the dataset, or one in it.
        load: Reads one of these files.
        cache_bytes: Most bytes of their volumes that are kept in memory.
        verify: Check every array too, as `verify` does; it takes as long as reading them all.

    Returns:
        A record that can be hashed, pickled and sent to other processes.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no dataset, or damaged, or refers to other files.

    Example:
        >>> import tempfile
        >>> from mia_functional.dataset import Entry, Subject, create, open
        >>> someone = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     create(f"{folder}/cohort.h5", [someone])
        ...     open(f"{folder}/cohort.h5").subjects
        ('A',)
    """
    checks.require_callable("open", "load", load, "`images.read`")
    if not isinstance(load, Hashable):
        checks.invalid_kind("open", "load", "be a function that can be hashed", checks.describe(load))
    most = checks.integer("open", "cache_bytes", cache_bytes, minimum=0)
    place = os.path.abspath(path)
    handle = handles.opened(place)
    files = Files(root=folder(place, handle.tables, root), load=load, cache_bytes=most)
    dataset = described(place, handle, files)
    faults = verification.verify(dataset) if verify else ()
    if faults:
        validation.refuse(place, faults[0])
    return dataset


def described(path: str, handle: handles.Handle, files: Files) -> Dataset:
    """Return the record of a file from its tables."""
    tables = handle.tables
    subjects = tuple(map(str, tables[SUBJECTS].ravel()))
    names = [key.split("/")[-1].removesuffix("_shapes") for key in tables if key.startswith("meta/shapes/")]
    names = [str(name) for name in tables.get(CATEGORIES, sorted(names))]
    shapes = {name: rows(tables.get(SHAPES.format(name))) for name in names}
    known = tuple(shape[:-1] for shape in shapes.get("images", ()))
    grids = known or tuple(shape[::-1] for shape in rows(tables.get(PROPERTIES.format("shapes"))))
    lengths = {len(entry) for entry in (*shapes.values(), *([grids] if grids else []))}
    unfit = [name for name in (*subjects, *names) if not is_name(name)]
    if unfit or len(set(subjects)) != len(subjects) or not lengths <= {len(subjects)}:
        validation.refuse(path, "its tables contradict each other")
    stored = set(validation.group_at(handle.file, "data")) if "data" in handle.file else set()
    found = tuple(category_from(name, shapes[name], grids, tables, stored) for name in names)
    return Dataset(
        path=path, subjects=subjects, categories=found, grids=grids, digest=handle.digest,
        files=None if stored >= set(names) else files,
    )  # fmt: skip


def folder(path: str, tables: Tables, root: str | os.PathLike[str] | None) -> str | None:
    """Return the folder of the files of a dataset, as an absolute path; none where it has to be given and is not."""
    if root is not None:
        return os.path.abspath(root)
    inner = str(tables.get(FILE_ROOT, ".."))
    outside = os.path.isabs(inner) or ".." in inner.split("/")
    return None if outside else os.path.join(os.path.dirname(path), inner)


def rows(table: Any) -> tuple[Shape, ...]:
    """Return a table of shapes as tuples; none where there is no table."""
    return () if table is None else tuple(map(tuple, table.tolist()))


def category_from(
    name: str, shapes: tuple[Shape, ...], grids: tuple[Shape, ...], tables: Tables, stored: set[str]
) -> Category:
    """Return the record of a category."""
    entries = tuple(map(str, tables.get(NAMES.format(name), ())))
    spatial = bool(grids) and all(shape[: len(grid)] == grid for shape, grid in zip(shapes, grids, strict=True))
    return Category(name=name, entries=entries, shapes=shapes, spatial=spatial, stored=name in stored)
