"""Open dataset files: one HDF5 handle and one read-only memory map per file, opened when first needed.

Hidden state, all of it private to this process:

* `_HANDLES`: the open files by path. Opened by `open_handle`, closed by `release`, by a change of the file on the disk,
  or as the oldest of more than `OPEN_FILES`. HDF5 is not safe to call from several threads while files are closed:
  whoever uses a handle holds `FILES_LOCK`.
* `ARRAYS`: what was found in these files; emptied per file by `release`. Looked up without a lock (a dictionary is
  atomic), as a mapped array stays valid when its file is closed: it holds the memory map, and the map the pages.
* Fork: the child gets a new lock, since another thread of the parent may hold the old one, and opens its own files: the
  file position of an inherited descriptor is shared with the parent. The inherited handles must not be closed either,
  which would change the parent's lock on the file; they are kept in `_INHERITED` so that they are not collected.

Nothing here travels: records hold paths, and a process that was spawned begins empty.
"""

import mmap
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import NamedTuple, TypeAlias

import h5py
import numpy as np
from numpy.lib.array_utils import byte_bounds

from mia_functional.dataset._hdf5 import validation
from mia_functional.dataset._hdf5.dtypes import dtype_in_file, dtype_text
from mia_functional.dataset._hdf5.layout import DTYPES, SUBJECTS, TABLE_GROUPS, Tables, data_path
from mia_functional.dataset._hdf5.metadata import digest_of_tables
from mia_functional.dataset.buffer_pool import keep_freed_memory
from mia_functional.typing import HostArray

OPEN_FILES = 16
"""Most files that are kept open; the one that was opened first is closed first."""

_REQUESTS_PER_PLANE = 8
"""Requests to read ahead, per plane of an array, after which all of it counts as being in the page cache."""

_AHEAD_BYTES = 1 << 21
"""Bytes that are requested beyond a part which begins where the last one ended: about eight planes."""

_TABLE_BYTES = 1 << 28
"""Most bytes of one table in `meta`."""

FileStamp: TypeAlias = tuple[int, int, int]
"""What tells a file from one that took its place: inode, size and time of the last change."""


class Handle(NamedTuple):
    """An open file: its tables and their digest, and the map of its bytes."""

    file: h5py.File
    stamp: FileStamp
    tables: Tables
    digest: str
    memory: mmap.mmap


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedArray:
    """An array in a memory map.

    Args:
        array: The read-only array.
        memory: The map of the file.
        start: Where the array begins in the file.
        requested: Where each row that was requested ahead ended, once per plane of it; `most` are requested.
        most: That number; 0 where the system cannot read ahead.
    """

    array: HostArray
    memory: mmap.mmap
    start: int
    requested: list[int]
    most: int


ArrayIndex: TypeAlias = "int | slice | EllipsisType | tuple[int | slice | EllipsisType, ...]"
"""What picks a part of an array, as in NumPy."""

StoredArray: TypeAlias = MappedArray | h5py.Dataset | tuple[str, ...]
"""An array of a subject: mapped, or read by HDF5 where it cannot be mapped; or texts."""

_HANDLES: dict[str, Handle] = {}

ARRAYS: dict[tuple[str, str, str | int, str], StoredArray] = {}
"""Arrays by path and digest of the file, subject and category."""

_INHERITED: list[Handle] = []

FILES_LOCK = threading.RLock()


def open_handle(path: str) -> Handle:
    """Return the handle of a file; a new one if the file is another than before.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a dataset, damaged or hostile.
    """
    with FILES_LOCK:
        handle = _HANDLES.get(path)
        if handle is not None and handle.stamp == file_stamp(path):
            return handle
        release(path)
        while len(_HANDLES) >= OPEN_FILES:
            release(next(iter(_HANDLES)))
        _HANDLES[path] = _new_handle(path)
        return _HANDLES[path]


def expected_handle(path: str, digest: str) -> Handle:
    """Return the handle of a file that was described before; raise if another file took its place."""
    handle = _HANDLES.get(path) or open_handle(path)
    if handle.digest != digest:
        validation.malformed(path, "it is another file than the one that was opened; open it again")
    return handle


def file_stamp(path: str) -> FileStamp:
    """Return what tells a file from another."""
    state = os.stat(path)
    return state.st_ino, state.st_size, state.st_mtime_ns


def _new_handle(path: str) -> Handle:
    """Open a file, read its tables and map it."""
    keep_freed_memory()
    stamp = file_stamp(path)  # before anything is read: a change meanwhile then leads to another handle
    file = _open_by_hdf5(path)
    try:
        with Path(path).open("rb") as stream:
            memory = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        tables = _read_tables(file, memory)
        digest = digest_of_tables(tables)
        # Files of pymia have no digest.
        if validation.text_attribute(file, "digest") not in (None, digest):
            validation.malformed(path, "its tables are damaged")
    except (OSError, KeyError, RuntimeError) as error:
        file.close()
        validation.malformed(path, f"its tables cannot be read ({error})")
    except BaseException:
        file.close()
        raise
    return Handle(file, stamp, tables, digest, memory)


