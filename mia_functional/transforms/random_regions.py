"""Samplers of regions, of mixtures of two images and of images made of labels. `random` says what samplers share."""

import operator
from collections.abc import Iterable
from functools import reduce

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_sets
from mia_functional.transforms import random_parameters as parameters
from mia_functional.transforms.arguments import non_negative_per_axis, non_negative_range, shape_and_rngs
from mia_functional.typing import Labels, Rng, Shape

__all__ = [
    "random_carvemix",
    "random_cutout",
    "random_label_dilation",
    "random_labels_to_image",
    "random_mixup",
    "random_resized_crop",
    "random_swap",
]


def random_cutout(
    rng: Rng, *, spatial_shape: Shape, boxes: int = 1, share: tuple[float, float] = (0.1, 0.4)
) -> parameters.Cutout:
    """Draw boxes inside the image: for `cutout` and `cutmix`.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        boxes: Number of boxes.
        share: Smallest and largest length of a box along each axis, as a share of the image; a voxel at least.

    Example:
        >>> draw = random_cutout(np.random.default_rng(0), spatial_shape=(8, 9), share=(1.0, 1.0))
        >>> draw.start.tolist(), draw.size.tolist()
        ([[0, 0]], [[8, 9]])
    """
    size, (stretching, placing) = shape_and_rngs("random_cutout", rng, spatial_shape, count=2)
    count = checks.integer("random_cutout", "boxes", boxes, minimum=1)
    low, high = _range_of_shares("random_cutout", "share", share)
    shape = (count, len(size))
    shares = _array.random_uniform(stretching, low, high, shape)
    xp, full = _array.array_namespace(shares), _array.asarray_like(np.asarray(size)[None, :], shares)
    voxels = xp.maximum(xp.round(shares * full), xp.ones_like(shares))
    start = xp.floor(_array.random_uniform(placing, 0.0, 1.0, shape) * (full - voxels + 1))
    # A share of 1 of the room, which single precision may round up to, would lie one voxel farther.
    start = xp.minimum(start, full - voxels)
    return parameters.Cutout(*(xp.astype(entry, _array.index_dtype(xp)) for entry in (start, voxels)))


def random_swap(rng: Rng, *, spatial_shape: Shape, patch_shape: Shape, swaps: int = 10) -> parameters.Swap:
    """Draw pairs of patches that do not overlap: along one axis, which is drawn too, one lies behind the other.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        patch_shape: Voxels of a patch along each spatial axis; hand it to `swap` too. Along one axis at least two of
            them have room.
        swaps: Number of pairs.

    Raises:
        ValueError: There is no room for two patches.

    Example:
        >>> draw = random_swap(np.random.default_rng(0), spatial_shape=(4, 2), patch_shape=(2, 2), swaps=1)
        >>> sorted([*draw.first.tolist(), *draw.second.tolist()])
        [[0, 0], [2, 0]]
    """
    sources = shape_and_rngs("random_swap", rng, spatial_shape, count=4)
    size, (choosing, placing, parting, ordering) = sources
    patch = checks.integer_tuple("random_swap", "patch_shape", patch_shape, length=len(size), minimum=1)
    count = checks.integer("random_swap", "swaps", swaps, minimum=1)
    rooms = [axis for axis, (full, length) in enumerate(zip(size, patch, strict=True)) if full >= 2 * length]
    if not rooms or any(length > full for full, length in zip(size, patch, strict=True)):
        checks.invalid_value("random_swap", "patch_shape", f"fit into {size}, twice along an axis", patch)
    last, shape = (np.asarray(size) - np.asarray(patch))[None, :], (count, len(size))
    anywhere = _array.random_integers(placing, 0, last, (2, *shape))
    xp = _array.array_namespace(anywhere)
    number = _array.random_integers(choosing, 0, len(rooms) - 1, (count, 1))
    axes = np.arange(len(size))[None, :]
    chosen = reduce(operator.or_, ((number == k) & (axes == axis) for k, axis in enumerate(rooms)))
    # Two places at least a patch apart: two of the places that are left when the patch is taken away, in order.
    room = np.maximum(last - np.asarray(patch), 0)
    places = xp.sort(_array.random_integers(parting, 0, room, (2, *shape)), axis=0)
    apart = xp.stack([places[0, ...], places[1, ...] + np.asarray(patch)[None, :]])
    is_turned = _array.random_uniform(ordering, 0.0, 1.0, (count, 1)) < 0.5
    apart = xp.where(is_turned, xp.flip(apart, axis=0), apart)
    both = xp.where(chosen, apart, anywhere)
    return parameters.Swap(both[0, ...], both[1, ...])


