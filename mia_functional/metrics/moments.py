"""Moments of a pair of images: the statistic of every error and correlation metric.

Axes: all axes of a case are spatial and all are reduced, unless `axis` names fewer. Integers, booleans and half floats
are promoted before any arithmetic. Scatter is summed of differences from a mean, so that an offset of the images,
however large, does not cancel, and in a unit in which squares neither vanish nor overflow. A NumPy image beside one of
JAX without 64-bit floats becomes float32; a warning says so if it lies so far from zero that this matters.
"""

import math
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.inputs import map_cells, paired_arrays, prefers_host_loop
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.typing import Array, HostArray

__all__ = ["PairedMoments", "error_scale", "from_moments", "in_units", "paired_images", "paired_moments"]

_MOMENT_CHUNK = 2**13
"""Voxels at a time in the host's memory; buffers stay in the cache, and BLAS starts no threads for so few."""

_SURE = 2.0**-20, 2.0**20
"""Between these, a mean or a standard deviation in single precision tells well enough how large values are."""

_FAR_OFFSET = 1000
"""At so many ranges of an image from zero, float32 leaves about four digits of what varies in it."""


class PairedMoments(NamedTuple):
    """What two images have in common: twelve floating arrays of one shape.

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
        prediction_scale: The unit of the sums of the prediction, a power of two: `prediction_scatter` is in its square,
            and `cross_scatter` in the product of this unit and that of the reference. It is 1 unless the values are so
            small or large (float32: below 1e-6 or above 1e6; float64: 1e-48, 1e48) that squares might leave the range
            of the dtype.
        reference_scale: The same of the reference. Errors are in the larger of both units, squared ones in its square.
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
    prediction_scale: Array
    reference_scale: Array


@_array.one_node
def paired_moments(
    prediction: Array,
    reference: Array,
    *,
    axis: int | tuple[int, ...] | None = None,
    mask: Array | None = None,
) -> PairedMoments:
    """Return the moments of a pair of images, from which the errors and correlations follow.

    Args:
        prediction: Real numbers of any shape, any unit.
        reference: Array of the same shape.
        axis: The axes to reduce, all of them by default; the others are kept, in order.
        mask: Mask of the same shape; only voxels inside it count.

    Returns:
        Floats, each field with the shape of the axes that are kept: float64 where the library has it and the arrays lie
        in the host's memory, else the dtype of the images, at least float32.

    Undefined:
        A NaN in an image makes all moments NaN that it enters. Where no voxel counts, the moments are those of
        `identity`, which merge with others without a trace.

    Raises:
        TypeError: An argument is not an array, or holds complex numbers or objects; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes differ or are empty; a mask holds values other than 0 and 1.

    Example:
        >>> import numpy as np
        >>> moments = paired_moments(np.array([1, 2, 6]), np.array([0, 2, 4], dtype=np.uint8))
        >>> float(moments.prediction_mean), float(moments.cross_scatter), float(moments.absolute_error)
        (3.0, 10.0, 3.0)

    Source:
        Chan, Golub and LeVeque 1983, doi 10.1080/00031305.1983.10483115.
    """
    name = "paired_moments"
    arrays = paired_images(name, prediction, reference, mask=mask)
    axes = checks.axes(name, axis, prediction.ndim)
    moments_of = _host_moments if prefers_host_loop(arrays, axes) else _device_moments
    # Infinities and NaN in images make NaN, as documented, without NumPy's warnings.
    with _array.quiet():
        return moments_of(*arrays, axes=axes)


def paired_images(
    function: str, prediction: Array, reference: Array, *, mask: Array | None = None
) -> tuple[Array, ...]:
    """Return a pair of images, and the mask if there is one: of one shape, in one library and on one device."""
    pair = paired_arrays(function, prediction, reference, mask=mask)
    for argument, given, image in zip(("prediction", "reference"), (prediction, reference), pair, strict=False):
        _array.require_real(function, argument, image)
        if _array.is_numpy(given) and not _array.is_numpy(image) and given.dtype.kind == "f":
            bits = _array.array_namespace(image).finfo(image.dtype).bits
            _warn_of_lost_digits(function, argument, _array.to_numpy(given), bits)
    return _array.computable(pair[0]), _array.computable(pair[1]), *pair[2:]


def _warn_of_lost_digits(function: str, argument: str, image: HostArray, bits: int) -> None:
    """Warn if |offset| of a NumPy image exceeds _FAR_OFFSET x range where a library holds its floats in fewer bits."""
    if bits >= 8 * image.dtype.itemsize:
        return
    low, high = float(image.min()), float(image.max())
    if 0 < _FAR_OFFSET * (high - low) < max(abs(low), abs(high)):
        danger = f"is more than {_FAR_OFFSET} times its range away from zero, and becomes float{bits}"
        advice = "subtract an offset, or switch on 64-bit floats"
        warnings.warn(f"{function}: `{argument}` {danger}; {advice}.", RuntimeWarning, stacklevel=2)


def _device_moments(
    prediction: Array, reference: Array, mask: Array | None = None, *, axes: tuple[int, ...]
) -> PairedMoments:
    """Return the moments in two passes, on any device and under `jit`."""
    xp = _array.array_namespace(prediction, reference)
    dtype = xp.result_type(*map(_array.accumulator_dtype, (prediction, reference)))
    prediction, reference = xp.astype(prediction, dtype), xp.astype(reference, dtype)
    if mask is not None:
        prediction, reference = (_without_unknown(image, mask, axes) for image in (prediction, reference))
    lowest, prediction_mean, p = _centred(prediction, mask, axes)
    low, reference_mean, r = _centred(reference, mask, axes)
    high = xp.max(reference, axis=axes, keepdims=True)
    # The prediction is about as large as its smallest value or its mean: nobody has to look for the largest.
    prediction_scale = _array.binary_scale(xp.maximum(xp.abs(lowest), xp.abs(prediction_mean)))
    reference_scale = _array.binary_scale(xp.maximum(xp.abs(low), xp.abs(high)))
    p, r = p * (1 / prediction_scale), r * (1 / reference_scale)
    error = (prediction - reference) * (1 / xp.maximum(prediction_scale, reference_scale))
    if mask is not None:
        error = xp.where(mask, error, xp.zeros_like(error))
        # No voxel has no extreme.
        counted = xp.any(mask, axis=axes, keepdims=True)
        low, high = xp.where(counted, low, math.inf), xp.where(counted, high, -math.inf)
    sums = [_array.sum_along(term, axes) for term in (p * p, r * r, p * r, _array.absolute(error), error * error)]
    kept = prediction_mean, reference_mean, low, high, prediction_scale, reference_scale
    singles = [xp.squeeze(field, axis=axes) for field in kept]
    if mask is None:
        voxels = xp.full_like(singles[0], math.prod([prediction.shape[axis] for axis in axes]))
    else:
        voxels = xp.count_nonzero(mask, axis=axes)
    fields = [voxels, *singles[:2], *sums, *singles[2:]]
    return PairedMoments._make(xp.astype(field, dtype, copy=False) for field in fields)


def _without_unknown(image: Array, mask: Array, axes: tuple[int, ...]) -> Array:
    """Return an image in which voxels outside of a mask have the smallest value inside it, or 0 if there is none.

    They are neither NaN nor infinite then, which would spoil gradients even where they are left out.
    """
    xp = _array.array_namespace(image)
    lowest = xp.min(xp.where(mask, image, math.inf), axis=axes, keepdims=True)
    counted = xp.any(mask, axis=axes, keepdims=True)
    return xp.where(mask, image, xp.where(counted, lowest, xp.zeros_like(lowest)))


def _centred(image: Array, mask: Array | None, axes: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Return the smallest value, the mean, and the image less its mean; exactly 0 where the image is constant.

    Args:
        image: Floats; outside of the mask the smallest value inside it.
        mask: Which voxels count, if not all do; the others are 0 in the result.
        axes: The axes to reduce.
    """
    # Less the minimum, a constant is exactly zero, and an offset takes no digits. The first mean of many voxels has a
    # rounding error in float32, which a second mean, of what the first leaves, takes away.
    xp = _array.array_namespace(image)
    number: Any = math.prod([image.shape[axis] for axis in axes])
    if mask is not None:
        number = xp.astype(xp.count_nonzero(mask, axis=axes, keepdims=True), image.dtype)
        number = xp.maximum(number, xp.ones_like(number))
    lowest = xp.min(image, axis=axes, keepdims=True)
    # A constant: the derivatives by way of the smallest value add up to 0, and rounding would be left of them.
    offset = _array.without_derivative(lowest)
    shifted = image - offset
    near = xp.astype(_array.sum_along(shifted, axes, keepdims=True) / number, image.dtype, copy=False)
    left = shifted - near
    if mask is not None:
        left = xp.where(mask, left, xp.zeros_like(left))
    rest = xp.astype(_array.sum_along(left, axes, keepdims=True) / number, image.dtype, copy=False)
    mean = near + rest
    apart = shifted - mean
    return lowest, offset + mean, apart if mask is None else xp.where(mask, apart, xp.zeros_like(apart))


