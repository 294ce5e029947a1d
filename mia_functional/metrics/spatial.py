"""Where the voxels of a structure lie: their number, centroid and covariance in millimetres, and distances of these.

All axes are spatial and `spacing[k]` is the distance between voxel centres along array axis k in millimetres; positions
are measured from the centre of the first voxel, unless `origin` says where that is.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_sets
from mia_functional.metrics.inputs import paired_arrays, structure_masks
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.morphology.masks import DIMENSIONS, bounding_box
from mia_functional.typing import Array, Label, Labels, Spacing

__all__ = [
    "PairedSpatialMoments",
    "SpatialMoments",
    "centroid_distance",
    "mahalanobis_distance",
    "paired_spatial_moments",
    "spatial_moments",
]

_FLAT = 16
"""How many machine epsilons of the variance along an axis a direction may have and still count as flat."""


class SpatialMoments(NamedTuple):
    """Moments of the positions of a structure's voxels; with labels, every field has a first axis of length L.

    Attributes:
        count: Number of voxels, as a float.
        mean: Centroid in millimetres, shape (..., D); the origin if there is no voxel.
        covariance: Mean product of the differences from the centroid in square millimetres, shape (..., D, D); 0 if
            there is no voxel.
    """

    # Hides the method `count` of tuples, which nobody calls on moments.
    count: Array  # type: ignore[assignment]
    mean: Array
    covariance: Array


class PairedSpatialMoments(NamedTuple):
    """The spatial moments of the prediction and of the reference."""

    prediction: SpatialMoments
    reference: SpatialMoments


@_array.one_node
def spatial_moments(
    mask: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    origin: Sequence[float] | None = None,
) -> SpatialMoments:
    """Measure where the voxels of a structure lie, from the exact counts of voxels per plane and line.

    Args:
        mask: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        origin: Position of the first voxel's centre in millimetres, 0 by default; for patches that are merged.

    Returns:
        Floats, the widest of the library.

    Raises:
        TypeError: The mask is not an array, or holds floats.
        ValueError: The array is empty or has more than three axes; a spacing is not positive; a mask holds values
            other than 0 and 1; a label is negative.

    Example:
        >>> import numpy as np
        >>> moments = spatial_moments(np.array([[0, 1, 1], [0, 0, 0]]), spacing=(3.0, 2.0))
        >>> float(moments.count), moments.mean.tolist(), moments.covariance.tolist()
        (2.0, [0.0, 3.0], [[0.0, 0.0], [0.0, 1.0]])
    """
    return _structure_moments("spatial_moments", "mask", mask, None, spacing=spacing, labels=labels, origin=origin)


@_array.one_node
def paired_spatial_moments(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    origin: Sequence[float] | None = None,
    mask: Array | None = None,
) -> PairedSpatialMoments:
    """Measure where the voxels of a structure lie in the prediction and in the reference.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        origin: Position of the first voxel's centre in millimetres, 0 by default; for patches that are merged.
        mask: Mask of the same shape; only voxels inside it count.

    Returns:
        The two records of `spatial_moments`.

    Raises:
        TypeError: An argument is not an array, or holds neither masks nor labels; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes differ; else as `spatial_moments`.

    Example:
        >>> import numpy as np
        >>> moments = paired_spatial_moments(np.array([1, 1, 0]), np.array([0, 1, 1]), spacing=(2.0,))
        >>> moments.prediction.mean.tolist(), moments.reference.mean.tolist()
        ([1.0], [3.0])
    """
    name = "paired_spatial_moments"
    prediction, reference, *inside = paired_arrays(name, prediction, reference, mask=mask)
    # An iterator of labels has to serve both.
    sets = None if labels is None else label_sets(name, labels, prediction, reference)
    counted = inside[0] if inside else None
    measure = partial(_structure_moments, spacing=spacing, labels=sets, origin=origin)
    return PairedSpatialMoments(
        measure(name, "prediction", prediction, counted), measure(name, "reference", reference, counted)
    )


def _structure_moments(
    function: str, argument: str, array: Array, counted: Array | None, *, spacing: Spacing,
    labels: Labels | Iterable[Label] | None, origin: Sequence[float] | None,
) -> SpatialMoments:  # fmt: skip
    """Return the moments of the structures of one array, of the voxels that count."""
    masks = structure_masks(function, argument, array, labels)
    checks.dimensions(function, argument, array.shape, DIMENSIONS)
    step = checks.spacing(function, spacing, array.ndim)
    first = (0.0,) * array.ndim if origin is None else checks.float_tuple(function, "origin", origin)
    if len(first) != array.ndim:
        checks.invalid_value(function, "origin", f"have {array.ndim} entries, one per axis", first)
    records = [_mask_moments(one if counted is None else one & counted, step, first) for one in masks]
    if labels is None:
        return records[0]
    xp = _array.array_namespace(array)
    return SpatialMoments(*(xp.stack(fields) for fields in zip(*records, strict=True)))


def _mask_moments(mask: Array, spacing: Spacing, origin: Spacing) -> SpatialMoments:
    """Return the moments of a boolean mask; of the box around it, if it lies in the host's memory."""
    if not _array.in_host_memory(mask):
        return SpatialMoments(*_array.jit_call(_box_moments, mask, spacing=spacing, origin=origin))
    xp = _array.array_namespace(mask)
    dtype = _array.widest_float(xp, mask)
    native = _array.to_numpy(mask)
    box = bounding_box(native)
    corner = tuple(first + side.start * step for first, side, step in zip(origin, box, spacing, strict=True))
    fields = _box_moments(native[box], spacing=spacing, origin=corner)
    return SpatialMoments(*(xp.astype(_array.from_numpy(_array.to_numpy(field), xp, mask), dtype) for field in fields))


