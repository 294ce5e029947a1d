"""Memory of batches: what nobody holds any more is used again.

A batch has tens of megabytes. Fresh memory of that size comes from the system, which clears all of it when it is first
written to; that takes about half as long as to read the batch.
"""

import ctypes
import math
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from mia_functional.typing import Shape

LARGE = 1 << 20
"""Bytes of an array from which on its memory is worth keeping."""


FREE: deque[Any] = deque(maxlen=8)
"""Memory that no array holds any more: as much as a loop with batches ahead had at once."""


LENT: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""Arrays in such memory, by their identity."""


def empty(shape: Shape, dtype: np.dtype[Any]) -> Any:
    """Return an array without values, as `numpy.empty` does, in memory that was used before where there is some.

    The memory is free again when the array is gone. Every view, of whatever library, holds the array and not only the
    memory, since that is no array itself.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE or dtype.hasobject:
        return np.empty(shape, dtype)
    memory = unused(size)
    array: Any = np.ndarray(shape, dtype, memory)
    weakref.finalize(array, FREE.append, memory).atexit = False
    LENT[id(array)] = array
    return array


def whole(rows: Sequence[Any]) -> Any:
    """Return the array from `empty` whose rows these are, all of them in order; None where there is none.

    Example:
        >>> large = empty((2, 1024, 1024), np.dtype("float32"))
        >>> whole(list(large)) is large, whole([large[1], large[0]])
        (True, None)
    """
    found = LENT.get(id(rows[0].base))
    if found is None or found is not rows[0].base or found.shape != (len(rows), *rows[0].shape):
        return None
    return found if all(_is_same(row, own) for row, own in zip(rows, found, strict=True)) else None


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two arrays are the same memory, seen alike."""
    return bool(one.__array_interface__ == other.__array_interface__)


def unused(size: int) -> Any:
    """Return memory of a size: what was freed last, or fresh."""
    for _ in range(len(FREE)):
        try:
            memory = FREE.pop()
        except IndexError:
            break
        if len(memory) == size:
            return memory
        FREE.appendleft(memory)
    return (ctypes.c_char * size).from_buffer(np.empty(size, np.uint8).data)