def _open_by_hdf5(path: str, *, locking: bool | None = None) -> h5py.File:
    """Open a file by HDF5: with its usual locks, or without where the drive (a network drive) has none."""
    if not os.path.isfile(path):
        validation.malformed(path, "it is a folder" if os.path.isdir(path) else "it is not a regular file")
    with open(path, "rb"):  # what the system refuses (permissions, too many files) it says better than HDF5
        pass
    try:
        return h5py.File(path, "r", locking=locking)
    except OSError as error:
        if locking is None and "lock" in str(error):
            return _open_by_hdf5(path, locking=False)
        validation.malformed(path, "it is no HDF5 file, or one that is damaged or cut off")


def _read_tables(file: h5py.File, memory: mmap.mmap) -> Tables:
    """Return the tables of a file by their path."""
    if "meta" not in file:
        validation.malformed(file.filename, "it has no group `meta`")
    meta = validation.group_at(file, "meta")
    if "subjects" not in meta:
        validation.malformed(file.filename, "it has no `meta/subjects`")
    members = [(f"meta/{name}", meta, name) for name in ("subjects", "categories", "roles", "grids") if name in meta]
    for key in [key for key in TABLE_GROUPS if key in meta]:
        group = validation.group_at(meta, key)
        members += [(f"meta/{key}/{name}", group, name) for name in group]
    tables = {}
    for path, group, name in members:
        stored = validation.dataset_at(group, name, max_bytes=_TABLE_BYTES)
        is_text = h5py.check_string_dtype(stored.dtype) is not None
        tables[path] = validation.read_texts(stored, memory) if is_text else stored[()]
    return tables


def release(path: str) -> None:
    """Close a file, if it is open; arrays that were read from it stay valid."""
    with FILES_LOCK:
        handle = _HANDLES.pop(path, None)
        for key in [key for key in ARRAYS if key[0] == path]:
            del ARRAYS[key]
        if handle is not None:
            handle.file.close()


def array_at(handle: Handle, number: int, category: str) -> StoredArray:
    """Return a subject's array: mapped where its bytes lie in the file as they do in memory."""
    with FILES_LOCK:
        _, group, name = data_path(category, number, len(handle.tables[SUBJECTS])).split("/")
        stored = validation.dataset_at(validation.group_at(validation.group_at(handle.file, "data"), group), name)
        if h5py.check_string_dtype(stored.dtype) is not None:
            return tuple(validation.read_texts(stored, handle.memory).ravel().tolist())
        contiguous = stored.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
        dtype = dtype_in_file(stored)
        _check_dtype(handle, number, category, "" if dtype is None else dtype_text(dtype))
        if not contiguous or stored.size == 0 or dtype is None:
            return stored
        start, memory = stored.id.get_offset(), handle.memory
        array: HostArray = np.ndarray(stored.shape, dtype, memory, start)
        most = _REQUESTS_PER_PLANE * len(array) if array.ndim > 2 and hasattr(memory, "madvise") else 0
        return MappedArray(array=array, memory=memory, start=start, requested=[0], most=most)


def _check_dtype(handle: Handle, number: int, category: str, actual: str) -> None:
    """Raise if the tables name another dtype of a subject's array, where they name any."""
    table = handle.tables.get(DTYPES.format(category))
    if table is not None and (table.shape != handle.tables[SUBJECTS].shape or str(table[number]) != actual):
        validation.malformed(handle.file.filename, f"{category} is not of the dtype that its tables name")


def read_mapped(mapped: MappedArray, index: ArrayIndex) -> HostArray:
    """Return a part of a mapped array as a view, after asking the system to read its pages.

    Otherwise pages that are not in the page cache come in one fault at a time: a slice across all planes of a cold
    volume took 90 ms, and 4 ms if requested. Requests cost time where nothing is cold, so they end after a number.
    """
    part: HostArray = mapped.array[index]
    if len(mapped.requested) > mapped.most or not isinstance(part, np.ndarray) or part.size == 0:
        return part
    rows = part[np.newaxis] if part.flags.c_contiguous else part
    low, high = byte_bounds(rows[:1])
    first = low - byte_bounds(mapped.array)[0] + mapped.start
    for number in range(len(rows)):
        start = first + number * rows.strides[0]
        stop = start + high - low
        ahead = _AHEAD_BYTES if start == mapped.requested[-1] else 0
        page = start - start % mmap.PAGESIZE
        mapped.memory.madvise(mmap.MADV_WILLNEED, page, stop + ahead - page)
        mapped.requested.extend([stop] * (1 + (stop - start) // mapped.array.strides[0]))  # by planes, if it spans some
    return part


def _abandon_inherited() -> None:
    """Forget the handles of the parent in a process that was forked, without closing them."""
    global FILES_LOCK
    FILES_LOCK = threading.RLock()
    _INHERITED.extend(_HANDLES.values())
    _HANDLES.clear()
    ARRAYS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_inherited)
