"""Gaussian smoothing of an image in the host's memory, block by block."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional.typing import Array, HostArray

__all__ = ["smooth_on_host"]

_PASS_ELEMENTS = 2**16
"""Elements of a block with its margins, so that three arrays of them stay in the cache."""


def smooth_on_host(values: Array, kernels: Sequence[Sequence[Any]]) -> Array:
    """Return floats smoothed along their leading axes, with the edge repeated outside.

    Args:
        values: Floats in single or double precision, for which `_array.computes_on_host` holds.
        kernels: The weights of each axis from the middle of a symmetric kernel outwards; one alone leaves the axis as
            it is.
    """
    image = _array.to_numpy(values)
    target = np.empty(image.shape, image.dtype)
    source = image
    for axis, kernel in enumerate(kernels):
        if len(kernel) > 1:
            if not source.flags.c_contiguous:
                np.copyto(target, source)
                source = target
            _smooth_lines(source, target, axis, kernel)
            source = target
    if source is image:
        np.copyto(target, image)
    return _array.share_memory(target, values)


def _smooth_lines(source: HostArray, target: HostArray, axis: int, kernel: Sequence[Any]) -> None:
    """Write an array smoothed along an axis into another one, which may be the same: blocks of whole lines."""
    size, radius = source.shape[axis], len(kernel) - 1
    # Lines, the voxels along them, and what lies beside each other in memory at each voxel.
    shape = (math.prod(source.shape[:axis]), size, math.prod(source.shape[axis + 1 :]))
    lines, smooth = source.reshape(shape), target.reshape(shape)
    width = max(1, min(shape[2], _PASS_ELEMENTS // (size + 2 * radius)))
    count = max(1, min(shape[0], _PASS_ELEMENTS // (width * (size + 2 * radius))))
    pieces = [
        (slice(low, low + count), slice(None), slice(left, left + width))
        for low in range(0, shape[0], count)
        for left in range(0, shape[2], width)
    ]
    # Two voxels are added before they are weighted: halves of them, whose sum cannot overflow.
    doubled = [2 * weight for weight in kernel]

    def work(pieces: Iterator[tuple[slice, slice, slice]]) -> None:
        buffers = np.empty((3, count * (size + 2 * radius) * width), source.dtype)
        for piece in pieces:
            block = lines[piece]
            step = block.shape[2]
            flat, total, both = buffers[:, : block.shape[0] * (size + 2 * radius) * step]
            padded = flat.reshape(-1, size + 2 * radius, step)
            np.multiply(block, source.dtype.type(0.5), out=padded[:, radius : radius + size])
            padded[:, :radius] = padded[:, radius : radius + 1]
            padded[:, radius + size :] = padded[:, radius + size - 1 : radius + size]
            # One line behind the other: what is made of the end of one and the start of the next is left out below.
            kept = flat.size - 2 * radius * step
            np.multiply(flat[radius * step :][:kept], doubled[0], out=total[:kept])
            for distance in range(1, radius + 1):
                before, after = flat[(radius - distance) * step :], flat[(radius + distance) * step :]
                np.add(before[:kept], after[:kept], out=both[:kept])
                both[:kept] *= doubled[distance]
                total[:kept] += both[:kept]
            smooth[piece] = total.reshape(padded.shape)[:, :size]

    _array.run_in_threads(work, pieces, source.size)
