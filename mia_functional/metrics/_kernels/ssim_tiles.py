"""Structural similarity of images in the host's memory: the fast NumPy route behind `structural_similarity`.

The images are walked in tiles, and everything is computed in two buffers that stay in the cache. The means over the
windows of an axis are products with a narrow band matrix, each row of which holds the weights one place further on.
"""

import math
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional.typing import Array, HostArray, Shape

_TILE_EXPONENT = 15
"""A tile has about 2^15 windows: 16 x 32 x 64 in three dimensions, more along the later axes."""

_BAND_WINDOWS = 16
"""Windows per product: with more, the band holds more zeros; with fewer, the products get small."""

_SPARSE_VOXELS = slice(None, None, 8), slice(None, None, 4)
"""Voxels of a tile that its centre is that of: any value among most others will do for it."""


class Window(NamedTuple):
    """A window of weighted voxels: the weights along each of its axes, and these axes."""

    weights: tuple[float, ...]
    axes: tuple[int, ...]


def window_grid(shape: Shape, window: Window) -> tuple[list[int], list[int]]:
    """Return the number of windows along every axis, and by how many voxels the axis is longer."""
    reach = [len(window.weights) - 1 if axis in window.axes else 0 for axis in range(len(shape))]
    return [size - more for size, more in zip(shape, reach, strict=True)], reach


def mean_similarity(
    images: tuple[HostArray, ...],
    window: Window,
    constants: tuple[float, float, float],
    scale: float,
    mask: NDArray[np.bool_] | None,
) -> float:
    """Return the mean similarity of NumPy images; NaN if no window counts.

    Args:
        images: Two arrays of real numbers of one shape.
        window: The weights along each axis of the window, and these axes.
        constants: The data range, 2 C1, and 2 C2 divided by the factor of the covariances, in the unit `scale`.
        scale: Power of two; the unit in which the values are squared.
        mask: Boolean array of the same shape; windows that are not inside it do not count.
    """
    single = all(np.can_cast(image.dtype, np.float32) for image in images)
    ndim = images[0].ndim
    windows, reach = window_grid(images[0].shape, window)
    # Each axis of a tile is twice as long as the one before: rows of memory are read in long pieces.
    steps = [
        min(size, 2 ** max(0, int(_TILE_EXPONENT / ndim + axis - (ndim - 1) / 2))) for axis, size in enumerate(windows)
    ]
    band = _band_matrix(window.weights, np.float32 if single else np.float64)
    largest = math.prod(step + more for step, more in zip(steps, reach, strict=True))
    buffers, total = np.empty((2, 4 * largest), band.dtype), 0.0
    counted = None if mask is None else _windows_inside(mask, window)
    for start in product(*(range(0, size, step) for size, step in zip(windows, steps, strict=True))):
        stops = [min(low + step, size) for low, step, size in zip(start, steps, windows, strict=True)]
        tile = tuple(slice(low, stop + more) for low, stop, more in zip(start, stops, reach, strict=True))
        pair = images[0][tile], images[1][tile]
        if scale != 1:
            pair = np.multiply(pair[0], 1 / scale, dtype=band.dtype), np.multiply(pair[1], 1 / scale, dtype=band.dtype)
        inside = None if counted is None else counted[tuple(map(slice, start, stops))]
        total += _sum_of_tile(pair, band, window.axes, constants, buffers, inside)
    number = math.prod(windows) if counted is None else int(np.count_nonzero(counted))
    return total / number if number else math.nan


def _windows_inside(mask: NDArray[np.bool_], window: Window) -> NDArray[np.bool_]:
    """Return which windows lie inside a mask altogether."""
    for axis in window.axes:
        # How many voxels of a line are outside before each position, and so within each window.
        before = np.cumsum(~mask, axis=axis, dtype=np.int32)
        before = np.concatenate([np.zeros_like(np.take(before, [0], axis=axis)), before], axis=axis)
        size = len(window.weights)
        last = np.moveaxis(before, axis, 0)
        mask = np.moveaxis(last[size:] == last[:-size], 0, axis)
    return mask


