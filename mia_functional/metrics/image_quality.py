"""How good an image looks beside its reference: peak signal-to-noise ratio and structural similarity.

Images are promoted before any arithmetic; all axes are spatial.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels import ssim_tiles
from mia_functional.metrics._kernels.ssim_tiles import Window
from mia_functional.metrics.moments import PairedMoments, error_scale, from_moments, paired_images
from mia_functional.typing import Array, Shape

__all__ = ["gaussian_window", "peak_signal_noise_ratio", "structural_similarity"]

_LUMINANCE, _CONTRAST = 0.01, 0.03
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
    xp = _array.array_namespace(peak)
    if data_range is not None:
        peak = xp.full_like(peak, checks.positive("peak_signal_noise_ratio", "data_range", data_range))
    safe = xp.where(peak > 0, peak, xp.ones_like(peak))
    # Each in a unit in which the square of the error, which derivatives are divided by, neither vanishes nor overflows.
    unit, error = _array.binary_scale(safe), _array.root(_array.ratio(moments.squared_error, moments.count))
    units = xp.log10(unit) - xp.log10(error_scale(moments))
    decibel = 20 * (xp.log10(_array.ratio(safe / unit, error, zero_division=math.inf)) + units)
    return xp.where(peak > 0, decibel, math.nan)


def gaussian_window(*, sigma: float = 1.5) -> tuple[float, ...]:
    """Return the weights of a Gaussian window that ends at 3.5 sigma, 11 for sigma 1.5; pass them as `window`.

    Example:
        >>> [round(weight, 3) for weight in gaussian_window(sigma=0.5)]
        [0.0, 0.106, 0.787, 0.106, 0.0]
    """
    reach = int(3.5 * checks.positive("gaussian_window", "sigma", sigma) + 0.5)
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(-reach, reach + 1)]
    return tuple(weight / math.fsum(weights) for weight in weights)


@_array.one_node
def structural_similarity(
    prediction: Array,
    reference: Array,
    *,
    data_range: float | None = None,
    window: int | Sequence[float] = 7,
    sample_covariance: bool = True,
    slice_axis: int | None = None,
    mask: Array | None = None,
) -> Array:
    """Return the mean structural similarity (SSIM) of two images, over all positions of the window inside them.

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
        mask: Mask of the same shape; only windows that lie inside it altogether count, and the default data range is
            the largest value of the reference inside it.

    Returns:
        Scalar array, at most 1; higher is better. float64 or the widest float of the images' library in the host's
        memory, else the dtype of the images, at least float32.

    Undefined:
        The largest value of the reference is not positive and no `data_range` is given, or no window lies inside the
        mask: NaN.

    Raises:
        TypeError: An argument is not an array, or holds complex numbers or objects; arrays of two libraries other than
            NumPy, or of two devices, meet.
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
    checks.booleans(name, sample_covariance=sample_covariance)
    arrays = paired_images(name, prediction, reference, mask=mask)
    _array.require_in_memory(name, "prediction", arrays[0])
    data_range = None if data_range is None else checks.positive(name, "data_range", data_range)
    weighted = _window_weights(name, window, arrays[0].shape, slice_axis)
    size = len(weighted.weights) ** len(weighted.axes)
    factor = size / (size - 1) if sample_covariance and size > 1 else 1.0
    options = weighted, data_range, factor
    # Images of infinities, NaN or zeros have windows whose quotient is undefined; NaN is what they get.
    with _array.quiet():
        if all(map(_array.in_host_memory, arrays)):
            return _host_mean(*options, *arrays)
        return _array.call_gathered(partial(_device_mean, *options), *arrays)


def _host_mean(
    window: Window, data_range: float | None, factor: float, p: Array, r: Array, mask: Array | None = None
) -> Array:
    """Return the mean similarity of two images in the host's memory."""
    xp = _array.array_namespace(p)
    inside = None if mask is None else _array.to_numpy(mask)
    if mask is not None:
        p, r = _fill_outside(p, mask), _fill_outside(r, mask)
    images = _array.to_numpy(p), _array.to_numpy(r)
    peak, scale, unit, low, high = map(float, _constants(images[1], data_range, factor))
    value = ssim_tiles.mean_similarity(images, window, (unit, low, high), scale, inside) if peak > 0 else math.nan
    return xp.astype(_array.from_numpy(np.asarray(value), xp, p), _array.widest_float(xp, p))


def _device_mean(
    window: Window, data_range: float | None, factor: float, p: Array, r: Array, mask: Array | None = None
) -> Array:
    """Return the mean similarity of two images on any device and under `jit`."""
    xp = _array.array_namespace(p)
    if mask is not None:
        p, r = _fill_outside(p, mask), _fill_outside(r, mask)
    peak, scale, *constants = _constants(r, data_range, factor)
    dtype = xp.result_type(_array.accumulator_dtype(p), _array.accumulator_dtype(r))
    windows, reach = ssim_tiles.window_grid(p.shape, window)
    similarity = partial(_similarity, window, constants)
    pair = tuple(xp.astype(image, dtype) * xp.astype(1 / scale, dtype) for image in (p, r))
    if mask is None:
        similar = _array.sum_slabs(similarity, pair, reach[0]) / math.prod(windows)
    else:
        counted = partial(_counted_windows, window)
        outside = xp.astype(~mask, dtype)

        def similarity_inside(*slab: Array) -> Array:
            similar = similarity(*slab[:2])
            return xp.where(counted(slab[2]), similar, xp.zeros_like(similar))

        number = _array.sum_slabs(lambda slab: xp.astype(counted(slab), dtype), (outside,), reach[0])
        similar = _array.ratio(_array.sum_slabs(similarity_inside, (*pair, outside), reach[0]), number)
    return similar if data_range is not None else xp.where(peak > 0, similar, math.nan)


