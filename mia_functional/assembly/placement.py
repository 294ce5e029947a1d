"""Where patches go in a volume, and how much each counts against those that came before it.

The mean of a voxel is kept up to date: patch k changes it by `(p_k - mean) / d_k`, with
`d_k = 1 + (w_1 + ... + w_(k-1)) / w_k`. What all patches agree on stays as it is to the last bit, nothing is left to be
divided at the end, and there is no volume of weights: for a grid, whose windows are products over the axes, `d_k` is
made of two lines per axis.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, product
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.assembly.windows import Window, outer, profile, uniform
from mia_functional.indexing import Indices
from mia_functional.indexing.records import Axis
from mia_functional.typing import Array, Index, Shape

PATCHES = {"assemble_subjects": "predictions", "add": "patch", "merge_planes": "volumes"}
"""What a function calls its patches, where it is not `patches`."""


Widths: TypeAlias = tuple[tuple[int, int], ...]
"""A margin as the voxels before and after a patch along each axis."""


class Placement(NamedTuple):
    """Where one patch goes; with one more leading axis, where several do. A pytree, for `jit` and `scan`.

    Args:
        start: First voxel of the patch, integers `(axes,)`.
        lines: For every axis `(2 + grids before, size)`: the weight of the patches before it in its grid, of all of
            its grid, and of each grid before, along this axis, divided by the patch's own. With `s`, `t`, `u`, ... of
            the axes in order, `d = 1 + s_n + t_n (s_(n-1) + t_(n-1) (... s_1)) + u_1 ... u_n + ...`. Empty where
            `divisor` is given.
        divisor: `d` itself, `(*patch,)`, where the patches are no grid.
        newest: Where no later patch was before, `(*patch,)`, if patches come in another order than their indices.
    """

    start: Array
    lines: tuple[Array, ...]
    divisor: Array | None = None
    newest: Array | None = None


class Ends(NamedTuple):
    """The lines of one axis: where each of its steps starts, its lines, and the weight of all on every voxel."""

    starts: list[int]
    lines: list[Any]
    weights: Any


def placements(indices: Indices, shape: Shape, *, window: Window = uniform) -> tuple[Placement, ...]:
    """Return the places of all patches as one table per grid, for loops under `jit`: `add` takes rows of them.

    Args:
        indices: Whole patches that lie inside of the volume, of one size per grid: those of `patches` with `shift` or
            `even`, `slabs`, `voxels`, `slices` (of several axes too: a table for each).
        shape: Spatial shape of the volume.
        window: Weights along one axis of a patch; only `mean` uses them.

    Returns:
        For every grid a `Placement` of NumPy arrays with one leading axis, its patches in order; `lax.scan` takes it as
        it is. The tables belong together, in this order: a mean counts on the patches of those before.

    Raises:
        ValueError: The indices are no grids of one size inside of the volume, or none of them covers it.

    Example:
        >>> from mia_functional.indexing import patches
        >>> (places,) = placements(patches((5,), (3,)), (5,))
        >>> places.start.tolist()
        [[0], [2]]
    """
    size = checks.integer_tuple("placements", "shape", shape, minimum=1)
    checks.require_callable("placements", "window", window, "`gaussian`")
    grids = indices.grids if isinstance(indices, Indices) else ()
    if not grids or not all(is_inside(grid, size) for grid in grids):
        needed = f"be grids of equal patches inside of {size}"
        checks.invalid_value("placements", "indices", needed, "others")
    ends = all_ends(grids, size, window)
    covered = [[end.weights for end in axes] for axes in ends]
    refuse_gaps("placements", min(covered, key=_missing))
    return tuple(map(table, ends))


def is_inside(grid: tuple[Axis, ...], shape: Shape) -> bool:
    """Tell whether a grid has patches of one size that lie inside of a volume."""
    steps = [[_span(step) for step in axis] for axis in grid]
    return len(steps) == len(shape) and all(
        low >= 0 and high <= size and high - low == axis[0][1] - axis[0][0]
        for axis, size in zip(steps, shape, strict=True)
        for low, high in axis
    )


def table(ends: list[Ends]) -> Placement:
    """Return the places of all patches of a grid as one."""
    order = np.indices([len(end.starts) for end in ends], dtype=np.int32).reshape(len(ends), -1)
    start = np.stack([np.array(end.starts, dtype=np.int32)[row] for end, row in zip(ends, order, strict=True)], axis=1)
    return Placement(start, tuple(_rows(end.lines, row) for end, row in zip(ends, order, strict=True)))


def _rows(lines: list[Any], order: Any) -> Any:
    """Return lines in an order; equal ones are held once."""
    if all(np.array_equal(line, lines[0]) for line in lines):
        return np.broadcast_to(lines[0], (len(order), *lines[0].shape))
    return np.stack(lines)[order]


def walk(
    function: str, indices: Iterable[Index], shape: Shape, window: Window, fill_value: float | None
) -> tuple[Iterator[tuple[Index, Placement]], list[Any]]:
    """Return all indices with their places, and the weights that say which voxels are covered, once all are through.

    Gaps of a grid are refused before the first patch. The weights are one array per axis of a grid, else one volume.
    """
    grids = indices.grids if isinstance(indices, Indices) else ()
    if any(len(grid) != len(shape) for grid in grids):
        checks.invalid_value(function, "indices", f"have {len(shape)} entries, one per axis", len(grids[0]))
    ends = all_ends(grids, shape, window)
    covered = [[end.weights for end in axes] for axes in ends]
    complete = [weights for weights in covered if all((line > 0).all() for line in weights)]
    if len(grids) != 1 and not complete:
        seen = np.zeros(shape, dtype=np.float32)
        return ((index, place_in(function, seen, index, window)) for index in indices), [seen]
    weights = (complete or covered)[0]
    if fill_value is None:
        refuse_gaps(function, weights)
    return zip(indices, chain.from_iterable(map(_places, ends)), strict=True), weights


def _places(ends: list[Ends]) -> Iterator[Placement]:
    """Yield the places of the patches of a grid in order."""
    for step in product(*(zip(end.starts, end.lines, strict=True) for end in ends)):
        yield Placement(np.array([start for start, _ in step], dtype=np.int32), tuple(line for _, line in step))


def place_in(function: str, seen: Any, index: Index, window: Window) -> Placement:
    """Return the place of a patch after those whose weights were `seen`, a volume, which gets this one's too."""
    start, lines, box = _box(function, seen.shape, index, window)
    own = outer(lines).astype(seen.dtype)
    divisor = 1 + seen[box] / own
    seen[box] += own
    return Placement(start, (), divisor)


