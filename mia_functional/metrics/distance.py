"""How far apart the boundaries of two structures are, in millimetres: Hausdorff and average distances.

Each metric takes `SurfaceDistances`, or the tuple of them that label maps give, or the pair `(prediction, reference)`
with the options of `surface_distances`. The result is a scalar; with labels it has one entry per label, and several
percentiles add a last axis. If one structure is empty, every distance is inf; if both are, it is NaN.
"""

import functools
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels import nearest_points
from mia_functional.metrics._kernels.weighted_percentiles import percentiles
from mia_functional.metrics.boundaries import solid
from mia_functional.metrics.inputs import pairs_in_turn
from mia_functional.metrics.surface import SurfaceDistances, surface_distances
from mia_functional.metrics.surface_reductions import (
    Direction,
    defined,
    directed,
    directions,
    from_distances,
    mean,
    one_or_all,
    pool,
    several,
)
from mia_functional.morphology.masks import DIMENSIONS, common_box
from mia_functional.typing import Array, Label, Labels, Spacing


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
        percentile: 0 to 100, or several of them.
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
    percents = several(percentile)
    for percent in percents:
        if not 0 <= percent <= 100:
            checks.invalid_value("hausdorff_distance", "percentile", "lie within 0 and 100", percent)
    samples = (pool(distances),) if pooled else directions(distances)
    values = [percentiles(*sample, percents) for sample in samples]
    larger = functools.reduce(_array.array_namespace(*values).maximum, values)
    return one_or_all(percentile, defined(larger, distances))


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
    return defined(mean(*directions(distances)), distances)


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
    forward, backward = directions(distances)
    return defined((mean(forward) + mean(backward)) / 2, distances)


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
    return defined(mean(directed("average_surface_distance", distances, direction)), distances)


def average_distance(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
) -> Array:
    """Return the average Hausdorff distance (AHD): the larger of the mean distances over all foreground voxels.

    `AVD = max(mean of d(x) over x in prediction, mean of d(y) over y in reference)`, with d the distance to the nearest
    voxel of the other structure; inner voxels count, so that the overlap adds zeros.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.

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
    if not (_array.in_host_memory(prediction) and _array.in_host_memory(reference)):
        with checks.speaking_for(name, "surface_distances"):
            records = surface_distances(prediction, reference, spacing=spacing, labels=labels, boundary=solid)
        return _larger_mean(records)
    groups = pairs_in_turn(name, prediction, reference, labels)
    checks.dimensions(name, "prediction", prediction.shape, DIMENSIONS)
    find = partial(_outside_each_other, spacing=checks.spacing(name, spacing, prediction.ndim))
    calls = (_array.call_on_host(find, *pair, results=()) for group in groups for pair in group)
    found = tuple(SurfaceDistances(*call) for call in calls)
    return _larger_mean(found[0] if labels is None else found)


def _outside_each_other(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], *, spacing: Spacing
) -> tuple[NDArray[Any], ...]:
    """Return the fields of `SurfaceDistances` between voxels; what they share is one heavy element."""
    box = common_box(prediction, reference)
    masks = [nearest_points.pad(mask[box], spacing) for mask in (prediction, reference)]
    shared = np.count_nonzero(masks[0] & masks[1])
    points = [np.flatnonzero(one & ~other) for one, other in (masks, masks[::-1])]
    distances = nearest_points.both(
        partial(nearest_points.nearest, spacing=spacing), *zip(points, masks[::-1], strict=True)
    )
    weights = (np.ones(found.size) for found in points)
    return *(np.append(found, 0.0) for found in distances), *(np.append(mass, shared) for mass in weights)


@from_distances
def _larger_mean(distances: SurfaceDistances) -> Array:
    """Return the larger of the two directed mean distances."""
    forward, backward = directions(distances)
    xp = _array.array_namespace(*forward)
    return defined(xp.maximum(mean(forward), mean(backward)), distances)