def _fill_outside(image: Array, mask: Array) -> Array:
    """Return an image in which voxels outside of a mask have the largest value inside it, or 0 if there is none.

    They are finite then, as far as those inside are, and not larger than them: sums and gradients stay what they are.
    """
    xp = _array.array_namespace(image)
    image = xp.astype(image, _array.accumulator_dtype(image), copy=False)
    largest = xp.max(xp.where(mask, image, -math.inf))
    return xp.where(mask, image, xp.where(xp.any(mask), largest, xp.zeros_like(largest)))


def _counted_windows(window: Window, outside: Array) -> Array:
    """Return which windows hold no voxel that is outside of a mask, from 1 for such voxels and 0 for the others."""
    for axis in window.axes:
        outside = _array.correlate1d(outside, (1.0,) * len(window.weights), axis)
    return outside < 0.5


def _constants(reference: Array, data_range: float | None, factor: float) -> tuple[Array, Array, Array, Array, Array]:
    """Return the data range and a unit to measure the images in.

    And in that unit a data range that is positive, 2 C1, and 2 C2 over the factor of the covariances.
    """
    xp = _array.array_namespace(reference)
    dtype = _array.accumulator_dtype(reference)
    given = data_range is not None
    peak = _array.zeros(xp, (), dtype, reference) + data_range if given else xp.astype(xp.max(reference), dtype)
    # Any range where it is not positive: the similarity is undefined then, but its gradient has to be a number.
    length = xp.where(peak > 0, peak, xp.ones_like(peak))
    # Squares of values far below the data range are small beside the constants: only those near it need not vanish.
    scale = _array.binary_scale(length)
    unit = length / scale
    return peak, scale, unit, 2 * (_LUMINANCE * unit) ** 2, 2 * (_CONTRAST * unit) ** 2 / factor


def _similarity(window: Window, constants: Sequence[Any], p: Array, r: Array) -> Array:
    """Return the similarity in every window.

    With the difference d and the sum s of the images it is (a - mu_d^2) (b - v_d) / ((a + mu_d^2) (b + v_d)),
    a = mu_s^2 + 2 C1, b = v_s + 2 C2, means mu and variances v: what large offsets would spoil is never subtracted.
    """
    centres = ssim_tiles.centre_of(p, constants[0]), ssim_tiles.centre_of(r, constants[0])
    # Centred first: the squares of sums and differences far from zero would leave no digits for their variance.
    p, r = p - centres[0], r - centres[1]
    d, s = p - r, p + r
    fields = [d, s, d * d, s * s]
    for axis in window.axes:
        fields = [_array.correlate1d(field, window.weights, axis) for field in fields]
    d, s, squared_d, squared_s = fields
    number = math.fsum(window.weights) ** len(window.axes)
    apart = (d / number + (centres[0] - centres[1])) ** 2
    luminance: Array = (s / number + (centres[0] + centres[1])) ** 2 + constants[1]
    spread = (squared_d * number - d * d) / number**2
    structure: Array = (squared_s * number - s * s) / number**2 + constants[2]
    # Two quotients, as a product of four values of large images would overflow.
    return (luminance - apart) / (luminance + apart) * ((structure - spread) / (structure + spread))


def _window_weights(function: str, window: int | Sequence[float], shape: Shape, slice_axis: int | None) -> Window:
    """Return the axes along which the window extends, and its weights along each: ones if they are equal."""
    sizes = window if isinstance(window, Sequence) else (1.0,) * checks.integer(function, "window", window, minimum=1)
    weights = checks.float_tuple(function, "window", sizes)
    total = math.fsum(weights)
    if len(weights) % 2 == 0 or weights != weights[::-1] or min(weights) < 0 or not 0 < total < math.inf:
        requirement = "have an odd size and symmetric weights that are not negative"
        checks.invalid_value(function, "window", requirement, window)
    across = None if slice_axis is None else checks.axis(function, slice_axis, len(shape))
    axes = tuple(axis for axis in range(len(shape)) if axis != across)
    if not axes or any(shape[axis] < len(weights) for axis in axes):
        requirement = f"have at least {len(weights)} voxels along every axis of the window"
        checks.invalid_value(function, "prediction", requirement, f"shape {tuple(shape)}")
    # Sums of equal weights are sums of voxels, divided once at the end.
    is_equal = len(set(weights)) == 1
    return Window((1.0,) * len(weights) if is_equal else tuple(weight / total for weight in weights), axes)
