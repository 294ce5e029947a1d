"""How good an image looks beside its reference: peak signal-to-noise ratio and structural similarity.

Images are promoted before any arithmetic; all axes are spatial.
"""

import math
import operator
from collections.abc import Sequence
from functools import partial, reduce
from itertools import product
from typing import Any

import numpy as np

from mia_functional import _array, _check
from mia_functional.metrics.confusion import paired
from mia_functional.metrics.moments import PairedMoments, from_moments, real
from mia_functional.typing import Array

TILE = 16
"""Windows along every axis but the last that are computed at a time in the host's memory."""

LUMINANCE, CONTRAST = 0.01, 0.03
"""K1 and K2 of Wang et al.: means and variances that are small in parts of the data range count less."""


@from_moments
def peak_signal_noise_ratio(moments: PairedMoments, *, data_range: float | None = None) -> Array:
    """Return the peak signal-to-noise ratio (PSNR).

    Formula: 10 log10(L^2 n / sum (P - R)^2), with the data range L.

    Args:
        moments: Moments of any shape, or the pair with the options of `paired_moments`.
        data_range: L, positive, in the unit of the images; the largest value of the reference by default.

    Returns:
        Array of the shape of the moments, in decibel; higher is better.

    Undefined:
        Both images equal: inf. The largest value of the reference is not positive and no `data_range` is given: NaN.

    Raises:
        ValueError: `data_range` is not positive and finite.

    Example:
        >>> import numpy as np
        >>> float(peak_signal_noise_ratio(np.array([0, 1, 10]), np.array([1, 0, 9]), data_range=10))
        20.0

    Source:
        Huynh-Thu and Ghanbari 2008, doi 10.1049/el:20080522.

    Agrees with:
        scikit-image's `peak_signal_noise_ratio`; the default range is pymia's and fastMRI's.
    """
    peak = moments.reference_maximum
    xp = _array.library(peak)
    if data_range is not None:
        peak = xp.full_like(peak, _positive("peak_signal_noise_ratio", data_range))
    error = xp.sqrt(_array.ratio(moments.squared_error, moments.count))
    decibel = 20 * xp.log10(_array.ratio(xp.where(peak > 0, peak, xp.ones_like(peak)), error, zero_division=math.inf))
    return xp.where(peak > 0, decibel, xp.full_like(decibel, math.nan))


def gaussian_window(*, sigma: float = 1.5) -> tuple[float, ...]:
    """Return the weights of a Gaussian window that ends at 3.5 sigma: for `window`; 11 weights for sigma 1.5."""
    reach = int(3.5 * _positive("gaussian_window", sigma, argument="sigma") + 0.5)
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(-reach, reach + 1)]
    return tuple(weight / math.fsum(weights) for weight in weights)