def place_at(function: str, seen: Any, index: Index, rank: int) -> Placement:
    """Return the place of the patch that is number `rank` > 0; `seen` holds the last one on every voxel so far."""
    start, _, box = _box(function, seen.shape, index, uniform)
    newest = seen[box] < rank
    np.maximum(seen[box], rank, out=seen[box])
    return Placement(start, (), newest=newest)


def extent(place: Placement) -> Shape:
    """Return the shape of the patch of a place."""
    if place.lines:
        return tuple(line.shape[-1] for line in place.lines)
    values: Array = place.newest if place.divisor is None else place.divisor
    return tuple(values.shape[place.start.ndim - 1 :])


def rows_of(place: Placement, low: int, high: int) -> Placement:
    """Return the place of some planes of a patch, along the first axis.

    Example:
        >>> rows_of(Placement(np.array([3]), (), np.ones(5)), 1, 3)
        Placement(start=array([4], dtype=int32), lines=(), divisor=array([1., 1.]), newest=None)
    """
    start = np.concatenate([place.start[:1] + low, place.start[1:]]).astype(np.int32)
    lines = tuple(line[:, low:high] if axis == 0 else line for axis, line in enumerate(place.lines))
    divisor, newest = (None if part is None else part[low:high] for part in (place.divisor, place.newest))
    return Placement(start, lines, divisor, newest)


def each_column(places: Placement, function: Callable[[Array], Any]) -> Placement:
    """Return places with all their columns changed alike: some rows of them, or one.

    Example:
        >>> each_column(Placement(np.array([[0], [2]]), (), np.ones((2, 3))), lambda column: column[1]).start.tolist()
        [2]
    """
    start, *lines = map(function, (places.start, *places.lines))
    divisor, newest = (None if part is None else function(part) for part in (places.divisor, places.newest))
    return Placement(start, tuple(lines), divisor, newest)


