"""Distances between the surfaces of two structures: the statistic of every boundary metric.

All axes are spatial, one to three of them, and `spacing[k]` is the distance between voxel centres along array axis k
in millimetres. What the surface of a mask consists of is a convention, chosen by a function: `surfels`, `voxels` or
`solid`.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels import nearest_points
from mia_functional.metrics.boundaries import Boundary, counted_elements, surfels
from mia_functional.metrics.inputs import paired_arrays, pairs_in_turn
from mia_functional.morphology.euclidean import METHODS, Method, nearest_squared_distances
from mia_functional.morphology.masks import common_box
from mia_functional.typing import Array, HostArray, Label, Labels, Spacing

__all__ = ["SurfaceDistances", "distances_of_pairs", "merged_surface_distances", "surface_distances"]

_NAME = "surface_distances"  # the function that messages name


class SurfaceDistances(NamedTuple):
    """How far each element of one surface is from the other surface, in millimetres, and how much the element weighs.

    Weights are areas (lengths in 2-D), or booleans where elements are counted; percentiles of counted elements
    are interpolated, those of areas are not. The arrays are compact or fill a grid, and every metric is the same:

    - Compact, one axis with one entry per element: NumPy's arrays, those of PyTorch and JAX in the memory of the host,
      and with `method="host"` those of any library and device; in all cases outside of `jit`.
    - A grid, one entry per grid point with the weight zero where there is no element: under `jit` and `vmap` of JAX and
      within `torch.func` and `torch.compile`, whose shapes are fixed, and eager arrays on a GPU (JAX, PyTorch, CuPy) or
      of another library of the standard.
      With `method="host"` under `jit` the elements fill the front of such a grid, in the order of the compact ones.
    """

    prediction_to_reference: Array
    reference_to_prediction: Array
    prediction_weights: Array
    reference_weights: Array


class _Elements(NamedTuple):
    """The elements of a surface in a grid with a margin.

    Attributes:
        weights: The weight of each code.
        points: Flat indices into the grid.
        codes: The code of each element.
        surface: The grid, true where there is an element.
    """

    weights: HostArray
    points: NDArray[np.intp]
    codes: NDArray[np.uint8]
    surface: NDArray[np.bool_]


class _Options(TypedDict, total=False):
    """Keywords of `surface_distances` that do not bear on what it returns."""

    boundary: Boundary
    ignore: Array | None
    method: Method


@overload
def surface_distances(
    prediction: Array, reference: Array, *, spacing: Spacing, labels: None = None, **rest: Unpack[_Options]
) -> SurfaceDistances: ...


@overload
def surface_distances(
    prediction: Array, reference: Array, *, spacing: Spacing, labels: Labels | Iterable[Label], **rest: Unpack[_Options]
) -> tuple[SurfaceDistances, ...]: ...


@_array.one_node
def surface_distances(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    boundary: Boundary = surfels,
    ignore: Array | None = None,
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
        ignore: Mask of the same shape: voxels of which it is not known what they are. They are neither error nor
            boundary: elements of either surface that touch one of them (are at one of its corners, or for `voxels` and
            `solid` are it or share a face with it) are left out, as what elements are measured and as what they are
            measured to.
        method: "auto" takes the fastest exact code for the arrays; "host" computes on the host, which a program under
            `jit` on the CPU calls back. Large volumes take two threads there.

    Returns:
        Distances in millimetres and weights; with `labels`, a tuple of such records, one per label.

    Undefined:
        One surface is empty: the distances to it are inf.

    Raises:
        TypeError: An argument is not an array or holds floats; arrays of two libraries other than NumPy, or of two
            devices, meet.
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
    return _distances_of_structures(
        prediction, reference, labels, merged=False, spacing=spacing, boundary=boundary, ignore=ignore, method=method
    )


@_array.one_node
def merged_surface_distances(
    prediction: Array, reference: Array, *, labels: Labels | Iterable[Label] | None = None, **options: Any
) -> SurfaceDistances | tuple[SurfaceDistances, ...]:
    """Return what `surface_distances` does, for formulas that need no entry for each element.

    Where records are compact and weights are areas, elements at the same distance are one entry, which has their area.
    Hundreds of thousands of them are at a few dozen distances, so that formulas take no time after that.
    """
    return _distances_of_structures(prediction, reference, labels, merged=True, **options)


def _distances_of_structures(
    prediction: Array, reference: Array, labels: Labels | Iterable[Label] | None, *, merged: bool, spacing: Spacing,
    boundary: Boundary = surfels, ignore: Array | None = None, method: Method = "auto",
) -> SurfaceDistances | tuple[SurfaceDistances, ...]:  # fmt: skip
    """Return a record for a pair, or for each label."""
    checks.one_of(_NAME, "method", method, METHODS)
    others = () if ignore is None else paired_arrays(_NAME, prediction, reference, mask=ignore, name="ignore")[2:]
    groups = pairs_in_turn(_NAME, prediction, reference, labels, *others)
    step = checks.spacing(_NAME, spacing, prediction.ndim)
    measure = partial(distances_of_pairs, spacing=step, boundary=boundary, method=method, merged=merged)
    records = tuple(record for group in groups for record in measure(group))
    return records[0] if labels is None else records


def distances_of_pairs(
    pairs: tuple[tuple[Array, ...], ...], *, spacing: Spacing, boundary: Boundary, method: Method, merged: bool = False
) -> tuple[SurfaceDistances, ...]:
    """Return the distances between the surfaces of each pair of boolean masks; the spacing was checked before.

    Behind a pair there may be the mask of voxels that are ignored. `merged` is as in `merged_surface_distances`.
    """
    masks = [mask for pair in pairs for mask in pair]
    # PyTorch has no arrays of an unknown size in its programs either, but an operation for all distances in a grid.
    traced_by_torch = _array.in_torch_program() and any(map(_array.is_torch, masks))
    if traced_by_torch or (method == "auto" and not all(map(_array.in_host_memory, masks))):
        # One program for all labels, in which the code for a pair is compiled once.
        return _array.jit_call(_grids_of_pairs, *masks, width=len(pairs[0]), spacing=spacing, boundary=boundary)
    if any(map(_array.is_traced, masks)):
        return tuple(
            SurfaceDistances(*_array.jit_call(_call_back_host, *pair, spacing=spacing, boundary=boundary))
            for pair in pairs
        )
    on_host = partial(_compact_distances, spacing=spacing, boundary=boundary, merged=merged)
    return tuple(SurfaceDistances(*_array.call_on_host(on_host, *pair, results=())) for pair in pairs)


def _call_back_host(*masks: Array, spacing: Spacing, boundary: Boundary) -> tuple[Array, ...]:
    """Return the distances that the host finds for a traced pair; they fill the front of arrays of a fixed shape."""
    # A callback has to announce its shapes before it runs: a grid holds any number of elements.
    measure = partial(_grid_distances, spacing=spacing, boundary=boundary)
    fixed = _array.eval_shape(lambda mask: measure(mask, mask), masks[0])

    def find_fixed(*masks: NDArray[np.bool_]) -> tuple[HostArray, ...]:
        compact = _compact_distances(*masks, spacing=spacing, boundary=boundary, merged=False)
        filled = tuple(np.zeros(field.shape, field.dtype) for field in fixed)
        for array, entries in zip(filled, compact, strict=True):
            array.reshape(-1)[: entries.size] = entries
        return filled

    return _array.call_on_host(find_fixed, *masks, results=fixed)


def _grids_of_pairs(*masks: Array, width: int, spacing: Spacing, boundary: Boundary) -> tuple[SurfaceDistances, ...]:
    """Return the distances between the surfaces of masks in groups of `width`: programs take arrays only."""
    pairs = tuple(zip(*(masks[first::width] for first in range(width)), strict=True))
    return _array.map_rows(partial(_grid_distances, spacing=spacing, boundary=boundary), pairs)


def _grid_distances(
    prediction: Array, reference: Array, *ignored: Array, spacing: Spacing, boundary: Boundary
) -> SurfaceDistances:
    """Return one distance and one weight per grid point; no shape depends on the values of the masks."""
    xp = _array.array_namespace(prediction)
    elements = [boundary(mask, spacing=spacing) for mask in (prediction, reference)]
    if ignored:
        elements = [counted_elements(surface, ignored[0]) for surface in elements]
    surfaces = [codes != 0 for codes, _ in elements]
    # Squares of distances to each surface, right at least where the other one has elements.
    squares = [nearest_squared_distances(one, other, spacing=spacing) for one, other in (surfaces, surfaces[::-1])]
    weights = []
    for codes, table in elements:
        values = _array.from_numpy(table, xp, codes)
        if table.dtype != np.bool_:
            values = xp.astype(values, squares[0].dtype)
        # The standard takes along one axis only, by indices of 32 or 64 bits.
        taken = xp.take(values, xp.astype(xp.reshape(codes, (-1,)), xp.int32), axis=0)
        weights.append(xp.reshape(taken, codes.shape))
    return SurfaceDistances(xp.sqrt(squares[1]), xp.sqrt(squares[0]), *weights)


def _compact_distances(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], *ignored: NDArray[np.bool_], spacing: Spacing,
    boundary: Boundary, merged: bool,
) -> tuple[HostArray, ...]:  # fmt: skip
    """Return the fields of compact `SurfaceDistances`, from the box around both masks."""
    # What is ignored counts where it touches an element, which may be just outside of the box around the masks.
    box = common_box(prediction, reference, margin=len(ignored))
    elements = partial(_elements_on_host, spacing=spacing, boundary=boundary)
    inside = tuple(mask[box] for mask in ignored)
    one, other = nearest_points.map_pair(elements, (prediction[box], *inside), (reference[box], *inside))
    # Percentiles of counted elements depend on how many there are, and not on their share alone.
    merges = merged and one.weights.dtype != np.bool_
    measure = partial(_areas_at_distances if merges else _distances_of_elements, spacing=spacing)
    (forward, own), (backward, others) = nearest_points.map_pair(
        measure, (*one[:3], other.surface), (*other[:3], one.surface)
    )
    return forward, backward, own, others


def _elements_on_host(
    mask: NDArray[np.bool_], *ignored: NDArray[np.bool_], spacing: Spacing, boundary: Boundary
) -> _Elements:
    """Return the elements of the surface of a mask, in a grid with a margin."""
    # Conventions and the search walk flat indices, which are those of C order.
    elements = boundary(np.ascontiguousarray(mask), spacing=spacing)
    if ignored:
        elements = counted_elements(elements, ignored[0])
    codes = nearest_points.pad_for_search(_array.to_numpy(elements.codes), spacing)
    surface = codes != 0
    points = np.flatnonzero(surface)
    weights = elements.weights
    if weights.dtype not in (np.bool_, np.float32):  # sums of integers of eight bits, or of halves, would overflow
        weights = weights.astype(np.float64, copy=False)
    return _Elements(weights, points, codes.reshape(-1).take(points), surface)


def _distances_of_elements(
    weights: HostArray, points: NDArray[np.intp], codes: NDArray[np.uint8], targets: NDArray[np.bool_], *,
    spacing: Spacing,
) -> tuple[NDArray[np.float64], HostArray]:  # fmt: skip
    """Return the distance of each element of a surface from another surface, and its weight."""
    return nearest_points.nearest_distances(points, targets, spacing), weights.take(codes)


def _areas_at_distances(
    weights: HostArray, points: NDArray[np.intp], codes: NDArray[np.uint8], targets: NDArray[np.bool_], *,
    spacing: Spacing,
) -> tuple[NDArray[np.float64], HostArray]:  # fmt: skip
    """Return the distances that elements of a surface have from another surface, and the area at each of them."""
    lengths, ranks = nearest_points.ranked_distances(points, targets, spacing)
    cells = lengths.size * weights.size
    # A code without a weight would count as another one at the next distance; to take its weight is an error.
    if cells <= min(points.size, np.iinfo(np.uint16).max) and codes.max(initial=0) < weights.size:
        # A large surface is at so few distances, mostly, that elements of each code can be counted at each: in half of
        # the time. Not by a product of matrices, for which each process would begin threads of its own.
        counts = np.bincount(ranks * np.uint16(weights.size) + codes, minlength=cells)
        areas = (counts.reshape(-1, weights.size) * weights).sum(axis=1)
    else:
        areas = np.bincount(ranks, weights=weights.take(codes), minlength=lengths.size)
    (occurring,) = areas.nonzero()
    return lengths.take(occurring), areas.take(occurring).astype(weights.dtype, copy=False)
