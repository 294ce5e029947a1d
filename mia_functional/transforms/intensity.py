"""Intensities of an image: normalise, rescale, clip, mask.

An image is `(*spatial, channel)`; statistics are those of each channel, over all other axes, unless `axis` names the
axes to take them over (`axis=(0, 1, 2)` for a volume without channels). Floats keep their dtype, with sums held in
float32 at least; integers and booleans become float32. Everything traces under `jit`.
"""

import math

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms import channel_statistics as statistics
from mia_functional.typing import Array

__all__ = ["clip_percentile", "mask_outside", "rescale", "standardize"]


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
        mask: Mask `(*spatial, 1)` or of the image's shape: minimum and maximum are those inside it. The rest is
            mapped along, and may leave the range.
        axis: Axis or axes to take the extremes over; by default all but the last.

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
    values, inside = statistics.to_float_and_mask("rescale", image, mask)
    low, high = statistics.masked_extremes(values, inside, statistics.reduction_axes("rescale", axis, values.ndim))
    return statistics.restore_dtype(least + (most - least) * statistics.within_range(values, low, high), image)


def standardize(image: Array, *, mask: Array | None = None, axis: int | tuple[int, ...] | None = None) -> Array:
    """Shift and scale intensities to mean 0 and standard deviation 1 (z-score normalisation).

    `y = (x - mean x) / std x`, with the standard deviation of all voxels (divided by n).

    Args:
        image: Array `(*spatial, channel)`.
        mask: Mask `(*spatial, 1)` or of the image's shape: mean and deviation are those inside it.
        axis: Axis or axes to take the statistics over; by default all but the last.

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
    values, inside = statistics.to_float_and_mask("standardize", image, mask)
    axes = statistics.reduction_axes("standardize", axis, values.ndim)
    low, high = statistics.masked_extremes(values, inside, axes)
    xp = _array.array_namespace(values)
    # Constant channels are recognised by their extremes: their deviation from a rounded mean is small, but not 0.
    centred = values - statistics.masked_mean(values, inside, axes)
    # In a unit in which squares neither vanish nor overflow: the score is the same in every unit.
    scale = _array.binary_scale(xp.maximum(xp.abs(low), xp.abs(high)))
    # A product with 1 changes nothing. On the host it takes time, on a GPU less than to wait for the answer.
    if not (_array.in_host_memory(scale) and _array.is_known_true(lambda units: xp.all(units == 1), scale)):
        centred = centred * (1 / scale)
    deviation = _array.root(statistics.masked_mean(centred * centred, inside, axes))
    scores = centred / statistics.one_where_zero(deviation)
    return statistics.restore_dtype(xp.where(low == high, 0.0, scores), image)


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
        mask: Mask `(*spatial, 1)` or of the image's shape: the percentiles are those inside it.
        axis: Axis or axes to take the percentiles over; by default all but the last.

    Returns:
        Floats of the image's shape.

    Undefined:
        An empty mask, or a voxel inside it that is NaN: NaN. A percentile between an infinite voxel and another is
        infinite.

    Raises:
        TypeError: A percentile is not a number.
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
    values, inside = statistics.to_float_and_mask("clip_percentile", image, mask)
    _array.require_in_memory("clip_percentile", "image", values)
    axes = statistics.reduction_axes("clip_percentile", axis, values.ndim)
    low, high = statistics.masked_percentiles(values, inside, axes, (first, last))
    xp = _array.array_namespace(values)
    return statistics.restore_dtype(xp.minimum(xp.maximum(values, low), high), image)


def mask_outside(image: Array, mask: Array, *, fill_value: float = 0.0) -> Array:
    """Replace the voxels outside a mask (skull stripping, background removal).

    Args:
        image: Array `(*spatial, channel)` of any dtype.
        mask: Mask `(*spatial, 1)` or of the image's shape: bool, or numbers that are 0 outside.
        fill_value: What to write there; the dtype of the image has to hold it.

    Returns:
        Array of the image's shape and dtype.

    Raises:
        ValueError: The mask has another shape.

    Example:
        >>> import numpy as np
        >>> mask_outside(np.array([[5], [6]]), np.array([[True], [False]]), fill_value=-1)[:, 0].tolist()
        [5, -1]
    """
    xp, (image, mask) = _array.to_common_library("mask_outside", image=image, mask=mask)
    _array.check_fits_dtype("mask_outside", "fill_value", fill_value, image)
    return xp.where(statistics.mask_inside("mask_outside", image, mask), image, xp.full_like(image, fill_value))
