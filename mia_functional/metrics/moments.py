"""Moments of a pair of images: the statistic of every error and correlation metric.

Axes: all axes of a case are spatial and all are reduced, unless `axis` names fewer. Integers, booleans and half floats
are promoted before any arithmetic. Scatter is summed of differences from a mean, so that an offset of the images,
however large, does not cancel. A NumPy image beside one of JAX without 64-bit floats becomes float32; a warning says so
if it lies so far from zero that this matters.
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.inputs import map_cells, paired_arrays, prefers_host_loop
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.typing import Array, HostArray, Namespace

__all__ = ["PairedMoments", "from_moments", "paired_images", "paired_moments"]

_MOMENT_CHUNK = 2**13
"""Voxels at a time in the host's memory; buffers stay in the cache, and BLAS starts no threads for so few."""

_FAR_OFFSET = 1000
"""At so many ranges of an image from zero, float32 leaves about four digits of what varies in it."""


class PairedMoments(NamedTuple):
    """What two images have in common: ten floating arrays of one shape.

    Attributes:
        count: Number of voxels.
        prediction_mean: Mean of the prediction.
        reference_mean: Mean of the reference.
        prediction_scatter: Sum of squared differences of the prediction from its mean.
        reference_scatter: Sum of squared differences of the reference from its mean.
        cross_scatter: Sum of the products of both differences.
        absolute_error: Sum of |P - R|.
        squared_error: Sum of (P - R)^2.
        reference_minimum: Smallest value of the reference.
        reference_maximum: Largest value of the reference.
    """

    # Hides the method `count` of tuples, which nobody calls on moments.
    count: Array  # type: ignore[assignment]
    prediction_mean: Array
    reference_mean: Array
    prediction_scatter: Array
    reference_scatter: Array
    cross_scatter: Array
    absolute_error: Array
    squared_error: Array
    reference_minimum: Array
    reference_maximum: Array


def paired_moments(prediction: Array, reference: Array, *, axis: int | tuple[int, ...] | None = None) -> PairedMoments:
    """Return the moments of a pair of images, from which the errors and correlations follow.

    Args:
        prediction: Real numbers of any shape, any unit.
        reference: Array of the same shape.
        axis: The axes to reduce, all of them by default; the others are kept, in order.

    Returns:
        Floats, each field with the shape of the axes that are kept: float64 where the library has it and the arrays lie
        in the host's memory, else the dtype of the images, at least float32.

    Undefined:
        A NaN in an image makes all moments NaN that it enters.

    Raises:
        TypeError: An argument is not an array, or holds complex numbers or objects; the libraries or devices differ.
        ValueError: The shapes differ or are empty.

    Example:
        >>> import numpy as np
        >>> moments = paired_moments(np.array([1, 2, 6]), np.array([0, 2, 4], dtype=np.uint8))
        >>> float(moments.prediction_mean), float(moments.cross_scatter), float(moments.absolute_error)
        (3.0, 10.0, 3.0)

    Source:
        Chan, Golub and LeVeque 1983, doi 10.1080/00031305.1983.10483115.
    """
    name = "paired_moments"
    pair = paired_images(name, prediction, reference)
    axes = checks.axes(name, axis, prediction.ndim)
    moments_of = _host_moments if prefers_host_loop(pair, axes) else _device_moments
    # Infinities and NaN in images make NaN, as documented, without NumPy's warnings.
    with np.errstate(invalid="ignore", over="ignore"):
        return moments_of(*pair, axes)


def paired_images(function: str, prediction: Array, reference: Array) -> tuple[Array, Array]:
    """Return a pair of images, of real numbers and one shape, in one library and on one device."""
    pair = paired_arrays(function, prediction, reference)
    for argument, given, image in zip(("prediction", "reference"), (prediction, reference), pair, strict=True):
        _array.require_real(function, argument, image)
        if _array.is_numpy(given) and not _array.is_numpy(image) and given.dtype.kind == "f":
            bits = _array.array_namespace(image).finfo(image.dtype).bits
            _warn_of_lost_digits(function, argument, _array.to_numpy(given), bits)
    return pair[0], pair[1]


def _warn_of_lost_digits(function: str, argument: str, image: HostArray, bits: int) -> None:
    """Warn if |offset| of a NumPy image exceeds _FAR_OFFSET x range where a library holds its floats in fewer bits."""
    if bits >= 8 * image.dtype.itemsize:
        return
    low, high = float(image.min()), float(image.max())
    if 0 < _FAR_OFFSET * (high - low) < max(abs(low), abs(high)):
        danger = f"is more than {_FAR_OFFSET} times its range away from zero, and becomes float{bits}"
        advice = "subtract an offset, or switch on 64-bit floats"
        warnings.warn(f"{function}: `{argument}` {danger}; {advice}.", RuntimeWarning, stacklevel=2)


