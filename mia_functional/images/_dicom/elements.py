"""Where the elements of a DICOM file lie, found without decoding them (DICOM PS3.5, section 7.1).

GDCM, through SimpleITK 2.5.7, decodes values and pixels. It lists no sequences, and where the header says MONOCHROME1,
a hint for displays, it does not return the pixels that are stored: it inverts them, fails at signed ones of 12 bits,
and has wrong values for those of 32 bits. A copy of the file without that hint has them right. GDCM may also take far
more memory than a damaged file explains, so that every element is walked, those of sequences too, before GDCM sees it.
"""

import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mia_functional.images.header import invalid_file

__all__ = [
    "BIG_ENDIAN",
    "LENGTH_BYTES",
    "UNDEFINED",
    "DataSet",
    "Element",
    "Elements",
    "locate_data_set",
    "locate_elements",
    "pixel_module",
]

BIG_ENDIAN = "1.2.840.10008.1.2.2"
"""The transfer syntax with the largest byte first."""

_DEFLATED = "1.2.840.10008.1.2.1.99"
"""The transfer syntax whose data set, header included, is one stream of zlib."""

_TRANSFER_SYNTAX, _PHOTOMETRIC_INTERPRETATION = 0x00020010, 0x00280004

_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""The tags of pixels: floats, doubles and integers."""

LENGTH_BYTES = {
    **dict.fromkeys((b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT"), 2),
    **dict.fromkeys((b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"), 2),
    **dict.fromkeys((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"), 4),
}
"""By value representation, how many bytes its length has; those of four stand behind two unused ones."""

UNDEFINED = 0xFFFFFFFF
"""The length of what ends with a delimiter: sequences, items, compressed pixels."""

_ITEM_GROUP, _ITEM, _DELIMITERS = 0xFFFE, 0xFFFEE000, (0xFFFEE00D, 0xFFFEE0DD)

_MAX_ELEMENTS = 1 << 16
"""So many elements of a slice, those of sequences included, are looked at: a bound for what a hostile file costs."""


class Element(NamedTuple):
    """An element of a data set: its tag, where it begins, where its value does, and the length of the value."""

    tag: int
    start: int
    value: int
    length: int


class DataSet(NamedTuple):
    """The elements of a data set of any kind.

    Args:
        syntax: The identifier of its transfer syntax.
        start: Where it begins in the file.
        explicit: Whether elements state the kind of their value.
        by_tag: The elements that are not in sequences, in the order of the file.
    """

    syntax: str
    start: int
    explicit: bool
    by_tag: dict[int, Element]


class Elements(NamedTuple):
    """The elements of a data set with pixels.

    Args:
        syntax: The identifier of its transfer syntax.
        start: Where it begins in the file.
        by_tag: The other elements that are not in sequences.
        pixels: The element with the pixels.
    """

    syntax: str
    start: int
    by_tag: dict[int, Element]
    pixels: Element


def locate_elements(path: Path) -> Elements:
    """Return where the elements of a DICOM file lie; raise if one is damaged, or if the data set is deflated."""
    syntax, start, _, by_tag = locate_data_set(path, _MAX_ELEMENTS)
    pixels = [by_tag.pop(tag) for tag in _PIXELS if tag in by_tag]
    if len(pixels) != 1:
        invalid_file(path, "it holds no pixels, or several kinds of them")
    return Elements(syntax, start, by_tag, pixels[0])


def locate_data_set(path: Path, max_elements: int, *, opaque: Collection[int] = ()) -> DataSet:
    """Return where the elements of a DICOM file of any kind lie; raise if one is damaged.

    Args:
        path: The file.
        max_elements: So many are looked at, those of sequences included.
        opaque: Tags of sequences that are passed over where they state their length: who reads them walks them.
    """
    syntax, start = "", 132
    with path.open("rb") as stream:
        for element in _walk(path, stream, start, "<", max_elements, explicit=True):
            if element.tag >> 16 != 2:
                break
            start = element.value + element.length
            if element.tag == _TRANSFER_SYNTAX:
                stream.seek(element.value)
                syntax = stream.read(min(element.length, 64)).decode("latin-1").strip(" \0")
                if syntax == _DEFLATED:
                    invalid_file(path, "it is deflated as a whole; pixels may be compressed, headers may not")
        # Files do not always keep to the syntax they announce; letters behind the first tag are a value representation.
        stream.seek(start + 4)
        explicit = stream.read(2).isalpha()
        order = ">" if syntax == BIG_ENDIAN else "<"
        found = list(_walk(path, stream, start, order, max_elements, explicit=explicit, opaque=opaque))
    by_tag = {element.tag: element for element in found}
    if len(by_tag) < len(found):
        invalid_file(path, "it states an element twice")
    return DataSet(syntax, start, explicit, by_tag)


def _walk(
    path: Path, stream: BinaryIO, position: int, order: str, max_elements: int, *, explicit: bool,
    opaque: Collection[int] = (),
) -> Iterator[Element]:  # fmt: skip
    """Yield the elements of a data set that are not in sequences; raise if any element exceeds the file."""
    end = path.stat().st_size
    ends: list[int | None] = []  # of the open sequences and items; none where a delimiter ends them
    in_pixels = False  # compressed ones, whose items hold no elements
    first_item = struct.pack(f"{order}HH", _ITEM >> 16, _ITEM & 0xFFFF)
    for _ in range(max_elements):
        while ends and ends[-1] is not None and position >= ends[-1]:
            ends.pop()
        stream.seek(position)
        head = stream.read(16)  # an element before its value, and the tag that a sequence begins with
        if not head[:12].strip(b"\0") and not ends:  # the end, or what some writers fill a file up with
            return
        if len(head) < 8:
            break
        group, number = struct.unpack_from(f"{order}HH", head)
        tag = group << 16 | number
        # Explicit files have implicit elements: all items, and those of sequences of unknown kind (section 6.2.2).
        width = LENGTH_BYTES.get(head[4:6]) if explicit and group != _ITEM_GROUP else None
        if width is None:
            size, (length,) = 8, struct.unpack_from(f"{order}I", head, 4)
        elif width == 2:
            size, (length,) = 8, struct.unpack_from(f"{order}H", head, 6)
        else:
            size, (length,) = 12, struct.unpack_from(f"{order}I", head.ljust(12, b"\0"), 8)
        if not ends and group != _ITEM_GROUP:
            yield Element(tag, position, position + size, length)
        position += size
        if length != UNDEFINED and position + length > end:
            invalid_file(path, f"an element announces {length} bytes, and {max(end - position, 0)} follow")
        if tag in _DELIMITERS:
            del ends[-1:]
            in_pixels = False
        elif length == UNDEFINED:
            ends.append(None)
            in_pixels = tag in _PIXELS
        elif in_pixels or tag in opaque:
            position += length
        # In the implicit syntax, its first item is all that tells a sequence.
        elif tag == _ITEM or (length >= 8 and head[size : size + 4] == first_item):
            ends.append(position + length)
        else:
            position += length
    invalid_file(path, f"its elements are cut off, or more than {max_elements}")


def pixel_module(path: Path, elements: Elements) -> bytes:
    """Return a file with the pixels of another and what describes them, MONOCHROME2, and nothing about a patient."""
    interpretation = elements.by_tag.get(_PHOTOMETRIC_INTERPRETATION)
    if interpretation is None:
        invalid_file(path, "it does not say how its pixels are to be shown")
    raw = bytearray(path.read_bytes())
    value = slice(interpretation.value, interpretation.value + interpretation.length)
    raw[value] = raw[value].replace(b"MONOCHROME1", b"MONOCHROME2")
    described = [
        raw[element.start : element.value + element.length]
        for element in elements.by_tag.values()
        if element.tag >> 16 == _PHOTOMETRIC_INTERPRETATION >> 16 and element.length != UNDEFINED
    ]
    return b"".join([raw[: elements.start], *described, raw[elements.pixels.start :]])
