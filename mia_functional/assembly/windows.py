"""How much each voxel of a patch counts: windows along one axis, and their sums over a whole volume."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional.indexing import Indices
from mia_functional.typing import Array, Index, Shape

Window: TypeAlias = Callable[[int], Any]
"""From the size of a patch along one axis: its weights along that axis (NumPy floats, all positive)."""


def uniform(size: int) -> Any:
    """Weigh all voxels of a patch alike.

    Example:
        >>> uniform(3).tolist()
        [1.0, 1.0, 1.0]
    """
    return np.ones(size, dtype=np.float64)


def hann(size: int) -> Any:
    """Weigh by a raised cosine that is largest in the middle and positive at the ends (Hann window).

    `w(i) = sin(pi (i + 1) / (size + 1))^2`.

    Example:
        >>> hann(3).round(3).tolist()
        [0.5, 1.0, 0.5]
    """
    return np.sin(np.pi * np.arange(1, size + 1) / (size + 1)) ** 2


def gaussian(size: int) -> Any:
    """Weigh by a Gaussian around the middle with a standard deviation of an eighth of the patch.

    `w(i) = exp(-((i - (size - 1) / 2) / (size / 8))^2 / 2)`, at least 0.001 of the largest weight.

    Example:
        >>> gaussian(4).round(3).tolist()
        [0.011, 0.607, 0.607, 0.011]

    Source:
        F. Isensee et al., nnU-Net, 2021, doi 10.1038/s41592-020-01008-z: sigma of 1/8 of the patch.
    """
    places = (np.arange(size) - (size - 1) / 2) / (size / 8)
    return np.maximum(np.exp(-(places**2) / 2), 1e-3)


def weight_sums(indices: Iterable[Index], shape: Shape, *, window: Window = uniform) -> list[Any]:
    """Return how much weight falls on the voxels of a volume: one factor per axis for a grid, else one full array.

    Args:
        indices: The indices of all patches.
        shape: Spatial shape of the volume.
        window: Weights along one axis of a patch.

    Returns:
        NumPy arrays whose outer product is the sum of the weights of every voxel: for `Indices` of one grid one 1-D
        array per axis, so that no second volume is needed; else a list of one array of `shape`.

    Example:
        >>> weight_sums([(slice(0, 2),), (slice(1, 3),)], (3,))[0].tolist()
        [1.0, 2.0, 1.0]
    """
    if isinstance(indices, Indices) and len(indices.grids) == 1:
        axes = zip(indices.grids[0], shape, strict=True)
        return [sum((_profile(step, size, window) for step in axis), np.zeros(size)) for axis, size in axes]
    sums = np.zeros(shape, dtype=np.float32)
    for index in indices:
        steps = [(entry.start, entry.stop) if isinstance(entry, slice) else entry for entry in index]
        lines = [_profile(step, size, window) for step, size in zip(steps, shape, strict=True)]
        hull = tuple(slice(int(line.nonzero()[0][0]), int(line.nonzero()[0][-1]) + 1) for line in lines)
        sums[hull] += outer([line[part] for line, part in zip(lines, hull, strict=True)])
    return [sums]


def _profile(step: Any, size: int, window: Window) -> Any:
    """Return the weights that one step puts on an axis of a volume."""
    line = np.zeros(size, dtype=np.float64)
    start, stop = step if isinstance(step, tuple) else (step, step + 1)
    inside = slice(max(start, 0), min(stop, size))
    line[inside] = window(stop - start)[inside.start - start : inside.stop - start]
    return line


def outer(lines: list[Any]) -> Any:
    """Return the product of 1-D weights over all axes; 1 without any.

    Example:
        >>> outer([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).tolist()
        [[3.0, 4.0], [6.0, 8.0]]
    """
    result = np.ones(())
    for line in lines:
        result = result[..., np.newaxis] * line
    return result


def divide(volume: Array, weights: list[Any]) -> Array:
    """Return sums divided by their weights, as `weight_sums` gives them; the volume is the caller's own and may change.

    Args:
        volume: Weighted sums, `(*shape, ...)`, floating.
        weights: Their weights; where they are 0, the volume stays.

    Example:
        >>> divide(np.array([1.0, 4.0, 3.0]), [np.array([1.0, 2.0, 0.0])]).tolist()
        [1.0, 2.0, 3.0]
    """
    xp = _array.library(volume)
    for axis, part in enumerate(weights):
        inverse = np.divide(1.0, part, out=np.ones_like(part), where=part > 0)
        volume *= xp.astype(_array.along(xp, inverse, axis, volume), volume.dtype)
    return volume
