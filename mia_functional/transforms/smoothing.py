"""Gaussian smoothing along the spatial axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.extraction import edge
from mia_functional.transforms import arguments
from mia_functional.transforms.channel_statistics import restore_dtype, to_float
from mia_functional.transforms.host_smoothing import smooth_on_host
from mia_functional.transforms.spatial import pad
from mia_functional.typing import Array

__all__ = ["blur", "gaussian_radii", "smooth_gaussian"]

_LARGEST_SIGMA = 1e5
"""Voxels. There are 8 weights for each: far more of them would never end instead of failing."""

_SIGMA_RANGE = f"lie within 0 and {_LARGEST_SIGMA:,.0f} voxels"
"""In words, which programs of `torch.compile` cannot make: numbers are symbols there (2.13)."""


def blur(
    image: Array, sigma: arguments.Numbers, *, radius: int | None = None, spatial_axes: int | None = None
) -> Array:
    """Smooth an image with a Gaussian (low-pass filter); the edge is repeated outside.

    A deviation of 0 leaves an axis as it is.

    Args:
        image: Array `(*spatial, channel)`.
        sigma: Standard deviation in voxels, one number or one per spatial axis, not negative; may be traced.
        radius: Voxels at which the Gaussian is cut off; by default 4 sigma. Needed if `sigma` is traced.
        spatial_axes: How many axes are spatial; by default all but the last. `on` hands over what the sample says.

    Returns:
        Floats of the image's shape.

    Raises:
        TypeError: `sigma` is traced and there is no radius.
        ValueError: There are not as many deviations as spatial axes, or one is negative or above 100,000.

    Example:
        >>> blur(np.array([[0.0], [1.0], [0.0]]), 0.5, radius=1)[:, 0].round(3).tolist()
        [0.107, 0.787, 0.107]

    Agrees with:
        `scipy.ndimage.gaussian_filter(mode="nearest")`.
    """
    if radius is not None:
        radius = checks.integer("blur", "radius", radius, minimum=0)
    elif _array.is_unknown(sigma):
        checks.invalid_kind("blur", "radius", "be given if `sigma` is traced", "None")
    xp, image, (widths,) = arguments.with_parameters("blur", image=image, sigma=sigma)
    spatial = arguments.count_spatial("blur", image, spatial_axes)
    arguments.require_parameter_shape("blur", "sigma", widths, (), (spatial,))
    arguments.require_valid(
        "blur",
        "sigma",
        sigma,
        widths,
        lambda width: (width >= 0) & (width <= _LARGEST_SIGMA),
        needed=_SIGMA_RANGE,
    )
    radii = gaussian_radii(sigma, spatial, radius=radius)
    return restore_dtype(smooth_gaussian(to_float("blur", image), xp.broadcast_to(widths, (spatial,)), radii), image)


def gaussian_radii(sigma: arguments.Numbers, axes: int, *, radius: int | None = None) -> list[int]:
    """Return the voxels at which the Gaussian of each axis is cut off: `radius`, or 4 sigma as SciPy rounds it.

    Example:
        >>> gaussian_radii([0.0, 1.0], 2)
        [0, 4]
    """
    if not checks.has_shape(sigma):
        entries: Any = sigma if isinstance(sigma, Sequence) else [sigma] * axes
        return [0 if width <= 0 else int(4 * width + 0.5) if radius is None else radius for width in entries]
    if radius is not None and _array.is_unknown(sigma):
        return [radius] * axes
    numbers = arguments.as_numbers("blur", "sigma", sigma, sigma)
    # The number of weights is static, so a deviation that is not known cannot decide on it.
    if radius is None:
        limits = (4 * _array.to_numpy(numbers) + 0.5).astype(int)
    else:
        limits = np.where(_array.to_numpy(numbers) == 0, 0, radius)
    return list(np.broadcast_to(limits, (axes,)).tolist())


def smooth_gaussian(values: Array, sigma: Array, radii: list[int]) -> Array:
    """Return floats after a Gaussian along each leading axis, with its deviation and the radius at which it ends."""
    if _array.computes_on_host(values, sigma):
        widths = _array.to_numpy(sigma)
        # A deviation so small that it is 0 in the dtype of the image leaves the axis as it is, too.
        pairs = zip(widths, radii, strict=True)
        return smooth_on_host(values, [_gaussian(width, radius if width > 0 else 0) for width, radius in pairs])

    def smooth_in_turn(values: Array, sigma: Array) -> Array:
        xp = _array.array_namespace(sigma)
        for axis, radius in enumerate(radii):
            if radius:
                size = values.shape[axis]
                padded = pad(values, ((0, 0),) * axis + ((radius, radius),), pad_mode=edge)
                # A sum of shifted copies: the standard has no convolution, and the loop over weights is short.
                windows = (padded[(*(slice(None),) * axis, slice(k, k + size), ...)] for k in range(2 * radius + 1))
                falls = _gaussian(sigma[axis], radius)
                smooth = _array.weighted_sum_of([*falls[:0:-1], *falls], windows)
                # Not the weights 0, 1, 0 of a traced deviation of 0: they would spread NaN and infinity.
                values = xp.where(sigma[axis] > 0, smooth, values)
        return values

    return _array.call_gathered(smooth_in_turn, values, sigma)


def _gaussian(sigma: Array, radius: int) -> list[Array]:
    """Return the weights of a Gaussian from its middle to a radius, which sum to 1 on both sides; finite for 0 too."""
    xp = _array.array_namespace(sigma)
    # Both branches of `where` are differentiated: without this a deviation of 0 would give NaN gradients.
    width = xp.where(sigma > 0, sigma, 1.0)
    falls = [xp.exp(-0.5 * (step / width) ** 2) for step in range(radius + 1)]
    total = falls[0] + 2 * sum(falls[1:], xp.zeros_like(sigma))
    return [fall / total for fall in falls]
