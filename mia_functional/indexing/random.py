"""Random patches: anywhere in a volume, or around voxels that are drawn from a mask, weights or labels."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.indexing.boundaries import FITTING_RULES, BoundaryRule, shift
from mia_functional.indexing.records import Boxes, patches_at
from mia_functional.typing import HostArray, Shape, Sliceable

__all__ = ["random_patches", "random_patches_at"]

_Planes: TypeAlias = Callable[[int], HostArray]
"""From the position of a plane: the weights of its voxels, flat."""


def random_patches(
    rng: "np.random.Generator", shape: Shape, patch_shape: Shape, *, count: int, boundary: BoundaryRule = shift
) -> Boxes:
    """Return the indices of patches anywhere in a volume, all positions equally likely (random crops).

    Args:
        rng: Source of randomness; the same state gives the same patches.
        shape: Spatial shape of the volume.
        patch_shape: Voxels of a patch along each axis.
        count: Number of patches.
        boundary: What happens where the patch is larger than the volume, as for `patches`: `shift` raises an error,
            `clip` cuts it to the volume, `overhang` lets it reach over the end, for `extraction.extract` to pad.

    Raises:
        TypeError: `rng` is not a NumPy generator.
        ValueError: The patch does not fit into the volume.

    Example:
        >>> [index[0] for index in random_patches(np.random.default_rng(0), (9,), (9,), count=2)]
        [slice(0, 9, None), slice(0, 9, None)]
        >>> from mia_functional.indexing import overhang
        >>> list(random_patches(np.random.default_rng(0), (9,), (12,), count=1, boundary=overhang))
        [(slice(0, 12, None),)]
    """
    size = checks.integer_tuple("random_patches", "shape", shape, minimum=1)
    first, last, extent = _start_ranges("random_patches", rng, size, patch_shape, boundary)
    number = checks.integer("random_patches", "count", count, minimum=0)
    return patches_at(rng.integers(first, last, size=(number, len(size)), endpoint=True), extent)


def random_patches_at(
    rng: "np.random.Generator",
    mask_or_weights: Sliceable,
    patch_shape: Shape,
    *,
    count: int,
    shares: Mapping[int, float] | None = None,
    boundary: BoundaryRule = shift,
) -> Boxes:
    """Return the indices of patches around voxels drawn from a mask, weights or labels (foreground, class-balanced).

    A voxel is drawn with a probability in proportion to its weight, and becomes the middle (`size // 2`) of the patch,
    which is moved inside where it would cross the border. With `shares` the label is drawn first and then one of its
    voxels, all equally likely, so that rare structures are seen as often as asked for. The volume is read plane by
    plane: an h5py dataset need not fit into memory, and there is no volume of probabilities.

    Args:
        rng: Source of randomness; the same state gives the same patches.
        mask_or_weights: `(*spatial,)` or `(*spatial, 1)`: a mask, weights >= 0, or, with `shares`, labels.
        patch_shape: Voxels of a patch along each axis.
        count: Number of patches.
        shares: Labels, and how often each is drawn relative to the others; a label that is absent from this volume
            leaves its share to the rest.
        boundary: What happens where the patch is larger than the volume, as for `random_patches`.

    Raises:
        TypeError: `rng` is not a NumPy generator.
        ValueError: The patch does not fit, no voxel has weight (no label is present), or weights are negative or NaN.

    Example:
        >>> mask = np.arange(9) % 4 == 0
        >>> sorted({index[0].start for index in random_patches_at(np.random.default_rng(0), mask, (3,), count=50)})
        [0, 3, 6]
    """
    checks.require_shape("random_patches_at", "mask_or_weights", mask_or_weights)
    patch = checks.integer_tuple("random_patches_at", "patch_shape", patch_shape, minimum=1)
    size = tuple(mask_or_weights.shape[: len(patch)])
    first, last, extent = _start_ranges("random_patches_at", rng, size, patch_shape, boundary)
    if tuple(mask_or_weights.shape[len(size) :]) not in ((), (1,)):
        needed = f"have {len(size)} axes, or one channel besides"
        checks.invalid_value("random_patches_at", "mask_or_weights", needed, f"shape {tuple(mask_or_weights.shape)}")
    number = checks.integer("random_patches_at", "count", count, minimum=0)

    def plane_of(position: int) -> HostArray:
        # A line has no planes: it is read as one.
        plane = mask_or_weights[...] if len(size) == 1 else mask_or_weights[position, ...]
        return _array.to_numpy(plane).reshape(-1)

    if shares is not None:
        centres = _draw_by_label(rng, plane_of, size, number, shares)
    else:
        sums = _plane_sums(plane_of, size)
        if not sums.sum() > 0:
            checks.invalid_value("random_patches_at", "mask_or_weights", "hold a voxel with weight", "none")
        centres = _draw_voxels(rng, plane_of, size, sums, number)
    return patches_at(np.clip(centres - np.floor_divide(extent, 2), first, last), extent)


def _start_ranges(
    function: str, rng: "np.random.Generator", size: Shape, patch_shape: Shape, boundary: BoundaryRule
) -> tuple[Shape, Shape, Shape]:
    """Return the first and the last start of patches along each axis, and the voxels of a patch."""
    checks.require_instance(function, "rng", rng, np.random.Generator, "a numpy.random.Generator")
    checks.require_callable(function, "boundary", boundary, "`shift`")
    patch = checks.integer_tuple(function, "patch_shape", patch_shape, length=len(size), minimum=1)
    axes = [boundary(room, voxels, 1) for room, voxels in zip(size, patch, strict=True)]
    if () in axes:
        needed = f"fit into the volume, {size}, or `boundary` be {FITTING_RULES}"
        checks.invalid_value(function, "patch_shape", needed, patch)
    extent = tuple(stop - start for (start, stop), *_ in axes)
    return tuple(axis[0][0] for axis in axes), tuple(axis[-1][0] for axis in axes), extent


def _draw_by_label(
    rng: "np.random.Generator", labels_of: _Planes, size: Shape, count: int, shares: Mapping[int, float]
) -> HostArray:
    """Return voxels `(count, axes)`: for each the label is drawn first, then one of the voxels that have it."""
    checks.require_instance("random_patches_at", "shares", shares, Mapping, "a mapping from labels to numbers")
    masks = [lambda position, label=label: labels_of(position) == label for label in shares]
    sums = [_plane_sums(mask, size) for mask in masks]
    wanted = np.array([checks.number("random_patches_at", "shares", share) for share in shares.values()])
    probabilities = np.where([total.sum() > 0 for total in sums], wanted, 0.0)
    if not (np.isfinite(wanted).all() and (wanted >= 0).all() and probabilities.sum() > 0):
        needed = "be finite, not negative, and positive for a label that is present"
        checks.invalid_value("random_patches_at", "shares", needed, dict(shares))
    drawn = rng.choice(len(masks), size=count, p=probabilities / probabilities.sum())
    voxels = np.empty((count, len(size)), dtype=np.int64)
    for number, (mask, total) in enumerate(zip(masks, sums, strict=True)):
        rows = drawn == number
        voxels[rows] = _draw_voxels(rng, mask, size, total, int(rows.sum()))
    return voxels


def _plane_sums(weights_of: _Planes, size: Shape) -> HostArray:
    """Return the weight of every plane along the first axis; raise unless all weights are finite and not negative."""
    sums = np.zeros(1 if len(size) == 1 else size[0])
    for position in range(len(sums)):
        weights = weights_of(position)
        sums[position] = weights.sum(dtype=np.float64)
        if not (np.isfinite(sums[position]) and weights.min() >= 0):
            checks.invalid_value("random_patches_at", "mask_or_weights", "be finite and not negative", "other weights")
    return sums


def _draw_voxels(
    rng: "np.random.Generator", weights_of: _Planes, size: Shape, sums: HostArray, count: int
) -> HostArray:
    """Return voxels `(count, axes)` drawn in proportion to their weights: first the plane, then the voxel in it."""
    flat = np.empty(count, dtype=np.int64)
    planes = _draw_positions(rng, sums, count)
    # Every plane with a draw is read once more: two passes over a file, but only one plane in memory.
    for plane in np.unique(planes).tolist():
        rows = planes == plane
        flat[rows] = _draw_positions(rng, weights_of(plane), int(rows.sum()))
    if len(size) == 1:
        return flat[:, np.newaxis]
    return np.stack([planes, *np.unravel_index(flat, size[1:])], axis=1)


def _draw_positions(rng: "np.random.Generator", weights: HostArray, count: int) -> HostArray:
    """Return positions drawn in proportion to their weights."""
    if not count:
        return np.zeros(0, dtype=np.int64)
    sums = weights.cumsum(dtype=np.float64)
    # `side="right"` skips positions without weight: their cumulative sum equals the one before.
    positions: HostArray = sums.searchsorted(rng.random(count) * sums[-1], side="right")
    return positions
