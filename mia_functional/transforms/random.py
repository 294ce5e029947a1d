"""Samplers: from a source of randomness to the parameters of a transform.

A sampler takes a `numpy.random.Generator` or a JAX key, and by name what it needs of the image: `spatial_shape`, the
sizes of the spatial axes alone, and `channels`, the size of the last one. It returns a record whose entries are the
parameters of the function of the same name: `flip(image, *random_flip(rng, spatial_shape=image.shape[:-1]))`. Draws are
small (but for the noise), can be stored, and replayed on any array of the same spatial shape. With a key, samplers
trace under `jit` and `vmap`.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms import random_parameters as parameters
from mia_functional.transforms.arguments import (
    log_uniform,
    non_negative_per_axis,
    non_negative_range,
    shape_and_rngs,
)
from mia_functional.transforms.scanner_artefacts import MAX_DEGREE, monomials
from mia_functional.typing import Array, Rng, Shape, Spacing

__all__ = [
    "random_affine",
    "random_bias_field",
    "random_blur",
    "random_crop",
    "random_elastic",
    "random_flip",
    "random_gamma",
    "random_noise",
    "random_rician_noise",
    "random_rot90",
    "random_shift",
]


def random_crop(rng: Rng, *, spatial_shape: Shape, patch_shape: Shape) -> parameters.Crop:
    """Draw the start of a box that lies inside the image; every position is equally likely.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        patch_shape: Voxels of the box along each spatial axis; hand it to `crop` as its `shape`.

    Raises:
        ValueError: The box is larger than the image.

    Example:
        >>> random_crop(np.random.default_rng(0), spatial_shape=(5, 4), patch_shape=(5, 4)).start.tolist()
        [0, 0]
    """
    full, (source,) = shape_and_rngs("random_crop", rng, spatial_shape)
    size = checks.integer_tuple("random_crop", "patch_shape", patch_shape, length=len(full), minimum=1)
    if any(length > extent for length, extent in zip(size, full, strict=True)):
        checks.invalid_value("random_crop", "patch_shape", f"fit into {full}", size)
    last = np.array([extent - length for extent, length in zip(full, size, strict=True)])
    return parameters.Crop(_array.random_integers(source, 0, last, (len(size),)))


def random_flip(rng: Rng, *, spatial_shape: Shape, probability: float | Sequence[float] = 0.5) -> parameters.Flip:
    """Draw which axes are reversed.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        probability: How likely a flip is, for all spatial axes or each.

    Example:
        >>> random_flip(np.random.default_rng(0), spatial_shape=(5, 5, 5), probability=(0, 0, 1)).axes.tolist()
        [False, False, True]
    """
    size, (source,) = shape_and_rngs("random_flip", rng, spatial_shape)
    thresholds = non_negative_per_axis("random_flip", "probability", probability, len(size))
    if (thresholds > 1).any():
        checks.invalid_value("random_flip", "probability", "lie within 0 and 1", probability)
    return parameters.Flip(_array.random_uniform(source, 0.0, 1.0, thresholds.shape) < thresholds)


def random_rot90(rng: Rng, *, spatial_shape: Shape) -> parameters.Rot90:
    """Draw a number of quarter turns, 0 to 3, all equally likely.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.

    Raises:
        ValueError: The image has fewer than two spatial axes.

    Example:
        >>> int(random_rot90(np.random.default_rng(0), spatial_shape=(5, 5)).turns) in range(4)
        True
    """
    size, (source,) = shape_and_rngs("random_rot90", rng, spatial_shape)
    if len(size) < 2:
        checks.invalid_value("random_rot90", "spatial_shape", "have two axes", size)
    return parameters.Rot90(_array.random_integers(source, 0, 3, ()))


def random_shift(rng: Rng, *, spatial_shape: Shape, max_offset: int | Sequence[int]) -> parameters.Shift:
    """Draw by how many voxels the content moves.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        max_offset: Most voxels in either direction, both included, for all spatial axes or each.

    Example:
        >>> random_shift(np.random.default_rng(0), spatial_shape=(9, 9), max_offset=(0, 0)).offset.tolist()
        [0, 0]
    """
    size, (source,) = shape_and_rngs("random_shift", rng, spatial_shape)
    most = non_negative_per_axis("random_shift", "max_offset", max_offset, len(size))
    if ((most % 1 != 0) | (most > np.iinfo(np.int32).max)).any():
        checks.invalid_value("random_shift", "max_offset", "be whole numbers, of 31 bits", max_offset)
    most = most.astype(int)
    return parameters.Shift(_array.random_integers(source, -most, most, most.shape))


def random_affine(
    rng: Rng,
    *,
    spatial_shape: Shape,
    rotation: float | Sequence[float] = 10.0,
    scale: float | Sequence[float] = 0.1,
    shear: float | Sequence[float] = 0.0,
    translation: float | Sequence[float] = 0.0,
    spacing: Spacing | None = None,
) -> parameters.Affine:
    """Draw a rotation about the centre, a shear, a scale along each axis and a translation.

    The matrix is `rotation @ shear @ scale` in millimetres: any affine map that does not mirror is one of them.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        rotation: Largest angle in degrees in either direction, for all planes or each; the planes are those of the axes
            (0, 1), (0, 2), (1, 2).
        scale: Largest change of size, for all axes or each: 0.1 lies between 1 / 1.1 and 1.1 times.
        shear: Largest angle in degrees, below 90, by which an axis leans in either direction, for all planes or each.
        translation: Largest shift in voxels in either direction, for all axes or each.
        spacing: Millimetres between voxel centres, so that rotations keep shapes where voxels are not cubes.

    Raises:
        ValueError: An option is negative or does not have one entry per plane or axis, or a shear is not below 90
            degrees.

    Example:
        >>> random_affine(np.random.default_rng(0), spatial_shape=(5, 5), rotation=0.0, scale=0.0).matrix.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    full, (turning, stretching, leaning, moving) = shape_and_rngs("random_affine", rng, spatial_shape, count=4)
    size = len(full)
    planes = list(itertools.combinations(range(size), 2))
    max_angle = np.deg2rad(non_negative_per_axis("random_affine", "rotation", rotation, len(planes)))
    max_lean = np.deg2rad(non_negative_per_axis("random_affine", "shear", shear, len(planes)))
    if (max_lean >= np.pi / 2).any():
        checks.invalid_value("random_affine", "shear", "be below 90 degrees", shear)
    # Scales are uniform in the logarithm: halving is as likely as doubling.
    max_log_scale = np.log1p(non_negative_per_axis("random_affine", "scale", scale, size))
    max_move = non_negative_per_axis("random_affine", "translation", translation, size)
    angles = _array.random_uniform(turning, -max_angle, max_angle, max_angle.shape)
    xp = _array.array_namespace(angles)
    units = np.eye(size)
    matrix: Array = units
    for number, (first, second) in enumerate(planes):
        # In matrices of constants and traced numbers alone: the standard cannot write into an array.
        in_plane = np.diag(units[first] + units[second])
        quarter = np.outer(units[second], units[first]) - np.outer(units[first], units[second])
        cosine, sine = xp.cos(angles[number]), xp.sin(angles[number])
        matrix = matrix @ (units - in_plane + cosine * in_plane + sine * quarter)
    leans = xp.tan(_array.random_uniform(leaning, -max_lean, max_lean, max_lean.shape))
    shears = (leans[number] * np.outer(units[first], units[second]) for number, (first, second) in enumerate(planes))
    matrix = matrix @ sum(shears, units)
    steps = np.array(checks.spacing("random_affine", (1.0,) * size if spacing is None else spacing, size))
    # From millimetres to voxels: `inverse(diag(steps)) @ matrix @ diag(steps)`.
    matrix = matrix * (steps[np.newaxis, :] / steps[:, np.newaxis])
    scales = xp.exp(_array.random_uniform(stretching, -max_log_scale, max_log_scale, max_log_scale.shape))
    offset = _array.random_uniform(moving, -max_move, max_move, max_move.shape)
    return parameters.Affine(matrix * scales[np.newaxis, :], offset)


