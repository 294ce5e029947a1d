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
from mia_functional.dataset import volume_cache
from mia_functional.dataset._hdf5 import handles, validation
from mia_functional.dataset._hdf5.metadata import FILE_ROOT, FILES, PROPERTIES
from mia_functional.dataset.records import Dataset, category_of, check_dataset, subject_number
from mia_functional.geometry import Geometry
from mia_functional.typing import Array, Shape

Where: TypeAlias = "int | slice | EllipsisType | tuple[int | slice | EllipsisType, ...]"
"""What picks a part of an array, as in NumPy."""


def read(
    dataset: Dataset,
    subject: str | int,
    category: str,
    *,
    index: Where = ...,
    entries: str | Sequence[str] | None = None,
    out: Array | None = None,
) -> Array:
    """Read (load) an array of a subject, or a part of it.

    Args:
        dataset: From `open`.
        subject: The identifier, or the position.
        category: `images`, `labels`, `numerical`, ...
        index: Which part, as NumPy would take it: `mia_functional.indexing` yields such tuples. All where left out.
        entries: Names of the entries (channels) to read: one, whose axis is left out, or several, in that order.
        out: A NumPy array that the part is written to, of its shape; it saves the allocation.

    Returns:
        A new NumPy array of the dtype in the file, or `out`. Texts are a tuple of str.

    Raises:
        IndexError: The index lies outside of the array.
        TypeError: The index is of something else than integers, slices and `...`, or `out` cannot hold what is read.
        ValueError: There is no such subject, category or entry, the index takes the axis of the entries too, the shape
            of `out` is another, or the file is damaged.

    Example:
        >>> import tempfile
        >>> from mia_functional.dataset import Entry, Subject, create, open
        >>> someone = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     create(f"{folder}/cohort.h5", [someone])
        ...     float(read(open(f"{folder}/cohort.h5"), "A", "numerical", entries="AGE"))
        31.0
    """
    check_request(dataset, subject, category, index)
    places = None if entries is None else channels(dataset, category, entries, index)
    try:
        part = taken(dataset, subject, category, index)
    except IndexError as error:
        raise IndexError(checks.message("read", "index", "lie within the array", f"{index} ({error})")) from None
    if places is not None:
        part = chosen(part, places)
    if out is not None:
        return written(part, out)
    return own(part)


def check_request(dataset: Dataset, subject: str | int, category: str, index: Where) -> None:
    """Refuse kinds of arguments that NumPy or a dictionary would take for something else."""
    check_dataset("read", dataset)
    if not isinstance(subject, str) and not checks.is_integer(subject):
        checks.invalid_kind("read", "subject", "be an identifier or a position", repr(subject))
    if not isinstance(category, str):
        checks.invalid_kind("read", "category", "be the name of one category", repr(category))
    for entry in index if isinstance(index, tuple) else (index,):
        span = checks.is_integer_slice(entry) and entry.step != 0
        if not (span or checks.is_integer(entry) or isinstance(entry, EllipsisType)):
            needed = "be of integers, slices of them with a step other than 0, and `...`"
            checks.invalid_kind("read", "index", needed, checks.describe(entry))


def written(part: Any, out: Array) -> Array:
    """Return `out` with a part written to it; refuse what cannot hold it."""
    if isinstance(part, tuple | str):
        checks.invalid_value("read", "out", "be left out for texts", type(out).__name__)
    if not isinstance(out, np.ndarray) or not out.flags.writeable:
        checks.invalid_kind("read", "out", "be a NumPy array that can be written to", type(out).__name__)
    if not np.can_cast(part.dtype, out.dtype, "same_kind"):
        checks.invalid_kind("read", "out", f"be able to hold {part.dtype}", out.dtype)
    if out.shape != part.shape:
        checks.invalid_value("read", "out", f"have the shape of the part, {part.shape}", f"shape {out.shape}")
    np.copyto(out, part, casting="same_kind")
    return out


def own(part: Any) -> Any:
    """Return an array that may be written to: itself if it was read, a copy if it is a view of what others see.

    Anything else is returned as it is.
    """
    shared = isinstance(part, np.ndarray) and not (part.flags.writeable and part.flags.c_contiguous)
    return np.array(part) if shared else part


