"""How bright, how rich in contrast and how sharp an image looks, for augmentation.

An image is `(*spatial, channel)`. Floats keep their dtype, with sums held in float32 at least; integers and booleans
become float32. Everything traces under `jit`, parameters too. At a strength of 0 every image stays as it is.
"""

import functools
import operator

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms import channel_statistics as statistics
from mia_functional.transforms.arguments import (
    Numbers,
    require_finite,
    require_parameter_shape,
    require_valid,
    with_parameters,
)
from mia_functional.transforms.interpolation import open_grid
from mia_functional.transforms.smoothing import blur
from mia_functional.typing import Array

__all__ = ["brightness", "contrast", "local_gamma", "sharpen"]


def brightness(image: Array, factor: Numbers, offset: Numbers) -> Array:
    """Multiply and shift the intensities of each channel (intensity scaling and shifting).

    `y = factor x + offset`.

    Args:
        image: Array `(*spatial, channel)`.
        factor: One number, or one per channel; may be traced.
        offset: The same, in units of intensity.

    Returns:
        Floats of the image's shape.

    Raises:
        ValueError: There are not as many factors or offsets as channels, or one is NaN or infinite.

    Example:
        >>> brightness(np.array([[1.0], [2.0]]), 3.0, -1.0)[:, 0].tolist()
        [2.0, 5.0]

    Agrees with:
        `MultiplicativeBrightnessTransform` of batchgeneratorsv2 and `ScaleIntensity`, `ShiftIntensity` of MONAI.
    """
    _, image, (factors, offsets) = with_parameters("brightness", image=image, factor=factor, offset=offset)
    scale = _per_channel("brightness", "factor", factors, image)
    shift = _per_channel("brightness", "offset", offsets, image)
    require_finite("brightness", "factor", factor, factors)
    require_finite("brightness", "offset", offset, offsets)
    return statistics.restore_dtype(statistics.to_float("brightness", image) * scale + shift, image)


def contrast(image: Array, factor: Numbers, *, keep_range: bool = False) -> Array:
    """Spread or draw together the intensities of each channel about their mean, which stays.

    `y = mean x + factor (x - mean x)`.

    Args:
        image: Array `(*spatial, channel)`.
        factor: One number, or one per channel; above 1 contrast rises. May be traced.
        keep_range: Clip the result to the range that the channel had.

    Returns:
        Floats of the image's shape.

    Raises:
        ValueError: There are not as many factors as channels, or one is NaN or infinite.

    Example:
        >>> contrast(np.array([[1.0], [2.0], [6.0]]), 2.0)[:, 0].tolist()
        [-1.0, 1.0, 9.0]

    Agrees with:
        `ContrastTransform` of batchgeneratorsv2 (its `preserve_range` is `keep_range`).
    """
    checks.booleans("contrast", keep_range=keep_range)
    xp, image, (factors,) = with_parameters("contrast", image=image, factor=factor)
    scale = _per_channel("contrast", "factor", factors, image)
    require_finite("contrast", "factor", factor, factors)
    values = statistics.to_float("contrast", image)
    axes = statistics.reduction_axes("contrast", None, image.ndim)
    mean = statistics.masked_mean(values, None, axes)
    # What is added vanishes for a factor of 1: a sum with the mean would round.
    result = values + (scale - 1) * (values - mean)
    if keep_range:
        low, high = statistics.masked_extremes(values, None, axes)
        result = xp.minimum(xp.maximum(result, low), high)
    return statistics.restore_dtype(result, image)


