"""The first touch of mapped memory: the system is told what will be needed, or reads it in one go.

Mapped memory that is not in the page cache comes in page by page, twice as slowly as by reading. Once all of an array
was touched, nothing of this happens any more.
"""

import mmap
from typing import Any, NamedTuple

ROWS = 16
"""Rows of a plane that are told of together."""

AHEAD = 8
"""Planes that are told of besides where planes are gone through in order."""

SMALL = 1 << 20
"""Bytes of an array that is not worth the effort."""

PAGE = mmap.PAGESIZE
"""Bytes of a page of the machine."""


class Cold(NamedTuple):
    """A mapped array that was not touched everywhere yet.

    Args:
        found: It, as an HDF5 dataset.
        memory: The map of the file.
        offset: Where it begins in the file.
        touched: A byte for every group of rows of every plane; 1 where it was touched.
    """

    found: Any
    memory: Any
    offset: int
    touched: bytearray


def cold(found: Any, memory: Any) -> Cold | None:
    """Return the record of an array that nobody has touched yet; none where it is too small, or the system too old."""
    if found.nbytes < SMALL or found.ndim < 3 or not hasattr(memory, "madvise"):
        return None
    return Cold(found, memory, found.id.get_offset(), bytearray(found.shape[0] * groups(found.shape)))


def groups(shape: tuple[int, ...]) -> int:
    """Return how many groups of rows a plane has."""
    return -(-shape[1] // ROWS)


def touch(record: Cold, index: Any) -> bool:
    """Tell the system which part of an array will be needed; return whether it is better read than mapped.

    Planes or rows that were touched before are not told of again. Where most of an array is new, reading it in one go
    is faster, and everything counts as touched. A whole plane behind one that was touched is likely to have followers.
    """
    shape = record.found.shape
    planes, rows = spans(index, shape)
    width, total = groups(shape), len(record.touched)
    first, last = rows.start // ROWS, -(-rows.stop // ROWS)
    if 2 * len(planes) * (last - first) > total and 2 * record.touched.count(0) > total:
        record.touched[:] = b"\1" * total
        return True
    if planes.start and last - first == width and record.touched[planes.start * width - 1]:
        planes = range(planes.start, min(planes.stop + AHEAD, shape[0]))
    plane = record.found.nbytes // shape[0]
    row = plane // shape[1]
    for number in planes:
        place = number * width
        if record.touched.find(0, place + first, place + last) >= 0:
            record.touched[place + first : place + last] = b"\1" * (last - first)
            start = record.offset + number * plane + first * ROWS * row
            stop = record.offset + number * plane + min(last * ROWS, shape[1]) * row
            tell(record.memory, start, stop)
    return False


def spans(index: Any, shape: tuple[int, ...]) -> tuple[range, range]:
    """Return the planes and the rows that an index needs."""
    entries = index if isinstance(index, tuple) else (index,)
    entries = entries[: entries.index(...)] if ... in entries else entries
    found = [span(entry, size) for entry, size in zip((*entries, slice(None), slice(None)), shape[:2], strict=False)]
    return found[0], found[1]


def span(entry: Any, size: int) -> range:
    """Return the positions from the first to the last that one entry of an index needs."""
    picked = range(size)[entry] if isinstance(entry, slice) else (range(size)[entry],)
    return range(min(picked), max(picked) + 1) if picked else range(0)


def tell(memory: Any, start: int, stop: int) -> None:
    """Tell the system that bytes of a map will be needed."""
    first = start - start % PAGE
    memory.madvise(mmap.MADV_WILLNEED, first, stop - first)
