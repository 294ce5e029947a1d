"""The directories of a TIFF file, walked by ourselves: whether they are whole, of one kind, and all pixels there.

tifffile (2026.3) takes the pages in front of a break in their chain for all there are, reads all pages of a stack as it
reads the first, and fills what is not in the file with zeros. Most directories of a stack are alike but for the places
of their pixels, so that one comparison of bytes settles a page.
"""

import os
import struct
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

import numpy as np

from mia_functional.images.header import MAX_HEADER_BYTES, invalid_file
from mia_functional.typing import HostArray

__all__ = ["Directories", "read_directories"]

_DESCRIPTION, _STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 270, 273, 279, 324, 325

_KIND = frozenset((
    254, 256, 257, 258, 259, 262, 266, 274, 277, 278, 284, 317, 320, 322, 323, 32997, 32998, 338, 339, 347, 530
))  # fmt: skip
"""Tags by which pages of a stack have to agree: sizes, numbers and their layout, and what decoders need."""

_INTEGERS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""How places and sizes are unpacked, by their type."""

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}

_MAX_ENTRIES = 4096
"""Most entries of a directory; real ones have some twenty."""

_BEHIND = 256
"""Bytes behind a directory that are read with it: writers put lists of places there."""

_NEAR, _RUN_BYTES = 4096, 1 << 22
"""How far apart directories are at most that are read together, and how many bytes of them at a time."""


class Directories(NamedTuple):
    """What the directories of a TIFF file say.

    Attributes:
        pages: How many pages there are.
        kinds: How many kinds of them there are.
        starts: Where the pixels of each page begin, if they are in one piece; 0 where they are not.
        fewest: Bytes of the pixels of the page with the fewest.
        description: The text of the first page.
    """

    pages: int
    kinds: int
    starts: tuple[int, ...]
    fewest: int
    description: str


class _Layout(NamedTuple):
    """How numbers of a file are written: unpackers of directories, and bytes of a value within an entry."""

    order: str
    number: struct.Struct
    offset: struct.Struct
    entry: struct.Struct


class _File(NamedTuple):
    """An open file, and its size."""

    path: Path
    stream: IO[bytes]
    size: int


class _Entry(NamedTuple):
    """A tag of a directory: its type, how many values, and where these, or what points to them, are in the file."""

    kind: int
    length: int
    place: int


def read_directories(path: Path) -> Directories:
    """Return what the directories of a TIFF file say; raise unless they and the pixels of all pages are whole."""
    # Without a buffer, as a directory is small and the next one is far away.
    with path.open("rb", buffering=0) as stream:
        head = stream.read(8)
        order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        large = {42: False, 43: True}.get(int.from_bytes(head[2:4], "big" if order == ">" else "little"))
        if not order or large is None:
            invalid_file(path, "it is not a TIFF file")
        codes = ("Q", "Q", "HHQ8s") if large else ("H", "I", "HHI4s")
        layout = _Layout(order, *(struct.Struct(order + code) for code in codes))
        return _walk_directories(_File(path, stream, path.stat().st_size), layout, 8 if large else 4)


def _bytes_at(file: _File, place: int, count: int) -> bytes:
    """Return bytes of a file; raise if it does not have them."""
    if place + count > file.size:
        _cut_off(file)
    if hasattr(os, "pread"):  # half as many calls of the system
        raw = os.pread(file.stream.fileno(), count, place)
    else:
        file.stream.seek(place)
        raw = file.stream.read(count)
    if len(raw) < count:
        _cut_off(file)
    return raw


def _walk_directories(file: _File, layout: _Layout, position: int) -> Directories:
    """Return what all directories say, from the place on that leads to the first one."""
    places: set[int] = set()
    kinds: set[tuple[object, ...]] = set()
    pixels, description = [], ""
    alike, spans = b"", [(0, 0)]
    first: dict[int, _Entry] = {}
    step = 0
    (place,) = layout.offset.unpack(_bytes_at(file, position, layout.offset.size))
    while place:
        if place in places:
            invalid_file(file.path, "it is damaged: the directory of a page refers to itself")
        places.add(place)
        # Most directories are as long as the one before.
        guess = layout.number.size + len(first) * layout.entry.size + layout.offset.size + _BEHIND
        block = _bytes_at(file, place, min(max(guess, layout.number.size), max(file.size - place, layout.number.size)))
        (number,) = layout.number.unpack_from(block)
        if number > _MAX_ENTRIES:
            invalid_file(file.path, "it is damaged: the directory of a page has no end")
        begin, end = layout.number.size, layout.number.size + number * layout.entry.size
        if len(block) < end + layout.offset.size:
            block = _bytes_at(file, place, end + layout.offset.size)
        raw, begin = block[begin:end], place + begin
        if not alike or len(raw) != len(first) * layout.entry.size or _joined_spans(raw, spans) != alike:
            first = _tags_of(layout, raw, begin)
            kinds.add(_kind(file, layout, first))
            # Where a page like this one has other bytes: values of places, sizes of pixels, and texts.
            spans = _alike_spans(layout, first, begin, len(raw))
            alike = _joined_spans(raw, spans)
        if len(places) == 1 and _DESCRIPTION in first:
            description = _text(file, layout, first[_DESCRIPTION])
        pixels.append(_checked_pixels(file, layout, first, raw, (place, block)))
        (following,) = layout.offset.unpack_from(block, end)
        again, step = following - place == step and 0 < step < _NEAR, following - place
        place = following
        if again and number == len(first):
            run, place = _even_run(file, layout, first, (alike, spans), place, step)
            if not places.isdisjoint(range(following, following + len(run) * step, step)):
                invalid_file(file.path, "it is damaged: the directory of a page refers to itself")
            places.update(range(following, following + len(run) * step, step))
            pixels += run
            step = 0
    if not pixels:
        invalid_file(file.path, "it holds no pages")
    starts, sizes = zip(*pixels, strict=True)
    return Directories(len(places), len(kinds), starts, min(sizes), description)


def _even_run(
    file: _File, layout: _Layout, entries: dict[int, _Entry], same: tuple[bytes, list[tuple[int, int]]], place: int,
    step: int,
) -> tuple[list[tuple[int, int]], int]:  # fmt: skip
    """Return pixels as `_checked_pixels` does, of pages whose directories lie at even steps, and what lies behind them.

    tifffile writes stacks so that are not compressed: one look at all is a tenth of the work of one at each. They are
    like the page before, of which `entries` are the tags and `same` the bytes that have to be equal, and where.
    """
    tags = (_STRIPS, _STRIP_BYTES) if _TILES not in entries else (_TILES, _TILE_BYTES)
    found = [entries.get(tag, _Entry(0, 0, 0)) for tag in tags]
    head, length = layout.number.size, layout.number.size + len(entries) * layout.entry.size + layout.offset.size
    if any(entry.length != 1 or entry.kind not in _INTEGERS for entry in found) or not length <= step:
        return [], place
    count = min((file.size - place - length) // step + 1, _RUN_BYTES // step)
    if count < 1:
        return [], place
    raw = _bytes_at(file, place, (count - 1) * step + length).ljust(count * step, b"\0")
    table = np.frombuffer(raw, np.uint8).reshape(count, step)

    def column(start: int, code: str) -> HostArray:
        kind = np.dtype(layout.order + code)
        return table[:, start : start + kind.itemsize].copy().view(kind)[:, 0].astype(np.uint64)

    fixed = np.concatenate([table[:, head + start : head + stop] for start, stop in same[1]], axis=1)
    is_like = (fixed == np.frombuffer(same[0], np.uint8)).all(axis=1) & (
        column(0, layout.number.format[1:]) == len(entries)
    )
    behind = column(length - layout.offset.size, layout.offset.format[1:])
    is_next = behind == place + step * np.arange(1, count + 1, dtype=np.uint64)
    good = is_like & np.concatenate([[True], is_next[:-1]])
    pages = count if good.all() else int(good.argmin())
    if not pages:
        return [], place
    begin = min(entry.place for entry in entries.values()) - (layout.entry.size - layout.offset.size)
    starts, sizes = (column(head + entry.place - begin, _INTEGERS[entry.kind])[:pages] for entry in found)
    if not (starts.all() and sizes.all() and (sizes <= file.size).all() and (starts <= file.size - sizes).all()):
        _cut_off(file)
    return list(zip(starts.tolist(), sizes.tolist(), strict=True)), int(behind[pages - 1])


def _tags_of(layout: _Layout, raw: bytes, begin: int) -> dict[int, _Entry]:
    """Return the tags of a directory."""
    size, inline = layout.entry.size, layout.offset.size
    entries: dict[int, _Entry] = {}
    for number, (tag, kind, count, _) in enumerate(layout.entry.iter_unpack(raw)):
        entries.setdefault(tag, _Entry(kind, count, begin + (number + 1) * size - inline))
    return entries


def _alike_spans(layout: _Layout, entries: dict[int, _Entry], begin: int, end: int) -> list[tuple[int, int]]:
    """Return the parts of a directory that are the same in pages of one kind: all but values outside of `_KIND`."""
    free = sorted(entry.place - begin for tag, entry in entries.items() if tag not in _KIND)
    starts = [0, *(place + layout.offset.size for place in free)]
    return [(start, stop) for start, stop in zip(starts, [*free, end], strict=True) if stop > start]


def _joined_spans(raw: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Return parts of a directory as one."""
    return b"".join([raw[start:stop] for start, stop in spans])


