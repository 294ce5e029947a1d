"""Any part of any array of a dataset, at the speed of memory."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import EllipsisType
from typing import Any, TypeAlias

import h5py
import numpy as np

from mia_functional import images
from mia_functional._core import checks
from mia_functional.dataset._hdf5 import handles, layout, validation
from mia_functional.dataset._hdf5.dtypes import read_block
from mia_functional.dataset._hdf5.handles import ArrayIndex, MappedArray, StoredArray
from mia_functional.dataset.records import Dataset, category_of, check_dataset, subject_number
from mia_functional.dataset.volume_cache import cached_volume, forget_volumes
from mia_functional.geometry import Geometry
from mia_functional.typing import HostArray, Shape

__all__ = [
    "LazyArray",
    "array_region",
    "close",
    "entry_positions",
    "files",
    "geometry",
    "grid_of_subject",
    "own_array",
    "pick_entries",
    "read",
    "subject_rows",
    "view",
]

_ArrayOrTexts: TypeAlias = "HostArray | tuple[str, ...]"
_Positions: TypeAlias = int | slice | list[int]


def read(
    dataset: Dataset,
    subject: str | int,
    category: str,
    *,
    index: ArrayIndex = ...,
    entries: str | Sequence[str] | None = None,
    out: "HostArray | None" = None,
) -> Any:
    """Read (load) an array of a subject, or a part of it.

    Args:
        dataset: From `open`.
        subject: The identifier, or the position.
        category: `images`, `labels`, `numerical`, ...
        index: Which part, as NumPy would take it: `mia_functional.indexing` yields such tuples. All by default.
        entries: Names of the entries (channels) to read: one, whose axis is dropped, or several, in that order.
        out: A NumPy array that the part is written to, of its shape; it saves the allocation.

    Returns:
        A new NumPy array of the dtype in the file, or `out`. Texts are a tuple of str.

    Raises:
        IndexError: The index lies outside of the array.
        TypeError: The index is of something else than integers, slices and `...`, or `out` cannot hold what is read.
        ValueError: The subject, category or entry does not exist, the index takes the axis of the entries too, the
            shape of `out` is wrong, or the file is damaged.

    Example:
        >>> cohort.subjects  # from `open("cohort.h5")`
        ('A',)
        >>> float(read(cohort, "A", "numerical", entries="AGE"))
        31.0
        >>> read(cohort, "A", "images", index=(slice(0, 2), 1), entries="T1").shape
        (2,)
    """
    _check_request("read", dataset, subject, category)
    for entry in index if isinstance(index, tuple) else (index,):
        is_range = checks.is_integer_slice(entry) and entry.step != 0
        if not (is_range or checks.is_integer(entry) or isinstance(entry, EllipsisType)):
            requirement = "be of integers, slices of them with a step other than 0, and `...`"
            checks.invalid_kind("read", "index", requirement, checks.describe(entry))
    positions = None if entries is None else entry_positions("read", dataset, category, entries, index)
    try:
        region: Any = array_region(dataset, subject, category, index)
    except IndexError as error:
        raise IndexError(checks.message("read", "index", "lie within the array", f"{index} ({error})")) from None
    if positions is not None:
        region = pick_entries(region, positions)
    return own_array(region) if out is None else _copy_to(out, region)


def _check_request(function: str, dataset: object, subject: object, category: object) -> None:
    """Raise on kinds of arguments that a dictionary would take for something else."""
    check_dataset(function, dataset)
    if not isinstance(subject, str) and not checks.is_integer(subject):
        checks.invalid_kind(function, "subject", "be an identifier or a position", repr(subject))
    checks.require_instance(function, "category", category, str, "the name of one category")


def _copy_to(out: object, region: "_ArrayOrTexts | str") -> HostArray:
    """Return `out` with a region written to it; raise unless it can hold that."""
    if isinstance(region, tuple | str):
        checks.invalid_value("read", "out", "be none for texts", type(out).__name__)
    if not isinstance(out, np.ndarray) or not out.flags.writeable:
        checks.invalid_kind("read", "out", "be a NumPy array that can be written to", type(out).__name__)
    if not np.can_cast(region.dtype, out.dtype, "same_kind"):
        checks.invalid_kind("read", "out", f"be able to hold {region.dtype}", out.dtype)
    if out.shape != region.shape:
        checks.invalid_value("read", "out", f"have the shape of the part, {region.shape}", f"shape {out.shape}")
    np.copyto(out, region, casting="same_kind")
    return out


def own_array(value: Any) -> Any:
    """Return an array that may be written to: itself if it was read, a copy if it is a view of shared memory.

    Anything else is returned as it is.
    """
    shared = isinstance(value, np.ndarray) and not (value.flags.writeable and value.flags.c_contiguous)
    return np.array(value) if shared else value


def array_region(dataset: Dataset, subject: str | int, category: str, index: ArrayIndex) -> _ArrayOrTexts:
    """Return a part of an array, as a read-only view of the file if possible; texts are always whole."""
    stored = _stored_array(dataset, subject, category)
    if isinstance(stored, h5py.Dataset):
        with handles.FILES_LOCK:
            # HDF5 reads through its handle: the array is looked up again, as another thread may have closed it since.
            stored = _stored_array(dataset, subject, category)
            if isinstance(stored, h5py.Dataset):
                return _read_by_hdf5(stored, index)
    if isinstance(stored, MappedArray):
        return handles.read_mapped(stored, index)
    return stored if isinstance(stored, tuple) else stored[index]


def _read_by_hdf5(stored: h5py.Dataset, index: ArrayIndex) -> HostArray:
    """Return a part of an HDF5 dataset that cannot be mapped, with the rules of NumPy."""
    wanted: list[Any] = list(index) if isinstance(index, tuple) else [index]
    if ... in wanted:
        position = wanted.index(...)
        wanted[position : position + 1] = [slice(None)] * (stored.ndim - len(wanted) + 1)
    if len(wanted) > stored.ndim:
        raise IndexError(f"too many entries for {stored.ndim} axes")
    # h5py takes neither negative steps nor, at speed, other steps than 1: the block around them is read, and then
    # picked from.
    spans, picks = [], []
    for entry, size in zip(wanted, stored.shape, strict=False):
        picked = range(size)[entry] if isinstance(entry, slice) else (range(size)[entry],)
        spans.append(slice(min(picked), max(picked) + 1) if picked else slice(0, 0))
        picks.append(slice(None, None, entry.step) if isinstance(entry, slice) else 0)
    try:
        block = read_block(stored, tuple(spans))
    except (OSError, RuntimeError) as error:
        validation.malformed(stored.file.filename, f"{stored.name} cannot be read ({error})")
    return block[tuple(picks)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyArray:
    """A subject's array as something that can be sliced: every part is read when it is asked for.

    Args:
        dataset: From `open`.
        subject: The position.
        category: `images`, `labels`, ...
        shape: That of the array.
    """

    dataset: Dataset
    subject: int
    category: str
    shape: Shape

    def __getitem__(self, index: ArrayIndex) -> _ArrayOrTexts:
        """Return a part."""
        return array_region(self.dataset, self.subject, self.category, index)


def view(dataset: Dataset, subject: str | int, category: str) -> Any:
    """Return a subject's array without copying it: read-only memory, texts, or what reads parts of it when sliced.

    The latter is an HDF5 dataset, if it cannot be mapped, or an image in chunks (OME-Zarr) of a dataset of metadata.

    Args:
        dataset: From `open`.
        subject: The identifier, or the position.
        category: `images`, `labels`, `numerical`, ...

    Example:
        >>> view(cohort, "A", "images").flags.writeable  # `cohort` is from `open("cohort.h5")`
        False
        >>> view(cohort, "A", "gender")
        ('F',)
    """
    _check_request("view", dataset, subject, category)
    stored = _stored_array(dataset, subject, category)
    return stored.array if isinstance(stored, MappedArray) else stored


def _stored_array(dataset: Dataset, subject: str | int, category: str) -> "StoredArray | HostArray":
    """Return a subject's array: from the file, checked and remembered until it is closed; or decoded from others."""
    stored = handles.ARRAYS.get((dataset.path, dataset.digest, subject, category))
    if stored is not None:
        return stored
    number = subject_number("read", dataset, subject)
    record = category_of("read", dataset, category)
    if not record.stored and dataset.files is not None:
        tables = handles.expected_handle(dataset.path, dataset.digest).tables
        table = tables.get(layout.FILE_NAMES.format(category))
        if table is None:
            validation.malformed(dataset.path, f"it holds neither arrays nor files of {category}")
        align: Any = str(tables[layout.ALIGN]) if layout.ALIGN in tables else None
        if align not in (None, "reorient", "resample"):
            validation.malformed(dataset.path, "it does not say how its files are aligned")
        grid = partial(grid_of_subject, dataset, number, record.grid)
        return cached_volume(dataset, number, record, tuple(map(str, table[number])), grid, align=align)
    key = (dataset.path, dataset.digest, number, category)
    with handles.FILES_LOCK:
        stored = handles.ARRAYS.get(key)
        if stored is None:
            stored = handles.array_at(handles.expected_handle(dataset.path, dataset.digest), number, category)
        array, expected = stored.array if isinstance(stored, MappedArray) else stored, record.shapes[number]
        # pymia may store texts with more axes, which a tuple does not have.
        actual: Shape = (len(array),) if isinstance(array, tuple) else array.shape
        if actual != ((math.prod(expected),) if isinstance(array, tuple) else expected):
            name = f"{category} of {dataset.subjects[number]}"
            validation.malformed(dataset.path, f"{name} is {actual} and not {expected}")
        handles.ARRAYS[key] = stored
        handles.ARRAYS[(dataset.path, dataset.digest, subject, category)] = stored
    return stored


