"""Distances between the surfaces of two structures: the statistic of every boundary metric.

All axes are spatial, one to three of them, and `spacing[k]` is the distance between voxel centres along array axis k
in millimetres. What the surface of a mask consists of is a convention, chosen by a function: `surfels`, `voxels` or
`solid`.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels import nearest_points
from mia_functional.metrics.boundaries import Boundary, surfels
from mia_functional.metrics.inputs import pairs_in_turn
from mia_functional.morphology.euclidean import METHODS, Method, nearest_squared_distances
from mia_functional.morphology.masks import DIMENSIONS, common_box
from mia_functional.typing import Array, Label, Labels, Spacing

NAME = "surface_distances"
"""The function that messages name."""


class SurfaceDistances(NamedTuple):
    """How far each element of one surface is from the other surface, in millimetres, and how much the element weighs.

    Outside of `jit` the arrays have one entry per element. Under `jit` they have one entry per grid point, and the
    weight is zero where there is no element. Weights are areas (lengths in 2-D), or booleans where elements are
    merely counted; percentiles of counted elements are interpolated, those of areas are not.
    """

    prediction_to_reference: Array
    reference_to_prediction: Array
    prediction_weights: Array
    reference_weights: Array


class _Elements(NamedTuple):
    """The elements of a surface: flat indices into a grid with a margin, the grid that has them, and their weights."""

    points: NDArray[np.intp]
    surface: NDArray[np.bool_]
    weights: NDArray[Any]


@overload
def surface_distances(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: None = None,
    boundary: Boundary = surfels,
    method: Method = "auto",
) -> SurfaceDistances: ...


@overload
def surface_distances(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label],
    boundary: Boundary = surfels,
    method: Method = "auto",
) -> tuple[SurfaceDistances, ...]: ...


def surface_distances(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    boundary: Boundary = surfels,
    method: Method = "auto",
) -> SurfaceDistances | tuple[SurfaceDistances, ...]:
    """Measure how far each element of either surface is from the other surface.

    `d(x) = min over y in the other surface of |x - y|` for every element x, in both directions.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        boundary: What the surface is: `surfels`, `voxels`, `solid`, or a function that returns `Elements` like them
            and may be called from two threads at once.
        method: "auto" takes the fastest exact code for the arrays; "host" computes on the host, which a program under
            `jit` on the CPU calls back. Large volumes take two threads there.

    Returns:
        Distances in millimetres and weights; with `labels`, a tuple of such records, one per label.

    Undefined:
        One surface is empty: the distances to it are inf.

    Raises:
        TypeError: An array is no array or holds floats; the arrays belong to different libraries or devices.
        ValueError: The shapes differ, are empty or have more than three axes; a spacing is not positive; a mask holds
            other values than 0 and 1; a label is negative; the method is unknown.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 0, 0]), np.array([1, 1, 1, 1, 0])
        >>> surface_distances(one, other, spacing=(2.0,)).reference_to_prediction.tolist()
        [0.0, 4.0]

    Agrees with:
        DeepMind's surface-distance (`surfels`); the borders of medpy and MONAI (`voxels`).
    """
    checks.one_of(NAME, "method", method, METHODS)
    measure = partial(_measure, spacing=spacing, boundary=boundary, method=method)
    groups = pairs_in_turn(NAME, prediction, reference, labels)
    records = tuple(record for group in groups for record in measure(group))
    return records[0] if labels is None else records


def _measure(
    masks: tuple[tuple[Array, Array], ...], *, spacing: Spacing, boundary: Boundary, method: Method
) -> tuple[SurfaceDistances, ...]:
    """Return the distances between the surfaces of each pair of boolean masks."""
    arrays = [mask for pair in masks for mask in pair]
    checks.dimensions(NAME, "prediction", arrays[0].shape, DIMENSIONS)
    step = checks.spacing(NAME, spacing, arrays[0].ndim)
    if method == "auto" and not all(map(_array.in_host_memory, arrays)):
        records: tuple[SurfaceDistances, ...]
        records = _array.jit_call(_all_on_device, *arrays, spacing=step, boundary=boundary)
        return records
    return tuple(_call_host(*pair, step, boundary) for pair in masks)


def _call_host(prediction: Array, reference: Array, spacing: Spacing, boundary: Boundary) -> SurfaceDistances:
    """Return the distances that the host finds."""
    options: dict[str, Any] = {"spacing": spacing, "boundary": boundary}
    if _array.is_traced(prediction) or _array.is_traced(reference):
        return SurfaceDistances(*_array.jit_call(_call_back, prediction, reference, **options))
    return SurfaceDistances(*_array.call_on_host(partial(_on_host, **options), prediction, reference, results=()))


def _call_back(prediction: Array, reference: Array, *, spacing: Spacing, boundary: Boundary) -> tuple[Array, ...]:
    """Return the distances that the host finds for a traced pair; they fill the front of arrays of a fixed shape."""
    fixed = _array.eval_shape(lambda mask: _on_device(mask, mask, spacing, boundary), prediction)

    def find_fixed(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
        found = _on_host(prediction, reference, spacing=spacing, boundary=boundary)
        filled = tuple(np.zeros(field.shape, field.dtype) for field in fixed)
        for array, field in zip(filled, found, strict=True):
            array.reshape(-1)[: field.size] = field
        return filled

    return _array.call_on_host(find_fixed, prediction, reference, results=fixed)


def _all_on_device(*masks: Array, spacing: Spacing, boundary: Boundary) -> tuple[SurfaceDistances, ...]:
    """Return the distances between the surfaces of masks that follow each other in pairs."""
    pairs_of_masks = tuple(zip(masks[::2], masks[1::2], strict=True))
    return _array.map_rows(lambda one, other: _on_device(one, other, spacing, boundary), pairs_of_masks)


def _on_device(prediction: Array, reference: Array, spacing: Spacing, boundary: Boundary) -> SurfaceDistances:
    """Return one distance and one weight per grid point; nothing depends on the values of the masks."""
    xp = _array.array_namespace(prediction)
    elements = [boundary(mask, spacing=spacing) for mask in (prediction, reference)]
    surfaces = [codes != 0 for codes, _ in elements]
    squares = [nearest_squared_distances(one, other, spacing=spacing) for one, other in (surfaces, surfaces[::-1])]
    weights = []
    for codes, table in elements:
        known = _array.from_numpy(table, xp, codes)
        known = known if table.dtype == np.bool_ else xp.astype(known, squares[0].dtype)
        taken = xp.take(known, xp.astype(xp.reshape(codes, (-1,)), xp.int32), axis=0)
        weights.append(xp.reshape(taken, codes.shape))
    return SurfaceDistances(xp.sqrt(squares[1]), xp.sqrt(squares[0]), *weights)


def _on_host(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], *, spacing: Spacing, boundary: Boundary
) -> SurfaceDistances:
    """Return one distance and one weight per element, from the box around both masks."""
    box = common_box(prediction, reference)
    elements = partial(_host_elements, spacing=spacing, boundary=boundary)
    one, other = nearest_points.both(elements, (prediction[box],), (reference[box],))
    search = partial(nearest_points.nearest, spacing=spacing)
    distances = nearest_points.both(search, (one.points, other.surface), (other.points, one.surface))
    return SurfaceDistances(*distances, one.weights, other.weights)


def _host_elements(mask: NDArray[np.bool_], *, spacing: Spacing, boundary: Boundary) -> _Elements:
    """Return the elements of the surface of a mask, in a grid with a margin."""
    codes, table = boundary(np.ascontiguousarray(mask), spacing=spacing)
    codes = nearest_points.pad(codes, spacing)
    surface = codes != 0
    points = np.flatnonzero(surface)
    return _Elements(points, surface, table[codes.reshape(-1)[points]])