def random_elastic(
    rng: Rng, *, spatial_shape: Shape, points: int | Sequence[int] = 7, sigma: float | Sequence[float] = 2.0
) -> parameters.Elastic:
    """Draw the displacements of control points from a normal distribution.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        points: Control points along all spatial axes or each, at least 4; more of them bend more locally.
        sigma: Standard deviation in voxels, for all spatial axes or each. Folds are unlikely while it stays below a
            quarter of the distance between points.

    Example:
        >>> random_elastic(np.random.default_rng(0), spatial_shape=(20, 20), points=(4, 6)).control.shape
        (2, 4, 6)
    """
    full, (source,) = shape_and_rngs("random_elastic", rng, spatial_shape)
    size = len(full)
    per_axis = (points,) * size if checks.is_integer(points) else points
    counts = checks.integer_tuple("random_elastic", "points", per_axis, length=size, minimum=4)
    widths = non_negative_per_axis("random_elastic", "sigma", sigma, size).astype(np.float32)
    return parameters.Elastic(_array.random_normal(source, (size, *counts), 1.0) * widths.reshape(size, *(1,) * size))


def random_noise(
    rng: Rng, *, spatial_shape: Shape, channels: int, sigma: tuple[float, float] = (0.0, 0.1)
) -> parameters.Noise:
    """Draw normal noise whose standard deviation is drawn as well.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        channels: Size of its last axis.
        sigma: Smallest and largest standard deviation, in units of intensity.

    Example:
        >>> random_noise(np.random.default_rng(0), spatial_shape=(2, 3), channels=1).field.shape
        (2, 3, 1)
    """
    return parameters.Noise(*_noise_fields(rng, "random_noise", spatial_shape, channels, sigma, count=1))