def random_resized_crop(
    rng: Rng, *, spatial_shape: Shape, scale: tuple[float, float] = (0.6, 1.0), max_stretch: float = 0.0
) -> parameters.ResizedCrop:
    """Draw a box inside the image, as large a share of each axis up to a stretch.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the image, without channels.
        scale: Smallest and largest length of the box, as a share of the image, above 0.
        max_stretch: Largest change of each length besides: 0.1 lies between 1 / 1.1 and 1.1 times, within the image.

    Example:
        >>> draw = random_resized_crop(np.random.default_rng(0), spatial_shape=(8, 9), scale=(1.0, 1.0))
        >>> draw.start.tolist(), draw.size.tolist()
        ([0.0, 0.0], [8.0, 9.0])
    """
    size, (zooming, stretching, placing) = shape_and_rngs("random_resized_crop", rng, spatial_shape, count=3)
    low, high = _range_of_shares("random_resized_crop", "scale", scale)
    if low == 0:
        checks.invalid_value("random_resized_crop", "scale", "begin above 0", scale)
    most = np.log1p(non_negative_per_axis("random_resized_crop", "max_stretch", max_stretch, 1)[0])
    full, shape = np.asarray(size, dtype=np.float64), (len(size),)
    powers = _array.random_uniform(stretching, -most, most, shape)
    xp = _array.array_namespace(powers)
    shares = _array.random_uniform(zooming, low, high, ()) * xp.exp(powers)
    voxels = xp.minimum(shares, xp.ones_like(shares)) * full
    return parameters.ResizedCrop(_array.random_uniform(placing, 0.0, 1.0, shape) * (full - voxels), voxels)


def random_mixup(rng: Rng, *, lowest: float = 0.5) -> parameters.Mixup:
    """Draw how much of the first image there is in the mixture: uniform from `lowest` to 1.

    Args:
        rng: Source of randomness.
        lowest: The smallest weight, 0 to 1.

    Example:
        >>> float(random_mixup(np.random.default_rng(0), lowest=1.0).weight)
        1.0
    """
    (source,) = _array.split_rng("random_mixup", rng, 1)
    low, _ = _range_of_shares("random_mixup", "lowest", (checks.number("random_mixup", "lowest", lowest), 1.0))
    return parameters.Mixup(_array.random_uniform(source, low, 1.0, ()))


def random_carvemix(rng: Rng) -> parameters.CarveMix:
    """Draw how far from the border of lesions is carved: in half of the draws inside, down to half of their depth.

    The level is uniform from -1/2 to 0 or from 0 to 1, both equally likely, as in the publication of `carvemix`.

    Args:
        rng: Source of randomness.

    Example:
        >>> -0.5 <= float(random_carvemix(np.random.default_rng(0)).level) <= 1.0
        True
    """
    choosing, moving = _array.split_rng("random_carvemix", rng, 2)
    share = _array.random_uniform(moving, 0.0, 1.0, ())
    is_inside = _array.random_uniform(choosing, 0.0, 1.0, ()) < 0.5
    return parameters.CarveMix(_array.array_namespace(share).where(is_inside, -share / 2, share))


def random_labels_to_image(
    rng: Rng,
    *,
    spatial_shape: Shape,
    values: Labels | Iterable[int | tuple[int, ...]],
    contrasts: int = 1,
    mean: tuple[float, float] = (0.0, 1.0),
    sigma: tuple[float, float] = (0.0, 0.1),
) -> parameters.LabelsToImage:
    """Draw an intensity for every label: means and deviations are uniform, the noise of voxels is normal.

    Args:
        rng: Source of randomness.
        spatial_shape: Sizes of the spatial axes of the labels, without channels.
        values: The labels, as for `labels_to_image`.
        contrasts: Channels of the image.
        mean: Smallest and largest mean.
        sigma: Smallest and largest standard deviation.

    Example:
        >>> random_labels_to_image(np.random.default_rng(0), spatial_shape=(4, 5), values=(0, 1, 2)).mean.shape
        (3, 1)
    """
    name = "random_labels_to_image"
    size, (centring, widening, painting) = shape_and_rngs(name, rng, spatial_shape, count=3)
    count = len(label_sets(name, values))
    channels = checks.integer(name, "contrasts", contrasts, minimum=1)
    means, (least, most) = checks.float_tuple(name, "mean", mean), non_negative_range(name, "sigma", sigma)
    if len(means) != 2 or not -np.inf < means[0] <= means[1] < np.inf:
        checks.invalid_value(name, "mean", "be the smallest and the largest, in order", mean)
    centres = _array.random_uniform(centring, *means, (count, channels))
    sigmas = _array.random_uniform(widening, least, most, (count, channels))
    return parameters.LabelsToImage(centres, sigmas, _array.random_normal(painting, (*size, channels), 1.0))


def random_label_dilation(rng: Rng, *, max_radius: float = 2.0) -> parameters.LabelDilation:
    """Draw how far labels grow, in millimetres: uniform from 0 to `max_radius`.

    Args:
        rng: Source of randomness.
        max_radius: The largest radius.

    Example:
        >>> float(random_label_dilation(np.random.default_rng(0), max_radius=0.0).radius)
        0.0
    """
    (source,) = _array.split_rng("random_label_dilation", rng, 1)
    most = float(non_negative_per_axis("random_label_dilation", "max_radius", max_radius, 1)[0])
    return parameters.LabelDilation(_array.random_uniform(source, 0.0, most, ()))


def _range_of_shares(function: str, argument: str, value: tuple[float, float]) -> tuple[float, float]:
    """Return the smallest and the largest share of something, which are 1 at most."""
    low, high = non_negative_range(function, argument, value)
    if high > 1:
        checks.invalid_value(function, argument, "lie within 0 and 1", value)
    return low, high
