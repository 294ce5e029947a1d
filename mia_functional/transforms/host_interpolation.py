"""Interpolation in the host's memory block by block: what belongs to a block stays in the cache, in buffers used again.

The values are those of `interpolation`, without coordinates, positions and weights of whole volumes. The neighbours of
a voxel lie at fixed distances in memory, so that one table of positions does for all corners around the points of a
block. Arrays of one call share coordinates and tables.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional.transforms.interpolation import (
    TOLERANCE,
    Interpolation,
    interpolate_in_turn,
    linear,
    nearest,
    restore_values,
    rule_and_values,
    taps_of_lines,
)
from mia_functional.transforms.places import Places, axes_of_source, block_places
from mia_functional.typing import Array, HostArray, Shape

__all__ = ["has_host_way", "interpolate_axes_on_host", "interpolate_on_host"]

_Buffers: TypeAlias = dict[tuple[Any, ...], HostArray]
"""Memory of a thread by what it is for; what does not fit is made anew."""

_BLOCK_BYTES = 2**17
"""Bytes of an array's values in a block. Smaller ones fit into the second-level cache with all that is made of them,
but then NumPy's calls, some fifty a block, take longer than what they compute."""

_ELEMENTS: dict[int, Any] = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
"""All channels of a voxel as one element, by its bytes, which NumPy takes faster than rows."""


class _Warped(NamedTuple):
    """An array to interpolate, and where its values go."""

    array: HostArray
    voxels: HostArray  # the values that are weighed or taken, `(voxels, channels)`
    result: HostArray  # `(*shape, channels)`
    is_linear: bool
    fill_value: Any


class _SourceAxes(NamedTuple):
    """The spatial axes of the sources, each beside its coordinates: `(axes, 1, ...)`."""

    sizes: Shape
    last: HostArray  # the last voxel
    rim: HostArray  # where the outside begins
    strides: HostArray  # from a voxel to the next one in a table of all voxels


class _Corners(NamedTuple):
    """The first of the voxels around each point of a block, and how far the point lies beyond it along each axis."""

    positions: HostArray
    fractions: HostArray


def has_host_way(array: Any, interpolation: Interpolation | None) -> bool:
    """Return whether an array is interpolated here: voxels in the host's memory, by a rule of ours."""
    is_ours = interpolation in (None, linear, nearest)
    return is_ours and _array.computes_on_host(array) and 0 not in array.shape


