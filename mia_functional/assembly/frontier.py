"""The means of a volume tile by tile, each as soon as no window of a grid will touch it again.

Windows come with the first axis slowest. Behind them is a frontier: of the planes that they have reached, the rows
(along the second axis) that later windows reach too. Only those are in memory: about as many planes as windows overlap
in, and of the planes behind them as many rows as two windows take. Whole planes would be as many as a window has.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, pairwise, product
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional.assembly.incremental import start
from mia_functional.assembly.placement import Placement, placed_shape
from mia_functional.assembly.reductions import mean
from mia_functional.assembly.running_mean import add_by_lines, constant_divisor
from mia_functional.typing import Array, HostArray, Shape

__all__ = ["fold_tiles"]

_Range: TypeAlias = tuple[int, int]

_Tile: TypeAlias = tuple[_Range, ...]

_TILED_AXES = 2
"""Leading axes that are cut into tiles."""

_LEAST_TILE = 4
"""Tiles have at least one part in so many of a window: of windows that start at every voxel, a voxel would be one."""

_LEAST_MEANS = 2**20
"""Tiles have about so many means at least, if there are: the steps around fewer take longer than what is computed."""


def fold_tiles(
    function: Callable[[Any, tuple[int, ...], Array, Array], Any],
    patches: Iterable[Array],
    table: Placement,
    shape: Shape,
) -> Any:
    """Return the last of `state = function(state, corner, means, like)` over all tiles, each as soon as it is finished.

    Args:
        function: From what it returned for the tile before, None for the first one, the first voxel of a tile, its
            means and a zero of the kind of the patches; it keeps nothing of the means, so that their memory is freed.
        patches: The predictions `(*patch, ...)` of a grid.
        table: Their placements, in NumPy; the last axis is the fastest.
        shape: Spatial shape of the volume.
    """
    depth, starts = min(_TILED_AXES, len(shape)), _array.to_numpy(table.start)
    patches = iter(patches)
    first_patch = next(patches)
    windows = _tiles_of_windows(starts, placed_shape(table), shape, math.prod(first_patch.shape[len(shape) :]))
    # An iterator of a list lets go of its entry, which `chain` keeps: nothing may hold a batch when the next is made.
    patches = chain(iter([first_patch]), patches)
    del first_patch
    waiting = Counter(chain.from_iterable(windows))
    means: dict[_Tile, Array] = {}
    state: Any = None
    for patch, first, lines, tiles in zip(patches, starts, zip(*table.lines, strict=True), windows, strict=True):
        # What is rounded how depends on the whole window, so that tiles have the means of `sliding_window` to the bit.
        add = mean.add if constant_divisor(lines) else partial(_array.jit_call_donating, add_by_lines)
        for tile in tiles:
            if tile not in means:
                sizes = (*(high - low for low, high in tile), *shape[depth:])
                means[tile] = start(patch[(*[slice(1)] * len(shape), ...)], sizes)
            means[tile] = add(means[tile], *_part_in_tile(patch, Placement(first, lines), tile))
            waiting[tile] -= 1
            if not waiting[tile]:
                corner = (*(low for low, _ in tile), *(0,) * (len(shape) - depth))
                like = _array.zeros(_array.array_namespace(patch), (), patch.dtype, patch)
                state = function(state, corner, means.pop(tile), like)
    return state


def _tiles_of_windows(starts: HostArray, size: Shape, shape: Shape, channels: int) -> list[list[_Tile]]:
    """Return the tiles that each window reaches; they are cut where some window starts or stops, unless too small."""
    row, reached = channels * math.prod(shape[_TILED_AXES:]), []
    # Of a plane all rows count, as they are cut only if that leaves enough; of a row, the planes that a window has.
    beside = (row * math.prod(shape[1:2]), row * size[0])
    for lows, length, end, means in zip(starts.T, size, shape, beside, strict=False):
        least = max(1, length // _LEAST_TILE, _LEAST_MEANS // max(1, means))
        cuts = [0]
        for cut in sorted({*lows.tolist(), *(lows + length).tolist()}):
            if cut == end or (cut - cuts[-1] >= least and end - cut >= least):
                cuts.append(cut)
        ranges = list(pairwise(cuts))
        reached.append([[part for part in ranges if part[0] < low + length and low < part[1]] for low in lows.tolist()])
    return [list(product(*parts)) for parts in zip(*reached, strict=True)]


def _part_in_tile(patch: Array, placement: Placement, tile: _Tile) -> tuple[Array, Placement]:
    """Return the part of a patch that lies in a tile, and where it is placed there."""
    begin, lines, cuts = [*placement.start], [*placement.lines], []
    for axis, (low, high) in enumerate(tile):
        first = int(placement.start[axis])
        cut = slice(max(low - first, 0), min(high - first, patch.shape[axis]))
        begin[axis], lines[axis] = max(first - low, 0), lines[axis][:, cut]
        cuts.append(cut)
    return patch[(*cuts, ...)], Placement(np.array(begin, dtype=np.int32), tuple(lines))
