"""Texts of an HDF5 file, read by ourselves.

HDF5 keeps texts in heaps without checksums, and its library loops forever over one that is damaged. The format is
small: an array of references (length, address of a collection, number of an object), and collections of objects.
"""

import struct
from typing import Any

import numpy as np

REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("number", "<u4")])
"""One text of an array."""


HEADER, OBJECT = struct.Struct("<4s4sQ"), struct.Struct("<HHIQ")
"""A collection begins with signature, version and size; an object with its number, two fields of no use, and size."""


def texts(memory: Any, offset: int, count: int, base: int) -> list[str]:
    """Return the texts whose references are at an offset of a file.

    Args:
        memory: The bytes of the file.
        offset: Where the references begin.
        count: How many there are.
        base: Where the file's addresses count from: the size of its user block.

    Raises:
        ValueError: The references or a collection are damaged, or a text is no UTF-8.
    """
    found: dict[int, dict[int, bytes]] = {}
    result = []
    for length, address, number in np.frombuffer(memory, REFERENCE, count, offset).tolist():
        if length == 0:
            result.append("")
            continue
        if address not in found:
            found[address] = collection(memory, base + address)
        if len(found[address].get(number, b"")) < length:
            raise ValueError(f"the text {number} of the heap at {address} is missing")
        result.append(found[address][number][:length].decode())
    return result


def collection(memory: Any, start: int) -> dict[int, bytes]:
    """Return the objects of a collection by number."""
    if start + HEADER.size > len(memory):
        raise ValueError(f"there is no heap at {start}")
    signature, version, size = HEADER.unpack_from(memory, start)
    end = start + size
    if signature != b"GCOL" or version[0] != 1 or end > len(memory):
        raise ValueError(f"there is no heap at {start}")
    objects = {}
    place = start + HEADER.size
    while place + OBJECT.size <= end:
        number, _, _, size = OBJECT.unpack_from(memory, place)
        place += OBJECT.size
        if number == 0:
            break
        if place + size > end:
            raise ValueError(f"the heap at {start} is damaged")
        objects[number] = bytes(memory[place : place + size])
        place += -(-size // 8) * 8
    return objects