def _device_moments(prediction: Array, reference: Array, axes: tuple[int, ...]) -> PairedMoments:
    """Return the moments in two passes, on any device and under `jit`."""
    xp = _array.array_namespace(prediction, reference)
    dtype = xp.result_type(*map(_array.accumulator_dtype, (prediction, reference)))
    prediction, reference = xp.astype(prediction, dtype), xp.astype(reference, dtype)
    prediction_mean, p = _centred(xp, prediction, axes)
    reference_mean, r = _centred(xp, reference, axes)
    error = prediction - reference
    voxels = xp.full_like(prediction_mean, math.prod(prediction.shape[axis] for axis in axes))
    sums = [xp.sum(term, axis=axes) for term in (p * p, r * r, p * r, xp.abs(error), error * error)]
    extremes = xp.min(reference, axis=axes), xp.max(reference, axis=axes)
    return PairedMoments._make((voxels, prediction_mean, reference_mean, *sums, *extremes))


def _centred(xp: Namespace, image: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the mean, and the image less its mean; exactly 0 where the image is constant."""
    # Less the minimum, a constant is exactly zero, and an offset takes no digits. The first mean of many voxels has a
    # rounding error in float32, which a second mean, of what the first leaves, takes away.
    lowest = xp.min(image, axis=axes, keepdims=True)
    shifted = image - lowest
    near = xp.mean(shifted, axis=axes, keepdims=True)
    rest = xp.mean(shifted - near, axis=axes, keepdims=True)
    mean = near + rest
    return xp.squeeze(lowest + mean, axis=axes), shifted - mean


def _host_moments(prediction: Array, reference: Array, axes: tuple[int, ...]) -> PairedMoments:
    """Return the moments in one pass over arrays in the host's memory."""
    (fields,) = map_cells(lambda pair: (np.array(_one_pass(*pair)),), (prediction, reference), axes)
    xp = _array.array_namespace(prediction)
    fields = xp.astype(fields, _array.widest_float(xp, prediction))
    return PairedMoments(*(fields[..., column] for column in range(len(PairedMoments._fields))))


def _one_pass(prediction: HostArray, reference: HostArray) -> tuple[float, ...]:
    """Return the fields of the moments of one pair of NumPy arrays, from chunks that are centred on their own means."""
    single = all(np.can_cast(image.dtype, np.float32) and image.dtype.kind == "f" for image in (prediction, reference))
    kind = np.float32 if single else np.float64
    access: Any = [["readonly"]] * 2
    flags: Any = ["external_loop", "buffered"]
    pair = prediction, reference
    chunks = np.nditer(pair, flags, access, [kind] * 2, casting="same_kind", buffersize=_MOMENT_CHUNK)
    rows = np.array([_chunk_moments(p, r) for p, r in chunks]).T
    count, means, (p, r, cross, absolute, squared) = rows[0], rows[1:3], rows[3:8].sum(axis=1)
    # Chan, Golub and LeVeque: scatter within the chunks, and that of their means.
    mean = means @ count / prediction.size
    apart = means - mean[:, None]
    spread = (count * apart) @ apart.T + ((p, cross), (cross, r))
    low, high = rows[8].min(), rows[9].max()
    return prediction.size, *mean, spread[0, 0], spread[1, 1], spread[0, 1], absolute, squared, low, high


def _chunk_moments(prediction: HostArray, reference: HostArray) -> tuple[float, ...]:
    """Return the fields of the moments of two flat arrays; what their means miss by rounding is corrected."""
    # Sums are products with ones, which BLAS computes faster than `np.sum` does.
    ones = np.ones_like(prediction)
    number = prediction.size
    error = prediction - reference
    squared = error @ error
    absolute = np.abs(error, out=error) @ ones
    near = (prediction @ ones) / number, (reference @ ones) / number
    p, r = prediction - near[0], reference - near[1]
    rest = float(p @ ones) / number, float(r @ ones) / number
    spread = float(p @ p) - number * rest[0] ** 2, float(r @ r) - number * rest[1] ** 2
    cross = float(p @ r) - number * rest[0] * rest[1]
    mean = float(near[0]) + rest[0], float(near[1]) + rest[1]
    return number, *mean, *spread, cross, absolute, squared, reference.min(), reference.max()


from_moments = derived_from(paired_moments, PairedMoments)
"""Decorator of the metrics of moments."""
