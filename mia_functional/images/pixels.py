"""The stored numbers of an image file, taken from it directly once it is known to be complete to the byte.

Plain numbers need no C++ reader: uncompressed ones are copied once instead of twice, and compressed ones have to be
decoded for the checks anyway (28 MB: `.nii` 3 ms instead of 23 with SimpleITK 2.5.7, `.nii.gz` 56 instead of 98).
"""

import bz2
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mia_functional._core import optional
from mia_functional.images.header import BZIP2, GZIP, INFLATE_BLOCK, Header, invalid_file, scaled_dtype
from mia_functional.typing import HostArray

__all__ = ["check_complete", "read_numbers", "scaled_numbers"]

# glibc keeps freed blocks of up to 32 MiB (the most that M_MMAP_THRESHOLD grows to) for the thread that had them, and
# maps larger ones, which go back to the system at once. Each thread that reads volumes would hold on to such blocks, so
# those above 4 MiB are requested as 33 MiB. Pages that are never touched cost nothing.
_POOLED_BYTES, _MAPPED_BYTES = 1 << 22, 33 << 20

_SCALED_AT_ONCE = 1 << 16
"""Numbers that are scaled in float64 at a time: they stay in the cache of the processor."""

_DECODED_AT_ONCE = 1 << 20
"""Most bytes that a bzip2 decoder returns at a time."""

_INFLATER = optional.installed("zlib_ng.zlib_ng") or zlib
"""zlib-ng has the interface of Python's zlib and takes about a third of its time; both verify the checksums."""


def read_numbers(header: Header, max_bytes: int, *, scaled: bool) -> HostArray:
    """Return the numbers of an image, flat, in the byte order of this machine; as they are stored or scaled.

    Raises if they would take more memory than the caller allows, or if the file is not complete to the byte.
    """
    if header.nbytes > max_bytes:
        invalid_file(header.path, f"the image takes {header.nbytes} bytes, and `max_bytes` is {max_bytes}")
    numbers = _stored_numbers(header)
    return scaled_numbers(header.path, header.scale, numbers) if scaled and header.scale != (1, 0) else numbers


def _stored_numbers(header: Header) -> HostArray:
    """Return the numbers of a file that is complete to the byte, flat, in the byte order of this machine."""
    size = header.length
    raw = np.empty(max(size, _MAPPED_BYTES) if size > _POOLED_BYTES else size, np.uint8).data[:size]
    end = 0
    if header.encoding:
        for piece in _decoded(header):
            room = raw[end : end + len(piece)]
            room[:] = piece[: len(room)]
            end += len(piece)
    else:
        check_complete(header)
        with header.data.open("rb", buffering=0) as stream:
            stream.seek(header.offset)
            # One call reads 2 GiB at most on Linux.
            while end < size and (count := stream.readinto(raw[end:])):
                end += count
    check_complete(header, length=end)
    # The pixels come last: what is decompressed of NIfTI begins with its header.
    start = size - header.values * np.dtype(header.dtype).itemsize
    numbers = np.frombuffer(raw, header.dtype, header.values, start)
    return numbers.astype(numbers.dtype.newbyteorder("="), copy=not numbers.flags.aligned)


def _decoded(header: Header) -> Iterator[bytes]:
    """Yield the decompressed bytes of a file; stop soon after there are more than the header announces (bombs)."""
    decode = _decoded_by_bzip2 if header.encoding == BZIP2 else _decoded_by_zlib
    with header.data.open("rb") as stream:
        stream.seek(header.offset)
        yield from decode(header, stream)


def _decoded_by_bzip2(header: Header, stream: BinaryIO) -> Iterator[bytes]:
    """Yield the decompressed bytes of a bzip2 file, few at a time: 45 bytes of it may swell to 45 MB."""
    size = 0
    decoder = bz2.BZ2Decompressor()
    while size <= header.length + header.trailer and not decoder.eof:
        block = stream.read(INFLATE_BLOCK) if decoder.needs_input else b""
        if decoder.needs_input and not block:
            invalid_file(header.data, "the compressed data end too early")
        try:
            piece = decoder.decompress(block, _DECODED_AT_ONCE)
        except OSError:
            invalid_file(header.data, "the compressed data are damaged")
        size += len(piece)
        yield piece
    if decoder.eof and (decoder.unused_data or stream.read(1)):
        invalid_file(header.data, "something follows the compressed data")


def _decoded_by_zlib(header: Header, stream: BinaryIO) -> Iterator[bytes]:
    """Yield the decompressed bytes of a gzip or zlib file."""
    size = 0
    decoder = _INFLATER.decompressobj(header.encoding)
    most = header.length + header.trailer
    while size <= most and (block := stream.read(INFLATE_BLOCK)):
        while block:
            # A gzip file may have several members, one after the other; MetaImage's zlib stream ends the file.
            if decoder.eof and header.encoding != GZIP:
                invalid_file(header.data, "something follows the compressed data")
            decoder = _INFLATER.decompressobj(header.encoding) if decoder.eof else decoder
            try:
                piece = decoder.decompress(block)
            except _INFLATER.error:  # a wrong checksum, too
                invalid_file(header.data, "the compressed data are damaged")
            size += len(piece)
            yield piece
            block = decoder.unused_data
    if not decoder.eof and size <= most:
        invalid_file(header.data, "the compressed data end too early")


def check_complete(header: Header, *, length: int | None = None) -> None:
    """Raise unless there are as many bytes of pixels as the header announces.

    Those of a file are counted where `length` is not given; compressed ones are decoded, which tests their checksums.
    """
    if length is None:
        length = sum(map(len, _decoded(header))) if header.encoding else header.data.stat().st_size - header.offset
    if not header.length <= length <= header.length + header.trailer:
        actual = "more" if length > header.length else length
        invalid_file(header.data, f"the header announces {header.length} bytes of pixels, and there are {actual}")


def scaled_numbers(path: Path, scale: tuple[float, float], numbers: HostArray) -> HostArray:
    """Return `slope * number + intercept`, flat, computed in float64 as nibabel does and rounded once."""
    slope, intercept = scale
    values = np.empty(numbers.shape, scaled_dtype(numbers.dtype, scale))
    for start in range(0, numbers.size, _SCALED_AT_ONCE):
        try:
            with np.errstate(over="raise"):
                block = numbers[start : start + _SCALED_AT_ONCE] * np.float64(slope)
                block += intercept
                values[start : start + _SCALED_AT_ONCE] = block
        except FloatingPointError:
            invalid_file(path, f"its scale {scale} leads beyond what {values.dtype} holds")
    return values
