"""Samplers of what goes wrong in a scanner: ghosts, spikes, motion and coarse voxels. `random` says what they share."""

from functools import partial

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms import random_parameters as parameters
from mia_functional.transforms.arguments import non_negative_per_axis, non_negative_range, shape_and_rngs
from mia_functional.transforms.random import random_affine
from mia_functional.typing import Array, Rng, Shape, Spacing

__all__ = ["random_anisotropy", "random_ghosting", "random_low_resolution", "random_motion", "random_spikes"]


def random_ghosting(
    rng: Rng,
    *,
    spatial_shape: Shape,
    ghosts: tuple[int, int] = (4, 10),
    strength: tuple[float, float] = (0.5, 1.0),
) -> parameters.Ghosting:
    """Draw an axis, how many ghosts there are along it, and how strong they are.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        ghosts: Smallest and largest number of ghosts, at least 2.
        strength: Smallest and largest share that lines of k-space lose.

    Example:
        >>> random_ghosting(np.random.default_rng(0), spatial_shape=(5,), strength=(1.0, 1.0)).strength.tolist()
        [1.0]
    """
    size, (choosing, counting, weakening) = shape_and_rngs("random_ghosting", rng, spatial_shape, count=3)
    fewest, most = checks.integer_tuple("random_ghosting", "ghosts", ghosts, length=2, minimum=2)
    if fewest > most:
        checks.invalid_value("random_ghosting", "ghosts", "be in order", ghosts)
    low, high = non_negative_range("random_ghosting", "strength", strength)
    axis = _array.random_integers(choosing, 0, len(size) - 1, ())
    number = _array.random_integers(counting, fewest, most, ())
    strengths = _along_one_axis(axis, len(size), _array.random_uniform(weakening, low, high, ()))
    return parameters.Ghosting(strengths, number)


def random_spikes(
    rng: Rng, *, spatial_shape: Shape, count: int = 1, intensity: tuple[float, float] = (0.2, 1.0)
) -> parameters.Spikes:
    """Draw points of k-space, all equally likely, and how high they are.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        count: Number of spikes.
        intensity: Smallest and largest height, in units of the mean magnitude of a channel.

    Example:
        >>> random_spikes(np.random.default_rng(0), spatial_shape=(8, 8), count=3).frequencies.shape
        (3, 2)
    """
    size, (placing, rising) = shape_and_rngs("random_spikes", rng, spatial_shape, count=2)
    number = checks.integer("random_spikes", "count", count, minimum=1)
    low, high = non_negative_range("random_spikes", "intensity", intensity)
    extent = np.asarray(size)
    frequencies = _array.random_integers(placing, -(extent // 2), (extent - 1) // 2, (number, len(size)))
    return parameters.Spikes(frequencies, _array.random_uniform(rising, low, high, (number,)))


def random_motion(
    rng: Rng,
    *,
    spatial_shape: Shape,
    movements: int = 2,
    rotation: float = 5.0,
    translation: float = 3.0,
    spacing: Spacing | None = None,
) -> parameters.Motion:
    """Draw poses between which a patient moves, and when.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        movements: How often the patient moves.
        rotation: Largest angle in degrees in either direction, in each plane.
        translation: Largest shift in voxels in either direction along each axis.
        spacing: Millimetres between voxel centres, so that rotations keep shapes where voxels are not cubes.

    Example:
        >>> random_motion(np.random.default_rng(0), spatial_shape=(8, 8), movements=3).times.shape
        (3,)
    """
    number = checks.integer("random_motion", "movements", movements, minimum=1)
    size, (timing, *posing) = shape_and_rngs("random_motion", rng, spatial_shape, count=1 + number)
    draw_pose = partial(random_affine, rotation=rotation, translation=translation, scale=0.0, spacing=spacing)
    with checks.speaking_for("random_motion", "random_affine"):
        poses = [draw_pose(source, spatial_shape=size) for source in posing]
    times = _array.random_uniform(timing, 0.0, 1.0, (number,))
    xp = _array.array_namespace(times)
    matrices, offsets = (xp.stack(entries) for entries in zip(*poses, strict=True))
    return parameters.Motion(matrices, offsets, xp.sort(times))


def random_low_resolution(
    rng: Rng, *, spatial_shape: Shape, max_factor: float | tuple[float, ...] = 2.0
) -> parameters.LowResolution:
    """Draw how much coarser voxels are, along all axes alike: for `low_resolution`.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        max_factor: Most voxels per coarse voxel, at least 1, for all axes or each; the fewest are 1.

    Example:
        >>> random_low_resolution(np.random.default_rng(0), spatial_shape=(8, 8), max_factor=(1.0, 1.0)).factor.tolist()
        [1.0, 1.0]
    """
    size, (source,) = shape_and_rngs("random_low_resolution", rng, spatial_shape)
    most = non_negative_per_axis("random_low_resolution", "max_factor", max_factor, len(size))
    if (most < 1).any():
        checks.invalid_value("random_low_resolution", "max_factor", "be at least 1", max_factor)
    return parameters.LowResolution(1 + _array.random_uniform(source, 0.0, 1.0, ()) * (most - 1))


def random_anisotropy(
    rng: Rng, *, spatial_shape: Shape, factor: tuple[float, float] = (1.5, 5.0)
) -> parameters.LowResolution:
    """Draw one axis, and how much thicker slices are along it: for `low_resolution`.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        factor: Fewest and most voxels per coarse voxel, at least 1.

    Example:
        >>> random_anisotropy(np.random.default_rng(0), spatial_shape=(8,), factor=(3.0, 3.0)).factor.tolist()
        [3.0]
    """
    size, (choosing, stretching) = shape_and_rngs("random_anisotropy", rng, spatial_shape, count=2)
    low, high = non_negative_range("random_anisotropy", "factor", factor)
    if low < 1:
        checks.invalid_value("random_anisotropy", "factor", "be at least 1", factor)
    axis = _array.random_integers(choosing, 0, len(size) - 1, ())
    thicker = _along_one_axis(axis, len(size), _array.random_uniform(stretching, low, high, ()) - 1)
    return parameters.LowResolution(1 + thicker)


def _along_one_axis(axis: Array, count: int, amount: Array) -> Array:
    """Return an amount for each of the axes: the given one for one of them, 0 for all others."""
    # Selected, not multiplied by a Boolean, which JAX's strict promotion refuses.
    return _array.array_namespace(amount).where(np.arange(count) == axis, amount, 0.0 * amount)
