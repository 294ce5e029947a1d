"""Work on arrays in the host's memory block by block, in two threads: what is made of a block stays in the cache.

NumPy writes every intermediate result of a volume to memory and reads it again, and memory that is new has to be given
by the system page by page. A few rows at a time take neither.
"""

import _thread
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from mia_functional._array.backends import to_numpy
from mia_functional._array.libraries import is_numpy, is_torch
from mia_functional._array.tracing import in_bytecode, in_host_memory, quiet
from mia_functional._array.updates import block_slices, concat
from mia_functional._core.processes import own_cores
from mia_functional.typing import Array, HostArray, Shape

__all__ = ["computes_on_host", "dense_block", "map_blocks", "run_in_threads", "share_memory", "voxel_blocks"]

_Piece = TypeVar("_Piece")

_BLOCK_ELEMENTS = 2**15
"""Elements of a block: six arrays of so many floats fit into the second-level cache of a core."""

_WORTH_A_THREAD = 2**18
"""Elements from which a second thread pays: it takes a tenth of a millisecond to start."""


def computes_on_host(*arrays: Array) -> bool:
    """Return whether arrays are NumPy's or PyTorch's, all in the host's memory, and nothing but their values counts."""
    return not in_bytecode() and all((is_numpy(array) or is_torch(array)) and in_host_memory(array) for array in arrays)


def share_memory(memory: HostArray, model: Array) -> Array:
    """Return a new array of NumPy, in an order of bytes that is the machine's, as one of the library of `model`."""
    tensor: Array = sys.modules["torch"].from_numpy(memory) if is_torch(model) else memory
    return tensor


def run_in_threads(work: Callable[[Iterator[_Piece]], None], pieces: Sequence[_Piece], elements: int) -> None:
    """Call `work` with an iterator over pieces; twice at once, each with its share of them, for many elements.

    Args:
        work: It goes through the pieces that it gets, and makes buffers of its own. What NumPy computes takes place
            outside of the interpreter's lock.
        pieces: What can be done in any order.
        elements: How many there are in all pieces.
    """
    if elements < _WORTH_A_THREAD or len(pieces) < 2 or own_cores() < 2:
        with quiet():
            work(iter(pieces))
        return

    def work_quietly(share: Iterator[_Piece]) -> None:
        with quiet():  # settings of NumPy are those of a thread
            work(share)

    # Here: pools bring logging and queues with them, a tenth of what all metrics take to import.
    from concurrent.futures import Future, wait

    # One iterator for both: a thread that the system lets wait gets fewer pieces.
    shared = iter(pieces)
    other: Future[None] = Future()

    def work_beside() -> None:
        if other.set_running_or_notify_cancel():
            try:
                work_quietly(shared)
            except BaseException as error:  # of any kind, as it is raised where the work was asked for
                other.set_exception(error)
            else:
                other.set_result(None)

    # Threads of `threading` are waited for until they run. On a machine whose cores are all taken that is longer than
    # the work; there, one that has not begun when there is nothing left to do is not needed any more.
    _thread.start_new_thread(work_beside, ())
    try:
        work_quietly(shared)
    finally:
        needed = not other.cancel()
        if needed:
            wait([other])
    if needed:
        other.result()


def map_blocks(function: Callable[..., None], *arrays: Array, dtype: Any) -> Array:
    """Return an array of the shape of others that is made block by block.

    Args:
        function: It writes a block of the result, in the dtype of the arrays. It gets the slices of the block, memory
            for it, and the blocks of the arrays, all of which lie densely in memory.
        arrays: Arrays `(*spatial, channel)` of one shape and dtype, for which `computes_on_host` holds.
        dtype: That of the result, one of NumPy.
    """
    given = list(map(to_numpy, arrays))
    target = np.empty(given[0].shape, dtype)

    def work(pieces: Iterator[tuple[Any, ...]]) -> None:
        for piece in pieces:
            block = target[piece]
            own = block if block.dtype == given[0].dtype else np.empty_like(block, given[0].dtype)
            function(piece, own, *(dense_block(array[piece]) for array in given))
            if own is not block:
                block[...] = own

    run_in_threads(work, voxel_blocks(target.shape), target.size)
    return share_memory(target, arrays[0])


def voxel_blocks(shape: Shape, *, factor: int = 1) -> list[tuple[Any, ...]]:
    """Return the slices of the blocks of an image `(*spatial, channel)`, of whole voxels; the first is the largest.

    Blocks are larger by a factor where few arrays of them are made.
    """
    spatial, channels = (shape[:-1], shape[-1]) if len(shape) > 1 else (shape, 1)
    return list(block_slices(spatial, max(1, factor * _BLOCK_ELEMENTS // channels)))


def dense_block(block: HostArray) -> HostArray:
    """Return a block as it is if it lies densely in memory, else a copy that does: of an image that is flipped."""
    # Rows of few channels cost NumPy a loop each: so `concat` copies all channels of a voxel as one element.
    return block if block.flags.c_contiguous else to_numpy(concat([block], 0))