def taken(dataset: Dataset, subject: str | int, category: str, index: Where) -> Any:
    """Return a part of an array, as a read-only view of the file where that can be; texts are always whole."""
    found = located(dataset, subject, category)
    if isinstance(found, tuple):
        return found
    if isinstance(found, np.ndarray):
        return found[index]
    if isinstance(found, handles.MappedArray):
        return handles.read_ahead(found, found.array[index])
    with handles.LOCK:  # HDF5 reads through the handle, which no other thread may close meanwhile
        found = located(dataset, subject, category)
        return from_hdf5(found, index) if isinstance(found, h5py.Dataset) else found[index]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
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

    def __getitem__(self, index: Where) -> Any:
        """Return a part."""
        return taken(self.dataset, self.subject, self.category, index)


def view(dataset: Dataset, subject: str | int, category: str) -> Any:
    """Return a subject's array without copying it: read-only memory, an HDF5 dataset if it cannot be mapped, or texts.

    Args:
        dataset: From `open`.
        subject: The identifier, or the position.
        category: `images`, `labels`, `numerical`, ...

    Example:
        >>> import tempfile
        >>> from mia_functional.dataset import Entry, Subject, create, open
        >>> someone = Subject(name="A", entries=(Entry(category="gender", name="GENDER", value="F"),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     create(f"{folder}/cohort.h5", [someone])
        ...     view(open(f"{folder}/cohort.h5"), "A", "gender")
        ('F',)
    """
    check_request(dataset, subject, category, ...)
    found = located(dataset, subject, category)
    return found.array if isinstance(found, handles.MappedArray) else found


def located(dataset: Dataset, subject: str | int, category: str) -> Any:
    """Return a subject's array: from the cache, or found in the file, checked and remembered."""
    found = handles.VIEWS.get((dataset.path, dataset.digest, subject, category))
    return looked_up(dataset, subject, category) if found is None else found


def looked_up(dataset: Dataset, subject: str | int, category: str) -> Any:
    """Find a subject's array in the file, check it and remember where it is; decode it where it is in other files."""
    number = subject_number("read", dataset, subject)
    record = category_of("read", dataset, category)
    shape, name = record.shapes[number], f"{category} of {dataset.subjects[number]}"
    key = (dataset.path, dataset.digest, number, category)
    if not record.stored and dataset.files is not None:
        grid = partial(grid_of, dataset, number)
        return volume_cache.volume(dataset, number, record, paths(dataset, number, category), grid)
    with handles.LOCK:
        found = handles.VIEWS.get(key)
        if found is None:
            found = handles.array_at(handles.expected(*key[:2]), number, category)
        texts = isinstance(found, tuple)
        actual = (len(found),) if texts else (found.array if isinstance(found, handles.MappedArray) else found).shape
        if math.prod(actual) != math.prod(shape) if texts else actual != shape:
            validation.refuse(dataset.path, f"{name} is {actual} and not {shape}")
        handles.VIEWS[key] = handles.VIEWS[(*key[:2], subject, category)] = found
    return found


def close(dataset: Dataset) -> None:
    """Close the file of a dataset in this process, so that it can be changed; arrays stay valid, decoded volumes go.

    Args:
        dataset: From `open`.
    """
    check_dataset("close", dataset)
    volume_cache.forget(dataset.path)
    handles.release(dataset.path)


def paths(dataset: Dataset, number: int, category: str) -> tuple[str, ...]:
    """Return the files of a category of a subject, relative to the folder of the files."""
    table = handles.expected(dataset.path, dataset.digest).tables.get(FILES.format(category))
    if table is None:
        validation.refuse(dataset.path, f"it holds neither arrays nor files of {category}")
    return volume_cache.checked_names(dataset.path, tuple(map(str, table[number])))


def from_hdf5(array: Any, index: Where) -> Any:
    """Return a part of an HDF5 dataset that is read and not mapped, with the rules of NumPy."""
    wanted = index if isinstance(index, tuple) else (index,)
    if ... in wanted:
        place = wanted.index(...)
        wanted = (*wanted[:place], *[slice(None)] * (array.ndim - len(wanted) + 1), *wanted[place + 1 :])
    if len(wanted) > array.ndim:
        raise IndexError(f"read: `index` must have at most {array.ndim} entries; got {len(wanted)}.")
    spans = [span(entry, size) for entry, size in zip(wanted, array.shape, strict=False)]
    try:
        block = array[tuple(slice(span.start, span.stop) for span in spans)]
    except (OSError, RuntimeError) as error:
        validation.refuse(array.file.filename, f"{array.name} cannot be read ({error})")
    return block[tuple(slice(None, None, e.step) if isinstance(e, slice) else 0 for e in wanted)]


