"""Arrays in Blosc2's own container (`.b2nd`): every part is checked here, and only numbers are inflated by `blosc2`.

After README_CFRAME_FORMAT, README_B2ND_METALAYER and README_CHUNK_FORMAT of c-blosc2 3.3. `blosc2.open` is never
called: depending on what a file says of itself it opens other files and addresses, or computes expressions.
"""

import itertools
import math
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from mia_functional._core import optional
from mia_functional.images.header import check_regular, invalid_file
from mia_functional.typing import HostArray, Shape

__all__ = ["BloscArray", "parse_blosc2", "read_blosc2", "write_blosc2"]

_MAX_HEADER = 4096
"""Most bytes of a header; those of arrays have less than 300."""

_MAX_CHUNKS = 1 << 17
"""Most chunks of an array; nnU-Net makes hundreds. One may cost a file next to nothing, but us a call."""

_CHUNK_SIDE, _BLOCK_SIDE = 64, 32
"""Voxels along a side of the chunks that are written, and of their blocks, which are what a patch is made of."""

_CHUNK_HEADER = struct.Struct("<4B3i6sBB6sBB")
"""The header of a chunk: versions, flags, size of a number; bytes, of a block, packed; filters, codec, flags."""

_OWN_CODECS = (0, 1, 3, 4)
"""BloscLZ, LZ4, Zlib and Zstandard. Others are plugins, which the library would look for and load."""

_OWN_FILTERS = {0, 1, 2, 4}
"""No filter, shuffled bytes and bits, and cut mantissas. Others are plugins too, or need another block."""

_ZEROS, _NANS, _VALUE = 1, 2, 3
"""Chunks of one number. Of a fourth kind, the library returns what the memory held before."""


class BloscArray(NamedTuple):
    """What the header of a file says.

    Args:
        path: The file.
        shape: Of the array.
        chunks: Shape of the parts that are stored one by one.
        blocks: Shape of the parts of a chunk that lie in it one after the other.
        counts: Number of chunks along each axis.
        padded: Shape of a chunk in the file: whole blocks.
        dtype: Of the stored numbers.
        start: Where the chunks begin in the file.
        end: Where they end, and where the table of their places begins.
    """

    path: Path
    shape: Shape
    chunks: Shape
    blocks: Shape
    counts: Shape
    padded: Shape
    dtype: np.dtype[np.generic]
    start: int
    end: int


