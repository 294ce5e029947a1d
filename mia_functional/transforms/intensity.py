"""Intensities of an image: normalise, rescale, clip, mask.

An image is `(*spatial, channel)`; statistics are those of each channel, over all other axes, unless `axis` names the
axes to take them over (`axis=(0, 1, 2)` for a volume without channels). Floats keep their dtype, with sums held in
float32 at least; integers and booleans become float32. Everything traces under `jit`.
"""

import math

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms.channel_statistics import (
    axes_of,
    closed,
    extremes,
    inside_of,
    mean,
    opened,
    or_one,
    percentiles,
)
from mia_functional.typing import Array


def rescale(
    image: Array,
    *,
    lower: float = 0.0,
    upper: float = 1.0,
    mask: Array | None = None,
    axis: int | tuple[int, ...] | None = None,
) -> Array:
    """Rescale intensities linearly from their range to `lower` and `upper` (min-max normalisation).

    `y = lower + (upper - lower) (x - min x) / (max x - min x)`.

    Args:
        image: Array `(*spatial, channel)`.
        lower: New smallest value.
        upper: New largest value.
        mask: Mask `(*spatial, 1)` or of the image's shape: minimum and maximum are those inside of it. The rest is
            mapped along, and may leave the range.
        axis: Axis or axes to take the extremes over; all but the last where left out.

    Returns:
        Floats of the image's shape.

    Undefined:
        A constant channel has no contrast: `lower` everywhere. An empty mask: NaN.

    Raises:
        ValueError: `lower` is not below `upper`.

    Example:
        >>> import numpy as np
        >>> rescale(np.array([[2.0], [4.0], [6.0]]), upper=10.0)[:, 0].tolist()
        [0.0, 5.0, 10.0]

    Agrees with:
        `skimage.exposure.rescale_intensity`, channel by channel.
    """
    least, most = checks.number("rescale", "lower", lower), checks.number("rescale", "upper", upper)
    if not -math.inf < least < most < math.inf:
        checks.invalid_value("rescale", "lower, upper", "be finite and in order", (lower, upper))
    values, inside = opened("rescale", image, mask)
    low, high = extremes(values, inside, axes_of("rescale", axis, values.ndim))
    return closed(least + (most - least) * ((values - low) / or_one(high - low)), image)


def standardize(image: Array, *, mask: Array | None = None, axis: int | tuple[int, ...] | None = None) -> Array:
    """Shift and scale intensities to mean 0 and standard deviation 1 (z-score normalisation).

    `y = (x - mean x) / std x`, with the standard deviation of all voxels (divided by n).

    Args:
        image: Array `(*spatial, channel)`.
        mask: Mask `(*spatial, 1)` or of the image's shape: mean and deviation are those inside of it.
        axis: Axis or axes to take the statistics over; all but the last where left out.

    Returns:
        Floats of the image's shape.

    Undefined:
        A constant channel has no contrast: 0 everywhere. An empty mask: NaN.

    Example:
        >>> import numpy as np
        >>> standardize(np.array([[1.0], [3.0]]))[:, 0].tolist()
        [-1.0, 1.0]

    Agrees with:
        `scipy.stats.zscore`.
    """
    values, inside = opened("standardize", image, mask)
    axes = axes_of("standardize", axis, values.ndim)
    low, high = extremes(values, inside, axes)
    centred = values - mean(values, inside, axes)
    deviation = mean(centred * centred, inside, axes) ** 0.5
    return closed(_array.array_namespace(values).where(low == high, 0.0, centred / or_one(deviation)), image)


def clip_percentile(
    image: Array,
    *,
    lower: float = 1.0,
    upper: float = 99.0,
    mask: Array | None = None,
    axis: int | tuple[int, ...] | None = None,
) -> Array:
    """Clip intensities at two percentiles of the image, both taken before clipping (winsorise).

    Args:
        image: Array `(*spatial, channel)`.
        lower: Percentile, 0 to 100, below which values are raised to it.
        upper: Percentile, 0 to 100, above which values are lowered to it.
        mask: Mask `(*spatial, 1)` or of the image's shape: the percentiles are those inside of it.
        axis: Axis or axes to take the percentiles over; all but the last where left out.

    Returns:
        Floats of the image's shape.

    Undefined:
        An empty mask, or a voxel inside of it that is NaN: NaN. A percentile between an infinite voxel and another is
        infinite.

    Raises:
        TypeError: A percentile is no number.
        ValueError: The percentiles are not in order within 0 and 100.

    Example:
        >>> import numpy as np
        >>> clip_percentile(np.array([[0.0], [1.0], [2.0], [9.0]]), lower=0, upper=75)[:, 0].tolist()
        [0.0, 1.0, 2.0, 3.75]

    Agrees with:
        `numpy.percentile` (linear rule) and `numpy.clip`.
    """
    first, last = checks.number("clip_percentile", "lower", lower), checks.number("clip_percentile", "upper", upper)
    if not 0 <= first <= last <= 100:
        checks.invalid_value("clip_percentile", "lower, upper", "be in order within 0 and 100", (lower, upper))
    values, inside = opened("clip_percentile", image, mask)
    low, high = percentiles(values, inside, axes_of("clip_percentile", axis, values.ndim), (first, last))
    xp = _array.array_namespace(values)
    return closed(xp.minimum(xp.maximum(values, low), high), image)


def mask_outside(image: Array, mask: Array, *, value: float = 0.0) -> Array:
    """Replace what lies outside of a mask (skull stripping, background removal).

    Args:
        image: Array `(*spatial, channel)` of any dtype.
        mask: Mask `(*spatial, 1)` or of the image's shape: bool, or numbers that are 0 outside.
        value: What to write there; the dtype of the image has to hold it.

    Returns:
        Array of the image's shape and dtype.

    Raises:
        ValueError: The mask has another shape.

    Example:
        >>> import numpy as np
        >>> mask_outside(np.array([[5], [6]]), np.array([[True], [False]]), value=-1)[:, 0].tolist()
        [5, -1]
    """
    xp, (image, mask) = _array.to_common_library("mask_outside", image=image, mask=mask)
    _array.check_fits_dtype("mask_outside", "value", value, image)
    return xp.where(inside_of("mask_outside", image, mask), image, xp.full_like(image, value))
