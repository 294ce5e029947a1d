"""What share of the boundaries of two structures agrees within a tolerance.

The metrics of surfaces take `SurfaceDistances`, or the tuple of them that label maps give, or the pair `(prediction,
reference)` with the options of `surface_distances`. The result is a scalar; with labels it has one entry per label, and
several tolerances add a last axis. A distance is within a tolerance if `d <= tolerance * (1 + 4 eps)`.
"""

import functools
import math
import operator
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels import nearest_points
from mia_functional.metrics.inputs import paired_arrays, pairs_in_turn
from mia_functional.metrics.surface import SurfaceDistances
from mia_functional.metrics.surface_reductions import (
    TOLERANCE_SLACK,
    Direction,
    both_directions,
    from_distances,
    one_direction,
    share_within,
)
from mia_functional.morphology.masks import common_box, distance_transform, pad_mask
from mia_functional.typing import Array, Label, Labels, Spacing

__all__ = ["boundary_iou", "normalized_surface_dice", "surface_overlap"]

_MAX_SHIFTS = 200
"""About how many shifts of a mask are faster than a distance transform of it."""


@from_distances
def surface_overlap(
    distances: SurfaceDistances,
    *,
    tolerance: float | Sequence[float] = 1.0,
    direction: Direction = "prediction_to_reference",
    zero_division: float = math.nan,
) -> Array:
    """Return the share of one surface that lies within a tolerance of the other (surface overlap).

    `overlap = sum w(x) [d(x) <= tolerance] / sum w(x)`, x on the surface that the direction starts from, weights w.

    Args:
        distances: Surface distances, or the pair with `spacing`.
        tolerance: Millimetres, or several such; a rounding error is forgiven.
        direction: From which surface to which.
        zero_division: The value for a surface that is empty.

    Returns:
        0 to 1; higher is better. Several tolerances are the last axis.

    Undefined:
        The surface that the direction starts from is empty: NaN, or `zero_division`.

    Raises:
        ValueError: A tolerance is negative or not finite, or the direction is unknown; see `surface_distances` for the
            pair.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 0])
        >>> float(surface_overlap(one, other, spacing=(2.0,), tolerance=3.0))
        0.5

    Source:
        S. Nikolov et al., 2018, arXiv 1809.04430.

    Agrees with:
        DeepMind's surface-distance.
    """
    name = "surface_overlap"
    return share_within(name, [one_direction(name, distances, direction)], tolerance, zero_division)


@from_distances
def normalized_surface_dice(
    distances: SurfaceDistances, *, tolerance: float | Sequence[float] = 1.0, zero_division: float = math.nan
) -> Array:
    """Return the share of both surfaces that lies within a tolerance of the other (NSD, surface Dice).

    `NSD = (sum w(x) [d(x) <= tolerance] + sum w(y) [d(y) <= tolerance]) / (sum w(x) + sum w(y))`, x on the
    prediction, y on the reference, weights w.

    Args:
        distances: Surface distances, or the pair with `spacing`.
        tolerance: Millimetres, or several such; a rounding error is forgiven.
        zero_division: The value where both structures are empty.

    Returns:
        0 to 1; higher is better. Several tolerances are the last axis.

    Undefined:
        Both structures empty: NaN, or `zero_division`. One empty: 0.

    Raises:
        ValueError: A tolerance is negative or not finite; see `surface_distances` for the pair.

    Example:
        >>> import numpy as np
        >>> square = np.zeros((9, 12), dtype=bool)
        >>> square[2:7, 2:7] = True
        >>> round(float(normalized_surface_dice(square, np.roll(square, 3, axis=1), spacing=(1.0, 1.0))), 6)
        0.5

    Source:
        S. Nikolov et al., 2018, arXiv 1809.04430.

    Agrees with:
        DeepMind's surface-distance; with `boundary=voxels` MONAI and Metrics Reloaded.
    """
    return share_within("normalized_surface_dice", both_directions(distances), tolerance, zero_division)