def _box_moments(mask: Array, *, spacing: Spacing, origin: Spacing) -> SpatialMoments:
    """Return the moments of a boolean mask whose first voxel lies at `origin`."""
    xp = _array.array_namespace(mask)
    dtype = _array.widest_float(xp, mask)
    axes = range(mask.ndim)
    count = xp.astype(xp.count_nonzero(mask), dtype)

    def share(weighted: Array) -> Array:
        return _array.ratio(xp.sum(weighted), count, zero_division=0)

    # One pass over the voxels counts them per line along an axis; all moments follow from these exact counts.
    planes = {pair: _project(mask, pair) for pair in itertools.combinations(axes, 2)}
    profiles = [xp.astype(_profile(mask, planes, axis), dtype) for axis in axes]
    positions = [(xp.cumulative_sum(xp.ones_like(profiles[axis])) - 1) * spacing[axis] for axis in axes]
    means = [share(profile * position) for profile, position in zip(profiles, positions, strict=True)]
    apart = [position - mean for position, mean in zip(positions, means, strict=True)]
    entries = {(axis, axis): share(profiles[axis] * apart[axis] ** 2) for axis in axes}
    for (low, high), plane in planes.items():
        products = xp.astype(plane, dtype) * apart[low][:, None] * apart[high][None, :]
        entries[low, high] = entries[high, low] = share(products)
    rows = [xp.stack([entries[row, column] for column in axes]) for row in axes]
    centroid = xp.stack([mean + first for mean, first in zip(means, origin, strict=True)])
    return SpatialMoments(count, centroid, xp.stack(rows))


def _project(mask: Array, kept: tuple[int, int]) -> Array:
    """Return the number of voxels along the axis that is not one of two, if there is one."""
    xp = _array.array_namespace(mask)
    projected = [axis for axis in range(mask.ndim) if axis not in kept]
    if not projected:
        return xp.astype(mask, xp.uint8)
    if not _array.is_numpy(mask):
        return xp.count_nonzero(mask, axis=projected[0])
    layers = np.moveaxis(_array.to_numpy(mask), projected[0], 0).view(np.uint8)
    counts = np.zeros(layers.shape[1:], dtype=np.int64)
    # NumPy adds bytes in vector code; 255 layers are the most that cannot overflow one.
    for start in range(0, len(layers), 255):
        counts += np.add.reduce(layers[start : start + 255], axis=0, dtype=np.uint8)
    return counts


