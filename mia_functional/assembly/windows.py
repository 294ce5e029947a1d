"""How much each voxel of a patch counts: windows along one axis; the weight of a voxel is their product."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.typing import HostArray

__all__ = ["Window", "axis_weights", "gaussian", "hann", "uniform"]

Window: TypeAlias = Callable[[int], HostArray]
"""From the size of a patch along one axis: its weights along that axis (NumPy floats, all positive)."""


def uniform(size: int) -> HostArray:
    """Weigh all voxels of a patch alike.

    Example:
        >>> uniform(3).tolist()
        [1.0, 1.0, 1.0]
    """
    return np.ones(size, dtype=np.float64)


def hann(size: int) -> HostArray:
    """Weigh by a raised cosine that is largest in the middle and positive at the ends (Hann window).

    `w(i) = sin(pi (i + 1) / (size + 1))^2`.

    Example:
        >>> hann(3).round(3).tolist()
        [0.5, 1.0, 0.5]
    """
    return np.sin(np.pi * np.arange(1, size + 1) / (size + 1)) ** 2


def gaussian(size: int) -> HostArray:
    """Weigh by a Gaussian around the middle with a standard deviation of an eighth of the patch.

    `w(i) = exp(-((i - (size - 1) / 2) / (size / 8))^2 / 2)`, at least 0.001 of the largest weight.

    Example:
        >>> gaussian(4).round(3).tolist()
        [0.011, 0.607, 0.607, 0.011]

    Source:
        F. Isensee et al., nnU-Net, 2021, doi 10.1038/s41592-020-01008-z: sigma of 1/8 of the patch.
    """
    deviations = (np.arange(size) - (size - 1) / 2) / (size / 8)
    # In the corner of a volume a patch may be alone: with weights that vanish there a mean would divide by almost 0.
    return np.maximum(np.exp(-(deviations**2) / 2), 1e-3)


def axis_weights(window: Window, start: int, stop: int, size: int) -> HostArray:
    """Return the weights of a patch along an axis, as far as it lies on the axis; raise unless all are positive.

    Example:
        >>> axis_weights(hann, -1, 2, 5).round(3).tolist()
        [1.0, 0.5]
    """
    weights = np.asarray(window(stop - start), dtype=np.float64)
    if weights.shape != (stop - start,) or not (np.isfinite(weights).all() and (weights > 0).all()):
        checks.invalid_value("assemble", "window", f"give {stop - start} finite weights > 0", weights)
    return weights[max(-start, 0) : size - start]