def _host_moments(prediction: Array, reference: Array, *masks: Array, axes: tuple[int, ...]) -> PairedMoments:
    """Return the moments in one pass over arrays in the host's memory."""
    xp = _array.array_namespace(prediction)
    pair = _array.to_numpy(prediction), _array.to_numpy(reference)
    single = all(np.can_cast(image.dtype, np.float32) and image.dtype.kind == "f" for image in pair)
    kind = np.float32 if single else np.float64
    one_pass = partial(_one_pass, kind=kind)
    fields, sizes = map(_array.to_numpy, map_cells(one_pass, (*pair, *masks), axes))
    dtype = _array.widest_float(xp, prediction)
    # The units in which squares are summed here, and those of the result, which another library may hold in float32.
    kinds = (kind, np.float32 if xp.finfo(dtype).bits == 32 else np.float64)
    units, scales = (_array.to_numpy(_array.binary_scale(sizes.astype(k))).astype(np.float64) for k in kinds)
    if not ((units != 1) & (sizes > 0)).any():
        units = np.ones_like(units)
    else:
        # So rare that the first pass is not held up by a search for the largest values before it.
        sums = []
        for cells in (units, np.broadcast_to(units.max(axis=-1, keepdims=True), units.shape)):
            factors = [np.expand_dims(1 / cells[..., number], axes) for number in range(2)]
            in_units = map(partial(np.multiply, dtype=kind, casting="same_kind"), pair, factors)
            sums.append(_array.to_numpy(map_cells(one_pass, (*in_units, *masks), axes)[0]))
        fields, errors = sums
        fields[..., 6:8] = errors[..., 6:8]
        fields[..., [1, 2]] *= units
        fields[..., [8, 9]] *= units[..., 1:]
    # Zeros are zeros in every unit, and two units may be too far apart for a square.
    p, r = np.moveaxis(np.where(sizes > 0, units / scales, 1.0), -1, 0)
    e = np.where(sizes.max(axis=-1) > 0, units.max(axis=-1) / scales.max(axis=-1), 1.0)
    fields[..., 3:8] *= np.stack([p * p, r * r, p * r, e, e * e], axis=-1)
    moments = xp.astype(_array.from_numpy(np.concatenate([fields, scales], axis=-1), xp, prediction), dtype)
    return PairedMoments(*(moments[..., column] for column in range(len(PairedMoments._fields))))


