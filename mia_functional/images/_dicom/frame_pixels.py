"""Pixels of single frames of a DICOM object, read where they lie: nothing is loaded that is not asked for.

GDCM (through SimpleITK 2.5.7) drops the last pixels of bit-packed objects whose frames do not end with a byte.
"""

import itertools
import math
import struct
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mia_functional._core import optional
from mia_functional.images._dicom.code_streams import RLE, code_size
from mia_functional.images._dicom.elements import BIG_ENDIAN, UNDEFINED, Element
from mia_functional.images._dicom.header import DicomObject, pydicom_reads
from mia_functional.images.header import invalid_file
from mia_functional.typing import HostArray

__all__ = ["FrameLayout", "frame_reader"]

_PIXEL_DATA = 0x7FE00010

_ITEM_TAG, _LAST_TAG = 0xFFFEE000, 0xFFFEE0DD

_SYNTAXES = (RLE, "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90")
"""The transfer syntaxes of lossless compression that are decoded: RLE, JPEG-LS and JPEG 2000."""


class FrameLayout(NamedTuple):
    """What the header says of the pixels: whole numbers without a sign, one for each pixel.

    Args:
        frames: How many frames there are.
        rows: Of a frame.
        columns: Of a frame.
        bits: 1, 8 or 16 of a pixel.
    """

    frames: int
    rows: int
    columns: int
    bits: int


def frame_reader(found: DicomObject, stream: BufferedReader, layout: FrameLayout) -> Callable[[int], HostArray]:
    """Return a function of the number of a frame, from 0 on, that returns its pixels, flat.

    Those of one bit are packed, eight in a byte and the first in the lowest bit, from the beginning of a byte on; bits
    behind the last one are 0. The array is overwritten by the next call.

    Args:
        found: The object.
        stream: Its file, open.
        layout: What the header says.
    """
    pixels = found.data_set.by_tag.get(_PIXEL_DATA)
    if pixels is None:
        invalid_file(found.path, "it holds no pixels of whole numbers")
    if found.data_set.syntax == BIG_ENDIAN:
        invalid_file(found.path, "it is big-endian, a transfer syntax that was retired; save it as little-endian")
    if pixels.length == UNDEFINED:
        return _compressed_reader(found, stream, layout, pixels)
    nbytes = math.ceil(layout.frames * layout.rows * layout.columns * layout.bits / 8)
    # Values are padded to an even length.
    if not nbytes <= pixels.length <= nbytes + 1:
        invalid_file(found.path, f"it has {pixels.length} bytes of pixels instead of {nbytes}")
    count = layout.rows * layout.columns
    if layout.bits > 1:
        return _number_reader(stream, pixels.value, count, np.dtype("<u2" if layout.bits == 16 else "u1"))
    return _bit_reader(stream, pixels.value, count)


def _number_reader(stream: BufferedReader, start: int, count: int, dtype: np.dtype[Any]) -> Callable[[int], HostArray]:
    """Return a function that reads the whole numbers of a frame."""
    numbers = np.empty(count, dtype)

    def read(frame: int) -> HostArray:
        """Return the numbers of a frame."""
        stream.seek(start + frame * numbers.nbytes)
        stream.readinto(numbers.data)
        return numbers

    return read


