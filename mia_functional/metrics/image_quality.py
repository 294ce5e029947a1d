"""How good an image looks beside its reference: peak signal-to-noise ratio and structural similarity.

Images are promoted before any arithmetic; all axes are spatial.
"""

import math
from collections.abc import Sequence
from typing import Any

from mia_functional import _array, _check
from mia_functional.metrics.confusion import paired
from mia_functional.metrics.moments import PairedMoments, from_moments, real
from mia_functional.typing import Array

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
        window: Size of a uniform window, odd; or an odd number of weights, those of a separable window along every
            axis, as `gaussian_window` gives them.
        sample_covariance: Whether the covariances are multiplied by N / (N - 1), with N the voxels of the window, as
            scikit-image does by default; Wang et al. do not.
        slice_axis: The images are compared slice by slice along this axis, as 2-D ones; none by default.

    Returns:
        Scalar array, at most 1; higher is better. float64 or the widest float of the images' library in the host's
        memory, else the dtype of the images, at least float32.

    Undefined:
        The largest value of the reference is not positive and no `data_range` is given: NaN. NaN in an image: NaN.

    Raises:
        TypeError: An argument is no array or holds complex numbers or objects; the libraries or devices differ.
        ValueError: The shapes differ or are empty; the window is larger than the image, even or not positive; the data
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
    axes, weights = _window(name, window, prediction.shape, slice_axis)
    peak = None if data_range is None else _positive(name, data_range)
    size = len(weights) ** len(axes)
    factor = size / (size - 1) if sample_covariance and size > 1 else 1.0
    xp = _array.library(prediction)
    dtype = xp.result_type(*map(_array.accumulator_dtype, (prediction, reference)))
    fields = xp.astype(prediction, dtype), xp.astype(reference, dtype)
    limit = xp.max(fields[1]) if peak is None else xp.full_like(fields[1][(0,) * reference.ndim], peak)
    return xp.where(limit > 0, _mean_similarity(fields, weights, axes, limit, factor), xp.full_like(limit, math.nan))


def _mean_similarity(
    images: tuple[Array, Array], weights: tuple[float, ...], axes: tuple[int, ...], limit: Array, factor: float
) -> Array:
    """Return the mean over all windows."""
    zero = 0 * images[0]
    fields = (*images, zero, zero)
    for axis in axes:
        fields = _collapse(fields, weights, axis)
    p, r, squares, product = fields
    low, high = (LUMINANCE * limit) ** 2, (CONTRAST * limit) ** 2
    luminance = 1 - (p - r) ** 2 / (p * p + r * r + low)
    structure = (2 * factor * product + high) / (factor * squares + high)
    return _array.library(p).mean(luminance * structure)


def _collapse(fields: Any, weights: tuple[float, ...], axis: int) -> Any:
    """Return means, sum of variances and covariance in windows that also extend along `axis`.

    Variance within the lines and variance between their means add up, so nothing large is ever subtracted.
    """
    middle = len(weights) // 2
    length = fields[0].shape[axis] - len(weights) + 1

    def part(field: Array, step: int) -> Array:
        return field[(*(slice(None),) * axis, slice(step, step + length), ...)]

    centre = [part(field, middle) for field in fields[:2]]
    sums = [0 * centre[0]] * 4
    for step, weight in enumerate(weights):
        p, r, squares, product = (part(field, step) for field in fields)
        p, r = p - centre[0], r - centre[1]
        terms = (p, r, squares + p * p + r * r, product + p * r)
        sums = [total + weight * term for total, term in zip(sums, terms, strict=True)]
    p, r, squares, product = sums
    return centre[0] + p, centre[1] + r, squares - p * p - r * r, product - p * r


def _window(
    function: str, window: int | Sequence[float], shape: tuple[int, ...], slice_axis: int | None
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return the axes along which the window extends, and its weights along each."""
    sizes = window if isinstance(window, Sequence) else (1.0,) * _check.integer(function, "window", window, minimum=1)
    total = math.fsum(weights := _check.floats(function, "window", sizes))
    if len(weights) % 2 == 0 or min(weights) < 0 or not 0 < total < math.inf:
        _check.invalid_value(function, "window", "have an odd size and no negative weights", window)
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
