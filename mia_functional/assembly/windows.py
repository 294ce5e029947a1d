"""How much each voxel of a patch counts: windows along one axis; the weight of a voxel is their product."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mia_functional._core import checks

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


def profile(window: Window, start: int, stop: int, size: int) -> Any:
    """Return the weights of a patch along an axis, as far as it lies on the axis; refuse those that are no weights.

    Example:
        >>> profile(hann, -1, 2, 5).round(3).tolist()
        [1.0, 0.5]
    """
    weights = np.asarray(window(stop - start), dtype=np.float64)
    if weights.shape != (stop - start,) or not (np.isfinite(weights).all() and (weights > 0).all()):
        checks.invalid_value("assembly", "window", f"give {stop - start} finite weights > 0", weights)
    return weights[max(-start, 0) : size - start]


def outer(lines: list[Any]) -> Any:
    """Return the product of 1-D weights over all axes.

    Example:
        >>> outer([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).tolist()
        [[3.0, 4.0], [6.0, 8.0]]
    """
    result = np.ones(())
    for line in lines:
        result = result[..., np.newaxis] * line
    return result
