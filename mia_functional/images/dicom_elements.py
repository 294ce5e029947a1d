"""Where the elements of a DICOM file lie, found without decoding them (DICOM PS3.5, section 7.1).

GDCM, through SimpleITK 2.5.7, decodes values and pixels. It lists no sequences, and where the header says MONOCHROME1,
a hint for displays, it does not return the pixels that are stored: it inverts them, fails at signed ones of 12 bits,
and takes those of 32 bits out of memory that nobody wrote. A copy of the file without that hint has them right.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = ["BIG_ENDIAN", "DEFLATED", "Elements", "locate_elements", "pixel_module"]

BIG_ENDIAN = "1.2.840.10008.1.2.2"
"""The transfer syntax with the largest byte first."""

DEFLATED = "1.2.840.10008.1.2.1.99"
"""The transfer syntax whose data set, header included, is one stream of zlib."""

_TRANSFER_SYNTAX, _PHOTOMETRIC_INTERPRETATION = 0x00020010, 0x00280004

_PIXELS = 0x7FE00008
"""The first of the tags of pixels, which end the header."""

# Value representations whose length has four bytes, behind two unused ones; that of others has two.
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}

_UNDEFINED = 0xFFFFFFFF
"""The length of what ends with a delimiter: sequences, items, compressed pixels."""

_ITEM_GROUP, _DELIMITERS = 0xFFFE, (0xFFFEE00D, 0xFFFEE0DD)

_MAX_ELEMENTS = 1 << 16
"""So many elements, those of sequences included, are looked at: a bound for what a hostile file costs."""


class _Element(NamedTuple):
    """An element of a data set: its tag, where it begins, where its value does, and the length of the value."""

    tag: int
    start: int
    value: int
    length: int


class Elements(NamedTuple):
    """The elements of a data set.

    Args:
        syntax: The identifier of its transfer syntax.
        start: Where it begins in the file.
        by_tag: The elements before the pixels that are not in sequences.
        pixels: The element with the pixels; none if it was not found.
    """

    syntax: str
    start: int
    by_tag: dict[int, _Element]
    pixels: _Element | None


def locate_elements(path: Path) -> Elements:
    """Return where the elements of a DICOM file lie; none if its data set is deflated."""
    syntax, start = "", 132
    with path.open("rb") as stream:
        for element in _walk(stream, start, "<", explicit=True):
            if element.tag >> 16 != 2:
                break
            start = element.value + element.length
            if element.tag == _TRANSFER_SYNTAX:
                stream.seek(element.value)
                syntax = stream.read(min(element.length, 64)).decode("latin-1").strip(" \0")
                if syntax == DEFLATED:
                    return Elements(syntax, start, {}, None)
        # Files do not always keep to the syntax they announce; letters behind the first tag are a value representation.
        stream.seek(start + 4)
        explicit = stream.read(2).isalpha()
        found = list(_walk(stream, start, ">" if syntax == BIG_ENDIAN else "<", explicit=explicit))
    pixels = found.pop() if found and found[-1].tag >= _PIXELS else None
    return Elements(syntax, start, {element.tag: element for element in found}, pixels)


def _walk(stream: BinaryIO, position: int, order: str, *, explicit: bool) -> Iterator[_Element]:
    """Yield the elements of a data set that are not in sequences, up to the pixels or where nothing can be made out."""
    outer: list[bool] = []  # by open sequence or item: whether what surrounds it is explicit
    for _ in range(_MAX_ELEMENTS):
        stream.seek(position)
        head = stream.read(12)
        if len(head) < 8:
            return
        group, number = struct.unpack_from(f"{order}HH", head)
        tag, kind = group << 16 | number, head[4:6]
        if not explicit or group == _ITEM_GROUP:
            size, (length,) = 8, struct.unpack_from(f"{order}I", head, 4)
        elif kind not in _LONG:
            size, (length,) = 8, struct.unpack_from(f"{order}H", head, 6)
        else:
            size, (length,) = 12, struct.unpack_from(f"{order}I", head.ljust(12, b"\0"), 8)
        if not outer and group != _ITEM_GROUP:
            yield _Element(tag, position, position + size, length)
            if tag >= _PIXELS:
                return
        position += size
        if tag in _DELIMITERS:
            explicit = outer.pop() if outer else explicit
        elif length == _UNDEFINED:
            outer.append(explicit)
            # A sequence of unknown representation is written as in the implicit syntax (PS3.5, section 6.2.2).
            explicit = explicit and kind != b"UN"
        else:
            position += length


def pixel_module(path: Path, elements: Elements) -> bytes | None:
    """Return a file with the pixels of another and what describes them, MONOCHROME2, and with nothing about a patient.

    None if the elements of the file could not be made out.
    """
    interpretation = elements.by_tag.get(_PHOTOMETRIC_INTERPRETATION)
    if interpretation is None or elements.pixels is None:
        return None
    raw = bytearray(path.read_bytes())
    value = slice(interpretation.value, interpretation.value + interpretation.length)
    raw[value] = raw[value].replace(b"MONOCHROME1", b"MONOCHROME2")
    described = [
        raw[element.start : element.value + element.length]
        for element in elements.by_tag.values()
        if element.tag >> 16 == _PHOTOMETRIC_INTERPRETATION >> 16 and element.length != _UNDEFINED
    ]
    return b"".join([raw[: elements.start], *described, raw[elements.pixels.start :]])