def interpolate_on_host(
    function: str,
    arrays: Sequence[Array],
    places: Places,
    interpolations: Sequence[Interpolation | None],
    fill_values: Sequence[float],
) -> list[Array]:
    """Return the values of arrays `(*spatial, ...)` of one spatial shape at places of NumPy, each in its dtype."""
    shape, dtype, count = places.shape, places.dtype, axes_of_source(places)
    options = zip(arrays, interpolations, fill_values, strict=True)
    sources = [_prepared(function, array, count, shape, rule, fill) for array, rule, fill in options]
    # Coordinates and positions take as much as two floats, also where the values are a byte of a label.
    widest = max(8, *(source.voxels.itemsize * source.voxels.shape[1] for source in sources))
    elements = max(1, _BLOCK_BYTES // widest)
    blocks = [] if 0 in shape else [block[:-1] for block in _array.block_slices(shape, elements)]
    write_points, grid = block_places(places), _source_axes(tuple(arrays[0].shape[:count]), dtype, len(shape))

    def work(share: Iterator[tuple[slice, ...]]) -> None:
        buffers: _Buffers = {}
        for slices in share:
            block = (*slices, *map(slice, shape[len(slices) :]))
            size = tuple(len(range(*entry.indices(length))) for entry, length in zip(block, shape, strict=True))
            points = _buffer(buffers, ("points",), (count, *size), dtype)
            write_points(block, points)
            _interpolate_block(sources, grid, points, block, buffers)

    _array.run_in_threads(work, blocks, math.prod(shape))
    results = [source.result.reshape(*shape, *source.array.shape[count:]) for source in sources]
    return list(map(_array.share_memory, results, arrays))


def _prepared(
    function: str, array: Array, count: int, shape: Shape, interpolation: Interpolation | None, fill_value: float
) -> _Warped:
    """Return an array `(*spatial, ...)` of `count` spatial axes as a source of a result of a shape."""
    _array.check_fits_dtype(function, "fill_value", fill_value, array)
    host = _array.to_numpy(array)
    rule, values = rule_and_values(function, host, interpolation)
    channels = math.prod(host.shape[count:])
    # Of what is taken from the nearest voxel no float has to be made.
    voxels = np.ascontiguousarray(values if rule is linear else host).reshape(-1, channels)
    fill = restore_values(np.full(1, fill_value, voxels.dtype), host)[0]
    return _Warped(host, voxels, np.empty((*shape, channels), host.dtype), rule is linear, fill)


def _source_axes(sizes: Shape, dtype: Any, ndim: int) -> _SourceAxes:
    """Return the spatial axes of sources beside coordinates of a dtype for results of `ndim` axes."""
    beside = (-1, *(1,) * ndim)
    # 32 bits are converted and summed in half the time.
    wide = np.int32 if math.prod(sizes) < 2**31 else np.int64
    strides = [math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
    rim = [size - 0.5 - TOLERANCE for size in sizes]
    return _SourceAxes(
        sizes,
        np.asarray([size - 1 for size in sizes], dtype).reshape(beside),
        np.asarray(rim, dtype).reshape(beside),
        np.asarray(strides, wide).reshape(beside),
    )


def _buffer(buffers: _Buffers, purpose: tuple[Any, ...], shape: Shape, dtype: Any) -> HostArray:
    """Return an array whose values are unknown, in memory that is kept for the next block."""
    size, key = math.prod(shape), (*purpose, np.dtype(dtype))
    if key not in buffers or buffers[key].size < size:
        buffers[key] = np.empty(size, dtype)
    return buffers[key][:size].reshape(shape)


def _interpolate_block(
    sources: Sequence[_Warped], grid: _SourceAxes, points: HostArray, block: tuple[slice, ...], buffers: _Buffers
) -> None:
    """Write the values of all sources at the points of a block into their results; points are written over."""
    first, rim = points.dtype.type(-0.5 - TOLERANCE), grid.rim
    lines = points.reshape(len(points), -1)
    low, high = (bound.reshape(rim.shape) for bound in (lines.min(axis=1), lines.max(axis=1)))
    outside = None
    # NaN compares as neither: it is outside, and so are blocks that hold it looked at voxel by voxel.
    if not ((low >= first).all() and (high < rim).all()):
        inside = ((points >= first) & (points < rim)).all(axis=0)
        outside = ~inside
    reaches_edge = not ((low >= 0).all() and (high < grid.last).all())
    positions = corners = None
    # Labels first, as corners are computed in the memory of the points.
    for source in sorted(sources, key=lambda source: source.is_linear):
        result = source.result[block]
        if outside is None or not outside.all():
            if source.is_linear:
                corners = corners or _corner_weights(grid, points, buffers, reaches_edge=reaches_edge)
                _weigh_corners(source, grid, corners, result, buffers)
            else:
                positions = _nearest(grid, points, buffers) if positions is None else positions
                _take(source.voxels, positions, result)
        if outside is not None:
            # Channel by channel: a mask that is broadcast along the last axis takes eight times as long.
            for channel in range(result.shape[-1]):
                np.copyto(result[..., channel], source.fill_value, where=outside)


def _nearest(grid: _SourceAxes, points: HostArray, buffers: _Buffers) -> HostArray:
    """Return the positions of the voxels that `nearest` takes."""
    later = _buffer(buffers, ("voxels",), points.shape, points.dtype)
    np.add(points, points.dtype.type(0.5 + TOLERANCE), out=later)
    np.floor(later, out=later)
    np.clip(later, 0, grid.last, out=later)
    return _table_positions(grid, later, buffers, "nearest")


def _corner_weights(grid: _SourceAxes, points: HostArray, buffers: _Buffers, *, reaches_edge: bool) -> _Corners:
    """Return the first voxels that `linear` weighs, and the weights of the second ones in the memory of the points."""
    low = _buffer(buffers, ("voxels",), points.shape, points.dtype)
    if reaches_edge:
        np.clip(points, 0, grid.last, out=points)
    np.floor(points, out=low)
    if reaches_edge:
        np.minimum(low, np.maximum(grid.last - 1, 0), out=low)
    np.subtract(points, low, out=points)
    return _Corners(_table_positions(grid, low, buffers, "linear"), points)


def _table_positions(grid: _SourceAxes, voxels: HostArray, buffers: _Buffers, purpose: str) -> HostArray:
    """Return positions in a table of all voxels from whole numbers along each axis."""
    table = _buffer(buffers, ("table",), voxels.shape, grid.strides.dtype)
    # NaN becomes any number; what is taken there lies within the table and is filled.
    np.copyto(table, voxels, casting="unsafe")
    table *= grid.strides
    result = _buffer(buffers, ("positions", purpose), voxels.shape[1:], np.intp)
    for axis in range(1, len(table)):
        np.add(table[0], table[axis], out=table[0])
    np.copyto(result, table[0])
    return result


def _take(voxels: HostArray, positions: HostArray, out: HostArray) -> None:
    """Write the voxels `(voxels, channels)` at positions into an array `(*positions, channels)` that is dense."""
    element = _ELEMENTS.get(voxels.itemsize * voxels.shape[1])
    # Without `clip`, NumPy writes into memory of its own first.
    if element is None:
        np.take(voxels, positions, axis=0, out=out, mode="clip")
    else:
        np.take(voxels.reshape(-1).view(element), positions, out=_elements(out, element), mode="clip")


def _elements(array: HostArray, element: Any) -> HostArray:
    """Return an array that is dense with all channels of a voxel as one element."""
    elements: HostArray = array.reshape(-1).view(element)
    return elements.reshape(array.shape[:-1])


def _weigh_corners(source: _Warped, grid: _SourceAxes, corners: _Corners, result: HostArray, buffers: _Buffers) -> None:
    """Write the weighted sums of the voxels around all points into the result of a source, in its dtype."""
    axes, dtype = len(grid.sizes), source.voxels.dtype
    # Weights are as dense as values: NumPy would run over the channels of each voxel in a loop of their own.
    shape, channels = (axes, *result.shape), result.shape[-1]
    near, far = (_buffer(buffers, (side, channels), shape, dtype) for side in ("near", "far"))
    for channel in range(channels):
        far[..., channel] = corners.fractions
    # In the precision of the coordinates, which for integers of 32 bits or more is below that of the values.
    np.subtract(1, far, out=near, dtype=corners.fractions.dtype, casting="same_kind")
    out = result if result.dtype == dtype else _buffer(buffers, ("values", channels), result.shape, dtype)
    _weighted_sum(source.voxels, grid, corners.positions, near, far, out, buffers, is_finite=True)
    # NaN or infinity at any corner, of weight 0 as well, leaves neither of them out of the sum.
    if not np.isfinite(out.sum()):
        _weighted_sum(source.voxels, grid, corners.positions, near, far, out, buffers, is_finite=False)
    if out is not result:
        result[...] = restore_values(out, source.array)


def _weighted_sum(
    voxels: HostArray,
    grid: _SourceAxes,
    positions: HostArray,
    near: HostArray,
    far: HostArray,
    out: HostArray,
    buffers: _Buffers,
    *,
    is_finite: bool,
) -> None:
    """Write weighted sums of the corners at positions: along the last axis for all edges together, then the others."""
    *leading, last = (step if size > 1 else 0 for step, size in zip(grid.strides.flat, grid.sizes, strict=True))
    # In halves by the axis that is next.
    edges = [sum(steps) for steps in itertools.product(*((0, step) for step in reversed(leading)))]
    first, second = (
        _buffer(buffers, (side, out.shape[-1]), (len(edges), *out.shape), out.dtype) for side in ("first", "second")
    )
    for number, edge in enumerate(edges):
        # The next voxels are those at the same positions of a table that begins later.
        _take(voxels[edge:], positions, first[number])
        _take(voxels[edge + last :], positions, second[number])
    count = len(edges)
    for axis in reversed(range(len(near))):
        for values, weights in ((first[:count], near[axis]), (second[:count], far[axis])):
            if not is_finite:
                np.copyto(values, 0, where=(weights == 0) & ~np.isfinite(values))
            np.multiply(values, weights, out=values)
        np.add(first[:count], second[:count], out=first[:count] if axis else out[np.newaxis])
        count //= 2
        second = first[count:]


def interpolate_axes_on_host(array: Array, given: Array, lines: Sequence[HostArray], rule: Interpolation) -> Array:
    """Return values at a line of coordinates for each axis in the dtype of an array, some rows of the first at a time.

    It is what `restore_values` makes of `interpolate_axes`.
    """
    host, values = _array.to_numpy(array), _array.to_numpy(given)
    taps = taps_of_lines(values, lines, rule)
    shape = (*map(len, lines), *values.shape[len(lines) :])
    result = np.empty(shape, host.dtype)
    rows = max(1, _BLOCK_BYTES * len(lines) // max(1, values.itemsize * math.prod(shape[1:])))

    def work(share: Iterator[slice]) -> None:
        for block in share:
            own = [(voxels[block], None if weight is None else weight[block]) for voxels, weight in taps[0]]
            rows_of_taps = np.stack([_array.to_numpy(voxels) for voxels, _ in own])
            low, high = int(rows_of_taps.min()), int(rows_of_taps.max())
            first = tuple((voxels - low, weight) for voxels, weight in own)
            block_values = interpolate_in_turn(values[low : high + 1], [first, *taps[1:]])
            result[block] = restore_values(block_values, host)

    _array.run_in_threads(work, [slice(row, row + rows) for row in range(0, shape[0], rows)], result.size)
    return _array.share_memory(result, array)
