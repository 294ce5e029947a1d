"""Gaussian smoothing along the spatial axes."""

from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.extraction import edge
from mia_functional.transforms.arguments import has_shape, together
from mia_functional.transforms.channel_statistics import closed, opened
from mia_functional.transforms.spatial import pad
from mia_functional.typing import Array


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
        checks.integer("blur", "radius", radius, minimum=0)
    elif _array.is_traced(sigma):
        checks.invalid_kind("blur", "radius", "be given if `sigma` is traced", "None")
    xp, image, (widths,) = together("blur", image, sigma=sigma)
    spatial = image.ndim - 1
    has_shape("blur", "sigma", widths, (), (spatial,))
    if not _array.is_traced(widths) and not bool(xp.all(xp.isfinite(widths) & (widths >= 0))):
        checks.invalid_value("blur", "sigma", "be finite and not negative", sigma)
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
            values = _array.array_namespace(sigma).where(sigma[axis] > 0, smoothed, values)
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
    xp = _array.array_namespace(sigma)
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