def _tag_values(
    file: _File, layout: _Layout, entry: _Entry, inline: bytes, near: tuple[int, bytes] = (0, b"")
) -> bytes:
    """Return the bytes of the values of an entry: within it, or where it points to.

    `near` are bytes of the file that were read already, and where they are.
    """
    nbytes = entry.length * _TYPE_BYTES.get(entry.kind, 1)
    if nbytes <= layout.offset.size:
        return inline[:nbytes]
    (place,) = layout.offset.unpack(inline)
    start, known = place - near[0], near[1]
    return known[start : start + nbytes] if 0 <= start <= len(known) - nbytes else _bytes_at(file, place, nbytes)


def _kind(file: _File, layout: _Layout, entries: dict[int, _Entry]) -> tuple[object, ...]:
    """Return all that pages of one kind have in common."""
    found: list[object] = []
    for tag in sorted(_KIND & entries.keys()):
        entry = entries[tag]
        if entry.length > MAX_HEADER_BYTES:
            _cut_off(file)
        inline = _bytes_at(file, entry.place, layout.offset.size)
        found.append((tag, entry.kind, entry.length, _tag_values(file, layout, entry, inline)))
    return tuple(found)


def _text(file: _File, layout: _Layout, entry: _Entry) -> str:
    """Return a text; raise if it is too long to be a description."""
    if entry.length > MAX_HEADER_BYTES:
        invalid_file(file.path, f"its description takes {entry.length} characters")
    raw = _tag_values(file, layout, entry, _bytes_at(file, entry.place, layout.offset.size))
    return raw.decode("utf-8", errors="replace").rstrip("\0")