def _profile(mask: Array, planes: dict[tuple[int, int], Array], axis: int) -> Array:
    """Return the number of voxels in each layer along an axis, from the numbers along the lines of a plane."""
    xp = _array.array_namespace(mask)
    for pair, plane in planes.items():
        if axis in pair:
            return xp.sum(plane, axis=1 - pair.index(axis))
    return xp.astype(mask, xp.uint8)


_from_spatial_moments = derived_from(paired_spatial_moments, PairedSpatialMoments)


@_from_spatial_moments
def centroid_distance(moments: PairedSpatialMoments) -> Array:
    """Return the Euclidean distance between the centroids of two structures (centre of mass distance).

    Formula: |mean_P - mean_R|.

    Args:
        moments: Spatial moments, or the pair with the options of `paired_spatial_moments`.

    Returns:
        Millimetres, at least 0; lower is better. One entry per label.

    Undefined:
        One mask empty: inf. Both empty: NaN.

    Example:
        >>> import numpy as np
        >>> float(centroid_distance(np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1]), spacing=(2.0,)))
        4.0

    Source:
        Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    one, other = moments
    xp = _array.array_namespace(one.mean)
    return _defined(_array.root(xp.sum((one.mean - other.mean) ** 2, axis=-1)), moments)


@_from_spatial_moments
def mahalanobis_distance(moments: PairedSpatialMoments) -> Array:
    """Return the Mahalanobis distance between the centroids of two structures, with their pooled covariance.

    Formula: sqrt(d^T S^-1 d) with d = mean_P - mean_R and S = (n_P S_P + n_R S_R) / (n_P + n_R), where the n are the
    numbers of voxels and the S their sample covariances.

    Args:
        moments: Spatial moments, or the pair with the options of `paired_spatial_moments`.

    Returns:
        Number without unit, at least 0, the same for every spacing; lower is better. One entry per label.

    Undefined:
        One mask empty: inf. Both empty, or a structure of one voxel, or both structures flat along one direction: NaN.

    Example:
        >>> import numpy as np
        >>> one = np.array([[1, 1, 0, 0], [1, 1, 0, 0]])
        >>> round(float(mahalanobis_distance(one, one[:, ::-1], spacing=(1.0, 1.0))), 6)
        3.464102

    Source:
        Mahalanobis 1936; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.
    """
    one, other = moments
    xp = _array.array_namespace(one.count)
    scatters = [
        (record.count * _array.ratio(record.count, record.count - 1))[..., None, None] * record.covariance
        for record in moments
    ]
    total = (one.count + other.count)[..., None, None] + xp.zeros_like(scatters[0])
    pooled = _array.ratio(scatters[0] + scatters[1], total)
    return _defined(_array.root(_inverse_form(pooled, one.mean - other.mean)), moments)


def _inverse_form(matrix: Array, vector: Array) -> Array:
    """Return v^T M^-1 v of a covariance by elimination; NaN where a direction has no variance of its own."""
    xp = _array.array_namespace(matrix)
    size = vector.shape[-1]
    limit = _FLAT * float(xp.finfo(matrix.dtype).eps)
    rows = [[matrix[..., row, column] for column in range(size)] + [vector[..., row]] for row in range(size)]
    total = xp.zeros_like(rows[0][-1])
    # Written out: the standard has no batched solver, and libraries raise or warn for singular matrices.
    for step in range(size):
        pivot = rows[step][step]
        pivot = xp.where(pivot > limit * matrix[..., step, step], pivot, math.nan)
        for row in range(step + 1, size):
            factor = rows[row][step] / pivot
            rows[row] = [entry - factor * above for entry, above in zip(rows[row], rows[step], strict=True)]
        total = total + rows[step][-1] ** 2 / pivot
    return total


def _defined(distance: Array, moments: PairedSpatialMoments) -> Array:
    """Return a distance, or inf where one structure is empty, or NaN where both are."""
    xp = _array.array_namespace(distance)
    prediction, reference = (record.count > 0 for record in moments)
    distance = xp.where(prediction & reference, distance, math.inf)
    return xp.where(prediction | reference, distance, math.nan)