def _band_matrix(weights: tuple[float, ...], dtype: Any) -> HostArray:
    """Return the matrix that takes neighbouring voxels of a line to the weighted means in `_BAND_WINDOWS` windows."""
    # Rounded so that the sum is exactly 1: else the variances of values far from zero would be biased.
    unit = float(np.finfo(dtype).epsneg)
    bounds = np.rint(np.cumsum((0, *weights)) / math.fsum(weights) / unit) * unit
    shares = np.diff(bounds).astype(dtype)
    return np.array([np.pad(shares, (row, _BAND_WINDOWS - 1 - row)) for row in range(_BAND_WINDOWS)]).T


def _sum_of_tile(
    pair: tuple[HostArray, ...],
    band: HostArray,
    axes: tuple[int, ...],
    constants: tuple[float, float, float],
    buffers: HostArray,
    inside: NDArray[np.bool_] | None,
) -> float:
    """Return the sum of the similarities in the windows of a tile: the formula of `image_quality`, in place."""
    samples = (image[_SPARSE_VOXELS[: image.ndim]].astype(band.dtype, copy=False) for image in pair)
    centres = [float(centre_of(sample, constants[0])) for sample in samples]
    fields, spare = _window_means(_fields(pair, centres, buffers[0]), band, axes, buffers)
    squares = _front(spare, (2, *fields.shape[1:]))
    np.multiply(fields[:2], fields[:2], out=squares)
    fields[2:] -= squares
    for mean, centre in zip(fields[:2], (centres[0] - centres[1], centres[0] + centres[1]), strict=True):
        mean += centre
        mean *= mean
    fields[1] += constants[1]
    fields[3] += constants[2]
    # Rows are now mu_d^2, a, v_d, b: numerator and denominator are the differences and sums of neighbours.
    similar = np.subtract(fields[1::2], fields[::2], out=squares)
    fields[1::2] += fields[::2]
    np.divide(similar, fields[1::2], out=similar)
    similar[0] *= similar[1]
    return float(np.sum(similar[0] if inside is None else similar[0][inside], dtype=np.float64))


def _fields(pair: tuple[HostArray, ...], centres: list[float], buffer: HostArray) -> HostArray:
    """Return the difference and the sum of two images, each less its centre, and the squares of both."""
    fields = _front(buffer, (4, *pair[0].shape))
    for image, centre, centred in zip(pair, centres, fields[2:], strict=True):
        np.subtract(image, centre, out=centred, dtype=buffer.dtype)
    np.subtract(fields[2], fields[3], out=fields[0])
    np.add(fields[2], fields[3], out=fields[1])
    np.multiply(fields[:2], fields[:2], out=fields[2:])
    return fields


def centre_of(image: Array, data_range: Array | float) -> Array:
    """Return a number amid the values of an image, so that few digits are lost by squares of differences from it.

    A mean in which one value of a thousand data ranges counts no more than one of one: the centre is that of the rest.
    """
    xp = _array.array_namespace(image)
    weights = data_range / (data_range + xp.abs(image))
    return xp.sum(image * weights) / xp.sum(weights)


def _window_means(
    fields: HostArray, band: HostArray, axes: tuple[int, ...], buffers: HostArray
) -> tuple[HostArray, HostArray]:
    """Return the means of fields over the windows, in one of two buffers, and the other one.

    The fields lie in the first buffer. Every axis in turn becomes the last one, so that all are in order again.
    """
    current, spare = buffers
    for axis in range(fields.ndim - 1):
        fields = np.moveaxis(fields, 1, -1)
        if axis in axes:
            windows = fields.shape[-1] - len(band) + _BAND_WINDOWS
            means = _front(spare, (*fields.shape[:-1], windows))
            for start in range(0, windows, _BAND_WINDOWS):
                stop = min(start + _BAND_WINDOWS, windows)
                rows = band[: stop - start + len(band) - _BAND_WINDOWS, : stop - start]
                np.matmul(fields[..., start : start + len(rows)], rows, out=means[..., start:stop])
            fields, current, spare = means, spare, current
    return fields, spare


def _front(buffer: HostArray, shape: Shape) -> HostArray:
    """Return the beginning of a buffer as an array of some shape."""
    return buffer[: math.prod(shape)].reshape(shape)
