"""Open dataset files of this process: one handle and one read-only memory map per file, opened when first needed.

Nothing here travels: records hold paths, and a process that was forked or spawned opens its own handles.
"""

import mmap
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import h5py
import numpy as np
from numpy.lib.array_utils import byte_bounds

from mia_functional.dataset._hdf5 import validation
from mia_functional.dataset._hdf5.metadata import DATA, GROUPS, SUBJECTS, digest_of_tables, number_name
from mia_functional.dataset.checkpoints import KINDS

OPEN_FILES = 16
"""Most files that are kept open; the one that was opened first is closed first."""


Stamp: TypeAlias = tuple[int, int, int]
"""What tells a file from one that took its place: number, size and time of the last change."""


class Handle(NamedTuple):
    """An open file: its tables, and the map of its bytes."""

    file: Any
    stamp: Stamp
    tables: dict[str, Any]
    digest: str
    memory: Any


HANDLES: dict[str, Handle] = {}
"""By path."""


REQUESTS_PER_PLANE = 16
"""Requests to read ahead per plane of an array, after which all of it counts as being in the page cache."""


AHEAD_BYTES = 1 << 21
"""Bytes that are requested beyond a part that begins where the last one ended: about eight planes."""


@dataclass(frozen=True, slots=True)
class MappedArray:
    """An array in a memory map."""

    array: Any
    memory: Any
    start: int
    requested: list[int]
    most: int


VIEWS: dict[tuple[str, str, str | int, str], Any] = {}
"""Arrays by path, digest, subject and category."""


ABANDONED: list[Handle] = []
"""Handles of the process that this one was forked from: they must be neither used nor closed."""


LOCK = threading.RLock()


def opened(path: str) -> Handle:
    """Return the handle of a file; a new one if the file is another than before.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no dataset, damaged or hostile.
    """
    with LOCK:
        handle = HANDLES.get(path)
        if handle is not None and handle.stamp == stamp_of(path):
            return handle
        release(path)
        while len(HANDLES) >= OPEN_FILES:
            release(next(iter(HANDLES)))
        HANDLES[path] = fresh(path)
        return HANDLES[path]


def expected(path: str, digest: str) -> Handle:
    """Return the handle of a file that was described before; refuse another file that took its place."""
    handle = HANDLES.get(path) or opened(path)
    if handle.digest != digest:
        validation.refuse(path, "it is another file than the one that was opened; open it again")
    return handle


def stamp_of(path: str) -> Stamp:
    """Return what tells a file from another."""
    state = os.stat(path)
    return state.st_ino, state.st_size, state.st_mtime_ns


def fresh(path: str) -> Handle:
    """Open a file, read its tables and map it."""
    stamp = stamp_of(path)
    file = opened_by_hdf5(path)
    try:
        with Path(path).open("rb") as stream:
            memory = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        tables = tables_in(file, memory)
        digest = digest_of_tables(tables)
        if validation.attribute(file, "digest") not in (None, digest):
            validation.refuse(path, "its tables are damaged")
    except (OSError, KeyError, RuntimeError) as error:
        file.close()
        validation.refuse(path, f"its tables cannot be read ({error})")
    except BaseException:
        file.close()
        raise
    return Handle(file, stamp, tables, digest, memory)


def opened_by_hdf5(path: str) -> Any:
    """Let HDF5 open a file: with its usual locks, and without where there are none (on network drives)."""
    if not os.path.isfile(path):
        validation.refuse(path, "it is a folder" if os.path.isdir(path) else "it is no regular file")
    try:
        try:
            return h5py.File(path, "r")
        except OSError as error:
            if "lock" not in str(error):
                raise
            return h5py.File(path, "r", locking=False)
    except OSError as error:
        validation.refuse(path, f"HDF5 cannot open it ({str(error).splitlines()[0]})")


def tables_in(file: Any, memory: Any) -> dict[str, Any]:
    """Return the tables of a file by location."""
    if "meta" not in file:
        validation.refuse(file.filename, "it has no group `meta`")
    meta = validation.group_at(file, "meta")
    if "subjects" not in meta:
        validation.refuse(file.filename, "it has no `meta/subjects`")
    tables = {
        f"meta/{name}": validation.table(meta, name, memory) for name in ("subjects", "categories") if name in meta
    }
    for name in GROUPS:
        if name in meta:
            group = validation.group_at(meta, name)
            tables |= {f"meta/{name}/{key}": validation.table(group, key, memory) for key in group}
    return tables


def release(path: str) -> None:
    """Close a file, if it is open; arrays that were read from it stay valid."""
    with LOCK:
        handle = HANDLES.pop(path, None)
        for key in [key for key in VIEWS if key[0] == path]:
            del VIEWS[key]
        if handle is not None:
            handle.file.close()


def array_at(handle: Handle, number: int, category: str) -> Any:
    """Return a subject's array: memory where it can be mapped, an HDF5 dataset where not, or a tuple of texts."""
    with LOCK:
        _, group, name = DATA.format(category, number_name(number, len(handle.tables[SUBJECTS]))).split("/")
        found = validation.dataset_at(validation.group_at(validation.group_at(handle.file, "data"), group), name)
        if h5py.check_string_dtype(found.dtype) is not None:
            return tuple(validation.texts_of(found, handle.memory).ravel().tolist())
        if not mappable(found):
            return found
        start = found.id.get_offset()
        array = np.ndarray(found.shape, found.dtype, handle.memory, start)
        most = REQUESTS_PER_PLANE * len(array) if array.ndim > 2 and hasattr(handle.memory, "madvise") else 0
        return MappedArray(array, handle.memory, start, [0], most)


def read_ahead(mapped: MappedArray, part: Any) -> Any:
    """Return a part of a mapped array, after asking the system for its pages.

    Cold pages come in one fault at a time otherwise.
    """
    if len(mapped.requested) > mapped.most or not isinstance(part, np.ndarray) or part.size == 0:
        return part
    rows = part[np.newaxis] if part.flags.c_contiguous else part
    low, high = byte_bounds(rows[:1])
    first = low - byte_bounds(mapped.array)[0] + mapped.start
    for number in range(len(rows)):
        start = first + number * rows.strides[0]
        stop = start + high - low
        ahead = AHEAD_BYTES if start == mapped.requested[-1] else 0
        page = start - start % mmap.PAGESIZE
        mapped.memory.madvise(mmap.MADV_WILLNEED, page, stop + ahead - page)
        mapped.requested.append(stop)
    return part


def mappable(found: Any) -> bool:
    """Tell whether the bytes of an HDF5 dataset lie in the file as they do in memory."""
    contiguous = found.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
    return contiguous and found.size > 0 and found.dtype.kind in KINDS and found.dtype.metadata is None


def abandon() -> None:
    """Forget the handles of the parent in a process that was forked, without closing them."""
    global LOCK
    LOCK = threading.RLock()
    ABANDONED.extend(HANDLES.values())
    HANDLES.clear()
    VIEWS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=abandon)
