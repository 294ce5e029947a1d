"""Parts into one HDF5 file.

The HDF5 library never touches the disk by itself: when a disk is full it ends the process. It is given a file object
that never fails, and what went wrong is raised afterwards. It only finds places for the arrays. Once it is done, the
system copies them from the parts; or, where they lie at their places already, all else comes to them.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np

from mia_functional._core import atomic_files, checks
from mia_functional.dataset._hdf5.compression import chunked
from mia_functional.dataset._hdf5.metadata import DATA, Tables, digest_of_tables, number_name, texts
from mia_functional.dataset.checkpoints import ALIGNMENT, ARRAYS, Block, Part, source_of, write_all

FORMAT = "mia_functional 1"
"""What the attribute `format` of a file says."""


SUFFIXES = (".h5", ".hdf5")
"""Extensions of a dataset; pymia knows these two."""


COPIED = 1 << 24
"""Bytes that are copied at a time where the system has no call for it; as many are worth a flush of their own."""


COPIERS = 2
"""Threads that copy: one does while the other waits for the disk."""


class Copy(NamedTuple):
    """Bytes of one file, and their place in another."""

    source: Path
    start: int
    place: int
    nbytes: int


def checked_place(path: Path, *, overwrite: bool) -> Path:
    """Return where the dataset goes, as an absolute path; refuse what must not be touched."""
    if path.suffix not in SUFFIXES:
        checks.invalid_value("create", "path", f"end in {' or '.join(SUFFIXES)}", path)
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"create: the folder {path.absolute().parent} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"create: {path} is a folder.")
    if os.path.lexists(path) and not overwrite:
        raise FileExistsError(f"create: {path} exists already; `overwrite=True` replaces it.")
    return path.absolute()


def write_file(
    path: Path,
    parts: Sequence[tuple[Path, Part]],
    tables: Tables,
    *,
    attributes: Mapping[str, str],
    compression: str | None,
    durable: bool,
) -> None:
    """Write the parts of all subjects into one file, flush it, and give it its name."""
    frame, common = (parts[0][0].with_name(name) for name in ("frame", ARRAYS))
    try:
        with atomic_files.naming_failures("create", path):
            copies = write_frame(frame, parts, tables, attributes=attributes, compression=compression)
            inside = [task for task in copies if task.source == common]
            target = common if inside and all(task.start == task.place for task in inside) else frame
            if target == common:
                copies = [*(task for task in copies if task.source != common), *gaps(frame, copies)]
            with ThreadPoolExecutor(COPIERS) as pool:
                list(pool.map(partial(copy, target, durable=durable), copies))
            os.truncate(target, frame.stat().st_size)
            atomic_files.publish(target, path, durable=durable)
    finally:
        frame.unlink(missing_ok=True)


def write_frame(
    frame: Path,
    parts: Sequence[tuple[Path, Part]],
    tables: Tables,
    *,
    attributes: Mapping[str, str],
    compression: str | None,
) -> list[Copy]:
    """Write a dataset in which only the uncompressed arrays are missing; return where they are and belong."""
    failures: list[OSError] = []
    copies = []
    with frame.open("w+b", buffering=0) as stream:
        with new_file(stream, failures) as file:
            for number, (path, part) in enumerate(parts):
                places = make_room(file, number, len(parts), part.blocks)
                source, blocks = source_of(path, part), [block for block in part.blocks if block.category in places]
                copies += [Copy(source, block.offset, places[block.category], block.nbytes) for block in blocks]
                raise_first(failures)
            for number, (path, part) in enumerate(parts):
                for block in part.blocks:
                    location = DATA.format(block.category, number_name(number, len(parts)))
                    write_other(file, location, block, path, compression)
                    raise_first(failures)
            for name, value in {"format": FORMAT, **attributes, "digest": digest_of_tables(tables)}.items():
                file.attrs[name] = np.bytes_(value)
            for location, table in tables.items():
                write_table(file, location, table)
        raise_first(failures)
    return copies


def new_file(stream: BinaryIO, failures: list[OSError]) -> Any:
    """Return a new HDF5 file over a stream; what goes wrong with the stream is appended to `failures`."""
    options = {"alignment_threshold": ALIGNMENT, "alignment_interval": ALIGNMENT, "meta_block_size": 1 << 16}
    return h5py.File(sink(stream, failures), "w", libver=("v108", "v110"), **options)


def make_room(file: Any, number: int, count: int, blocks: Sequence[Block]) -> dict[str, int]:
    """Make room for the uncompressed arrays of a subject and return where it is, by category.

    The places depend on the blocks of this subject and of those before, and on nothing else.
    """
    places = {}
    for block in blocks:
        if block.nbytes and not block.chunks:
            location = DATA.format(block.category, number_name(number, count))
            places[block.category] = new_dataset(file, location, block, contiguous()).get_offset()
    return places


def gaps(frame: Path, copies: Sequence[Copy]) -> Iterator[Copy]:
    """Yield all that lies between the arrays: the bytes that HDF5 wrote itself."""
    end = 0
    for task in sorted(copies, key=lambda task: task.place):
        if task.place > end:
            yield Copy(frame, end, end, task.place - end)
        end = task.place + task.nbytes
    yield Copy(frame, end, end, frame.stat().st_size - end)


def sink(stream: BinaryIO, failures: list[OSError]) -> Any:
    """Return a file object over a stream whose writing never fails; what went wrong is appended to `failures`."""

    def write(data: Any) -> int:
        try:
            write_all(stream, data)
        except OSError as error:
            failures.append(error)
        return len(data)

    def truncate(size: int) -> int:
        try:
            stream.truncate(size)
        except OSError as error:
            failures.append(error)
        return size

    def flush() -> None:
        """Leave flushing to the one call at the end."""

    others = {name: getattr(stream, name) for name in ("read", "readinto", "seek", "tell")}
    return SimpleNamespace(write=write, truncate=truncate, flush=flush, **others)


def raise_first(failures: Sequence[OSError]) -> None:
    """Raise what went wrong first, if anything did."""
    if failures:
        raise failures[0]


def write_table(file: Any, location: str, table: Any) -> None:
    """Write a small array of numbers or texts."""
    kind = h5py.string_dtype() if table.dtype == object else table.dtype
    file.create_dataset(location, data=table, dtype=kind, track_times=False)


def write_other(file: Any, location: str, block: Block, part: Path, compression: str | None) -> None:
    """Write a category of a part that is no uncompressed array: texts, or compressed chunks."""
    if block.texts:
        write_table(file, location, texts(block.texts))
    elif block.chunks and compression is not None:
        write_chunks(new_dataset(file, location, block, chunked(block.shape, compression)), block, part)


def write_chunks(found: Any, block: Block, part: Path) -> None:
    """Write the compressed chunks of a block."""
    with part.open("rb", buffering=0) as source:
        source.seek(block.offset)
        for chunk in block.chunks:
            found.write_direct_chunk(chunk.start, source.read(chunk.nbytes), chunk.mask)


def contiguous() -> Any:
    """Return how HDF5 is to make room for an array that is copied later."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)
    return creation


