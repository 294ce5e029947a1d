"""Exact Euclidean distances of all voxels to a mask: the kernels, and the choice between them.

The squared distance to the nearest voxel of a mask splits into one minimum per axis. Along the first axis steps are
counted up and down. Along every other axis each voxel is the source of a parabola, and the minimum of all parabolas is
taken with one accumulator: there is no table of pairs, no index and no branch, so that the compiler of any library
makes plain vector code of it.
"""

import math
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional.typing import Array, Spacing

__all__ = ["METHODS", "Method", "euclidean_distances", "nearest_squared_distances"]

Method: TypeAlias = Literal["auto", "host"]
"""Who computes: the fastest exact code of the array's library, or NumPy and SciPy on the host, inside of `jit` too."""


METHODS = get_args(Method)
"""The names of the methods."""


_REACH = 10
"""Steps, of the smallest size, within which the bounded transform looks: surfaces of usable predictions are nearer."""


def euclidean_distances(mask: Array, spacing: Spacing, *, cap: float, method: Method) -> Array:
    """Return the distance of every voxel to the nearest voxel of a boolean mask; inf above the cap."""
    xp = _array.array_namespace(mask)
    if _array.in_torch_program() and _array.is_torch(mask):
        # Loops over the voxels of a line would be written out step by step, and take minutes to compile.
        name, widest = "euclidean_distances", _array.widest_float(xp, mask)
        return _array.call_opaquely(
            name, euclidean_distances, mask, shape=mask.shape, dtype=widest, spacing=spacing, cap=cap, method=method
        )
    # SciPy takes time in proportion to the voxels, the loops below to the voxels of a line besides: only a compiler
    # makes up for that. PyTorch on the CPU has none, so its masks go to SciPy, which shares their memory.
    if method == "host" or _array.in_host_memory(mask):
        host = partial(_host_distances, spacing=spacing, cap=cap)
        like = _array.eval_shape(lambda array: xp.astype(array, _array.widest_float(xp, mask)), mask)
        return _array.call_on_host(host, mask, results=(like,))[0]
    if _array.has_cupy_distance_transform(mask):
        # CuPy has a transform of its own for two and three axes, but with SciPy's meaning of an empty mask.
        distances = xp.where(xp.any(mask), _array.cupy_distance_transform(~mask, spacing), math.inf)
    else:
        distances = xp.sqrt(_array.jit_call(_squared_distances, mask, spacing=spacing, cap=cap))
    return distances if cap == math.inf else xp.where(distances > cap, math.inf, distances)


def nearest_squared_distances(targets: Array, wanted: Array, *, spacing: Spacing) -> Array:
    """Return squared distances to the targets, right at least where they are wanted.

    Everything within the cap of the bounded transform is exact. Only if a wanted voxel has no target there are the
    distances of the whole computed.
    """
    xp = _array.array_namespace(targets)
    whole = _array.in_torch_program() and _array.is_torch(targets)
    if whole or _array.has_cupy_distance_transform(targets):
        return euclidean_distances(targets, spacing, cap=math.inf, method="auto") ** 2
    cap = _REACH * min(spacing)
    near = _squared_distances(targets, spacing=spacing, cap=cap)
    missed = xp.any(wanted & (near > cap * cap)) & xp.any(targets)
    return _array.replace_if(missed, lambda: _squared_distances(targets, spacing=spacing), near)


def _host_distances(mask: NDArray[np.bool_], *, spacing: Spacing, cap: float) -> tuple[NDArray[np.float64]]:
    """Return the distances by SciPy."""
    # Of an image without any zero SciPy returns the distances to a voxel that does not exist.
    if not mask.any():
        return (np.full(mask.shape, np.inf),)
    from scipy import ndimage  # at its first use: SciPy takes as long to import as NumPy

    distances = ndimage.distance_transform_edt(~mask, sampling=spacing)
    if cap < math.inf:
        distances[distances > cap] = np.inf
    return (distances,)


def _squared_distances(mask: Array, *, spacing: Spacing, cap: float = math.inf) -> Array:
    """Return squared distances to the nearest voxel of a mask, in any library and under `jit`, shapes fixed.

    Distances above the cap may come out larger than they are.
    """
    squares = _along_first_axis(mask, spacing[0])
    others = partial(_along_other_axes, spacing=spacing[1:], cap=cap)
    return squares if mask.ndim == 1 else _array.map_slabs(others, squares)


def _along_first_axis(mask: Array, step: float) -> Array:
    """Return squared distances to the nearest voxel of the mask on the same line along the first axis."""
    xp, count = _array.array_namespace(mask), mask.shape[0]
    # Small counters move half the memory. They reach at most twice the length of the axis.
    integer = xp.int16 if count < 2**14 else xp.int32
    outside = xp.astype(~mask, integer)
    none = xp.full_like(outside[0, ...], count)
    below = _array.scan(lambda steps, plane: (steps + 1) * plane, none, outside)
    steps = _array.scan(lambda steps, plane: xp.minimum(steps + 1, plane), none, below, backwards=True)
    lengths = xp.astype(steps, _array.widest_float(xp, mask)) * step
    return xp.where(steps < count, lengths * lengths, math.inf)


def _along_other_axes(squares: Array, *, spacing: Spacing, cap: float) -> Array:
    """Return the minimum over the last axes of squared distances plus squared steps along these axes."""
    for axis, step in zip(range(-len(spacing), 0), spacing, strict=True):
        count = squares.shape[axis]
        # A cap of a whole number of steps includes the last of them, whatever their quotient is rounded to.
        reach = count if cap == math.inf else int(cap / step * (1 + 1e-9))
        squares = _along_axis(squares, axis, step, min(reach, count))
    return squares


def _along_axis(squares: Array, axis: int, step: float, reach: int) -> Array:
    """Return `min over j of squares[j] + ((i - j) step)^2` for every i along an axis, at least for |i - j| <= reach."""
    xp, count = _array.array_namespace(squares), squares.shape[axis]
    centre: Any
    if 2 * reach < count:
        margin = xp.full_like(_array.slice_along(squares, 0, reach, axis), math.inf)
        sources, centre, number, window = xp.concat([margin, squares, margin], axis=axis), reach, 2 * reach + 1, count
    else:
        # Beyond half of the axis, all its voxels as sources are fewer steps than all offsets.
        positions = _array.broadcast_along(xp, np.arange(count, dtype=np.float64), squares.ndim + axis, squares)
        sources, centre, number, window = squares, xp.astype(positions, squares.dtype), count, 1

    def body(source: Any, lowest: Array) -> Array:
        length = (centre - source) * step
        return xp.minimum(lowest, _array.slice_along(sources, source, window, axis) + length * length)

    return _array.fori_loop(xp, number, body, xp.full_like(squares, math.inf))