def span(entry: Any, size: int) -> range:
    """Return the positions from the first to the last that one entry of an index needs."""
    picked = range(size)[entry] if isinstance(entry, slice) else (range(size)[entry],)
    return range(min(picked), max(picked) + 1) if picked else range(0)


def chosen(part: Any, places: Any) -> Any:
    """Return the entries at places on the last axis of an array, or of texts."""
    if not isinstance(part, tuple):
        return part[..., places]
    return tuple(part[place] for place in places) if isinstance(places, list) else part[places]


def channels(dataset: Dataset, category: str, entries: str | Sequence[str], index: Where) -> Any:
    """Return the positions of entries on the last axis, which the index must leave alone.

    One entry has a number, several that are side by side a slice.
    """
    found = category_of("read", dataset, category)
    if not isinstance(entries, Sequence):
        checks.invalid_kind("read", "entries", "be a name or a sequence of names", checks.describe(entries))
    names = [entries] if isinstance(entries, str) else list(entries)
    unknown = [name for name in names if name not in found.entries]
    if unknown or not names:
        checks.invalid_value(
            "read", "entries", f"be of {', '.join(found.entries) or 'a file that names them'}", entries
        )
    wanted = index if isinstance(index, tuple) else (index,)
    if (... in wanted and wanted[-1] is not ...) or len(wanted) - (... in wanted) >= len(found.shapes[0]):
        checks.invalid_value("read", "index", "leave the last axis to `entries`", index)
    places = [found.entries.index(name) for name in names]
    if isinstance(entries, str):
        return places[0]
    straight = places == list(range(places[0], places[0] + len(places)))
    return slice(places[0], places[0] + len(places)) if straight else places


def geometry(dataset: Dataset, subject: str | int) -> Geometry:
    """Return where the images of a subject lie.

    Args:
        dataset: From `open`.
        subject: The identifier, or the position.

    Raises:
        ValueError: There is no such subject, or the dataset does not tell where its images lie.

    Example:
        >>> import tempfile
        >>> from mia_functional.dataset import Entry, Subject, create, open
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     images.write(f"{folder}/A.mha", np.ones((3, 4)), Geometry(shape=(3, 4), spacing=(2.0, 1.0)))
        ...     someone = Subject(name="A", entries=(Entry(category="images", name="T1", path=f"{folder}/A.mha"),))
        ...     create(f"{folder}/cohort.h5", [someone])
        ...     geometry(open(f"{folder}/cohort.h5"), "A").spacing
        (2.0, 1.0)
    """
    found = grid_of(dataset, subject_number("geometry", dataset, subject))
    if found is None:
        checks.invalid_value("geometry", "dataset", "tell where its images lie", dataset)
    return found


def grid_of(dataset: Dataset, number: int) -> Geometry | None:
    """Return where the images of a subject lie, if the tables of the dataset tell."""
    tables = handles.expected(dataset.path, dataset.digest).tables
    fields = [tables.get(PROPERTIES.format(name)) for name in ("shapes", "spacing", "origins", "directions")]
    known = [field[number].tolist() for field in fields if field is not None]
    return images.from_itk(*known) if len(known) == len(fields) else None


def files(dataset: Dataset, subject: str | int) -> dict[str, tuple[str, ...]]:
    """Return the paths of the files that a subject was made from, by category; relative to the folder of the dataset.

    Args:
        dataset: From `open`.
        subject: The identifier, or the position.
    """
    number = subject_number("files", dataset, subject)
    tables = handles.expected(dataset.path, dataset.digest).tables
    root = str(tables.get(FILE_ROOT, np.array(".", dtype=object)))
    found = {c.name: tables[FILES.format(c.name)] for c in dataset.categories if FILES.format(c.name) in tables}
    return {name: tuple(os.path.join(root, str(entry)) for entry in table[number]) for name, table in found.items()}
