"""How far apart the boundaries of two structures are, in millimetres: Hausdorff and average distances.

Each metric takes `SurfaceDistances`, or the tuple of them that label maps give, or the pair `(prediction, reference)`
with the options of `surface_distances`. The result is a scalar; with labels it has one entry per label, and several
percentiles add a last axis. If one structure is empty, every distance is inf; if both are, it is NaN.
"""

import warnings
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels import nearest_points
from mia_functional.metrics._kernels.weighted_percentiles import distance_percentiles
from mia_functional.metrics.boundaries import counted_elements, solid
from mia_functional.metrics.inputs import paired_arrays, pairs_in_turn
from mia_functional.metrics.surface import SurfaceDistances, distances_of_pairs
from mia_functional.metrics.surface_reductions import (
    Direction,
    both_directions,
    from_distances,
    infinite_or_undefined,
    numbers_of_option,
    one_direction,
    weighted_mean,
)
from mia_functional.morphology.masks import common_box
from mia_functional.typing import Array, HostArray, Label, Labels, Spacing

__all__ = [
    "average_distance",
    "average_surface_distance",
    "average_symmetric_surface_distance",
    "hausdorff_distance",
    "mean_average_surface_distance",
]


@from_distances
def hausdorff_distance(
    distances: SurfaceDistances, *, percentile: float | Sequence[float] = 100.0, pooled: bool = False
) -> Array:
    """Return the Hausdorff distance (HD), or a percentile of it such as HD95.

    `HD_p = max(P_p(d(x), x in prediction), P_p(d(y), y in reference))`, with d the distance to the other surface and
    P_p the percentile: of areas the smallest distance that covers p percent of the area, of counted elements NumPy's
    linear rule.

    Args:
        distances: Surface distances, or the pair with `spacing`.
        percentile: 0 to 100, or several of them; between 0 and 1, where a share may be meant, it warns.
        pooled: One percentile of both directions together (medpy's rule) instead of the larger of the two.

    Returns:
        Millimetres, >= 0; lower is better. Several percentiles are the last axis.

    Undefined:
        One structure empty: inf. Both empty: NaN.

    Raises:
        ValueError: A percentile is not within 0 and 100; see `surface_distances` for the pair.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 0])
        >>> float(hausdorff_distance(one, other, spacing=(2.0,)))
        4.0

    Source:
        S. Nikolov et al., 2018, arXiv 1809.04430.

    Agrees with:
        DeepMind's surface-distance; with `boundary=voxels` MONAI and Metrics Reloaded, and medpy with `pooled=True`
        too.
    """
    checks.booleans("hausdorff_distance", pooled=pooled)
    percents = numbers_of_option("hausdorff_distance", "percentile", percentile, 100, "lie within 0 and 100")
    shares = [percent for percent in percents if 0 < percent < 1]
    if shares and not _array.in_bytecode():  # which `torch.compile` reads, and cannot make warnings a part of
        text = f"hausdorff_distance: `percentile` is in percent; {shares[0]:g} is nearly the minimum"
        warnings.warn(f"{text}, {100 * shares[0]:g} may be meant.", stacklevel=6)
    samples = both_directions(distances)
    xp = _array.array_namespace(*samples[0])
    if pooled:
        lengths, weights = zip(*samples, strict=True)
        values = distance_percentiles(xp.concat(lengths), xp.concat(weights), percents)
    else:
        values = xp.maximum(*(distance_percentiles(*sample, percents) for sample in samples))
    values = infinite_or_undefined(values, distances)
    return values if isinstance(percentile, Sequence) else values[0]


@from_distances
def average_symmetric_surface_distance(distances: SurfaceDistances) -> Array:
    """Return the average symmetric surface distance (ASSD): the mean distance of both surfaces together.

    `ASSD = (sum w(x) d(x) + sum w(y) d(y)) / (sum w(x) + sum w(y))`, x on the prediction, y on the reference, weights
    w.

    Args:
        distances: Surface distances, or the pair with `spacing`.

    Returns:
        Millimetres, >= 0; lower is better.

    Undefined:
        One structure empty: inf. Both empty: NaN.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 0])
        >>> float(average_symmetric_surface_distance(one, other, spacing=(2.0,)))
        2.0

    Source:
        T. Heimann et al., Comparison and evaluation of methods for liver segmentation, 2009,
        doi 10.1109/TMI.2009.2013851.

    Agrees with:
        With `boundary=voxels` medpy, MONAI and Metrics Reloaded.
    """
    return infinite_or_undefined(weighted_mean(*both_directions(distances)), distances)


@from_distances
def mean_average_surface_distance(distances: SurfaceDistances) -> Array:
    """Return the mean average surface distance (MASD): the mean of the two directed averages.

    `MASD = (mean of d over the prediction's surface + mean of d over the reference's surface) / 2`, weighted.

    Args:
        distances: Surface distances, or the pair with `spacing`.

    Returns:
        Millimetres, >= 0; lower is better.

    Undefined:
        One structure empty: inf. Both empty: NaN.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 0])
        >>> float(mean_average_surface_distance(one, other, spacing=(2.0,)))
        2.0

    Source:
        L. Maier-Hein et al., Metrics reloaded, 2024, doi 10.1038/s41592-023-02151-z.

    Agrees with:
        With `boundary=voxels` Metrics Reloaded.
    """
    forward, backward = both_directions(distances)
    return infinite_or_undefined((weighted_mean(forward) + weighted_mean(backward)) / 2, distances)


