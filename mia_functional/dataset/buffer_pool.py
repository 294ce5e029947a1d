"""A pool of batch buffers, reused once unreferenced.

A batch has tens of megabytes. Fresh memory of that size comes from the system, which clears all of it when it is first
written to; that takes about half as long as to read the batch.

Hidden state: `_FREE`, the buffers of this process that no array uses, at most eight, for its whole life. A buffer comes
back by a finalizer when the last reference to its array is gone, in whatever thread that happens. `deque` is atomic, so
that no lock is needed; a finalizer could wait for one that its own thread holds. A forked child has copies of the free
buffers, which share nothing with the parent once they are written to.
"""

import ctypes
import math
import weakref
from collections import deque
from typing import Any, TypeAlias

import numpy as np

from mia_functional.typing import HostArray, Shape

__all__ = ["MIN_POOLED_BYTES", "keep_freed_memory", "pooled_array"]

MIN_POOLED_BYTES = 1 << 20
"""Smaller arrays come from the memory that Python's allocator keeps anyway."""

_Buffer: TypeAlias = "ctypes.Array[ctypes.c_char]"

_FREE: deque[_Buffer] = deque(maxlen=8)
"""As many buffers as a loop with batches ahead uses at once."""


_KEPT_BYTES = (1 << 25) - (1 << 16)
"""Just below 32 MiB, the most that glibc takes for its threshold."""


def keep_freed_memory() -> None:
    """Let the C library keep the memory of arrays that are freed, rather than return it to the system.

    glibc takes memory from the system for each array above a threshold, and clears it page by page when it is written
    to: samples of 0.3 MB took seven times as long. The threshold is the size of the largest such array that was freed
    so far, of 32 MiB at most, so that it depends on what happened before. An array that nobody writes to sets it.
    """
    array = np.empty(_KEPT_BYTES, np.uint8)
    del array


def pooled_array(shape: Shape, dtype: np.dtype[Any]) -> HostArray:
    """Return an array without values, as `numpy.empty` does, in memory of an earlier one if possible."""
    size = math.prod(shape) * dtype.itemsize
    if size < MIN_POOLED_BYTES or dtype.hasobject:
        return np.empty(shape, dtype)
    buffer = _free_buffer(size)
    # A view refers to the innermost array below it, of which NumPy looks no deeper than this one, as the memory belongs
    # to something that is not an array. So every view, of whatever library, keeps this array and not only the memory.
    array: HostArray = np.ndarray(shape, dtype, memoryview(buffer))
    weakref.finalize(array, _FREE.append, buffer).atexit = False
    return array


def _free_buffer(size: int) -> _Buffer:
    """Return a buffer of a size: the one that was freed last, or a new one."""
    for _ in range(len(_FREE)):
        try:
            buffer = _FREE.pop()
        except IndexError:  # another thread took it
            break
        if len(buffer) == size:
            return buffer
        _FREE.appendleft(buffer)
    # NumPy allocates, as it asks Linux for huge pages where an array is large.
    return (ctypes.c_char * size).from_buffer(np.empty(size, np.uint8).data)
