"""What a DICOM object says of each of its frames: functional groups (PS3.3, section C.7.6.16), without objects.

A segmentation of 50 structures on 200 slices has 10,000 frames with some 40 elements each, for which pydicom (3.0.2)
makes half a gigabyte of objects in five seconds. Here the few values that are asked for are picked out of the bytes.
"""

import struct
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from mia_functional.images._dicom.elements import BIG_ENDIAN, LENGTH_BYTES, UNDEFINED
from mia_functional.images._dicom.header import PER_FRAME_GROUPS, DicomObject
from mia_functional.images.header import invalid_file

__all__ = ["FrameGroups", "frame_groups"]

_SHARED_GROUPS = 0x52009229

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

_MAX_DEPTH = 16
"""Sequences within sequences; real ones are four deep."""

_MAX_TABLE_BYTES = 1 << 28
"""Largest table of frames that is read."""


class FrameGroups(NamedTuple):
    """Values of the functional groups, as bytes by the tag of the element.

    Args:
        shared: Those that are the same for all frames.
        frames: Those of each frame, in the order of the pixels; empty if the file has no table of frames.
        order: The order of bytes of numbers, as `struct` writes it.
    """

    shared: Mapping[int, bytes]
    frames: list[dict[int, bytes]]
    order: str


_Wanted: TypeAlias = Mapping[int, Collection[int]]
"""By the tag of a sequence, the elements of its first item that are picked out."""


class _Table(NamedTuple):
    """The bytes of a table, and what reads the head of an element: its tag, where its value begins, and its length."""

    path: Path
    raw: bytes
    read: Callable[[int], tuple[int, int, int]]


def frame_groups(found: DicomObject, wanted: _Wanted) -> FrameGroups:
    """Return what is asked for of the functional groups of an object; raise if they are damaged.

    Args:
        found: The object.
        wanted: By the tag of a sequence of a frame, the elements of its first item that are picked out.
    """
    order = ">" if found.data_set.syntax == BIG_ENDIAN else "<"
    shared, frames = (_table_items(found, tag, order, wanted) for tag in (_SHARED_GROUPS, PER_FRAME_GROUPS))
    if len(shared) > 1:
        invalid_file(found.path, f"it has {len(shared)} tables of what its frames share")
    return FrameGroups(shared[0] if shared else {}, frames, order)


def _table_items(found: DicomObject, tag: int, order: str, wanted: _Wanted) -> list[dict[int, bytes]]:
    """Return of every item of a table, which may not be there, the values that are asked for."""
    element = found.data_set.by_tag.get(tag)
    if element is None:
        return []
    starts = [other.start for other in found.data_set.by_tag.values() if other.start > element.start]
    end = element.value + element.length
    if element.length == UNDEFINED:
        end = min(starts, default=found.path.stat().st_size)
    if end - element.value > _MAX_TABLE_BYTES:
        invalid_file(found.path, f"a table of frames takes {end - element.value} bytes; {_MAX_TABLE_BYTES} are read")
    with found.path.open("rb") as stream:
        stream.seek(element.value)
        raw = stream.read(end - element.value)
    table = _Table(found.path, raw, _head_reader(found.path, raw, order, explicit=found.data_set.explicit))
    items: list[dict[int, bytes]] = []
    position = 0
    while position < len(raw):
        tag, value, length = table.read(position)
        if tag == _SEQUENCE_END:
            break
        picked: dict[int, bytes] = {}
        position = _walk_item(table, _checked_item(table, tag, value), length, wanted, picked, 0)
        items.append(picked)
    return items


def _head_reader(path: Path, raw: bytes, order: str, *, explicit: bool) -> Callable[[int], tuple[int, int, int]]:
    """Return a function that reads the head of an element, and raises for an element that exceeds the table."""
    head, long_length, short_length = (struct.Struct(order + form) for form in ("HHI", "I", "H"))

    def read(position: int) -> tuple[int, int, int]:
        """Return the tag of the element at a position, where its value begins, and its length."""
        value, length = position + 8, len(raw)
        width = LENGTH_BYTES.get(raw[position + 4 : position + 6]) if explicit else None
        if value <= len(raw):
            group, number, length = head.unpack_from(raw, position)
            if width == 2:
                (length,) = short_length.unpack_from(raw, position + 6)
            elif width == 4:
                value += 4
                (length,) = long_length.unpack(raw[position + 8 : value].ljust(4, b"\0"))
        if value + length > len(raw) and (length != UNDEFINED or value > len(raw)):
            invalid_file(path, f"an element of its tables of frames is cut off, or announces {length} bytes")
        return group << 16 | number, value, length

    return read


def _checked_item(table: _Table, tag: int, value: int) -> int:
    """Return where the content of an item begins; raise if it is none."""
    if tag != _ITEM:
        invalid_file(table.path, f"its tables of frames are damaged: an item is expected, and {tag:08x} follows")
    return value


def _walk_item(table: _Table, position: int, length: int, wanted: _Wanted, picked: dict[int, bytes], depth: int) -> int:
    """Pick values out of the sequences of an item whose content begins at a position, and return where it ends."""
    if depth > _MAX_DEPTH:
        invalid_file(table.path, f"its tables of frames have sequences more than {_MAX_DEPTH} deep")
    leaves = wanted.get(0, ())
    end = len(table.raw) if length == UNDEFINED else position + length
    while position < end:
        tag, value, size = table.read(position)
        if tag == _ITEM_END and length == UNDEFINED:
            return value
        if tag in wanted or size == UNDEFINED:
            inner = {0: wanted[tag]} if tag in wanted else {}
            position = _walk_sequence(table, value, size, inner, picked, depth + 1)
            continue
        if tag in leaves:
            picked[tag] = table.raw[value : value + size]
        position = value + size
    if position > end or length == UNDEFINED:
        invalid_file(table.path, "its tables of frames are damaged: an item does not end where it should")
    return position


def _walk_sequence(
    table: _Table, position: int, length: int, wanted: _Wanted, picked: dict[int, bytes], depth: int
) -> int:
    """Pick values out of the first item of a sequence, and return where the sequence ends."""
    end = len(table.raw) if length == UNDEFINED else position + length
    while position < end:
        tag, value, size = table.read(position)
        if tag == _SEQUENCE_END and length == UNDEFINED:
            return value
        position = _walk_item(table, _checked_item(table, tag, value), size, wanted, picked, depth)
        wanted = {}
    if position > end or length == UNDEFINED:
        invalid_file(table.path, "its tables of frames are damaged: a sequence does not end where it should")
    return position
