"""Checkpoints into one HDF5 file.

The HDF5 library never touches the disk by itself: when a disk is full it ends the process. It is given a file object
whose writing never fails, and what went wrong is raised afterwards. HDF5 only decides on the offsets of the arrays. The
system then copies them from the checkpoints; or, if they lie at their offsets in the common file already, copies
everything else there.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np

from mia_functional._core import atomic_files
from mia_functional.dataset._hdf5.blocks import Block, StoredSubject
from mia_functional.dataset._hdf5.compression import chunked_creation
from mia_functional.dataset._hdf5.dtypes import hdf5_type
from mia_functional.dataset._hdf5.layout import ALIGNMENT, FORMAT, Tables, data_path
from mia_functional.dataset._hdf5.metadata import digest_of_tables
from mia_functional.dataset.checkpoints import COMMON_FILE, write_all
from mia_functional.dataset.records import Storage

_COPY_BYTES = 1 << 24
"""Bytes that are copied at a time where the system cannot copy; as many are flushed as soon as they are copied."""

_COPY_THREADS = 2
"""One thread copies while the other waits for the disk."""


class CopyTask(NamedTuple):
    """Bytes of one file, and where they go in another."""

    source: Path
    start: int
    target_start: int
    nbytes: int


def write_file(path: Path, subjects: Sequence[tuple[Path, StoredSubject]], tables: Tables, storage: Storage) -> None:
    """Write the checkpoints of all subjects into one file, flush it, and give it its name."""
    frame, common = (subjects[0][0].with_name(name) for name in ("frame", COMMON_FILE))
    try:
        with atomic_files.naming_failures("create", path):
            copies = _write_frame(frame, subjects, tables, storage)
            inside = [task for task in copies if task.source == common]
            # The common file becomes the dataset only if every array in it is where it belongs; after a subject of
            # another size was made again it may not be.
            target = common if inside and all(task.start == task.target_start for task in inside) else frame
            if target == common:
                copies = [*(task for task in copies if task.source != common), *_gaps(frame, copies)]
            with ThreadPoolExecutor(_COPY_THREADS) as pool:
                list(pool.map(partial(copy, target, durable=storage.durable), copies))
            os.truncate(target, frame.stat().st_size)
            atomic_files.publish(target, path, durable=storage.durable)
    finally:
        frame.unlink(missing_ok=True)


def _write_frame(
    frame: Path, subjects: Sequence[tuple[Path, StoredSubject]], tables: Tables, storage: Storage
) -> list[CopyTask]:
    """Write a dataset that lacks only the uncompressed arrays; return where these are and where they go."""
    failures: list[OSError] = []
    copies = []
    with _telling(failures), frame.open("w+b", buffering=0) as stream, new_file(stream, failures) as file:
        # All arrays before all else: their offsets must be those that `allocation` reserved.
        for number, (path, header) in enumerate(subjects):
            offsets = allocate(file, number, len(subjects), header.blocks)
            source = path.with_name(COMMON_FILE) if header.placed else path
            blocks = [block for block in header.blocks if block.category in offsets]
            copies += [CopyTask(source, block.offset, offsets[block.category], block.nbytes) for block in blocks]
            raise_first(failures)
        for number, (path, header) in enumerate(subjects):
            for block in header.blocks:
                location = data_path(block.category, number, len(subjects))
                if block.texts:
                    texts = np.array(block.texts, dtype=object)
                    file.create_dataset(location, data=texts, dtype=h5py.string_dtype(), track_times=False)
                elif block.chunks and storage.compression is not None:
                    itemsize = hdf5_type(block.dtype).get_size()
                    creation = chunked_creation(block.shape, itemsize, storage.compression)
                    _write_chunks(_new_dataset(file, location, block, creation), block, path)
                raise_first(failures)
        attributes = {
            "format": FORMAT, "mia_functional": sys.modules["mia_functional"].__version__, "numpy": np.__version__,
            "h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version, "storage": json.dumps(asdict(storage)),
            "digest": digest_of_tables(tables),
        }  # fmt: skip
        for name, value in attributes.items():
            file.attrs[name] = np.bytes_(value)
        for location, table in tables.items():
            dtype = h5py.string_dtype() if table.dtype == object else table.dtype
            file.create_dataset(location, data=table, dtype=dtype, track_times=False)
    return copies


def new_file(stream: BinaryIO, failures: list[OSError]) -> h5py.File:
    """Return a new HDF5 file over a stream; what goes wrong with the stream is appended to `failures`."""

    # HDF5 itself sees a stream whose writing never fails.
    def recording(function: Callable[[Any], object], result: Callable[[Any], int]) -> Callable[[Any], int]:
        def call(argument: Any) -> int:
            try:
                function(argument)
            except OSError as error:
                failures.append(error)
            return result(argument)

        return call

    write, truncate = recording(partial(write_all, stream), len), recording(stream.truncate, int)
    others = {name: getattr(stream, name) for name in ("read", "readinto", "seek", "tell")}
    # HDF5 flushes often; one flush of everything at the end is enough.
    unfailing = SimpleNamespace(write=write, truncate=truncate, flush=lambda: None, **others)
    # A fixed range of format versions, so that the same content gives the same bytes with every release of HDF5.
    options = {"alignment_threshold": ALIGNMENT, "alignment_interval": ALIGNMENT, "meta_block_size": 1 << 16}
    return h5py.File(unfailing, "w", libver=("v108", "v110"), **options)


def allocate(file: h5py.File, number: int, count: int, blocks: Sequence[Block]) -> dict[str, int]:
    """Make room for the uncompressed arrays of a subject and return their offsets, by category.

    The offsets depend on the blocks of this subject and of those before, and on nothing else.
    """
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)
    return {
        block.category: _new_dataset(file, data_path(block.category, number, count), block, creation).get_offset()
        for block in blocks
        if block.nbytes and not block.chunks
    }


def _gaps(frame: Path, copies: Sequence[CopyTask]) -> Iterator[CopyTask]:
    """Yield everything between the arrays: the bytes that HDF5 wrote itself."""
    end = 0
    for task in sorted(copies, key=lambda task: task.target_start):
        if task.target_start > end:
            yield CopyTask(frame, end, end, task.target_start - end)
        end = task.target_start + task.nbytes
    yield CopyTask(frame, end, end, frame.stat().st_size - end)


@contextmanager
def _telling(failures: Sequence[OSError]) -> Iterator[None]:
    """Raise in the end what went wrong first, in place of what HDF5 says: it may read what was not written."""
    try:
        yield
    finally:
        raise_first(failures)


def raise_first(failures: Sequence[OSError]) -> None:
    """Raise what went wrong first, if anything did."""
    if failures:
        raise failures[0]


def _write_chunks(stored: h5py.h5d.DatasetID, block: Block, checkpoint: Path) -> None:
    """Write the compressed chunks of a block, as they are."""
    with checkpoint.open("rb", buffering=0) as source:
        source.seek(block.offset)
        for chunk in block.chunks:
            stored.write_direct_chunk(chunk.start, source.read(chunk.nbytes), chunk.mask)


def _new_dataset(file: h5py.File, location: str, block: Block, creation: h5py.h5p.PropDCID) -> h5py.h5d.DatasetID:
    """Return a new HDF5 dataset for a block."""
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    space, dtype = h5py.h5s.create_simple(block.shape), hdf5_type(block.dtype)
    return h5py.h5d.create(file.id, location.encode(), dtype, space, creation, links)


def copy(target: Path, task: CopyTask, *, durable: bool) -> None:
    """Copy bytes from one file into another; where the system can, it does so without moving them."""
    with task.source.open("rb", buffering=0) as source, target.open("r+b", buffering=0) as stream:
        done = _copy_by_system(source.fileno(), stream.fileno(), task)
        source.seek(task.start + done)
        stream.seek(task.target_start + done)
        while done < task.nbytes:
            piece = source.read(min(_COPY_BYTES, task.nbytes - done))
            if not piece:
                raise OSError(f"{task.source} ends too early")
            write_all(stream, piece)
            done += len(piece)
        if durable and task.nbytes >= _COPY_BYTES:
            os.fsync(stream.fileno())


def _copy_by_system(source: int, target: int, task: CopyTask) -> int:
    """Copy between two files inside of the system, as far as it can; return the number of bytes.

    Only whole pages: some file systems (Btrfs, XFS) then share them, and copy nothing at all.
    """
    done, whole = 0, task.nbytes - task.nbytes % ALIGNMENT
    try:
        while done < whole and (
            step := os.copy_file_range(source, target, whole - done, task.start + done, task.target_start + done)
        ):
            done += step
    except (OSError, AttributeError):  # another file system, or a system without this call: the caller copies
        pass
    return done
