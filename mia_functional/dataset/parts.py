"""One subject on the disk while a dataset is being made: a file of its own, complete under its name or absent.

A part holds a line of JSON, the digest of that line, and the arrays as they are in memory, each aligned to the pages of
the machine. It is built in memory, written with plain system calls, flushed to the disk and then given its name.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mia_functional import _check
from mia_functional.dataset.traversal import Sample, categories
from mia_functional.geometry import Geometry
from mia_functional.typing import Shape

ALIGNMENT = 4096
"""Bytes that every array is aligned to, in parts and in datasets: pages that can be mapped, shared and cloned."""

KINDS = "biuf"
"""NumPy's kinds of dtypes that are stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One array of a part: what it is, where it begins in the file, and its SHA-256."""

    category: str
    dtype: str
    shape: Shape
    offset: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """All that a part file says.

    Args:
        subject: Identifier.
        fingerprint: What the part was made from; a part of another fingerprint is of no use.
        geometry: The grid of the images; none without images.
        blocks: The arrays.
        texts: Categories of texts, and the texts.
        order: The categories in order.
    """

    subject: str
    fingerprint: str
    geometry: Geometry | None
    blocks: tuple[Block, ...]
    texts: tuple[tuple[str, tuple[str, ...]], ...]
    order: tuple[str, ...]


def write_part(path: Path, sample: Sample, fingerprint: str) -> None:
    """Write a sample as a part; once this returns, the subject survives a crash."""
    order = categories(sample)
    texts = tuple((name, sample[name]) for name in order if is_texts(sample[name]))
    arrays = {name: storable(name, sample[name]) for name in order if name not in dict(texts)}
    part = Part(
        subject=sample["subject"],
        fingerprint=fingerprint,
        geometry=sample["geometry"],
        blocks=laid_out(arrays),
        texts=texts,
        order=order,
    )
    head = header(part)
    pieces = ((aligned(len(head)) + block.offset, arrays[block.category]) for block in part.blocks)
    draft = path.with_name(f"{path.name}.draft")
    try:
        write_pieces(draft, chain([(0, head)], pieces))
        draft.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        name_path(error, path)


def storable(name: str, value: Any) -> Any:
    """Return an array as it is stored: contiguous, in the byte order of most machines; refuse what is no number."""
    array = np.asarray(value)
    if array.dtype.kind not in KINDS or array.dtype.itemsize > 8 or array.ndim == 0 or array.size == 0:
        needed = "hold arrays of integers, floats or booleans with at least one axis and element"
        _check.invalid_value("create", "subjects", needed, f"{array.dtype} {array.shape} in {name}")
    array = array.astype(np.uint8) if array.dtype.kind == "b" else array
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def is_texts(value: Any) -> bool:
    """Tell whether a value of a sample is a category of texts."""
    return isinstance(value, tuple) and len(value) > 0 and all(isinstance(entry, str) for entry in value)


def laid_out(arrays: Mapping[str, Any]) -> tuple[Block, ...]:
    """Return the blocks of arrays, one after the other; offsets count from the end of the header."""
    blocks = []
    offset = 0
    for name, array in arrays.items():
        blocks.append(
            Block(category=name, dtype=array.dtype.str, shape=array.shape, offset=offset, digest=digest(array))
        )
        offset += aligned(array.nbytes)
    return tuple(blocks)


def aligned(count: int) -> int:
    """Return the next multiple of the alignment."""
    return -(-count // ALIGNMENT) * ALIGNMENT


def digest(array: Any) -> str:
    """Return the SHA-256 of an array's bytes."""
    return hashlib.sha256(array.reshape(-1).view(np.uint8)).hexdigest()


def digest_of_texts(texts: Iterable[str]) -> str:
    """Return the SHA-256 of texts."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()


def header(part: Part) -> bytes:
    """Return the first bytes of a part: a line of JSON and a line with its digest."""
    line = json.dumps(asdict(part)).encode()
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def write_pieces(path: Path, pieces: Iterable[tuple[int, Any]]) -> None:
    """Write bytes at offsets of a new file and flush it to the disk."""
    with path.open("wb", buffering=0) as stream:
        for offset, piece in pieces:
            stream.seek(offset)
            write_all(stream, piece)
        os.fsync(stream.fileno())


def write_all(stream: Any, piece: Any) -> None:
    """Write all bytes of a buffer; a system call may take fewer than it is given."""
    rest = memoryview(piece).cast("B")
    while len(rest):
        rest = rest[stream.write(rest) :]


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def name_path(error: OSError, path: Path) -> NoReturn:
    """Raise a system error again with the path in it."""
    raise OSError(error.errno, f"create: {path} could not be written: {error.strerror or error}", str(path)) from error


def read_part(path: Path) -> Part:
    """Return what a part says, without a look at its arrays; offsets count from the beginning of the file.

    Raises:
        ValueError: The file is no part, or its header is damaged.
    """
    with path.open("rb") as stream:
        line, check = stream.readline(), stream.readline()
        start = aligned(stream.tell())
    if hashlib.sha256(line[:-1]).hexdigest().encode() != check.strip():
        _check.invalid_value("create", "path", "lie beside whole parts", f"a damaged part, {path}")
    fields = json.loads(line)
    grid = fields["geometry"]
    return Part(
        subject=fields["subject"],
        fingerprint=fields["fingerprint"],
        geometry=None if grid is None else Geometry(**grid),
        blocks=tuple(
            Block(**{**block, "shape": tuple(block["shape"]), "offset": start + block["offset"]})
            for block in fields["blocks"]
        ),
        texts=tuple((name, tuple(values)) for name, values in fields["texts"]),
        order=tuple(fields["order"]),
    )


def usable(path: Path, fingerprint: str) -> bool:
    """Tell whether a part is there, whole to the bit, and made from what is wanted now."""
    try:
        part = read_part(path)
        return part.fingerprint == fingerprint and all(digest(block_of(path, b)) == b.digest for b in part.blocks)
    except (OSError, ValueError):
        return False


def block_of(path: Path, block: Block) -> Any:
    """Return an array of a part, mapped."""
    return np.memmap(path, block.dtype, "r", block.offset, block.shape)


def size_of(block: Block) -> int:
    """Return the bytes of a block."""
    return math.prod(block.shape) * np.dtype(block.dtype).itemsize
