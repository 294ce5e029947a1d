"""Samplers of how an image looks: brightness, contrast, sharpness. What they take and return is told in `random`."""

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms import random_parameters as parameters
from mia_functional.transforms.arguments import (
    log_uniform,
    non_negative_per_axis,
    non_negative_range,
    shape_and_rngs,
)
from mia_functional.typing import Rng, Shape

__all__ = ["random_brightness", "random_contrast", "random_local_gamma", "random_sharpen"]


def random_brightness(
    rng: Rng, *, channels: int, max_change: float = 0.25, max_offset: float = 0.0
) -> parameters.Brightness:
    """Draw a factor for every channel, whose logarithm is uniform, and an offset.

    Args:
        rng: Source of randomness.
        channels: Size of the last axis of the image.
        max_change: Largest change: 0.25 lies between 1 / 1.25 and 1.25.
        max_offset: Largest offset in either direction, in units of intensity.

    Example:
        >>> random_brightness(np.random.default_rng(0), channels=1, max_change=0.0).factor.tolist()
        [1.0]
    """
    count = checks.integer("random_brightness", "channels", channels, minimum=1)
    scaling, shifting = _array.split_rng("random_brightness", rng, 2)
    most = float(non_negative_per_axis("random_brightness", "max_offset", max_offset, 1)[0])
    factor = log_uniform("random_brightness", scaling, max_change, (count,))
    return parameters.Brightness(factor, _array.random_uniform(shifting, -most, most, (count,)))


def random_contrast(rng: Rng, *, channels: int, max_change: float = 0.25) -> parameters.Contrast:
    """Draw a factor for every channel; its logarithm is uniform.

    Args:
        rng: Source of randomness.
        channels: Size of the last axis of the image.
        max_change: Largest change: 0.25 lies between 1 / 1.25 and 1.25.

    Example:
        >>> random_contrast(np.random.default_rng(0), channels=2, max_change=0.0).factor.tolist()
        [1.0, 1.0]
    """
    count = checks.integer("random_contrast", "channels", channels, minimum=1)
    (source,) = _array.split_rng("random_contrast", rng, 1)
    return parameters.Contrast(log_uniform("random_contrast", source, max_change, (count,)))


def random_sharpen(
    rng: Rng, *, max_strength: float = 1.0, sigma: tuple[float, float] = (0.5, 1.5)
) -> parameters.Sharpen:
    """Draw how much of the detail is added, and how fine detail is.

    Args:
        rng: Source of randomness.
        max_strength: Largest strength; the smallest is 0.
        sigma: Smallest and largest standard deviation of the Gaussian, in voxels.

    Example:
        >>> float(random_sharpen(np.random.default_rng(0), max_strength=0.0).strength)
        0.0
    """
    amount, width = _array.split_rng("random_sharpen", rng, 2)
    most = float(non_negative_per_axis("random_sharpen", "max_strength", max_strength, 1)[0])
    low, high = non_negative_range("random_sharpen", "sigma", sigma)
    strength = _array.random_uniform(amount, 0.0, most, ())
    return parameters.Sharpen(strength, _array.random_uniform(width, low, high, ()))


def random_local_gamma(
    rng: Rng, *, spatial_shape: Shape, sigma: tuple[float, float] = (0.1, 0.4), max_change: float = 0.5
) -> parameters.LocalGamma:
    """Draw a place in the image, how far around it contrast changes, and an exponent, whose logarithm is uniform.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        sigma: Smallest and largest standard deviation, as shares of the size along each axis, above 0.
        max_change: Largest change of the exponent: 0.5 lies between 1 / 1.5 and 1.5.

    Example:
        >>> random_local_gamma(np.random.default_rng(0), spatial_shape=(1, 8)).centre[0].tolist()
        0.0
    """
    size, (placing, widening, bending) = shape_and_rngs("random_local_gamma", rng, spatial_shape, count=3)
    low, high = non_negative_range("random_local_gamma", "sigma", sigma)
    if low == 0:
        checks.invalid_value("random_local_gamma", "sigma", "begin above 0", sigma)
    extent = np.asarray(size, dtype=np.float64)
    centre = _array.random_uniform(placing, np.zeros(len(size)), extent - 1, extent.shape)
    width = _array.random_uniform(widening, low * extent, high * extent, extent.shape)
    return parameters.LocalGamma(centre, width, log_uniform("random_local_gamma", bending, max_change, ()))
