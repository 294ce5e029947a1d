"""Reserve HDF5 offsets in subject order.

HDF5 decides where an array lies, and what came before is all that matters to it. Workers of this process reserve the
offsets of their arrays one after the other, in the order of the subjects, as soon as they know the shapes; then each
writes its arrays to where they belong in the common file, which will become the dataset. Nothing is copied later.
"""

import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import h5py

from mia_functional._core import atomic_files
from mia_functional.dataset._hdf5.blocks import StoredSubject
from mia_functional.dataset._hdf5.writer import allocate, new_file, raise_first
from mia_functional.dataset.checkpoints import COMMON_FILE


class Allocation(NamedTuple):
    """A dataset without arrays, the failures of its disk, and per subject a future that is done at its turn."""

    folder: Path
    file: h5py.File
    failures: list[OSError]
    turns: list[Future[None]]


@contextmanager
def open_allocation(folder: Path, count: int) -> Iterator[Allocation]:
    """Open the allocation of a number of subjects, and create the common file in the folder of the checkpoints."""
    (folder / COMMON_FILE).touch()
    failures: list[OSError] = []
    turns: list[Future[None]] = [Future() for _ in range(count + 1)]
    turns[0].set_result(None)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as stream, new_file(stream, failures) as file:
        yield Allocation(folder, file, failures, turns)
    with atomic_files.naming_failures("create", folder):
        raise_first(failures)


def reserve(allocation: Allocation, number: int, header: StoredSubject) -> StoredSubject:
    """Wait until all earlier subjects have their offsets; return a header with those of its arrays.

    Raises:
        Exception: What made an earlier subject fail.
    """
    allocation.turns[number].result()
    offsets = allocate(allocation.file, number, len(allocation.turns) - 1, header.blocks)
    with atomic_files.naming_failures("create", allocation.folder):
        raise_first(allocation.failures)
    allocation.turns[number + 1].set_result(None)
    blocks = tuple(replace(block, offset=offsets.get(block.category, 0)) for block in header.blocks)
    return replace(header, blocks=blocks, placed=True)
