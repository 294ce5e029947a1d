"""What scanners do to intensities, for augmentation: noise, bias fields, contrast and blur.

An image is `(*spatial, channel)`. Floats keep their dtype, integers become float32; everything traces under `jit` with
traced parameters. The ranges of the intensities are free, unless a function says otherwise.
"""

import itertools
from typing import Any

import numpy as np

from mia_functional import _array, _check
from mia_functional.extraction import edge
from mia_functional.transforms.channels import axes_of, closed, extremes, opened, or_one
from mia_functional.transforms.parameters import has_shape, together
from mia_functional.transforms.spatial import pad
from mia_functional.typing import Array

DEGREES = 8
"""The highest degree of a polynomial."""


def noise(image: Array, field: Array) -> Array:
    """Add noise that was drawn before; see `rician_noise` for that of magnitude images.

    Args:
        image: Array `(*spatial, channel)`.
        field: Noise of the image's shape, in units of its intensity; may be traced.

    Returns:
        Floats of the image's shape.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> noise(np.array([[1.0], [2.0]]), np.array([[0.5], [-0.5]]))[:, 0].tolist()
        [1.5, 1.5]
    """
    _, image, (field,) = together("noise", image, field=field)
    has_shape("noise", "field", field, tuple(image.shape))
    values, _ = opened("noise", image, None)
    return closed(values + field, image)


def rician_noise(image: Array, real: Array, imaginary: Array) -> Array:
    """Add noise as a magnetic resonance scanner does: to both parts of a complex signal, whose magnitude is shown.

    `y = sqrt((x + real)^2 + imaginary^2)`. With normal noise y has a Rice distribution: bright voxels look as with
    normal noise, and dark ones are brighter than they were (Rayleigh distribution where x = 0).

    Args:
        image: Magnitudes `(*spatial, channel)`, not negative: add it before intensities are standardised.
        real: Noise of the image's shape, in units of its intensity; may be traced.
        imaginary: Noise of the same shape.

    Returns:
        Floats of the image's shape, not negative.

    Raises:
        ValueError: The shapes differ, or an intensity is negative (a traced image cannot be looked at).

    Example:
        >>> rician_noise(np.array([[3.0], [0.0]]), np.array([[0.0], [6.0]]), np.array([[4.0], [8.0]]))[:, 0].tolist()
        [5.0, 10.0]

    Source:
        Gudbjartsson and Patz 1995, The Rician distribution of noisy MRI data, doi 10.1002/mrm.1910340618.
    """
    xp, image, (first, second) = together("rician_noise", image, real=real, imaginary=imaginary)
    for name, field in (("real", first), ("imaginary", second)):
        has_shape("rician_noise", name, field, tuple(image.shape))
    values, _ = opened("rician_noise", image, None)
    if not _array.is_traced(image) and bool(xp.any(values < 0)):
        _check.invalid_value("rician_noise", "image", "hold magnitudes, from 0 on", f"{float(xp.min(values)):g}")
    return closed(xp.hypot(values + first, second), image)


def gamma(image: Array, exponent: Any) -> Array:
    """Change the contrast of each channel and keep its range (gamma correction).

    `y = low + (high - low) ((x - low) / (high - low))^exponent`, with low and high the extremes of the channel.

    Args:
        image: Array `(*spatial, channel)`.
        exponent: One positive number, or one per channel; may be traced.

    Returns:
        Floats of the image's shape; a constant channel stays.

    Raises:
        ValueError: There are not as many exponents as channels, or one is not positive.

    Example:
        >>> gamma(np.array([[0.0], [1.0], [4.0]]), 2.0)[:, 0].tolist()
        [0.0, 0.25, 4.0]

    Agrees with:
        `skimage.exposure.adjust_gamma` for images from 0 to 1.
    """
    _, image, (power,) = together("gamma", image, exponent=exponent)
    has_shape("gamma", "exponent", power, (), (1,), tuple(image.shape[-1:]))
    if not _array.is_traced(power) and not bool(_array.library(power).all(power > 0)):
        _check.invalid_value("gamma", "exponent", "be positive", exponent)
    values, _ = opened("gamma", image, None)
    low, high = extremes(values, None, axes_of("gamma", None, image.ndim))
    return closed(low + (high - low) * ((values - low) / or_one(high - low)) ** power, image)


def bias_field(image: Array, coefficients: Any) -> Array:
    """Brighten and darken an image smoothly, as the coils of a scanner do (intensity inhomogeneity).

    `y = x exp(p)`, with p a polynomial without constant term in coordinates from -1 to 1 along each axis.

    Args:
        image: Array `(*spatial, channel)`.
        coefficients: One per monomial, in the order of `monomials`; their number gives the degree: for three axes 3, 9
            or 19 are of degree 1, 2 or 3. May be traced.

    Returns:
        Floats of the image's shape.

    Raises:
        ValueError: No polynomial has so many coefficients.

    Example:
        >>> bias_field(np.ones((3, 1)), [np.log(2.0)])[:, 0].tolist()
        [0.5, 1.0, 2.0]

    Source:
        Van Leemput et al. 1999, Automated model-based bias field correction, doi 10.1109/42.811268.
    """
    xp, image, (factors,) = together("bias_field", image, coefficients=coefficients)
    shape = tuple(image.shape[:-1])
    sizes = [len(monomials(len(shape), degree)) for degree in range(1, DEGREES + 1)]
    if factors.ndim != 1 or factors.shape[0] not in sizes:
        needed = f"be as many as a polynomial has: {', '.join(map(str, sizes))}"
        _check.invalid_value("bias_field", "coefficients", needed, f"shape {tuple(factors.shape)}")
    values, _ = opened("bias_field", image, None)
    lines = [
        xp.astype(_array.along(xp, np.linspace(-1, 1, size) if size > 1 else np.zeros(1), axis, values), values.dtype)
        for axis, size in enumerate(shape)
    ]
    logarithm = 0.0
    for number, powers in enumerate(monomials(len(shape), sizes.index(factors.shape[0]) + 1)):
        term = factors[number]
        for line, power in zip(lines, powers, strict=True):
            term = term * line**power if power else term
        logarithm = logarithm + term
    return closed(values * xp.exp(logarithm), image)