def close(dataset: Dataset) -> None:
    """Close the file of a dataset in this process, so that it can be changed.

    Arrays stay valid; decoded volumes are dropped.

    Args:
        dataset: From `open`.
    """
    check_dataset("close", dataset)
    forget_volumes(dataset.path)
    handles.release(dataset.path)


def pick_entries(value: _ArrayOrTexts, positions: _Positions) -> "_ArrayOrTexts | str":
    """Return the entries at positions on the last axis of an array, or of texts."""
    if isinstance(value, np.ndarray):
        return value[..., positions]
    return tuple(value[position] for position in positions) if isinstance(positions, list) else value[positions]


def entry_positions(
    function: str, dataset: Dataset, category: str, entries: str | Sequence[str], index: ArrayIndex
) -> _Positions:
    """Return the positions of entries on the last axis, which the index must leave alone.

    One entry gives a number, several that are side by side a slice, of which NumPy makes no copy.
    """
    record = category_of(function, dataset, category)
    checks.require_instance(function, "entries", entries, Sequence, "a name or a sequence of names")
    names = [entries] if isinstance(entries, str) else list(entries)
    if not names or any(name not in record.entries for name in names):
        requirement = f"be of {', '.join(record.entries) or 'a file that names them'}"
        checks.invalid_value(function, "entries", requirement, entries)
    wanted = index if isinstance(index, tuple) else (index,)
    if (... in wanted and wanted[-1] is not ...) or len(wanted) - (... in wanted) >= len(record.shapes[0]):
        checks.invalid_value(function, "index", "leave the last axis to `entries`", index)
    positions = [record.entries.index(name) for name in names]
    if isinstance(entries, str):
        return positions[0]
    adjacent = slice(positions[0], positions[0] + len(positions))
    return adjacent if positions == list(range(adjacent.start, adjacent.stop)) else positions


