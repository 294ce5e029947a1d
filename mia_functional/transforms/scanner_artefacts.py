"""What scanners do to intensities, for augmentation: noise, contrast and bias fields."""

import itertools

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms import channel_statistics as statistics
from mia_functional.transforms.arguments import Numbers, require_parameter_shape, require_valid, with_parameters
from mia_functional.transforms.host_intensities import add_on_host, bias_on_host, gamma_on_host, magnitude_on_host
from mia_functional.transforms.interpolation import open_grid
from mia_functional.typing import Array

__all__ = ["MAX_DEGREE", "bias_field", "gamma", "monomials", "noise", "rician_noise"]

MAX_DEGREE = 8
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
    _, image, (field,) = with_parameters("noise", image=image, field=field)
    require_parameter_shape("noise", "field", field, tuple(image.shape))
    values = statistics.to_float("noise", image)
    if _array.computes_on_host(values, field):
        return add_on_host(values, field, statistics.restored_host_dtype(values, image))
    return statistics.restore_dtype(values + field, image)


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
    xp, image, (first, second) = with_parameters("rician_noise", image=image, real=real, imaginary=imaginary)
    for name, field in (("real", first), ("imaginary", second)):
        require_parameter_shape("rician_noise", name, field, tuple(image.shape))
    values = statistics.to_float("rician_noise", image)
    if _array.is_known_true(lambda magnitudes: xp.any(magnitudes < 0), values):
        checks.invalid_value("rician_noise", "image", "hold magnitudes, from 0 on", f"{float(xp.min(values)):g}")
    if _array.computes_on_host(values, first, second):
        return magnitude_on_host(values, first, second, statistics.restored_host_dtype(values, image))
    # `hypot` squares in a range of its own: the square of a float32 above 1.8e19 is infinite.
    return statistics.restore_dtype(_array.hypot(values + first, second), image)


def gamma(image: Array, exponent: Numbers) -> Array:
    """Change the contrast of each channel and keep its range (gamma correction).

    `y = low + (high - low) ((x - low) / (high - low))^exponent`, with low and high the extremes of the channel.

    Args:
        image: Array `(*spatial, channel)`.
        exponent: One positive number, or one per channel; may be traced.

    Returns:
        Floats of the image's shape; a constant channel stays. The gradient by a power of 0, which is infinite for
        exponents below 1, is taken for 0.

    Raises:
        ValueError: There are not as many exponents as channels, or one is not positive.

    Example:
        >>> gamma(np.array([[0.0], [1.0], [4.0]]), 2.0)[:, 0].tolist()
        [0.0, 0.25, 4.0]

    Agrees with:
        `skimage.exposure.adjust_gamma` for images from 0 to 1.
    """
    xp, image, (power,) = with_parameters("gamma", image=image, exponent=exponent)
    require_parameter_shape("gamma", "exponent", power, (), (1,), tuple(image.shape[-1:]))
    require_valid("gamma", "exponent", exponent, power, lambda number: number > 0, needed="be positive")
    values = statistics.to_float("gamma", image)
    axes = statistics.reduction_axes("gamma", None, image.ndim)
    if _array.computes_on_host(values, power):
        return gamma_on_host(values, power, statistics.restored_host_dtype(values, image))
    low, high = statistics.masked_extremes(values, None, axes)
    # Powers are taken between 0 and 1, so that the range stays and negative intensities have a power at all.
    unit = statistics.within_range(values, low, high)
    power = xp.reshape(power, (*(1,) * (image.ndim - 1), -1))
    return statistics.restore_dtype(low + (high - low) * _array.power(unit, power), image)


def bias_field(image: Array, coefficients: Numbers) -> Array:
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
    xp, image, (factors,) = with_parameters("bias_field", image=image, coefficients=coefficients)
    shape = tuple(image.shape[:-1])
    counts = [len(monomials(len(shape), degree)) for degree in range(1, MAX_DEGREE + 1)]
    if factors.ndim != 1 or factors.shape[0] not in counts:
        needed = f"be as many as a polynomial has: {', '.join(map(str, counts))}"
        checks.invalid_value("bias_field", "coefficients", needed, f"shape {tuple(factors.shape)}")
    values = statistics.to_float("bias_field", image)
    # Not `linspace`, which puts a single voxel at -1, the border; its middle is 0.
    whole = _array.whole_number
    lines = [(2 * np.arange(size) - whole(size - 1)) / whole(max(size - 1, 1)) for size in shape]
    all_powers = monomials(len(shape), counts.index(factors.shape[0]) + 1)
    if _array.computes_on_host(values, factors):
        return bias_on_host(values, factors, all_powers, lines, statistics.restored_host_dtype(values, image))
    grid = open_grid(lines, image.ndim, values)
    logarithm = xp.zeros_like(factors[0])
    for number, powers in enumerate(all_powers):
        term = factors[number]
        for line, power in zip(grid, powers, strict=True):
            term = term * line**power if power else term
        logarithm = logarithm + term
    return statistics.restore_dtype(values * xp.exp(logarithm), image)


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
