"""Where patches go in a volume, and how much each counts against those that came before it.

A patch goes to a first voxel, and its weight relative to that of the patches before it is what a mean asks for (see
`running_mean`). For a grid both are tables of a few numbers per axis; for other indices the weights are summed up in a
volume, as the patches come.

Here, as in `volumes` and `voxelwise`, messages speak for `assemble`; its siblings put their own names and arguments in.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.windows import Window, axis_weights, uniform
from mia_functional.indexing import Indices
from mia_functional.indexing.margins import bounds
from mia_functional.indexing.records import Axis
from mia_functional.typing import Array, HostArray, Index, Shape

__all__ = [
    "AxisLines",
    "Coverage",
    "Placement",
    "check_coverage",
    "crop_to_volume",
    "fits_inside",
    "grid_lines",
    "grid_table",
    "index_ranges",
    "map_columns",
    "place_by_rank",
    "place_by_weight",
    "place_indices",
    "placed_shape",
    "placement_of_planes",
    "placements",
]

_Grid: TypeAlias = tuple[Axis, ...]

Coverage: TypeAlias = list[HostArray]
"""Weights that are positive where patches are: a line per axis, whose product counts, or one volume."""


class Placement(NamedTuple):
    """Where one patch goes; with one more leading axis, where several do. A pytree, for `jit` and `scan`.

    Args:
        start: First voxel of the patch, integers `(axes,)`.
        lines: For every axis `(2 + grids before, size)`: the weight of the patches before it in its grid, of all of
            its grid, and of each grid before, along this axis, divided by the patch's own. With `s`, `t`, `u`, ... of
            the axes in order, `d = 1 + s_n + t_n (s_(n-1) + t_(n-1) (... s_1)) + u_1 ... u_n + ...`. Empty where
            `divisor` is given.
        divisor: `d` itself, `(*patch,)`, where the patches are not a grid.
        newest: Where no later patch was before, `(*patch,)`, if patches come in another order than their indices.
    """

    start: Array
    lines: tuple[Array, ...]
    divisor: Array | None = None
    newest: Array | None = None


class AxisLines(NamedTuple):
    """One axis of a grid: where its steps start, the lines of each step, and the weight of all steps on every voxel."""

    starts: list[int]
    lines: list[HostArray]
    weights: HostArray


def placements(indices: Indices, shape: Shape, *, window: Window = uniform) -> tuple[Placement, ...]:
    """Return the placements of all patches as one table per grid, for incremental assembly: `add` takes rows of them.

    The loop that they belong to is shown with `start`.

    Args:
        indices: Whole patches that lie inside of the volume, of one size per grid: those of `patches` with `shift` or
            `even`, `slabs`, `voxels`, `slices` (of several axes too: a table for each).
        shape: Spatial shape of the volume.
        window: Weights along one axis of a patch; only `mean` uses them.

    Returns:
        For every grid a `Placement` of NumPy arrays with one leading axis, its patches in order; `lax.scan` takes it as
        it is. The tables belong together, in this order: a mean counts on the patches of those before.

    Raises:
        ValueError: The indices are not grids of one size inside of the volume, or do not cover it.

    Example:
        >>> from mia_functional.indexing import patches
        >>> (table,) = placements(patches((5,), (3,)), (5,))
        >>> table.start.tolist()
        [[0], [2]]
    """
    size = checks.integer_tuple("placements", "shape", shape, minimum=1)
    checks.require_callable("placements", "window", window, "`gaussian`")
    grids = indices.grids if isinstance(indices, Indices) else ()
    if not grids or not all(fits_inside(grid, size) for grid in grids):
        checks.invalid_value("placements", "indices", f"be grids of equal patches inside of {size}", "others")
    with checks.speaking_for("placements", "assemble"):
        axes_of_grids = grid_lines(grids, size, window)
        check_coverage(*([axis.weights for axis in axes] for axes in axes_of_grids))
    tables = []
    for axes in axes_of_grids:
        # Lines that are all equal are held once: those of all voxels of a head would take hundreds of megabytes.
        equal = [all(np.array_equal(line, axis.lines[0]) for line in axis.lines) for axis in axes]
        lines = [np.stack(axis.lines[: 1 if same else None]) for axis, same in zip(axes, equal, strict=True)]
        tables.append(grid_table([axis.starts for axis in axes], lines))
    return tuple(tables)


def fits_inside(grid: _Grid, shape: Shape) -> bool:
    """Return whether the patches of a grid have one size and lie inside of a volume."""
    ranges = [[_range_of(step) for step in axis] for axis in grid]
    return len(ranges) == len(shape) and all(
        low >= 0 and high <= size and high - low == axis[0][1] - axis[0][0]
        for axis, size in zip(ranges, shape, strict=True)
        for low, high in axis
    )


def grid_lines(grids: Sequence[_Grid], shape: Shape, window: Window) -> list[list[AxisLines]]:
    """Return the lines of all steps along each axis of each grid, which comes after those before it."""
    result: list[list[AxisLines]] = []
    for grid in grids:
        axes = []
        for number, (axis, size) in enumerate(zip(grid, shape, strict=True)):
            ranges = [_range_of(step) for step in axis]
            own = [axis_weights(window, low, high, size) for low, high in ranges]
            boxes = [slice(max(low, 0), max(low, 0) + line.size) for (low, _), line in zip(ranges, own, strict=True)]
            everything, before = np.zeros(size), np.zeros(size)
            for box, line in zip(boxes, own, strict=True):
                everything[box] += line
            lines = []
            for box, line in zip(boxes, own, strict=True):
                weights = (before, everything, *(axes_before[number].weights for axes_before in result))
                lines.append(np.stack([other[box] / line for other in weights]))
                before[box] += line
            axes.append(AxisLines([box.start for box in boxes], lines, everything))
        result.append(axes)
    return result


def grid_table(starts: Sequence[Sequence[int]], lines: Sequence[Array]) -> Placement:
    """Return the placements of all patches of a grid as one table, the last axis fastest.

    Args:
        starts: For every axis where its steps start.
        lines: For every axis the lines of its steps, `(steps, rows, size)`, in any library; `(1, rows, size)` if equal.
    """
    order = np.indices([len(axis) for axis in starts], dtype=np.int32).reshape(len(starts), -1)
    corners = [np.array(axis, dtype=np.int32)[steps] for axis, steps in zip(starts, order, strict=True)]
    rows = [
        line[steps] if len(line) > 1 else _array.array_namespace(line).broadcast_to(line, (len(steps), *line.shape[1:]))
        for line, steps in zip(lines, order, strict=True)
    ]
    return Placement(np.stack(corners, axis=1), tuple(rows))


def place_indices(
    indices: Iterable[Index], shape: Shape, window: Window, fill_value: float | None
) -> tuple[Iterator[tuple[Index, Placement]], Coverage]:
    """Return all indices with their placements, and the coverage, which is complete when all placements were taken.

    Gaps of grids are an error before the first patch comes.
    """
    grids = indices.grids if isinstance(indices, Indices) else ()
    if any(len(grid) != len(shape) for grid in grids):
        checks.invalid_value("assemble", "indices", f"have {len(shape)} entries, one per axis", len(grids[0]))
    axes_of_grids = grid_lines(grids, shape, window)
    coverages = [[axis.weights for axis in axes] for axes in axes_of_grids]
    complete = [coverage for coverage in coverages if all((line > 0).all() for line in coverage)]
    if len(grids) != 1 and not complete:
        # The union of several grids that all have gaps is not a product of lines, so it is counted voxel by voxel.
        weights = np.zeros(shape, dtype=np.float32)
        return ((index, place_by_weight(weights, index, window)) for index in indices), [weights]
    coverage = (complete or coverages)[0]
    if fill_value is None:
        check_coverage(coverage)
    placed = (
        Placement(np.array([start for start, _ in steps], dtype=np.int32), tuple(lines for _, lines in steps))
        for axes in axes_of_grids
        for steps in product(*(zip(axis.starts, axis.lines, strict=True) for axis in axes))
    )
    return zip(indices, placed, strict=True), coverage


def place_by_weight(weights: HostArray, index: Index, window: Window) -> Placement:
    """Return the placement of a patch after those whose weights are summed up in a volume; add its own to them."""
    start, lines, box = _box_in_volume(weights.shape, index, window)
    own: HostArray = np.asarray(math.prod(np.ix_(*lines)), dtype=weights.dtype)
    divisor = 1 + weights[box] / own
    weights[box] += own
    return Placement(start, (), divisor)


def place_by_rank(ranks: HostArray, index: Index, rank: int) -> Placement:
    """Return the placement of patch number `rank` > 0; `ranks` holds the last number on every voxel so far."""
    start, _, box = _box_in_volume(ranks.shape, index, uniform)
    newest = ranks[box] < rank
    np.maximum(ranks[box], rank, out=ranks[box])
    return Placement(start, (), newest=newest)


def _box_in_volume(shape: Shape, index: Index, window: Window) -> tuple[HostArray, list[HostArray], tuple[slice, ...]]:
    """Return the first voxel of an index within a volume, its weights along each axis, and the part as slices."""
    ranges = index_ranges(index, shape)
    lines = [axis_weights(window, *limits, size) for limits, size in zip(ranges, shape, strict=True)]
    start = [max(low, 0) for low, _ in ranges]
    box = tuple(slice(low, low + line.size) for low, line in zip(start, lines, strict=True))
    return np.array(start, dtype=np.int32), lines, box


def placed_shape(placement: Placement) -> Shape:
    """Return the shape of the patch that a placement is for."""
    if placement.lines:
        return tuple(line.shape[-1] for line in placement.lines)
    values = placement.newest if placement.divisor is None else placement.divisor
    return () if values is None else tuple(values.shape[placement.start.ndim - 1 :])


def placement_of_planes(placement: Placement, low: int, high: int) -> Placement:
    """Return the placement of some planes of a patch, along the first axis.

    Example:
        >>> placement_of_planes(Placement(np.array([3]), (), np.ones(5)), 1, 3)
        Placement(start=array([4], dtype=int32), lines=(), divisor=array([1., 1.]), newest=None)
    """
    start = np.array([placement.start[0] + low, *placement.start[1:]], dtype=np.int32)
    lines = tuple(line[:, low:high] if axis == 0 else line for axis, line in enumerate(placement.lines))
    divisor, newest = (None if values is None else values[low:high] for values in (placement.divisor, placement.newest))
    return Placement(start, lines, divisor, newest)


def map_columns(function: Callable[[Array], Array], table: Placement) -> Placement:
    """Return a table of placements with all its columns changed alike: some rows of them, or one.

    Example:
        >>> map_columns(lambda column: column[1], Placement(np.array([[0], [2]]), (), np.ones((2, 3)))).start.tolist()
        [2]
    """
    # What `jax.tree.map` does, in any library: None stands for no leaf.
    divisor, newest = (None if values is None else function(values) for values in table[2:])
    return Placement(function(table.start), tuple(map(function, table.lines)), divisor, newest)


def crop_to_volume(patch: Array, index: Index, shape: Shape, margin: Sequence[tuple[int, int]]) -> Array:
    """Return the part of a patch that lies in the volume, without its margin, and with an axis for every plane."""
    ranges = index_ranges(index, shape)
    expected: list[int] = []
    cut: list[slice | None] = []
    for entry, (low, high), size, (before, after) in zip(index, ranges, shape, margin, strict=True):
        if isinstance(entry, slice) or before or after:
            expected.append(before + high - low + after)
            cut.append(slice(before + max(-low, 0), before + min(high, size) - low))
        else:
            cut.append(None)
    if list(patch.shape[: len(expected)]) != expected:
        checks.invalid_value("assemble", "patches", f"match their index, {tuple(expected)}", tuple(patch.shape))
    return patch if cut == [slice(0, length) for length in patch.shape[: len(cut)]] else patch[(*cut, ...)]


def check_coverage(*coverages: Coverage) -> None:
    """Raise unless patches, or those of one of several grids, cover every voxel."""
    covered = max(math.prod(float(np.mean(weights > 0)) for weights in coverage) for coverage in coverages)
    if covered < 1:
        missing = f"{1 - covered:.4%} is missing"
        raise ValueError(f"assemble: `indices` must cover the volume, or `fill_value` be given; {missing}.")


def index_ranges(index: Index, shape: Shape) -> list[tuple[int, int]]:
    """Return the start and the stop of an index along each axis; raise unless it touches the volume."""
    if not isinstance(index, tuple) or not all(
        checks.is_integer(entry)
        or (checks.is_integer_slice(entry) and None not in (entry.start, entry.stop) and entry.step in (None, 1))
        for entry in index
    ):
        needed = "hold tuples of integers, and of slices with a start and a stop"
        checks.invalid_kind("assemble", "indices", needed, checks.describe(index))
    if len(index) != len(shape):
        checks.invalid_value("assemble", "indices", f"have {len(shape)} entries, one per axis", len(index))
    ranges: Any = [bounds("assemble", "indices", entry) for entry in index]
    if any(high <= max(low, 0) or low >= size for (low, high), size in zip(ranges, shape, strict=True)):
        checks.invalid_value("assemble", "indices", f"touch the volume, {shape}", index)
    checked: list[tuple[int, int]] = ranges
    return checked


def _range_of(step: int | tuple[int, int]) -> tuple[int, int]:
    """Return the start and the stop of a step along an axis."""
    return step if isinstance(step, tuple) else (step, step + 1)
