"""Voxels that were predicted one by one, brought into a volume many at a time."""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.placement import Placement, each_column, extent, rows_of
from mia_functional.assembly.reductions import Reduction
from mia_functional.indexing import Boxes, Indices, starts
from mia_functional.typing import Array, Index, Margin, Shape

CHUNK = 2**16
"""Voxels of an array that are brought in at a time."""


THICK, ROWS, WHOLE = 256, 2**12, 8
"""How many planes are joined on the host, few rows of so many elements at a time, and how many elsewhere as a whole."""


def joined(patches: Any, indices: Iterable[Index], margin: Margin) -> tuple[Any, Iterable[Index]]:
    """Return an array of the patches of a grid that goes on voxel by voxel (voxels, slices) as one large patch."""
    grid = indices.grids[0] if isinstance(indices, Indices) and len(indices.grids) == 1 else ()
    lines = [place for place, axis in enumerate(grid) if isinstance(axis, range) and axis.step == 1]
    planes = [place for place, axis in enumerate(grid) if len(axis) == 1 and isinstance(axis[0], tuple)]
    if not hasattr(patches, "shape") or margin != 0 or not grid or len(lines) + len(planes) < len(grid):
        return patches, indices
    spans: Any = [axis[0] if isinstance(axis, tuple) else (axis[0], axis[-1] + 1) for axis in grid]
    shape = [stop - start for start, stop in spans]
    expected = (math.prod(shape[place] for place in lines), *(shape[place] for place in planes))
    if tuple(patches.shape[: len(expected)]) != expected:
        return patches, indices
    xp = _array.array_namespace(patches)
    apart = xp.reshape(patches, (*(shape[place] for place in lines), *patches.shape[1:]))
    order = [(lines + planes).index(place) for place in range(len(grid))]
    whole = xp.permute_dims(apart, (*order, *range(len(grid), apart.ndim)))
    return whole[None, ...], Indices(grids=(tuple((span,) for span in spans),))


def thickened(parts: Iterator[tuple[Array, Placement]]) -> Iterator[tuple[Array, Placement]]:
    """Yield patches and places; planes of a grid that follow each other along the last axis are joined, few at a time.

    One by one they would touch all memory of the volume every time.
    """
    held: list[tuple[Array, Placement]] = []
    for part, place in parts:
        if len(held) == (THICK if _in_rows(part) else WHOLE) or (held and not _follows(held[-1][1], place)):
            yield from _together(held)
            held = []
        held.append((part, place))
    yield from _together(held)


def _in_rows(part: Array) -> bool:
    """Tell whether planes are joined few rows at a time, so that these stay in the processor's cache."""
    return _array.in_host_memory(part) and not _array.is_jax(part)


def _follows(one: Placement, other: Placement) -> bool:
    """Tell whether places are those of planes that follow each other along the last axis."""
    if not one.lines or one.lines[-1].shape[1] > 1 or other.lines[-1].shape[1] > 1 or len(one.lines) == 1:
        return False
    same = all(line is beside for line, beside in zip(one.lines[:-1], other.lines[:-1], strict=True))
    return same and (other.start - one.start).tolist() == [0] * (len(one.lines) - 1) + [1]