def structural_similarity(
    prediction: Array,
    reference: Array,
    *,
    data_range: float | None = None,
    window: int | Sequence[float] = 7,
    sample_covariance: bool = True,
    slice_axis: int | None = None,
) -> Array:
    """Return the mean structural similarity (SSIM) of two images, over all positions of the window inside of them.

    Formula: mean of (2 mu_P mu_R + C1) (2 s_PR + C2) / ((mu_P^2 + mu_R^2 + C1) (s_PP + s_RR + C2)), with the means mu
    and the covariances s in the window, C1 = (0.01 L)^2 and C2 = (0.03 L)^2 with the data range L.

    Args:
        prediction: Real numbers of any shape.
        reference: Array of the same shape.
        data_range: L, positive, in the unit of the images; the largest value of the reference by default.
        window: Size of a uniform window, odd; or an odd number of symmetric weights, those of a separable window along
            every axis, as `gaussian_window` gives them.
        sample_covariance: Whether the covariances are multiplied by N / (N - 1), with N the voxels of the window, as
            scikit-image does by default; Wang et al. do not.
        slice_axis: The images are compared slice by slice along this axis, as 2-D ones; none by default.

    Returns:
        Scalar array, at most 1; higher is better. float64 or the widest float of the images' library in the host's
        memory, else the dtype of the images, at least float32.

    Undefined:
        The largest value of the reference is not positive and no `data_range` is given: NaN.

    Raises:
        TypeError: An argument is no array or holds complex numbers or objects; the libraries or devices differ.
        ValueError: The shapes differ or are empty; the window is larger than the image, even or not symmetric; the data
            range is not positive and finite.

    Example:
        >>> import numpy as np
        >>> image = np.arange(64.0).reshape(8, 8)
        >>> round(float(structural_similarity(image + 8, image, data_range=64)), 6)
        0.973968

    Source:
        Wang et al. 2004, doi 10.1109/TIP.2003.819861.

    Agrees with:
        scikit-image's `structural_similarity`, uniform (window=7) and with `gaussian_weights` (window=
        gaussian_window()); with slice_axis=0, fastMRI.
    """
    name = "structural_similarity"
    prediction, reference, _ = paired(name, prediction, reference)
    for argument, array in (("prediction", prediction), ("reference", reference)):
        real(name, argument, array)
    data_range = None if data_range is None else _positive(name, data_range)
    axes, weights = _window(name, window, prediction.shape, slice_axis)
    size = len(weights) ** len(axes)
    factor = size / (size - 1) if sample_covariance and size > 1 else 1.0
    xp = _array.library(prediction)
    peak = xp.astype(xp.max(reference), _array.accumulator_dtype(reference)) if data_range is None else data_range
    if _array.on_host(prediction) and _array.on_host(reference):
        native = _array.to_numpy(prediction), _array.to_numpy(reference)
        value = _host_similarity(native, weights, axes, (float(peak), factor))
        return xp.astype(_array.from_numpy(np.asarray(value), xp, prediction), _array.widest_float(xp, prediction))
    dtype = xp.result_type(*map(_array.accumulator_dtype, (prediction, reference)))
    images = xp.astype(prediction, dtype), xp.astype(reference, dtype)
    reach = _reach(weights, axes, prediction.ndim)
    total = _array.sum_in_slabs(partial(_similarity, weights, axes, (peak, factor)), images, reach[0])
    similar = total / math.prod(_places(prediction.shape, reach))
    return similar if data_range is not None else xp.where(peak > 0, similar, xp.full_like(similar, math.nan))


def _host_similarity(
    images: tuple[Any, Any], weights: tuple[float, ...], axes: tuple[int, ...], scales: tuple[float, float]
) -> float:
    """Return the mean similarity of NumPy images, from tiles that stay in the cache."""
    if not scales[0] > 0:
        return math.nan
    single = all(np.can_cast(image.dtype, np.float32) for image in images)
    reach = _reach(weights, axes, images[0].ndim)
    places = _places(images[0].shape, reach)
    steps = [TILE] * (len(places) - 1) + places[-1:]
    total: float = 0.0
    for start in product(*(range(0, place, step) for place, step in zip(places, steps, strict=True))):
        stops = [min(low + step, place) for low, step, place in zip(start, steps, places, strict=True)]
        tile = tuple(slice(low, stop + more) for low, stop, more in zip(start, stops, reach, strict=True))
        pair = [image[tile].astype(np.float32 if single else np.float64) for image in images]
        total += float(np.sum(_similarity(weights, axes, scales, *pair), dtype=np.float64))
    return float(total / math.prod(places))


def _reach(weights: tuple[float, ...], axes: tuple[int, ...], ndim: int) -> list[int]:
    """Return by how many voxels every axis is longer than that of the windows."""
    return [len(weights) - 1 if axis in axes else 0 for axis in range(ndim)]


def _places(shape: tuple[int, ...], reach: list[int]) -> list[int]:
    """Return the number of windows along every axis."""
    return [size - more for size, more in zip(shape, reach, strict=True)]


