"""Variable-length strings of an HDF5 file, parsed here instead of by HDF5.

HDF5 keeps them in global heaps without checksums, and its library loops forever over a heap that is damaged. The format
(specification III.E, global heap) is small: an array of references, each with a length, the address of a collection and
the number of an object in it, and collections of objects.
"""

import mmap
import struct

import numpy as np

_REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("number", "<u4")])
"""One text of an array."""

_HEADER, _OBJECT = struct.Struct("<4s4sQ"), struct.Struct("<HHIQ")
"""A collection begins with signature, version and size; an object with its number, two unused fields and its size."""


def parse_texts(memory: mmap.mmap | bytes, offset: int, count: int, base: int) -> list[str]:
    """Return the texts whose references are at an offset of a file.

    Args:
        memory: The bytes of the file.
        offset: Where the references begin.
        count: How many there are.
        base: Where the file's addresses count from: the size of its user block.

    Raises:
        ValueError: The references or a collection are damaged, or a text is not UTF-8.
    """
    collections: dict[int, dict[int, bytes]] = {}
    texts = []
    for length, address, number in np.frombuffer(memory, _REFERENCE, count, offset).tolist():
        if length == 0:  # empty texts have no object, and an address of zero
            texts.append("")
            continue
        if address not in collections:
            collections[address] = _parse_collection(memory, base + address)
        if len(collections[address].get(number, b"")) < length:
            raise ValueError(f"the text {number} of the heap at {address} is missing")
        texts.append(collections[address][number][:length].decode())
    return texts


def _parse_collection(memory: mmap.mmap | bytes, start: int) -> dict[int, bytes]:
    """Return the objects of a collection by number."""
    if start + _HEADER.size > len(memory):
        raise ValueError(f"there is no heap at {start}")
    signature, version, size = _HEADER.unpack_from(memory, start)
    end = start + size
    if signature != b"GCOL" or version[0] != 1 or end > len(memory):
        raise ValueError(f"there is no heap at {start}")
    objects = {}
    position = start + _HEADER.size
    while position + _OBJECT.size <= end:
        number, _, _, size = _OBJECT.unpack_from(memory, position)
        position += _OBJECT.size
        if number == 0:  # object 0 is the free space at the end
            break
        if position + size > end:
            raise ValueError(f"the heap at {start} is damaged")
        objects[number] = bytes(memory[position : position + size])
        position += -(-size // 8) * 8  # objects are padded to multiples of eight bytes
    return objects