@_array.one_node
def boundary_iou(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    width: float = 1.0,
    labels: Labels | Iterable[Label] | None = None,
    ignore: Array | None = None,
    zero_division: float = math.nan,
) -> Array:
    """Return the boundary IoU: the Jaccard index of the two bands along the insides of the boundaries.

    `BIoU = |B(P) and B(R)| / |B(P) or B(R)|`, where B(M) are the voxels of M whose centre is at most `width` from the
    centre of a voxel outside of M. What lies beyond the image counts as outside.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        width: Width of the band in millimetres; 1 with 1 mm spacing is the border of one voxel.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        ignore: Mask of the same shape: voxels of which it is not known what they are. As in `surface_distances`, they
            are neither error nor boundary: they belong to no band, and that one of them is near makes no other voxel
            part of a band, as it need not be outside of M.
        zero_division: The value where both bands are empty.

    Returns:
        0 to 1; higher is better. One entry per label.

    Undefined:
        Both bands empty: NaN, or `zero_division`.

    Raises:
        TypeError: An argument is not an array or holds floats; arrays of two libraries other than NumPy, or of two
            devices, meet.
        ValueError: The shapes differ, are empty or have more than three axes; a spacing or the width is not positive; a
            mask holds other values than 0 and 1; a label is negative.

    Example:
        >>> import numpy as np
        >>> square = np.zeros((7, 8), dtype=bool)
        >>> square[1:6, 1:6] = True
        >>> round(float(boundary_iou(square, np.roll(square, 1, axis=1), spacing=(1.0, 1.0))), 6)
        0.333333

    Source:
        B. Cheng et al., Boundary IoU: improving object-centric image segmentation evaluation, 2021, arXiv 2103.16562.
    """
    name = "boundary_iou"
    width = checks.positive(name, "width", width)
    others = () if ignore is None else paired_arrays(name, prediction, reference, mask=ignore, name="ignore")[2:]
    groups = pairs_in_turn(name, prediction, reference, labels, *others)
    measure = partial(_overlap_of_bands, spacing=checks.spacing(name, spacing, prediction.ndim), width=width)
    values = [_array.ratio(*measure(*pair), zero_division=zero_division) for group in groups for pair in group]
    return values[0] if labels is None else _array.array_namespace(*values).stack(values)


def _overlap_of_bands(*masks: Array, spacing: Spacing, width: float) -> tuple[Array, Array]:
    """Return how many voxels the bands of two boolean masks share, and how many they have together.

    Behind the two there may be the mask of voxels that are ignored.
    """
    xp = _array.array_namespace(masks[0])
    if all(map(_array.in_host_memory, masks)):
        on_host = partial(_band_counts_on_host, spacing=spacing, width=width)
        counts = _array.call_on_host(on_host, *masks, results=())
    else:
        counts = _array.jit_call(_band_counts, *masks, spacing=spacing, width=width)
    dtype = _array.widest_float(xp, masks[0])
    return xp.astype(counts[0], dtype), xp.astype(counts[1], dtype)


def _band_counts(
    prediction: Array, reference: Array, *ignored: Array, spacing: Spacing, width: float
) -> tuple[Array, Array]:
    """Return the numbers of voxels in both and in either of the bands of two masks, by a distance transform of each."""
    xp = _array.array_namespace(prediction, reference)
    bands = []
    for mask in (prediction, reference):
        # What is ignored need not be outside, and what lies beyond the image counts as outside.
        solid = pad_mask(functools.reduce(operator.or_, ignored, mask), 1)
        # Depths above the cap do not matter; twice the width keeps the cap clear of rounding at the width.
        depth = distance_transform(~solid, spacing=spacing, cap=2 * width)
        bands.append(solid & (depth <= width * (1 + TOLERANCE_SLACK * float(xp.finfo(depth.dtype).eps))))
    return _counts_of_bands(*bands, *(pad_mask(mask, 1) for mask in ignored))


def _band_counts_on_host(*masks: NDArray[np.bool_], spacing: Spacing, width: float) -> tuple[Any, ...]:
    """Return what `_band_counts` does, from the box around all masks; narrow bands by shifts of the masks."""
    box = common_box(*masks)
    cropped = [np.ascontiguousarray(mask[box]) for mask in masks]
    limit = width * (1 + TOLERANCE_SLACK * sys.float_info.epsilon)
    if nearest_points.ball_size(spacing, limit) > _MAX_SHIFTS:
        return _band_counts(cropped[0], cropped[1], *cropped[2:], spacing=spacing, width=width)
    offsets = nearest_points.ball_offsets(spacing, limit)
    bands = [_band_by_shifts(functools.reduce(operator.or_, cropped[2:], mask), offsets) for mask in cropped[:2]]
    reach = tuple(np.max(offsets, axis=0).tolist())
    return _counts_of_bands(*bands, *(nearest_points.pad_zeros(mask, reach) for mask in cropped[2:]))


def _counts_of_bands(one: Array, other: Array, *ignored: Array) -> tuple[Array, Array]:
    """Return the numbers of voxels in both and in either of two bands, without those that are ignored."""
    xp = _array.array_namespace(one, other)
    for mask in ignored:
        one, other = one & ~mask, other & ~mask
    return xp.count_nonzero(one & other), xp.count_nonzero(one | other)


def _band_by_shifts(mask: NDArray[np.bool_], offsets: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return the voxels of a mask that some offset leads out of, with a margin around them."""
    padded = nearest_points.pad_zeros(mask, tuple(np.max(offsets, axis=0).tolist()))
    inner: NDArray[np.bool_] = padded.copy()
    # A margin as wide as the offsets lets all lines be shifted as one: what runs over the end of a line is outside.
    for shift in (offsets @ np.array(padded.strides)).tolist():
        # The offsets are symmetric, so each positive shift stands for its opposite as well.
        if shift > 0:
            inner.reshape(-1)[:-shift] &= padded.reshape(-1)[shift:]
            inner.reshape(-1)[shift:] &= padded.reshape(-1)[:-shift]
    inner ^= padded
    return inner