def _together(held: list[tuple[Array, Placement]]) -> Iterator[tuple[Array, Placement]]:
    """Yield planes as thicker patches of few rows; one alone as it is."""
    if len(held) < 2:
        yield from held
        return
    (part, place), *_ = held
    axis, size = len(place.lines) - 1, part.shape[0]
    lines = (*place.lines[:-1], np.concatenate([place.lines[-1] for _, place in held], axis=1))
    rows = max(1, ROWS // math.prod(part.shape[1:])) if _in_rows(part) else size
    for low in range(0, size, rows):
        high = min(low + rows, size)
        some = [part[low:high, ...] for part, _ in held]
        yield _array.concat(some, axis), rows_of(place._replace(lines=lines), low, high)


def table_of(function: str, indices: Iterable[Index], shape: Shape) -> Any:
    """Return indices of single voxels as integers, `(count, axes)`, if they are stored as such; else None."""
    if isinstance(indices, Boxes):
        single = all(size is None for size in indices.extent)
    else:
        single = isinstance(indices, Indices) and all(
            isinstance(axis, range) for grid in indices.grids for axis in grid
        )
    if not single:
        return None
    table = starts(indices)
    if table.shape[1] != len(shape):
        checks.invalid_value(function, "indices", f"have {len(shape)} entries, one per axis", table.shape[1])
    outside = ((table < 0) | (table >= np.array(shape))).any(axis=1)
    if outside.any():
        checks.invalid_value(function, "indices", f"touch the volume, {shape}", tuple(table[outside.argmax()].tolist()))
    return table


def of_table(function: str, patches: Array, table: Any, shape: Shape, reduction: Reduction) -> tuple[Any, Any]:
    """Return the state of all voxels of a table, and how many there were on each of the volume."""
    if patches.shape[0] != len(table) or not len(table):
        needed = f"be as many as `indices`, {len(table)}, and at least one"
        checks.invalid_value(function, "patches", needed, patches.shape[0])
    state = reduction.start(patches, (*shape, *patches.shape[1:]))
    seen = np.zeros(shape, dtype=np.float32)
    for low in range(0, len(table), CHUNK):
        rows = table[low : low + CHUNK]
        part = _array.take_block(patches, (low,), (len(rows),))
        for now, places in turns(rows, seen):
            state = bring(state, *chosen(part, now, places), reduction)
    return state, seen


def chosen(patches: Array, rows: Any, places: Placement) -> tuple[Array, Placement]:
    """Return some rows of an array of voxels, with an axis of size 1 for each of a volume, and their places.

    So that few programs are compiled, JAX gets a power of two of them; voxels outside of the volume fall away.
    """
    xp, (count, axes) = _array.array_namespace(patches), places.start.shape
    if count < patches.shape[0]:
        more = 2 ** math.ceil(math.log2(count)) - count if _array.is_jax(patches) else 0
        rows = np.concatenate([rows, np.zeros(more, dtype=rows.dtype)])
        outside = np.full((more, axes), 2**30, dtype=np.int32) + np.arange(more, dtype=np.int32)[:, np.newaxis]
        ones = np.ones((more, *(1,) * axes), dtype=np.float32)
        places = Placement(np.concatenate([places.start, outside]), (), np.concatenate([places.divisor, ones]))
        patches = xp.take(patches, _array.from_numpy(rows, xp, patches), axis=0)
    return xp.reshape(patches, (len(rows), *(1,) * axes, *patches.shape[1:])), places


def turns(table: Any, seen: Any) -> Iterator[tuple[Any, Placement]]:
    """Yield rows of a table with their places, in each turn different voxels; `seen` counts what came so far.

    The first turn has every voxel that is there, the next those that are there once more, and so on.
    """
    flat, counts = np.ravel_multi_index(tuple(table.T), seen.shape), seen.reshape(-1)
    rows = np.arange(len(flat))
    while len(rows):
        first = np.zeros(len(rows), dtype=bool)
        first[np.unique(flat[rows], return_index=True)[1]] = True
        now, rows = rows[first], rows[~first]
        counts[flat[now]] += 1
        yield now, Placement(table[now], (), counts[flat[now]].reshape(-1, *(1,) * table.shape[1]))


def bring(state: Any, patches: Array, places: Placement, reduction: Reduction) -> Any:
    """Return the state with several patches brought in: different voxels at once, others one after the other."""
    if set(extent(places)) == {1} and hasattr(state, "shape"):
        return _array.jit_call_donating(_at_once(reduction), state, patches, places)
    if _array.is_traced(patches):
        return _array.fold(lambda state, row: reduction.add(state, *row), state, (patches, places))
    for row in range(patches.shape[0]):
        state = reduction.add(state, patches[row, ...], each_column(places, itemgetter(row)))
    return state


@lru_cache(maxsize=32)
def _at_once(reduction: Reduction) -> Any:
    """Return the function that brings different voxels in; the same again, so that its program is found again."""
    return partial(_voxels, reduction)


def _voxels(reduction: Reduction, state: Array, patches: Array, places: Placement) -> Array:
    """Return a state with voxels brought in: together they are a patch of a volume that is made of them alone."""
    xp, (count, axes) = _array.array_namespace(state), places.start.shape
    column = (count, *(1,) * (axes - 1))
    patch = xp.reshape(patches, (*column, *patches.shape[axes + 1 :]))
    divisor = (_divisors(places) if places.divisor is None else places.divisor).reshape(column)
    place = Placement(np.zeros(axes, dtype=np.int32), (), divisor)

    def change(entries: Array) -> Array:
        volume = xp.reshape(entries, (*column, *entries.shape[1:]))
        return xp.reshape(reduction.add(volume, patch, place), entries.shape)

    return _array.update_points(state, places.start, change)


def _divisors(places: Placement) -> Array:
    """Return `d` of voxels from their lines (see `places`)."""
    below: Any = 0.0
    others: Any = 1.0
    for line in places.lines:
        below = line[:, 0, 0] + line[:, 1, 0] * below
        others = others * line[:, 2:, 0]
    return 1 + below + others.sum(axis=1)