@from_distances
def average_surface_distance(distances: SurfaceDistances, *, direction: Direction = "prediction_to_reference") -> Array:
    """Return the directed average surface distance (ASD): the mean distance of one surface to the other.

    `ASD = sum w(x) d(x) / sum w(x)`, x on the surface that the direction starts from, weights w.

    Args:
        distances: Surface distances, or the pair with `spacing`.
        direction: From which surface to which.

    Returns:
        Millimetres, >= 0; lower is better.

    Undefined:
        One structure empty: inf. Both empty: NaN.

    Raises:
        ValueError: The direction is unknown; see `surface_distances` for the pair.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 0])
        >>> float(average_surface_distance(one, other, spacing=(2.0,), direction="reference_to_prediction"))
        2.0

    Source:
        S. Nikolov et al., 2018, arXiv 1809.04430.

    Agrees with:
        DeepMind's surface-distance, which gives NaN from an empty surface.
    """
    sample = one_direction("average_surface_distance", distances, direction)
    return infinite_or_undefined(weighted_mean(sample), distances)


@_array.one_node
def average_distance(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    ignore: Array | None = None,
) -> Array:
    """Return the average Hausdorff distance (AHD): the larger of the mean distances over all foreground voxels.

    `AVD = max(mean of d(x) over x in prediction, mean of d(y) over y in reference)`, with d the distance to the nearest
    voxel of the other structure; inner voxels count, so that the overlap adds zeros.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        ignore: Mask of the same shape: voxels of which it is not known what they are. As in `surface_distances`, they
            and those that share a face with one are left out of both structures.

    Returns:
        Millimetres, >= 0; lower is better. One entry per label.

    Undefined:
        One structure empty: inf. Both empty: NaN.

    Raises:
        TypeError: As `surface_distances`.
        ValueError: As `surface_distances`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 0])
        >>> float(average_distance(one, other, spacing=(2.0,)))
        1.5

    Source:
        A. A. Taha and A. Hanbury, 2015, doi 10.1186/s12880-015-0068-x.

    Differs from:
        ITK's `HausdorffDistanceImageFilter`, whose average is the mean of the two and not the larger.
    """
    name = "average_distance"
    others = () if ignore is None else paired_arrays(name, prediction, reference, mask=ignore, name="ignore")[2:]
    groups = pairs_in_turn(name, prediction, reference, labels, *others)
    step = checks.spacing(name, spacing, prediction.ndim)
    records = tuple(record for group in groups for record in _distances_of_voxels(group, step))
    return _larger_mean(records[0] if labels is None else records)


def _distances_of_voxels(pairs: tuple[tuple[Array, ...], ...], spacing: Spacing) -> tuple[SurfaceDistances, ...]:
    """Return the distances between all voxels of each pair of boolean masks."""
    # Programs need fixed shapes, so that all voxels take part; on the host those outside of the overlap do.
    if not all(_array.in_host_memory(mask) for pair in pairs for mask in pair):
        return distances_of_pairs(pairs, spacing=spacing, boundary=solid, method="auto")
    measure = partial(_distances_outside_overlap, spacing=spacing)
    return tuple(SurfaceDistances(*_array.call_on_host(measure, *pair, results=())) for pair in pairs)


def _distances_outside_overlap(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], *ignored: NDArray[np.bool_], spacing: Spacing
) -> tuple[HostArray, ...]:
    """Return the fields of `SurfaceDistances` between all voxels of two masks that touch no voxel that is ignored.

    The voxels that they share, nearly all of two similar masks, are at distance zero: they are one element, as heavy as
    their number, which leaves the mean as it is.
    """
    box = common_box(prediction, reference, margin=len(ignored))
    masks = [np.ascontiguousarray(mask[box]) for mask in (prediction, reference)]
    if ignored:
        codes = (counted_elements(solid(mask, spacing=spacing), ignored[0][box]).codes for mask in masks)
        masks = [_array.to_numpy(code) != 0 for code in codes]
    masks = [nearest_points.pad_for_search(mask, spacing) for mask in masks]
    shared = np.count_nonzero(masks[0] & masks[1])
    points = [np.flatnonzero(one & ~other) for one, other in (masks, masks[::-1])]
    search = partial(nearest_points.nearest_distances, spacing=spacing)
    distances = nearest_points.map_pair(search, *zip(points, masks[::-1], strict=True))
    weights = (np.append(np.ones(outside.size), shared) for outside in points)
    return *(np.append(lengths, 0.0) for lengths in distances), *weights


@from_distances
def _larger_mean(distances: SurfaceDistances) -> Array:
    """Return the larger of the two directed mean distances."""
    forward, backward = both_directions(distances)
    xp = _array.array_namespace(*forward)
    return infinite_or_undefined(xp.maximum(weighted_mean(forward), weighted_mean(backward)), distances)