def geometry(dataset: Dataset, subject: str | int, *, category: str | None = None) -> Geometry:
    """Return where the images of a subject lie, or another category that lies on a grid of its own.

    Args:
        dataset: From `open`.
        subject: The identifier, or the position.
        category: `images`, or one of those that `create` got `grids` of; by default that of the grid of the images.

    Raises:
        ValueError: The subject or the category does not exist, the category lies on no grid, or the dataset does not
            say where its images lie.

    Example:
        >>> geometry(cohort, "A").spacing  # `cohort` is from `open("cohort.h5")`
        (2.0, 1.0)
    """
    number = subject_number("geometry", dataset, subject)
    name = dataset.grid if category is None else category_of("geometry", dataset, category).grid
    if category is not None and not name:
        checks.invalid_value("geometry", "category", "lie on a grid", f"{category!r}, which lies on none")
    grid = grid_of_subject(dataset, number, name)
    if grid is None:
        checks.invalid_value("geometry", "dataset", "say where its images lie", dataset)
    return grid


def grid_of_subject(dataset: Dataset, number: int, name: str) -> Geometry | None:
    """Return where the grid of a name lies for a subject, if the tables of the dataset say so."""
    tables = handles.expected_handle(dataset.path, dataset.digest).tables
    if (table := tables.get(layout.GEOMETRIES.format(name))) is not None:
        row = table[number].tolist()
        axes = next(n for n in range(1, 5) if len(row) == n * (n + 3))
        rows = [[int(size) for size in row[:axes]], *(row[k * axes : (k + 1) * axes] for k in (1, 2)), row[3 * axes :]]
    else:
        rows = [tables[path][number].tolist() for path in layout.IMAGE_PROPERTIES if path in tables]
        if len(rows) != len(layout.IMAGE_PROPERTIES):
            return None
    try:
        return images.from_itk(*rows)
    except (TypeError, ValueError) as error:
        validation.malformed(dataset.path, f"the grid of {dataset.subjects[number]} is none ({error})")


def files(dataset: Dataset, subject: str | int) -> dict[str, tuple[str, ...]]:
    """Return the paths of the files that a subject was made from, by category; relative to the folder of the dataset.

    Args:
        dataset: From `open`.
        subject: The identifier, or the position.

    Example:
        >>> files(cohort, "A")  # `cohort` is from `open("cohort.h5")`
        {'images': ('./A.mha',)}
    """
    rows = subject_rows("files", dataset, subject, layout.FILE_NAMES)
    tables = handles.expected_handle(dataset.path, dataset.digest).tables
    root = str(tables[layout.FILE_ROOT]) if layout.FILE_ROOT in tables else "."
    return {name: tuple(os.path.join(root, str(file)) for file in row) for name, row in rows.items()}


def subject_rows(function: str, dataset: Dataset, subject: str | int, location: str) -> dict[str, HostArray]:
    """Return the rows of a subject in the tables at a location, by category; only where there is a table."""
    number = subject_number(function, dataset, subject)
    tables = handles.expected_handle(dataset.path, dataset.digest).tables
    by_category = {category.name: tables.get(location.format(category.name)) for category in dataset.categories}
    return {name: table[number] for name, table in by_category.items() if table is not None}
