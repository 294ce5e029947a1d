"""PNG files: a grey image, a mask or label map of grey levels, or colours as channels, decoded by Pillow."""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from mia_functional._core import optional
from mia_functional.geometry import Geometry
from mia_functional.images.header import check_regular, invalid_file, spacing_or_one
from mia_functional.typing import HostArray, Spacing

__all__ = ["load_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_READ_BYTES = 1 << 20
"""Bytes that are read at a time."""

_GREY, _COLOUR, _PALETTE, _GREY_AND_ALPHA, _COLOUR_AND_ALPHA = 0, 2, 3, 4, 6
"""The types of colour of the standard."""

_INTERLACED = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
"""First row and column, and steps, of the seven pictures that an interlaced one consists of."""

_WIDENED = {2: 85, 4: 17}
"""What Pillow multiplies grey levels of few bits by, so that the largest is 255; labels are what is stored."""


class _Picture(NamedTuple):
    """What the first chunk of a PNG file says."""

    width: int
    height: int
    bits: int
    colour: int
    interlaced: bool


def load_png(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the pixels of a PNG file whose checksums are right, on a grid of that spacing, or 1 everywhere.

    Grey levels are booleans (of 1 bit), uint8 or uint16, as stored; colours of 8 bits are three channels.
    """
    check_regular(path)
    with path.open("rb") as stream:
        picture = _checked_chunks(path, stream, max_bytes)
        stream.seek(0)
        pixels = _pillow_pixels(path, stream)
    shape = picture.height, picture.width
    if pixels.shape[:2] != shape:
        invalid_file(path, f"Pillow sees {pixels.shape[:2]} pixels, and its header states {shape}")
    if picture.bits in _WIDENED:
        pixels //= np.uint8(_WIDENED[picture.bits])
    return pixels, Geometry(shape=shape, spacing=spacing_or_one(path, spacing, 2))


def _checked_chunks(path: Path, stream: BinaryIO, max_bytes: int) -> _Picture:
    """Return what the header of a PNG file says; raise unless it is whole, and what Pillow reads as it is meant.

    Pillow fills missing rows with zeros, does not look at the checksums of pixels, and takes colours that are
    transparent, and the first of several pictures, for plain ones (13.0).
    """
    if stream.read(len(_SIGNATURE)) != _SIGNATURE:
        invalid_file(path, "it is not a PNG file")
    pieces = _chunk_pieces(path, stream)
    kind, header = next(pieces)
    if kind != b"IHDR" or len(header) != 13:
        invalid_file(path, "it does not begin with the header of a PNG file")
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    picture = _Picture(width, height, bits=header[8], colour=header[9], interlaced=header[12] != 0)
    _check_colours(path, picture)
    nbytes = width * height * (3 if picture.colour == _COLOUR else 1) * math.ceil(picture.bits / 8)
    if nbytes > max_bytes:
        invalid_file(path, f"the image takes {nbytes} bytes, and `max_bytes` is {max_bytes}")
    left = _packed_bytes(picture)
    inflater = zlib.decompressobj()
    for kind, piece in pieces:
        if kind == b"tRNS":
            invalid_file(path, "some of its colours are transparent; write it without transparency")
        if kind == b"acTL":
            invalid_file(path, "it holds several pictures that move; write each to a file of its own")
        if kind == b"IHDR":
            invalid_file(path, "it has two headers")
        while kind == b"IDAT" and piece and left >= 0:
            try:
                left -= len(inflater.decompress(piece, _READ_BYTES))
            except zlib.error:
                invalid_file(path, "it is damaged: its pixels cannot be inflated")
            piece = inflater.unconsumed_tail
    if left != 0 or not inflater.eof:
        invalid_file(path, "it does not hold as many pixels as its header states")
    if stream.read(1):
        invalid_file(path, "there is more in the file behind its end")
    return picture


def _chunk_pieces(path: Path, stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of every chunk, large ones in pieces; raise if a checksum is wrong."""
    kind = b""
    while kind != b"IEND":
        head = stream.read(8)
        left, kind = int.from_bytes(head[:4], "big"), head[4:]
        checksum = zlib.crc32(kind)
        while True:
            piece = stream.read(min(_READ_BYTES, left))
            checksum = zlib.crc32(piece, checksum)
            left -= len(piece)
            yield kind, piece
            if left == 0 or not piece:
                break
        if stream.read(4) != checksum.to_bytes(4, "big"):
            invalid_file(path, "it is cut off or damaged: the checksum of a part of it is wrong")


def _packed_bytes(picture: _Picture) -> int:
    """Return how many bytes the rows of a picture take, each with the byte that names its filter."""
    bits = picture.bits * (3 if picture.colour == _COLOUR else 1)
    passes = _INTERLACED if picture.interlaced else [(0, 0, 1, 1)]
    total = 0
    for top, left, down, right in passes:
        rows, columns = -(-(picture.height - top) // down), -(-(picture.width - left) // right)
        total += rows * (1 + -(-columns * bits // 8)) if rows > 0 and columns > 0 else 0
    return total


def _check_colours(path: Path, picture: _Picture) -> None:
    """Raise for pixels that are neither numbers nor plain colours."""
    if picture.colour == _PALETTE:
        text = (
            "its pixels are places in a palette of colours; write the labels or grey levels themselves, as a grey image"
        )
        invalid_file(path, text)
    if picture.colour in (_GREY_AND_ALPHA, _COLOUR_AND_ALPHA):
        invalid_file(path, "it has an alpha channel, whose meaning is not known; write it without")
    if picture.colour == _COLOUR and picture.bits != 8:
        invalid_file(path, f"it holds colours of {picture.bits} bits, which Pillow rounds to 8; write a TIFF file")
    if picture.bits not in (1, 2, 4, 8, 16) or picture.colour not in (_GREY, _COLOUR):
        invalid_file(path, f"its header states colours of type {picture.colour} with {picture.bits} bits")
    if picture.width < 1 or picture.height < 1:
        invalid_file(path, f"its header states {picture.width} x {picture.height} pixels")


def _pillow_pixels(path: Path, stream: BinaryIO) -> HostArray:
    """Return what Pillow makes of a PNG file."""
    image = optional.require("PIL.Image")
    try:
        with image.open(stream, formats=("PNG",)) as opened:
            return np.array(opened)
    # Pillow raises errors of several kinds for damaged files, SyntaxError among them.
    except (OSError, ValueError, SyntaxError, EOFError, zlib.error, image.DecompressionBombError) as error:
        invalid_file(path, f"Pillow cannot decode it: {error}".rstrip("."))
