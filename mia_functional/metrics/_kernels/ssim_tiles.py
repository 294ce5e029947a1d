"""Structural similarity of images in the host's memory: the fast NumPy route behind `structural_similarity`.

The images are walked in tiles, and everything is computed in two buffers that stay in the cache. The means over the
windows of an axis are products with a narrow band matrix, each row of which holds the weights one place further on.
"""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from mia_functional.typing import Array

EXPONENT = 15
"""A tile has about 2^15 windows: 16 x 32 x 64 in three dimensions, more along the later axes."""


PLACES = 16
"""Windows per product: with more, the band holds more zeros; with fewer, the products get small."""


def reach(weights: tuple[float, ...], axes: tuple[int, ...], ndim: int) -> list[int]:
    """Return by how many voxels every axis is longer than that of the windows."""
    return [len(weights) - 1 if axis in axes else 0 for axis in range(ndim)]


def places(shape: tuple[int, ...], beyond: list[int]) -> list[int]:
    """Return the number of windows along every axis."""
    return [size - more for size, more in zip(shape, beyond, strict=True)]


def mean_similarity(
    images: tuple[Any, Any], weights: tuple[float, ...], axes: tuple[int, ...], constants: tuple[float, float]
) -> float:
    """Return the mean similarity of NumPy images.

    Args:
        images: Real numbers of one shape.
        weights: Weights of the window along each axis.
        axes: The axes of the window.
        constants: 2 C1, and 2 C2 divided by the factor of the covariances.
    """
    single = all(np.can_cast(image.dtype, np.float32) for image in images)
    shape, beyond = images[0].shape, reach(weights, axes, images[0].ndim)
    windows = places(shape, beyond)
    steps = [min(size, step) for size, step in zip(windows, _steps(len(shape)), strict=True)]
    band = _band(weights, np.float32 if single else np.float64)
    largest = math.prod(step + more for step, more in zip(steps, beyond, strict=True))
    buffers = np.empty((2, 4 * largest), band.dtype)
    tiles = ((images[0][tile], images[1][tile]) for tile in _tiles(windows, steps, beyond))
    total = sum(_sum_of_tile(pair, band, axes, constants, buffers) for pair in tiles)
    return total / math.prod(windows)


def _steps(ndim: int) -> list[int]:
    """Return the windows of a tile along every axis, each twice those of the axis before it."""
    return [2 ** max(0, int(EXPONENT / ndim + axis - (ndim - 1) / 2)) for axis in range(ndim)]


def _tiles(windows: list[int], steps: list[int], beyond: list[int]) -> Iterator[tuple[slice, ...]]:
    """Yield where the voxels of every tile lie."""
    for start in product(*(range(0, size, step) for size, step in zip(windows, steps, strict=True))):
        stops = (min(low + step, size) for low, step, size in zip(start, steps, windows, strict=True))
        yield tuple(slice(low, stop + more) for low, stop, more in zip(start, stops, beyond, strict=True))


def _band(weights: tuple[float, ...], dtype: Any) -> Any:
    """Return the matrix that takes neighbouring voxels of a line to the weighted means in `PLACES` windows.

    The weights are rounded so that their sum is exactly 1: else the variances of values far from zero were biased.
    """
    unit = float(np.finfo(dtype).epsneg)
    bounds = np.rint(np.cumsum((0, *weights)) / math.fsum(weights) / unit) * unit
    shares = np.diff(bounds).astype(dtype)
    return np.array([np.pad(shares, (place, PLACES - 1 - place)) for place in range(PLACES)]).T


def _sum_of_tile(
    pair: tuple[Any, Any], band: Any, axes: tuple[int, ...], constants: tuple[float, float], buffers: Any
) -> float:
    """Return the sum of the similarities in the windows of a tile: the formula of `image_quality`, in place."""
    middle = float(np.mean(pair[1][::4], dtype=band.dtype))
    fields, spare = _smooth(_fields(pair, middle, buffers[0]), band, axes, buffers)
    squares = _part(spare, (2, *fields.shape[1:]))
    np.multiply(fields[:2], fields[:2], out=squares)
    fields[2:] -= squares
    fields[0] = squares[0]
    fields[1] += 2 * middle
    fields[1] *= fields[1]
    fields[1] += constants[0]
    fields[3] += constants[1]
    similar = np.subtract(fields[1::2], fields[::2], out=squares)
    fields[1::2] += fields[::2]
    np.divide(similar, fields[1::2], out=similar)
    similar[0] *= similar[1]
    return float(np.sum(similar[0], dtype=np.float64))


def _fields(pair: tuple[Any, Any], middle: float, buffer: Any) -> Any:
    """Return the difference and the sum of two images, less what is in the middle of them, and the squares of both."""
    fields = _part(buffer, (4, *pair[0].shape))
    for image, centred in zip(pair, fields[2:], strict=True):
        np.subtract(image, middle, out=centred, dtype=buffer.dtype)
    np.subtract(fields[2], fields[3], out=fields[0])
    np.add(fields[2], fields[3], out=fields[1])
    np.multiply(fields[:2], fields[:2], out=fields[2:])
    return fields


def _smooth(fields: Any, band: Any, axes: tuple[int, ...], buffers: Any) -> tuple[Any, Any]:
    """Return the means of fields over the windows, in one of two buffers, and the other one.

    The fields lie in the first buffer. Every axis in turn becomes the last one, so that all are in order again.
    """
    current, spare = buffers
    for axis in range(fields.ndim - 1):
        fields = np.moveaxis(fields, 1, -1)
        if axis in axes:
            windows = fields.shape[-1] - len(band) + PLACES
            means = _part(spare, (*fields.shape[:-1], windows))
            for start in range(0, windows, PLACES):
                stop = min(start + PLACES, windows)
                part = band[: stop - start + len(band) - PLACES, : stop - start]
                np.matmul(fields[..., start : start + len(part)], part, out=means[..., start:stop])
            fields, current, spare = means, spare, current
    return fields, spare


def _part(buffer: Any, shape: tuple[int, ...]) -> Array:
    """Return the beginning of a buffer as an array of some shape."""
    return buffer[: math.prod(shape)].reshape(shape)
