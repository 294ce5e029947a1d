"""The means of a volume tile by tile, each as soon as no window of a grid will touch it again.

Windows come with the first axis slowest. Behind them is a frontier: of the planes that they have reached, the rows
(along the second axis) that later windows reach too. Only those are in memory: about as many planes as windows overlap
in, and of the planes behind them as many rows as two windows take. Whole planes would be as many as a window has.
"""

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
    size, depth = placed_shape(table), min(_TILED_AXES, len(shape))
    starts = _array.to_numpy(table.start)
    reached = [_tiles_of_windows(starts[:, axis], size[axis], shape[axis]) for axis in range(depth)]
    windows = [list(product(*ranges)) for ranges in zip(*reached, strict=True)]
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


def _tiles_of_windows(starts: HostArray, size: int, end: int) -> list[list[_Range]]:
    """Return the tiles that each window reaches along an axis; they are cut where some start or stop, if not thin."""
    least = max(1, size // _LEAST_TILE)
    cuts = [0]
    for cut in sorted({*starts.tolist(), *(starts + size).tolist()}):
        if cut - cuts[-1] >= least and (end - cut >= least or cut == end):
            cuts.append(cut)
    return [
        [(first, last) for first, last in pairwise(cuts) if first < low + size and low < last]
        for low in starts.tolist()
    ]


def _part_in_tile(patch: Array, placement: Placement, tile: _Tile) -> tuple[Array, Placement]:
    """Return the part of a patch that lies in a tile, and where it is placed there."""
    begin, lines, cuts = [*placement.start], [*placement.lines], []
    for axis, (low, high) in enumerate(tile):
        first = int(placement.start[axis])
        cut = slice(max(low - first, 0), high - first)
        begin[axis], lines[axis] = max(first - low, 0), lines[axis][:, cut]
        cuts.append(cut)
    return patch[(*cuts, ...)], Placement(np.array(begin, dtype=np.int32), tuple(lines))