def _box(function: str, shape: Shape, index: Index, window: Window) -> tuple[Any, list[Any], tuple[slice, ...]]:
    """Return the first voxel of an index within a volume, its weights along each axis, and the part as slices."""
    ranges = spans(function, index, shape)
    lines = [profile(window, *span, size) for span, size in zip(ranges, shape, strict=True)]
    start = [max(low, 0) for low, _ in ranges]
    box = tuple(slice(low, low + line.size) for low, line in zip(start, lines, strict=True))
    return np.array(start, dtype=np.int32), lines, box


def fit(function: str, patch: Array, index: Index, shape: Shape, widths: Widths) -> Array:
    """Return the part of a patch that lies in the volume, without its margin, and with an axis for every plane."""
    ranges = spans(function, index, shape)
    expected: list[int] = []
    cut: list[slice | None] = []
    sizes = zip(index, ranges, shape, widths, strict=True)
    for entry, (low, high), size, (before, after) in sizes:
        if isinstance(entry, slice) or before or after:
            expected.append(before + high - low + after)
            cut.append(slice(before + max(-low, 0), before + min(high, size) - low))
        else:
            cut.append(None)
    if tuple(patch.shape[: len(expected)]) != tuple(expected):
        argument = PATCHES.get(function, "patches")
        checks.invalid_value(function, argument, f"match their index, {tuple(expected)}", tuple(patch.shape))
    return patch if cut == [slice(0, length) for length in patch.shape[: len(cut)]] else patch[(*cut, ...)]


def refuse_gaps(function: str, covered: list[Any]) -> None:
    """Refuse volumes with voxels that no patch covers, by weights as `walk` gives them."""
    missing = _missing(covered)
    if missing > 0:
        raise ValueError(
            f"{function}: `indices` must cover the volume, or `fill_value` be given; {missing:.4%} is missing."
        )


def _missing(covered: list[Any]) -> float:
    """Return the fraction of voxels without weight."""
    return 1.0 - math.prod(float(np.mean(part > 0)) for part in covered)


def spans(function: str, index: Index, shape: Shape) -> list[tuple[int, int]]:
    """Return the start and the stop along each axis; refuse an index that does not belong to the volume."""
    if not isinstance(index, tuple) or not all(map(_is_entry, index)):
        needed = "hold tuples of integers, and of slices with a start and a stop"
        checks.invalid_kind(function, "indices", needed, checks.describe(index))
    if len(index) != len(shape):
        checks.invalid_value(function, "indices", f"have {len(shape)} entries, one per axis", len(index))
    found = [_span(entry) for entry in index]
    if any(high <= max(low, 0) or low >= size for (low, high), size in zip(found, shape, strict=True)):
        checks.invalid_value(function, "indices", f"touch the volume, {shape}", index)
    return found


def _is_entry(entry: Any) -> bool:
    """Tell whether an entry of an index is a position, or a slice of positions that follow each other."""
    whole = checks.is_integer_slice(entry) and None not in (entry.start, entry.stop) and entry.step in (None, 1)
    return whole or checks.is_integer(entry)


def all_ends(grids: tuple[tuple[Axis, ...], ...], shape: Shape, window: Window) -> list[list[Ends]]:
    """Return the lines of all steps along each axis of each grid, which comes after those before it."""
    ends: list[list[Ends]] = []
    for grid in grids:
        earlier = [[others[place].weights for others in ends] for place in range(len(grid))]
        rows = zip(grid, shape, earlier, strict=True)
        ends.append([_axis_ends(axis, size, window, weights) for axis, size, weights in rows])
    return ends


def _axis_ends(axis: Axis, size: int, window: Window, earlier: list[Any]) -> Ends:
    """Return the lines of all steps along one axis."""
    ranges = [_span(step) for step in axis]
    own = [profile(window, low, high, size) for low, high in ranges]
    boxes = [slice(max(low, 0), max(low, 0) + line.size) for (low, _), line in zip(ranges, own, strict=True)]
    everything, before = np.zeros(size), np.zeros(size)
    for box, line in zip(boxes, own, strict=True):
        everything[box] += line
    lines = []
    for box, line in zip(boxes, own, strict=True):
        lines.append(np.stack([part[box] / line for part in (before, everything, *earlier)]))
        before[box] += line
    return Ends([box.start for box in boxes], lines, everything)


def _span(step: Any) -> tuple[int, int]:
    """Return the start and the stop of an entry of an index or of a step along an axis."""
    if isinstance(step, slice):
        return step.start, step.stop
    return step if isinstance(step, tuple) else (step, step + 1)