def _similarity(
    weights: tuple[float, ...], axes: tuple[int, ...], scales: tuple[Any, float], p: Array, r: Array
) -> Array:
    """Return the similarity in every window.

    With the difference d and the sum s of the images it is (a - 2 mu_d^2) (b - 2 v_d) / (a b), a = mu_d^2 + mu_s^2 +
    2 C1, b = v_d + v_s + 2 C2, means mu and variances v: what large offsets would spoil is never subtracted.
    """
    limit, factor = scales
    xp = _array.library(p)
    middle = xp.mean(r)
    d, s = p - r, (p - middle) + (r - middle)
    fields = [d, s, d * d, s * s]
    for axis in axes:
        fields = [_smooth(field, weights, axis) for field in fields]
    scale = weights[0] ** len(axes) if _uniform(weights) else 1.0
    d, s, squared_d, squared_s = (field * scale for field in fields)
    low, high = 2 * (LUMINANCE * limit) ** 2, 2 * (CONTRAST * limit) ** 2 / factor
    apart = d * d
    spread = squared_d - apart
    luminance = apart + (s + 2 * middle) ** 2 + low
    structure = spread + (squared_s - s * s) + high
    return (luminance - 2 * apart) * (structure - 2 * spread) / (luminance * structure)


def _uniform(weights: tuple[float, ...]) -> bool:
    """Tell whether all weights are equal."""
    return len(set(weights)) == 1


def _smooth(field: Array, weights: tuple[float, ...], axis: int) -> Array:
    """Return the weighted means of neighbours along an axis; for equal weights, the sums."""
    if _array.is_jax(field):
        return _array.sliding_sum(field, weights, axis)
    if _uniform(weights):
        return _sliding_sum(field, len(weights), axis)
    size, middle = len(weights), len(weights) // 2
    length = field.shape[axis] - size + 1
    total = _part(field, axis, middle, length) * weights[middle]
    for step in range(middle):
        beside = _part(field, axis, step, length) + _part(field, axis, size - 1 - step, length)
        total += beside * weights[step]
    return total


def _sliding_sum(field: Array, size: int, axis: int) -> Array:
    """Return the sums of `size` neighbours along an axis, joined from sums of 1, 2, 4 and so on."""
    length = field.shape[axis] - size + 1
    parts, done, width = [], 0, 1
    while width <= size:
        if size & width:
            parts.append(_part(field, axis, done, length))
            done += width
        shorter = field.shape[axis] - width
        if 2 * width <= size:
            field = _part(field, axis, 0, shorter) + _part(field, axis, width, shorter)
        width *= 2
    return reduce(operator.add, parts)


def _part(field: Array, axis: int, start: int, length: int) -> Array:
    """Return the part of a field from `start` along an axis."""
    return field[(*(slice(None),) * axis, slice(start, start + length), ...)]


def _window(
    function: str, window: int | Sequence[float], shape: tuple[int, ...], slice_axis: int | None
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return the axes along which the window extends, and its weights along each."""
    sizes = window if isinstance(window, Sequence) else (1.0,) * _check.integer(function, "window", window, minimum=1)
    total = math.fsum(weights := _check.floats(function, "window", sizes))
    if len(weights) % 2 == 0 or weights != weights[::-1] or min(weights) < 0 or not 0 < total < math.inf:
        requirement = "have an odd size and symmetric weights that are not negative"
        _check.invalid_value(function, "window", requirement, window)
    across = None if slice_axis is None else _check.axis(function, slice_axis, len(shape))
    axes = tuple(axis for axis in range(len(shape)) if axis != across)
    if not axes or min(shape[axis] for axis in axes) < len(weights):
        requirement = f"have at least {len(weights)} voxels along every axis of the window"
        _check.invalid_value(function, "prediction", requirement, f"shape {tuple(shape)}")
    return axes, tuple(weight / total for weight in weights)


def _positive(function: str, value: float, *, argument: str = "data_range") -> float:
    """Return a positive, finite number."""
    if not 0 < value < math.inf:
        _check.invalid_value(function, argument, "be positive and finite", value)
    return float(value)