def _bit_reader(stream: BufferedReader, start: int, count: int) -> Callable[[int], HostArray]:
    """Return a function that reads the bits of a frame, which need not begin with a byte."""
    packed = np.empty(-(-count // 8) + 1, np.uint8)

    def read(frame: int) -> HostArray:
        """Return the bits of a frame, packed from the beginning of a byte on."""
        first, shift = divmod(frame * count, 8)
        stream.seek(start + first)
        taken = stream.readinto(packed[: -(-(shift + count) // 8)].data)
        if shift == 0 and count % 8 == 0:
            return packed[:taken]
        bits = np.unpackbits(packed[:taken], bitorder="little")[shift : shift + count]
        return np.packbits(bits, bitorder="little")

    return read


def _compressed_reader(
    found: DicomObject, stream: BufferedReader, layout: FrameLayout, pixels: Element
) -> Callable[[int], HostArray]:
    """Return a function that decodes a frame by pydicom, once its size is known to be that of the header."""
    syntax = found.data_set.syntax
    if syntax not in _SYNTAXES:
        name = optional.require("pydicom").uid.UID(syntax).name
        invalid_file(
            found.path, f"its pixels are compressed by {name}; RLE, JPEG-LS and JPEG 2000 without loss are read"
        )
    fragments = _frame_fragments(found.path, stream, layout, pixels)
    encapsulate = optional.require("pydicom.encaps").encapsulate
    decoder = optional.require("pydicom.pixels").get_decoder(syntax)
    options = {
        "rows": layout.rows, "columns": layout.columns, "number_of_frames": 1, "samples_per_pixel": 1,
        "bits_allocated": layout.bits, "bits_stored": layout.bits, "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2", "pixel_keyword": "PixelData",
    }  # fmt: skip

    def read(frame: int) -> HostArray:
        """Return the pixels of a frame."""
        parts = []
        for start, length in fragments[frame]:
            stream.seek(start)
            parts.append(stream.read(length))
        code = b"".join(parts)
        _check_code(found.path, code, layout, syntax)
        with pydicom_reads(found.path, fault=f"frame {frame + 1} cannot be decoded"):
            array, _ = decoder.as_array(encapsulate([code], has_bot=False), index=0, raw=True, **options)
        flat: HostArray = np.asarray(array).reshape(-1)
        return np.packbits(flat != 0, bitorder="little") if layout.bits == 1 else flat

    return read


def _frame_fragments(
    path: Path, stream: BufferedReader, layout: FrameLayout, pixels: Element
) -> list[list[tuple[int, int]]]:
    """Return, for each frame, where its fragments begin and how long they are (PS3.5, section A.4)."""
    position, fragments = pixels.value, []
    while True:
        stream.seek(position)
        head = stream.read(8)
        if len(head) < 8:
            invalid_file(path, "its compressed pixels are cut off")
        group, number, length = struct.unpack("<HHI", head)
        if group << 16 | number == _LAST_TAG:
            break
        if group << 16 | number != _ITEM_TAG or length == UNDEFINED:
            invalid_file(path, "its compressed pixels are damaged")
        fragments.append((position + 8, length))
        position += 8 + length
    # The first item is a table of offsets, which may be empty.
    if not fragments:
        invalid_file(path, "its compressed pixels are damaged")
    (table, size), *fragments = fragments
    if len(fragments) == layout.frames:
        return [[fragment] for fragment in fragments]
    if size != 4 * layout.frames:
        invalid_file(path, f"its {layout.frames} frames are in {len(fragments)} fragments, without a table of offsets")
    stream.seek(table)
    places = np.array([start - 8 for start, _ in fragments])
    offsets = np.frombuffer(stream.read(size), "<u4").astype(np.int64)
    firsts = np.searchsorted(places, offsets + (places[0] if fragments else 0))
    if not fragments or offsets[0] or (np.diff(firsts) <= 0).any() or not np.isin(offsets + places[0], places).all():
        invalid_file(path, "its table of offsets of frames is damaged")
    return [fragments[first:last] for first, last in itertools.pairwise([*firsts.tolist(), len(fragments)])]


def _check_code(path: Path, code: bytes, layout: FrameLayout, syntax: str) -> None:
    """Raise for a compressed frame of another size than the header's, before a decoder makes room for it."""
    if syntax == RLE:
        # Two bytes become 128 at most, and what does not repeat takes a byte more for each 128.
        if len(code) > 2 * layout.rows * layout.columns * max(layout.bits // 8, 1) + 1024:
            invalid_file(path, f"a frame takes {len(code)} bytes compressed, more than without")
        return
    size = code_size(code)
    if size != (layout.rows, layout.columns, 1):
        stated = (layout.rows, layout.columns, 1)
        invalid_file(path, f"a compressed frame has the size {size}, and the header states {stated}")