def _checked_pixels(
    file: _File, layout: _Layout, entries: dict[int, _Entry], raw: bytes, near: tuple[int, bytes]
) -> tuple[int, int]:
    """Return where the pixels of a page begin if they are in one piece, and their bytes; raise if some are missing.

    `entries` are those of a page with the same tags, `raw` is the directory of this one; `near` as in `_tag_values`.
    """
    begin = min(entry.place for entry in entries.values()) - (layout.entry.size - layout.offset.size)
    tags = (_TILES, _TILE_BYTES) if _TILES in entries else (_STRIPS, _STRIP_BYTES)
    lists = []
    for tag in tags:
        entry = entries.get(tag)
        if entry is None or entry.kind not in _INTEGERS or not 0 < entry.length <= file.size:
            _cut_off(file)
        code, at = layout.order + _INTEGERS[entry.kind], entry.place - begin
        if entry.length == 1:
            lists.append(struct.unpack_from(code, raw, at))
        else:
            values = _tag_values(file, layout, entry, raw[at : at + layout.offset.size], near)
            lists.append(struct.unpack(f"{layout.order}{entry.length}{_INTEGERS[entry.kind]}", values))
    starts, counts = lists
    ends = tuple(start + count for start, count in zip(starts, counts, strict=False))
    if len(starts) != len(counts) or min(starts) <= 0 or min(counts) <= 0 or max(ends) > file.size:
        _cut_off(file)
    return (starts[0] if starts[1:] == ends[:-1] else 0), sum(counts)


def _cut_off(file: _File) -> NoReturn:
    """Raise as something is missing."""
    invalid_file(file.path, "it is cut off: pages or pixels that it announces are not in it")