def random_rician_noise(
    rng: Rng, *, spatial_shape: Shape, channels: int, sigma: tuple[float, float] = (0.0, 0.1)
) -> parameters.RicianNoise:
    """Draw the normal noise of both channels of a magnetic resonance receiver, whose deviation is drawn as well.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        channels: Size of its last axis.
        sigma: Smallest and largest standard deviation, in units of intensity.

    Example:
        >>> random_rician_noise(np.random.default_rng(0), spatial_shape=(2, 3), channels=1).imaginary.shape
        (2, 3, 1)
    """
    return parameters.RicianNoise(*_noise_fields(rng, "random_rician_noise", spatial_shape, channels, sigma, count=2))


def random_gamma(rng: Rng, *, channels: int, max_change: float = 0.3) -> parameters.Gamma:
    """Draw an exponent for every channel; its logarithm is uniform.

    Args:
        rng: Source of randomness.
        channels: Size of the last axis of the image.
        max_change: Largest change: 0.3 lies between 1 / 1.3 and 1.3.

    Example:
        >>> random_gamma(np.random.default_rng(0), channels=2, max_change=0.0).exponent.tolist()
        [1.0, 1.0]
    """
    count = checks.integer("random_gamma", "channels", channels, minimum=1)
    (source,) = _array.split_rng("random_gamma", rng, 1)
    return parameters.Gamma(log_uniform("random_gamma", source, max_change, (count,)))


def random_bias_field(
    rng: Rng, *, spatial_shape: Shape, degree: int = 3, max_coefficient: float = 0.3
) -> parameters.BiasField:
    """Draw the coefficients of a polynomial.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        degree: Degree of the polynomial, 1 to 8.
        max_coefficient: Largest coefficient in either direction.

    Example:
        >>> random_bias_field(np.random.default_rng(0), spatial_shape=(8, 8, 8)).coefficients.shape
        (19,)
    """
    size, (source,) = shape_and_rngs("random_bias_field", rng, spatial_shape)
    highest = checks.integer("random_bias_field", "degree", degree, minimum=1)
    if highest > MAX_DEGREE:
        checks.invalid_value("random_bias_field", "degree", f"be at most {MAX_DEGREE}", degree)
    count = len(monomials(len(size), highest))
    most = float(non_negative_per_axis("random_bias_field", "max_coefficient", max_coefficient, 1)[0])
    return parameters.BiasField(_array.random_uniform(source, -most, most, (count,)))


def random_blur(rng: Rng, *, spatial_shape: Shape, sigma: tuple[float, float] = (0.0, 1.5)) -> parameters.Blur:
    """Draw a standard deviation for every spatial axis.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        sigma: Smallest and largest standard deviation in voxels.

    Example:
        >>> random_blur(np.random.default_rng(0), spatial_shape=(8, 8), sigma=(1.0, 1.0)).sigma.tolist()
        [1.0, 1.0]
    """
    size, (source,) = shape_and_rngs("random_blur", rng, spatial_shape)
    low, high = non_negative_range("random_blur", "sigma", sigma)
    return parameters.Blur(_array.random_uniform(source, low, high, (len(size),)))


def _noise_fields(
    rng: Rng, function: str, spatial_shape: Shape, channels: int, sigma: tuple[float, float], *, count: int
) -> Iterator[Array]:
    """Yield fields of normal noise of one standard deviation, which is drawn first."""
    size, (level, *sources) = shape_and_rngs(function, rng, spatial_shape, count=1 + count)
    last = checks.integer(function, "channels", channels, minimum=1)
    low, high = non_negative_range(function, "sigma", sigma)
    width = _array.random_uniform(level, low, high, ())
    for source in sources:
        # Single precision: the fields are as large as the image, and no other draw is.
        yield _array.random_normal(source, (*size, last), width)