def sharpen(
    image: Array, strength: Numbers, sigma: Numbers, *, radius: int | None = None, spatial_axes: int | None = None
) -> Array:
    """Sharpen edges by what a Gaussian takes away (unsharp masking).

    `y = x + strength (x - blur(x, sigma))`.

    Args:
        image: Array `(*spatial, channel)`.
        strength: How much of the difference is added; may be traced.
        sigma: Standard deviation of the Gaussian in voxels, one number or one per spatial axis; may be traced.
        radius: Voxels at which the Gaussian is cut off; by default 4 sigma. Needed if `sigma` is traced.
        spatial_axes: How many axes are spatial; by default all but the last. `on` hands over what the sample says.

    Returns:
        Floats of the image's shape.

    Raises:
        TypeError: `sigma` is traced and there is no radius.
        ValueError: The strength is not one finite number, there are not as many deviations as spatial axes, or one is
            negative or above 100,000.

    Example:
        >>> sharpen(np.array([[0.0], [1.0], [0.0]]), 1.0, 0.5, radius=1)[:, 0].round(3).tolist()
        [-0.107, 1.213, -0.107]

    Agrees with:
        `skimage.filters.unsharp_mask(preserve_range=True)`, but at the edge, which is repeated here.
    """
    _, image, (amount,) = with_parameters("sharpen", image=image, strength=strength)
    require_parameter_shape("sharpen", "strength", amount, ())
    require_finite("sharpen", "strength", strength, amount)
    values = statistics.to_float("sharpen", image)
    with checks.speaking_for("sharpen", "blur"):
        smooth = blur(values, sigma, radius=radius, spatial_axes=spatial_axes)
    return statistics.restore_dtype(values + amount * (values - smooth), image)


def local_gamma(image: Array, centre: Numbers, sigma: Numbers, exponent: Numbers) -> Array:
    """Change the contrast around a place, and less and less farther away (local gamma correction).

    `y = low + (high - low) ((1 - w) u + w u^exponent)` with `u = (x - low) / (high - low)`, low and high the extremes
    of the channel, and `w = exp(-sum_a (i_a - centre_a)^2 / (2 sigma_a^2))`.

    Args:
        image: Array `(*spatial, channel)`.
        centre: Where the change is largest, in voxels along each spatial axis; may be traced.
        sigma: Standard deviation of the Gaussian in voxels, positive, one number or one per spatial axis.
        exponent: One positive number, or one per channel.

    Returns:
        Floats of the image's shape; a constant channel stays. The gradient by a power of 0, which is infinite for
        exponents below 1, is taken for 0.

    Raises:
        ValueError: The shapes of the parameters do not fit, or a deviation or an exponent is not positive.

    Example:
        >>> local_gamma(np.array([[0.0], [2.0], [4.0]]), [1.0], 0.1, 2.0)[:, 0].round(6).tolist()
        [0.0, 1.0, 4.0]

    Source:
        Isensee et al. 2021, nnU-Net, doi 10.1038/s41592-020-01008-z, whose library batchgeneratorsv2 has the transform.
    """
    xp, image, (middle, width, power) = with_parameters(
        "local_gamma", image=image, centre=centre, sigma=sigma, exponent=exponent
    )
    spatial = image.ndim - 1
    require_parameter_shape("local_gamma", "centre", middle, (spatial,))
    require_parameter_shape("local_gamma", "sigma", width, (), (spatial,))
    require_valid("local_gamma", "sigma", sigma, width, lambda number: number > 0, needed="be positive")
    power = _per_channel("local_gamma", "exponent", power, image)
    require_valid("local_gamma", "exponent", exponent, power, lambda number: number > 0, needed="be positive")
    values = statistics.to_float("local_gamma", image)
    low, high = statistics.masked_extremes(values, None, statistics.reduction_axes("local_gamma", None, image.ndim))
    unit = statistics.within_range(values, low, high)
    width = xp.broadcast_to(width, (spatial,))
    # A product of one factor per axis, which is as large as the image only at the end.
    lines = enumerate(open_grid(map(np.arange, image.shape[:-1]), image.ndim, values))
    weight = functools.reduce(
        operator.mul, [xp.exp(-0.5 * ((line - middle[axis]) / width[axis]) ** 2) for axis, line in lines]
    )
    return statistics.restore_dtype(values + (high - low) * weight * (_array.power(unit, power) - unit), image)


def _per_channel(function: str, argument: str, parameter: Array, image: Array) -> Array:
    """Return one number, or one per channel, in a shape that broadcasts against the image."""
    require_parameter_shape(function, argument, parameter, (), (1,), tuple(image.shape[-1:]))
    return _array.array_namespace(parameter).reshape(parameter, (*(1,) * (image.ndim - 1), -1))