def parse_blosc2(path: Path, max_bytes: int) -> BloscArray:
    """Return what the header of a Blosc2 array says, after all checks that need nothing but it.

    Raises, besides, if a chunk alone would take more than `max_bytes`.
    """
    check_regular(path)
    with path.open("rb") as stream:
        head = stream.read(_MAX_HEADER)
    length = path.stat().st_size
    # The header is one value of msgpack, and states its own length.
    match _unpacked(head[: int.from_bytes(head[11:15], "big")]):
        case [
            b"b2frame\0", int(start), int(announced), bytes(flags), int(nbytes), int(packed), int(itemsize),
            int(block_bytes), int(chunk_bytes), int(), int(), bool(), _, [int(), dict(places), [*contents]],
        ]:  # fmt: skip
            pass
        case _:
            invalid_file(path, "it is not an array of Blosc2, or its header is damaged")
    # Offsets have 64 bits; the two highest bits stand for chunks and blocks of different lengths, kind 1 for a folder.
    if len(flags) != 4 or flags[0] >> 4 != 1 or flags[1] & 0xF:
        invalid_file(path, "it is not one file with chunks of one length")
    if announced != length:
        invalid_file(path, f"its header announces {announced} bytes, and there are {length}")
    if [*places] != [b"b2nd"] or len(contents) != 1:
        invalid_file(path, "it holds other things than an array, such as an expression, or the address of one")
    shape, chunks, blocks, dtype = _parse_shapes(path, _unpacked(contents[0]))
    counts = tuple(-(-size // step) for size, step in zip(shape, chunks, strict=True))
    padded = tuple(-(-size // step) * step for size, step in zip(chunks, blocks, strict=True))
    sizes = [math.prod(part) * dtype.itemsize for part in (padded, blocks)]
    if [dtype.itemsize, *sizes, math.prod(counts) * sizes[0]] != [itemsize, chunk_bytes, block_bytes, nbytes]:
        invalid_file(path, "its header contradicts itself on the size of its chunks")
    if (nbytes := max(sizes)) > max_bytes:
        invalid_file(path, f"one of its chunks takes {nbytes} bytes, and `max_bytes` is {max_bytes}")
    if math.prod(counts) > _MAX_CHUNKS:
        invalid_file(path, f"it holds {math.prod(counts)} chunks; up to {_MAX_CHUNKS} are read")
    if not 0 <= packed <= length - start - _CHUNK_HEADER.size:
        invalid_file(path, f"its header announces {packed} bytes of chunks, and the file has {length}")
    return BloscArray(path, shape, chunks, blocks, counts, padded, dtype, start, start + packed)


def _unpacked(data: object) -> Any:
    """Return what bytes of msgpack mean, with texts as bytes; None if they are damaged."""
    # A dependency of `blosc2`. It makes plain values only: what is beyond them is left packed.
    optional.require("blosc2")
    try:
        return optional.require("msgpack").unpackb(data, raw=True)
    except (ValueError, TypeError, RecursionError):
        return None


def _parse_shapes(path: Path, content: Any) -> tuple[Shape, Shape, Shape, np.dtype[np.generic]]:
    """Return the shapes of an array, its chunks and its blocks, and its dtype."""
    match content:
        case [int(), int(ndim), [*shape], [*chunks], [*blocks], 0, bytes(name)]:
            pass
        case _:
            invalid_file(path, "what it says of its array is damaged")
    if re.fullmatch(rb"[<>|]?([biu]1|[iuf][248])", name) is None:
        invalid_file(path, f"it holds {name[:40]!r}; integers, floats and booleans are read")
    entries = [entry for axis in itertools.zip_longest(shape, chunks, blocks) for entry in axis]
    if len(shape) != ndim or not 1 <= ndim <= 8 or not all(type(entry) is int and entry > 0 for entry in entries):
        invalid_file(path, f"its shape is {shape}, in chunks of {chunks} and blocks of {blocks}, on {ndim} axes")
    array, chunk, block = (tuple(entries[start::3]) for start in range(3))
    if any(part > whole for part, whole in zip(block, chunk, strict=True)):
        invalid_file(path, f"its blocks, {block}, are larger than its chunks, {chunk}")
    return array, chunk, block, np.dtype(name.decode())


def read_blosc2(found: BloscArray, box: Sequence[range]) -> HostArray:
    """Return a box of an array, in the byte order of this machine, from the chunks in which it lies.

    One chunk is in memory beside it, and what that is packed into.
    """
    array: HostArray = np.empty(tuple(map(len, box)), found.dtype.newbyteorder("="))
    steps = found.chunks
    # An empty span is in no chunk.
    across = [
        range(span.start // step, -(-span.stop // step) if span else 0) for span, step in zip(box, steps, strict=True)
    ]
    with found.path.open("rb") as stream:
        places = _places(found, stream)
        for position in itertools.product(*across):
            starts = [step * entry for step, entry in zip(steps, position, strict=True)]
            parts = [
                range(max(span.start, start), min(span.stop, start + step))
                for span, start, step in zip(box, starts, steps, strict=True)
            ]
            chunk = _chunk(found, stream, places[int(np.ravel_multi_index(position, found.counts))])
            kept = zip(parts, starts, strict=True)
            room = array[tuple(slice(p.start - s.start, p.stop - s.start) for p, s in zip(parts, box, strict=True))]
            room[...] = chunk[tuple(slice(part.start - start, part.stop - start) for part, start in kept)]
    return array


def _places(found: BloscArray, stream: BinaryIO) -> list[int]:
    """Return where each chunk begins behind the header; below 0 stand those of one number."""
    count = math.prod(found.counts)
    table = _inflated(found, stream, found.end, found.path.stat().st_size, 8, 8 * count, None)
    return [int(place) for place in table.view("<i8")]


def _chunk(found: BloscArray, stream: BinaryIO, place: int) -> HostArray:
    """Return a chunk as an array, with what pads it."""
    if place < 0:
        special = place >> 56 & 0x7F
        if special != _ZEROS and (special != _NANS or found.dtype.kind != "f"):
            invalid_file(found.path, "one of its chunks was never written, or is of a kind that is not read")
        return np.full(found.padded, 0 if special == _ZEROS else np.nan, found.dtype)
    itemsize, nbytes = found.dtype.itemsize, math.prod(found.padded) * found.dtype.itemsize
    block_bytes = math.prod(found.blocks) * itemsize
    raw = _inflated(found, stream, found.start + place, found.end, itemsize, nbytes, block_bytes)
    # Blocks lie one after the other, each in the order of memory.
    across = [size // step for size, step in zip(found.padded, found.blocks, strict=True)]
    blocks = raw.view(found.dtype).reshape(*across, *found.blocks)
    ndim = len(across)
    order = [axis for pair in zip(range(ndim), range(ndim, 2 * ndim), strict=True) for axis in pair]
    return blocks.transpose(order).reshape(found.padded)


def _inflated(
    found: BloscArray, stream: BinaryIO, start: int, limit: int, itemsize: int, nbytes: int, block_bytes: int | None
) -> HostArray:
    """Return the bytes of a chunk that begins at `start` and ends before `limit`, after all checks of its header."""
    if start + _CHUNK_HEADER.size > limit:
        invalid_file(found.path, "one of its chunks lies outside of the file")
    stream.seek(start)
    head = stream.read(_CHUNK_HEADER.size)
    _, _, flags, size, inflated, block, packed, filters, *_, more, codec_flags = _CHUNK_HEADER.unpack(head)
    special = codec_flags >> 4 & 7
    # Both bits of shuffling at once stand for a header of this length.
    if flags & 5 != 5 or size != itemsize or inflated != nbytes or block < 1 or block_bytes not in (None, block):
        invalid_file(found.path, f"one of its chunks announces {inflated} bytes in blocks of {block}")
    if packed < _CHUNK_HEADER.size or start + packed > limit:
        invalid_file(found.path, f"one of its chunks announces {packed} packed bytes, beyond its end")
    if flags >> 5 not in _OWN_CODECS or not set(filters) <= _OWN_FILTERS:
        invalid_file(found.path, "one of its chunks has a codec or a filter that is no part of Blosc2 itself")
    # Dictionaries, chunks whose blocks are elsewhere, blocks of different lengths, and memory that nobody wrote.
    if codec_flags & 0x89 or more or special not in (0, _ZEROS, _NANS, _VALUE):
        invalid_file(found.path, "one of its chunks was never written, or is of a kind that is not read")
    result = np.zeros(nbytes, np.uint8)
    try:
        blosc2 = optional.require("blosc2")
        blosc2.decompress2(head + stream.read(packed - _CHUNK_HEADER.size), result, nthreads=1)
    except (RuntimeError, ValueError, TypeError):
        invalid_file(found.path, "one of its chunks is damaged")
    return result


def write_blosc2(path: Path, array: HostArray) -> None:
    """Write an array in chunks of 64 and blocks of 32 along the last three axes, as nnU-Net compresses them."""
    blosc2 = optional.require("blosc2")
    lead, sizes = array.shape[:-3], array.shape[-3:]
    chunks, blocks = ((*(1 for _ in lead), *(min(side, size) for size in sizes)) for side in (_CHUNK_SIDE, _BLOCK_SIDE))
    settings = {"codec": blosc2.Codec.ZSTD, "clevel": 5, "nthreads": 1}
    # In memory first: of a disk that is full, the library (4.14) does not say what is wrong.
    packed = blosc2.asarray(
        np.ascontiguousarray(array), chunks=chunks, blocks=blocks, cparams=settings, contiguous=True
    )
    path.write_bytes(packed.to_cframe())
