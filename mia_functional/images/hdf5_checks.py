"""What is looked at before anything is read from an HDF5 file that a stranger wrote.

HDF5 can be made to read any other file of the user. Every step of a path is checked before it is taken: hard links
only, no data in other files, filters that run no foreign code, and no more bytes than can be true.
"""

import math
import mmap
import struct
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mia_functional._core import optional

__all__ = ["BUILT_IN_FILTERS", "endless_heap", "linked_object", "storage_fault"]

BUILT_IN_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""Filters that HDF5 and h5py have built in. HDF5 would load others as plugins."""

_HEAP, _NO_BLOCK, _UNDEFINED = b"HEAP", 1, 2**64 - 1
"""What a heap of names begins with, and how the list of its unused parts ends."""

_CHUNK_BYTES = 1 << 28
"""Most bytes of one chunk, which is decompressed as a whole."""

_EXPANSION = 1100
"""Most bytes that come out of one compressed byte; gzip reaches 1032."""


def endless_heap(path: Path) -> bool:
    """Return whether the unused parts of a heap of names follow each other in a circle, or lead out of it.

    HDF5 (1.14) walks such a list for ever, and allocates as it goes, when it looks for the first name of a group. What
    looks like a heap within pixels by chance has a list that ends at once.
    """
    head = struct.Struct("<4sB3s3Q")
    block = struct.Struct("<2Q")
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        place = memory.find(_HEAP)
        while place >= 0 and place + head.size <= len(memory):
            _, version, reserved, size, free, start = head.unpack_from(memory, place)
            if version == 0 and not any(reserved) and start + size <= len(memory):
                seen: set[int] = set()
                while free not in (_NO_BLOCK, _UNDEFINED):
                    if free in seen or free + block.size > size:
                        return True
                    seen.add(free)
                    free, _ = block.unpack_from(memory, start + free)
            place = memory.find(_HEAP, place + 1)
    return False


def linked_object(group: Any, name: str, malformed: Callable[[str, str], NoReturn]) -> Any:
    """Return what a group holds under a name, a group or a dataset; raise if it is a link that leads elsewhere."""
    h5py = optional.require("h5py")
    try:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.HardLink):
            return group[name]
    except (KeyError, OSError, RuntimeError) as error:
        malformed(group.file.filename, f"{group.name}/{name} is damaged ({error})")
    reason = "is missing" if link is None else f"is {type(link).__name__} and not part of the file"
    return malformed(group.file.filename, f"{group.name}/{name} {reason}")


def storage_fault(
    stored: Any, *, kinds: Collection[str], filters: dict[int, str], max_bytes: float, max_chunked: int
) -> str | None:
    """Return why an HDF5 dataset must not be read, if so: `kinds` are those of numbers, and texts are read, too.

    At most `max_bytes` may be declared, and in chunks `max_chunked`.
    """
    h5py = optional.require("h5py")
    creation = stored.id.get_create_plist()
    layout, dtype = creation.get_layout(), stored.dtype
    text = h5py.check_string_dtype(dtype) is not None
    if layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED, h5py.h5d.COMPACT) or creation.get_external_count():
        return "has its data in other files"
    if stored.shape is None or not (text or (dtype.kind in kinds and dtype.itemsize <= np.dtype(np.float64).itemsize)):
        return f"holds {dtype} instead of numbers or texts"
    # Types of somebody's own making may be smaller in the file than the dtype that h5py converts them to, or larger.
    nbytes = math.prod(stored.shape) * stored.id.get_type().get_size()
    if max(nbytes, math.prod(stored.shape) * dtype.itemsize) > max_bytes:
        return f"declares {nbytes} bytes, and {max_bytes} are the most"
    if layout == h5py.h5d.CHUNKED:
        codes = {creation.get_filter(number)[0] for number in range(creation.get_nfilters())}
        return _chunk_fault(stored, codes, nbytes, filters, max_chunked)
    if nbytes and layout == h5py.h5d.CONTIGUOUS:
        offset = stored.id.get_offset()
        if offset is None or offset + nbytes > Path(stored.file.filename).stat().st_size:
            return "is incomplete"
    return None


def _chunk_fault(stored: Any, codes: set[int], nbytes: int, filters: dict[int, str], most: int) -> str | None:
    """Return why a chunked dataset must not be read, if so."""
    if unknown := sorted(codes - filters.keys()):
        return f"needs the filters {unknown}; {', '.join(filters.values())} are known"
    if nbytes > most:
        return f"declares {nbytes} bytes in chunks, and {most} are the most"
    if math.prod(stored.chunks) * stored.id.get_type().get_size() > _CHUNK_BYTES:
        return f"has chunks of {stored.chunks}"
    if nbytes > _EXPANSION * stored.id.get_storage_size():
        return f"declares {nbytes} bytes and stores {stored.id.get_storage_size()}"
    return None