def _one_pass(arrays: Sequence[HostArray], kind: type[np.floating[Any]]) -> tuple[HostArray, HostArray]:
    """Return the first ten fields of the moments of one pair, and about how large the values of both images are.

    Args:
        arrays: Two NumPy arrays, which are worked on in chunks that are centred on their own means; a mask of the
            voxels that count may follow.
        kind: The dtype to compute in.
    """
    pair = [image[arrays[2]] for image in arrays[:2]] if len(arrays) > 2 else arrays
    if pair[0].size == 0:
        return np.array((*[0.0] * 8, math.inf, -math.inf)), np.zeros(2)
    access: Any = [["readonly"]] * 2
    flags: Any = ["external_loop", "buffered"]
    chunks = np.nditer(tuple(pair), flags, access, [kind] * 2, casting="same_kind", buffersize=_MOMENT_CHUNK)
    rows = np.array([_chunk_moments(p, r) for p, r in chunks]).T
    count, means, (p, r, cross, absolute, squared) = rows[0], rows[1:3], rows[3:8].sum(axis=1)
    # Chan, Golub and LeVeque: scatter within the chunks, and that of their means.
    number = pair[0].size
    mean = means @ count / number
    apart = means - mean[:, None]
    spread = (count * apart) @ apart.T + ((p, cross), (cross, r))
    low, high = rows[8].min(), rows[9].max()
    # The prediction is about as large as its mean or its deviation, if that is neither too small nor too large for a
    # square: else somebody has to look.
    size = max(abs(mean[0]), math.sqrt(max(spread[0, 0] / number, 0.0)))
    if not _SURE[0] < size < _SURE[1]:
        size = max(-pair[0].min(), pair[0].max())
    sums = spread[0, 0], spread[1, 1], spread[0, 1], absolute, squared
    return np.array((number, *mean, *sums, low, high)), np.array((size, max(-low, high)))


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
    # Products, as Python raises where the power of a float overflows.
    spread = float(p @ p) - number * rest[0] * rest[0], float(r @ r) - number * rest[1] * rest[1]
    cross = float(p @ r) - number * rest[0] * rest[1]
    mean = float(near[0]) + rest[0], float(near[1]) + rest[1]
    return number, *mean, *spread, cross, absolute, squared, reference.min(), reference.max()


def in_units(moments: PairedMoments, prediction_scale: Array, reference_scale: Array) -> PairedMoments:
    """Return moments whose sums are in other units, powers of two that are not smaller than their own."""
    xp = _array.array_namespace(moments.count)
    p, r = moments.prediction_scale / prediction_scale, moments.reference_scale / reference_scale
    e = error_scale(moments) / xp.maximum(prediction_scale, reference_scale)
    return moments._replace(
        prediction_scatter=p * p * moments.prediction_scatter,
        reference_scatter=r * r * moments.reference_scatter,
        cross_scatter=p * r * moments.cross_scatter,
        absolute_error=e * moments.absolute_error,
        squared_error=e * e * moments.squared_error,
        prediction_scale=prediction_scale,
        reference_scale=reference_scale,
    )


def error_scale(moments: PairedMoments) -> Array:
    """Return the unit of the errors."""
    return _array.array_namespace(moments.count).maximum(moments.prediction_scale, moments.reference_scale)


from_moments = derived_from(paired_moments, PairedMoments)
"""Decorator of the metrics of moments."""
