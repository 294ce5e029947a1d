"""Checkpoints: one file per subject while a dataset is being created, complete under its name or absent.

A checkpoint holds a line of JSON, the digest of that line, and the arrays as they will be stored, each aligned to the
pages of the machine; or the arrays lie at their final offsets in the common file, which will become the dataset.
Everything is built in memory, written with plain system calls and flushed to the disk before the checkpoint gets its
name. The checkpoints of a dataset lie in a folder beside it.
"""

import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mia_functional._core import atomic_files, checks
from mia_functional.dataset._hdf5.blocks import Block, Payload, StoredSubject, digest_of, round_up, with_digests
from mia_functional.dataset._hdf5.compression import Chunk
from mia_functional.dataset.locking import LOCK_FILE, hold_lock
from mia_functional.geometry import Geometry

__all__ = [
    "COMMON_FILE",
    "begin_run",
    "checkpoint_folder",
    "empty_folder",
    "read_checkpoint",
    "usable_checkpoint",
    "write_all",
    "write_checkpoint",
]

COMMON_FILE = "arrays"
"""Name of the common file, beside the checkpoints."""

_RUN_FILE = "run"
"""Name of the file, beside the checkpoints, with the word that their names begin with."""


@contextmanager
def checkpoint_folder(path: Path) -> Iterator[Path]:
    """Make the folder for checkpoints and lock it; it is deleted in the end, unless there are checkpoints."""
    folder = path.with_name(f".{path.name}.parts")
    if folder.is_file() or folder.is_symlink():
        raise FileExistsError(f"create: {folder} is a file or a link, and parts need a folder of this name.")
    with suppress(FileExistsError):
        folder.mkdir()
    try:
        with nullcontext() if sys.platform == "win32" else hold_lock(path, folder):
            try:
                yield folder
            finally:
                if not any(folder.glob("*.part")):
                    empty_folder(folder)
                    (folder / LOCK_FILE).unlink(missing_ok=True)
    finally:
        with suppress(OSError):  # checkpoints are left, or another run is at work already
            folder.rmdir()


def begin_run(folder: Path, *, overwrite: bool, resume: bool, durable: bool) -> str:
    """Empty the folder, unless the checkpoints of an interrupted run are to be used; return the word of the run.

    Workers may outlive a run that was killed: what they write has another word and does not count for this run.
    """
    if not resume and not overwrite and any(folder.glob("*.part")):
        choice = "`resume=True` goes on, `overwrite=True` starts anew"
        raise FileExistsError(f"create: {folder} holds parts of an interrupted run; {choice}.")
    if not resume or not (folder / _RUN_FILE).exists():
        empty_folder(folder)
        with atomic_files.atomic_write("create", folder / _RUN_FILE, durable=durable) as draft:
            draft.write_text(secrets.token_hex(4))
    return (folder / _RUN_FILE).read_text()


def empty_folder(folder: Path) -> None:
    """Delete everything in a folder of checkpoints but its lock."""
    for path in folder.iterdir():
        if path.is_dir():
            # Drafts of a run that was killed. A worker that outlived it may still write there: what stays does no harm.
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK_FILE:
            path.unlink(missing_ok=True)


def write_checkpoint(path: Path, header: StoredSubject, payloads: Mapping[str, Payload], *, durable: bool) -> None:
    """Write a checkpoint; once this returns, the subject survives a crash."""
    if header.placed:
        header = _write_to_common_file(path.with_name(COMMON_FILE), header, payloads, durable=durable)
    else:
        header = with_digests(header, payloads)
    line = json.dumps(asdict(header)).encode()
    head = line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"
    with atomic_files.atomic_write("create", path, durable=durable) as draft, draft.open("wb", buffering=0) as stream:
        write_all(stream, head)
        if not header.placed:
            _write_payloads(stream, header, payloads, round_up(len(head)))


def _write_to_common_file(
    common: Path, header: StoredSubject, payloads: Mapping[str, Payload], *, durable: bool
) -> StoredSubject:
    """Write arrays to the common file; return their header with digests, which are made while the disk is busy."""
    with (
        atomic_files.naming_failures("create", common),
        common.open("r+b", buffering=0) as stream,
        ThreadPoolExecutor(1) as helper,
    ):
        _write_payloads(stream, header, payloads, 0)
        flushed = helper.submit(os.fsync, stream.fileno()) if durable else None
        header = with_digests(header, payloads)
        if flushed is not None:
            flushed.result()
    return header


def _write_payloads(stream: BinaryIO | Any, header: StoredSubject, payloads: Mapping[str, Payload], start: int) -> None:
    """Write the payloads of the blocks, whose offsets count from `start`."""
    offsets = {block.category: block.offset for block in header.blocks}
    for category, payload in payloads.items():
        stream.seek(start + offsets[category])
        write_all(stream, payload)


def write_all(stream: BinaryIO | Any, payload: "Payload | memoryview") -> None:
    """Write all bytes of a buffer to an unbuffered stream; one system call writes at most two GiB."""
    # As bytes: NumPy hands out no memory of dtypes of other packages, such as bfloat16.
    content = payload.reshape(-1).view(np.uint8).data if isinstance(payload, np.ndarray) else payload
    remaining = memoryview(content).cast("B")
    while len(remaining):
        remaining = remaining[stream.write(remaining) :]


def read_checkpoint(path: Path) -> StoredSubject:
    """Return the header of a checkpoint, with offsets from the beginning of the file that holds the arrays.

    Raises:
        ValueError: The file is not a checkpoint, or its header is damaged.
    """
    with path.open("rb") as stream:
        line, check = stream.readline(), stream.readline()
        start = round_up(stream.tell())
    if hashlib.sha256(line[:-1]).hexdigest().encode() != check.strip():
        checks.invalid_value("create", "path", "lie beside whole parts", f"a damaged part, {path}")
    fields = json.loads(line)
    geometry, grids = fields.pop("geometry"), fields.pop("grids")
    blocks = []
    for entry in fields.pop("blocks"):  # JSON has no tuples
        entry |= {"shape": tuple(entry["shape"]), "texts": tuple(entry["texts"])}
        entry["chunks"] = tuple(Chunk(tuple(corner), *rest) for corner, *rest in entry["chunks"])
        entry["offset"] += 0 if fields["placed"] else start
        blocks.append(Block(**entry))
    fields |= {name: tuple(map(tuple, fields[name])) for name in ("file_digests", "scales", "roles")}
    return StoredSubject(
        **fields, geometry=None if geometry is None else Geometry(**geometry), blocks=tuple(blocks),
        grids=tuple((category, Geometry(**grid)) for category, grid in grids),
    )  # fmt: skip


def usable_checkpoint(path: Path) -> StoredSubject | None:
    """Return the header of a checkpoint that is intact to the bit and made from what its name says, if there is one."""
    try:
        header = read_checkpoint(path)
        file = path.with_name(COMMON_FILE) if header.placed else path
        for block in header.blocks:
            if block.nbytes:
                raw = np.memmap(file, np.uint8, "r", block.offset, (block.nbytes,))
                if digest_of(raw) != block.stored:
                    return None
    except (OSError, ValueError):
        return None
    return header if header.fingerprint == path.stem else None
