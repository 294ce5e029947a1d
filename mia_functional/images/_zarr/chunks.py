"""The numbers of a Zarr array, chunk by chunk: only those are read in which some are wanted.

Codecs are those of numcodecs, as in zarr-python, with an upper limit for what they return. The rest is done here:
tensorstore (0.1.86) ends forked processes, such as workers of PyTorch's loaders, and zarr-python (3.1.6) takes ten
times as long for a patch of shards.
"""

import itertools
import math
import operator
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import optional
from mia_functional.images._zarr.metadata import Codec, ZarrArray
from mia_functional.images.header import invalid_file
from mia_functional.typing import HostArray

__all__ = ["check_chunks", "read_box"]

_CHUNKS_AT_ONCE = 1 << 18
"""Most chunks that one read looks for: 64^3 voxels in each are 69 thousand millions."""

_ABSENT = (1 << 64) - 1
"""Offset and length, in the index of a shard, of a chunk that is not there."""

_BLOSC_HEADER = 16

_BLOSC_COPIED = 2
"""A flag of Blosc's header: the bytes were not worth compressing, and lie behind it as they are."""

_Decode: TypeAlias = Callable[[Codec, Any, HostArray, range], Any]
"""From a codec, bytes, memory for what they become, and which bytes of that are wanted, to that, or None where it is
something else. What lies beside the wanted bytes may be anything."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class _ChunkPart(NamedTuple):
    """Where a chunk is wanted: its file, its place in the index of a shard, and the parts of it and of the result."""

    name: str
    place: int
    inside: tuple[slice, ...]
    target: tuple[slice, ...]


def check_chunks(array: ZarrArray, max_bytes: int) -> None:
    """Raise if a single chunk takes more memory than the caller allows, however small the array is."""
    nbytes = math.prod(array.chunks) * array.dtype.itemsize
    if nbytes > max_bytes:
        invalid_file(array.path, f"a chunk takes {nbytes} bytes, and `max_bytes` is {max_bytes}")


def read_box(array: ZarrArray, root: Path, box: Sequence[range]) -> HostArray:
    """Return a box of an array in the byte order of this machine.

    Chunks that are not there hold the fill value: the format has no other way to say that they are empty.

    Args:
        array: Its metadata, and that of its chunks, are known to be good.
        root: The folder that no chunk may lie outside of.
        box: The indices along each axis, in steps of 1; none is empty.
    """
    count = math.prod((r.stop - 1) // size - r.start // size + 1 for r, size in zip(box, array.chunks, strict=True))
    if count > _CHUNKS_AT_ONCE:
        invalid_file(array.path, f"it is cut into {count} chunks; up to {_CHUNKS_AT_ONCE} are read at a time")
    result = np.empty(tuple(map(len, box)), array.dtype.newbyteorder("="))
    pieces = list(_pieces(array, box))
    decode = _decoder(array)
    folders: set[str] = set()  # that were seen to be none but those of the store
    stored_shape, turned = [array.chunks[axis] for axis in array.order], np.argsort(array.order).tolist()
    plane = math.prod(stored_shape[1:]) * array.dtype.itemsize

    def read_pieces(share: Iterator[_ChunkPart]) -> None:
        scratch = np.empty(math.prod(array.chunks), array.dtype)
        for name, group in itertools.groupby(share, key=operator.attrgetter("name")):
            with _opened(array, root, name, folders) as file:
                index = None if file is None else _shard_index(array, name, file)
                for piece in group:
                    raw = None if file is None else _chunk_bytes(array, piece, file, index, scratch.nbytes)
                    if raw is None:
                        result[piece.target] = array.fill
                    else:
                        planes = piece.inside[array.order[0]]
                        wanted = range(planes.start * plane, planes.stop * plane)
                        stored = decode(raw, scratch, wanted).reshape(stored_shape)
                        result[piece.target] = stored.transpose(turned)[piece.inside]

    _array.run_in_threads(read_pieces, pieces, math.prod(array.chunks) * count)
    return result


def _pieces(array: ZarrArray, box: Sequence[range]) -> Iterator[_ChunkPart]:
    """Yield the chunks in which a box lies; those of one shard follow each other, so that its index is read once."""
    counts = (1,) * len(box) if array.shards is None else array.shards.counts
    stride, axes = math.prod(counts), []
    for wanted, size, count in zip(box, array.chunks, counts, strict=True):
        stride //= count
        parts: dict[int, list[tuple[int, slice, slice]]] = {}
        for number in range(wanted.start // size, (wanted.stop - 1) // size + 1):
            first, last = max(wanted.start, number * size), min(wanted.stop, (number + 1) * size)
            inside = slice(first - number * size, last - number * size)
            target = slice(first - wanted.start, last - wanted.start)
            parts.setdefault(number // count, []).append((number % count * stride, inside, target))
        axes.append(parts)
    for numbers in itertools.product(*axes):
        name = array.separator.join([*([array.prefix] if array.prefix else []), *map(str, numbers)])
        for steps in itertools.product(*(parts[number] for parts, number in zip(axes, numbers, strict=True))):
            places, inside, target = zip(*steps, strict=True)
            yield _ChunkPart(name, sum(places), inside, target)


class _ChunkFile(NamedTuple):
    """An open file of one or several chunks, and its bytes."""

    descriptor: int
    size: int


@contextmanager
def _opened(array: ZarrArray, root: Path, name: str, folders: set[str]) -> Iterator[_ChunkFile | None]:
    """Yield a file of chunks, or None if there is none; raise for links out of the store and pipes."""
    path = f"{array.path}{os.sep}{name}"
    try:
        state = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    if not stat.S_ISREG(state.st_mode):
        invalid_file(array.path, f"its chunk {name} is not a regular file")
    _check_folders(array, root, name, folders)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        yield _ChunkFile(descriptor, state.st_size)
    finally:
        os.close(descriptor)


def _check_folders(array: ZarrArray, root: Path, name: str, folders: set[str]) -> None:
    """Raise if a link leads out of the store on the way to a chunk; add to the folders that were looked at."""
    folder = str(array.path)
    for part in ("", *name.split("/")[:-1]):
        folder = f"{folder}{os.sep}{part}" if part else folder
        if folder in folders:
            continue
        state = os.lstat(folder)
        # Junctions of Windows are no links for `stat`. Only what leads elsewhere is resolved, which takes longer.
        is_link = stat.S_ISLNK(state.st_mode) or getattr(state, "st_reparse_tag", False)
        if is_link and not Path(folder).resolve().is_relative_to(root.resolve()):
            invalid_file(array.path, f"its chunk {name} lies outside of its folder")
        folders.add(folder)


def _shard_index(array: ZarrArray, name: str, file: _ChunkFile) -> "HostArray | None":
    """Return offsets and lengths of the chunks of a shard; None if chunks are files of their own."""
    if (shards := array.shards) is None:
        return None
    count, check = math.prod(shards.counts), 4 * shards.checked
    length = 16 * count + check
    if file.size < length:
        invalid_file(array.path, f"its shard {name} ends within the index")
    raw = bytes(_read_at(file, file.size - length if shards.at_end else 0, length))
    if check and _checksum(raw[:-check]) != raw[-check:]:
        invalid_file(array.path, f"the index of its shard {name} is damaged")
    return np.frombuffer(raw, "<u8", 2 * count).reshape(count, 2)


def _chunk_bytes(
    array: ZarrArray, piece: _ChunkPart, file: _ChunkFile, index: "HostArray | None", nbytes: int
) -> memoryview | None:
    """Return the encoded bytes of a chunk of `nbytes`; None if it is not there."""
    # As Python's numbers: sums of those of 64 bits wrap around.
    offset, length = (0, file.size) if index is None else index[piece.place].tolist()
    if index is not None and offset == length == _ABSENT:
        return None
    # No compressor makes more of bytes that it cannot compress than some per cent.
    if offset + length > file.size or length > nbytes + nbytes // 8 + 4096:
        text = f"its chunk in {piece.name} takes {length} bytes at {offset}, of {file.size}, for {nbytes}"
        invalid_file(array.path, text)
    return _read_at(file, offset, length)


def _read_at(file: _ChunkFile, offset: int, length: int) -> memoryview:
    """Return bytes of a file, as many as there are up to `length`, in memory that may be written to."""
    raw, count = np.empty(length, np.uint8).data, 0
    while count < length:
        # One call reads 2 GiB at most on Linux; Windows has none that takes a position.
        if hasattr(os, "preadv"):
            more = os.preadv(file.descriptor, [raw[count:]], offset + count)
        else:
            os.lseek(file.descriptor, offset + count, os.SEEK_SET)
            found = os.read(file.descriptor, length - count)
            more = len(found)
            raw[count : count + more] = found
        if not more:
            break
        count += more
    return raw[:count]


def _checksum(raw: bytes) -> bytes:
    """Return the CRC-32C of bytes, as it is stored."""
    value: int = optional.require("google_crc32c").value(raw)
    return value.to_bytes(4, "little")


def _decoder(array: ZarrArray) -> Callable[[memoryview, HostArray, range], HostArray]:
    """Return what turns the bytes of a chunk into its numbers, flat, in scratch memory that it may use.

    Those of the bytes that are not wanted may be anything.
    """
    decoders = [(codec, _DECODERS[codec.name]()) for codec in reversed(array.codecs)]
    nbytes = math.prod(array.chunks) * array.dtype.itemsize

    def decode(raw: memoryview, scratch: HostArray, wanted: range) -> HostArray:
        data: Any = raw
        for codec, function in decoders:
            memory = scratch.view(np.uint8) if codec.size == nbytes else np.empty(codec.size, np.uint8)
            try:
                data = function(codec, data, memory, wanted if codec.size == nbytes else range(codec.size))
            # Each decoder has errors of its own; numcodecs' are RuntimeErrors and ValueErrors.
            except (ValueError, RuntimeError, zlib.error):
                data = None
            if data is None:
                invalid_file(array.path, f"a chunk of it is damaged, or holds other than {nbytes} bytes ({codec.name})")
        if len(data) != nbytes:
            invalid_file(array.path, f"a chunk of it holds {len(data)} bytes, and {nbytes} are a chunk")
        return np.frombuffer(data, array.dtype)

    return decode


def _blosc() -> _Decode:
    """Return the decoder of Blosc; its header states the sizes before and after, which the library believes."""
    decompress = optional.require("numcodecs.blosc").decompress

    def decode(codec: Codec, data: Any, memory: HostArray, wanted: range) -> "HostArray | None":
        stated = int.from_bytes(data[4:8], "little"), int.from_bytes(data[12:16], "little")
        if len(data) < _BLOSC_HEADER or stated != (codec.size, len(data)):
            return None
        size, blocks = int.from_bytes(data[8:12], "little"), memory
        # Behind the header are the places of blocks, which are compressed one by one. With the places of those that are
        # wanted, and the size of these, it is the header of a smaller chunk, whose blocks lie where they lay.
        if size and not data[2] & _BLOSC_COPIED:
            if len(data) < _BLOSC_HEADER + 4 * -(-codec.size // size):
                return None
            first, last = wanted.start // size, (wanted.stop - 1) // size
            blocks = memory[first * size : (last + 1) * size]
            data = data if isinstance(data, memoryview) else memoryview(bytearray(data))
            places = bytes(data[_BLOSC_HEADER + 4 * first : _BLOSC_HEADER + 4 * (last + 1)])
            data[_BLOSC_HEADER : _BLOSC_HEADER + len(places)] = places
            data[4:8] = len(blocks).to_bytes(4, "little")
        decompress(data, blocks)
        return memory

    return decode


def _zstd() -> _Decode:
    """Return the decoder of Zstandard; a frame that does not state its size could have any."""
    decompress = optional.require("numcodecs.zstd").decompress

    def decode(codec: Codec, data: Any, memory: HostArray, _wanted: range) -> "HostArray | None":
        if bytes(data[:4]) != _ZSTD_MAGIC or len(data) < 6:
            return None
        # RFC 8878, section 3.1.1.1: how many bytes state the size, and what lies before them.
        flags = data[4]
        single = flags >> 5 & 1
        width = (single, 2, 4, 8)[flags >> 6]
        start = 5 + (1 - single) + (0, 1, 2, 4)[flags & 3]
        size = int.from_bytes(data[start : start + width], "little") + 256 * (width == 2)
        if width == 0 or size != codec.size:
            return None
        decompress(data, memory)
        return memory

    return decode


def _deflate() -> _Decode:
    """Return the decoder of gzip and zlib, which stops at the size that is known."""

    def decode(codec: Codec, data: Any, _memory: HostArray, _wanted: range) -> bytes | None:
        inflater = zlib.decompressobj(zlib.MAX_WBITS | (16 if codec.name == "gzip" else 0))
        inflated = inflater.decompress(data, codec.size + 1)
        return inflated if inflater.eof and len(inflated) == codec.size and not inflater.unused_data else None

    return decode


def _crc32c() -> _Decode:
    """Return what takes the checksum off and compares it."""

    # Of compressed bytes it is not known how many they are.
    def decode(_codec: Codec, data: Any, _memory: HostArray, _wanted: range) -> Any:
        return data[:-4] if _checksum(bytes(data[:-4])) == bytes(data[-4:]) else None

    return decode


_DECODERS: dict[str, Callable[[], _Decode]] = {
    "blosc": _blosc, "zstd": _zstd, "gzip": _deflate, "zlib": _deflate, "crc32c": _crc32c,
}  # fmt: skip
"""By codec, what makes its decoder: packages are imported when they are needed."""