def monomials(axes: int, degree: int) -> list[tuple[int, ...]]:
    """Return the exponents of all monomials up to a degree but the constant one, lower degrees first.

    Args:
        axes: Number of variables.
        degree: Largest sum of exponents.

    Example:
        >>> monomials(2, 2)
        [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    """
    powers = itertools.product(range(degree + 1), repeat=axes)
    return sorted((p for p in powers if 0 < sum(p) <= degree), key=lambda p: (sum(p), [-entry for entry in p]))


def blur(image: Array, sigma: Any, *, radius: int | None = None) -> Array:
    """Smooth an image with a Gaussian (low-pass filter); the edge is repeated outside.

    A deviation of 0 leaves an axis as it is.

    Args:
        image: Array `(*spatial, channel)`.
        sigma: Standard deviation in voxels, one number or one per spatial axis, not negative; may be traced.
        radius: Voxels at which the Gaussian is cut off; 4 sigma where left out. Needed if `sigma` is traced.

    Returns:
        Floats of the image's shape.

    Raises:
        TypeError: `sigma` is traced and there is no radius.
        ValueError: There are not as many deviations as spatial axes, or one is negative.

    Example:
        >>> blur(np.array([[0.0], [1.0], [0.0]]), 0.5, radius=1)[:, 0].round(3).tolist()
        [0.107, 0.787, 0.107]

    Agrees with:
        `scipy.ndimage.gaussian_filter(mode="nearest")`.
    """
    if radius is not None:
        _check.integer("blur", "radius", radius, minimum=0)
    elif _array.is_traced(sigma):
        _check.invalid_kind("blur", "radius", "be given if `sigma` is traced", "None")
    xp, image, (widths,) = together("blur", image, sigma=sigma)
    spatial = image.ndim - 1
    has_shape("blur", "sigma", widths, (), (spatial,))
    if not _array.is_traced(widths) and not bool(xp.all(xp.isfinite(widths) & (widths >= 0))):
        _check.invalid_value("blur", "sigma", "be finite and not negative", sigma)
    widths = xp.broadcast_to(widths, (spatial,))
    limits: Any = radius if _array.is_traced(sigma) else reach(sigma, radius=radius)
    reaches = np.broadcast_to(limits, (spatial,))
    values, _ = opened("blur", image, None)
    return closed(smooth(values, widths, reaches.tolist()), image)


def smooth(values: Array, sigma: Array, reaches: list[int]) -> Array:
    """Return floats after a Gaussian along each leading axis, which has its deviation and is cut off at its reach."""
    for axis, radius in enumerate(reaches):
        if radius:
            smoothed = _convolve(values, _gaussian(sigma[axis], radius), axis)
            values = _array.library(sigma).where(sigma[axis] > 0, smoothed, values)
    return values


def reach(sigma: Any, *, radius: int | None = None) -> Any:
    """Return the radius of concrete deviations in voxels, as SciPy rounds it, or a given one; 0 for a deviation of 0.

    Example:
        >>> reach([0.0, 1.0]).tolist()
        [0, 4]
    """
    numbers = _array.to_numpy(sigma) if hasattr(sigma, "shape") else np.asarray(sigma)
    return np.where(numbers > 0, (4 * numbers + 0.5).astype(int) if radius is None else radius, 0)


def _gaussian(sigma: Array, radius: int) -> list[Array]:
    """Return the weights of a Gaussian from -radius to radius, which sum to 1; a deviation of 0 keeps the middle."""
    xp = _array.library(sigma)
    narrow = xp.where(sigma > 0, sigma, 1.0)
    falls = [xp.where(sigma > 0, xp.exp(-0.5 * (step / narrow) ** 2), float(step == 0)) for step in range(radius + 1)]
    total = falls[0] + 2 * sum(falls[1:], xp.zeros_like(sigma))
    return [falls[abs(step)] / total for step in range(-radius, radius + 1)]


def _convolve(values: Array, weights: list[Array], axis: int) -> Array:
    """Return a sum of shifted copies along an axis, each with its weight."""
    radius, size = len(weights) // 2, values.shape[axis]
    wide = pad(values, ((0, 0),) * axis + ((radius, radius),), pad_mode=edge)
    before = (slice(None),) * axis
    return sum(weight * wide[(*before, slice(step, step + size), ...)] for step, weight in enumerate(weights))