def new_dataset(file: Any, location: str, block: Block, creation: Any) -> Any:
    """Return a new HDF5 dataset for a block."""
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    space, kind = h5py.h5s.create_simple(block.shape), h5py.h5t.py_create(np.dtype(block.dtype))
    return h5py.h5d.create(file.id, location.encode(), kind, space, creation, links)


def copy(target: Path, task: Copy, *, durable: bool) -> None:
    """Copy bytes from one file into another; where the system can, it does so without moving them."""
    origin, start, place, count = task
    with origin.open("rb", buffering=0) as source, target.open("r+b", buffering=0) as stream:
        done = cloned(source.fileno(), start, stream.fileno(), place, count)
        source.seek(start + done)
        stream.seek(place + done)
        while done < count:
            piece = source.read(min(COPIED, count - done))
            if not piece:
                raise OSError(f"{origin} ends too early")
            write_all(stream, piece)
            done += len(piece)
        if durable and count >= COPIED:
            os.fsync(stream.fileno())


def cloned(source: int, start: int, target: int, place: int, count: int) -> int:
    """Let the system copy between two files and return how many bytes it did.

    Only whole pages: some file systems then share them, and copy nothing at all.
    """
    done, whole = 0, count - count % ALIGNMENT
    try:
        while done < whole:
            step = os.copy_file_range(source, target, whole - done, start + done, place + done)
            if step == 0:
                break
            done += step
    except (OSError, AttributeError):
        pass
    return done
