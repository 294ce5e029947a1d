"""The exact distance from grid points to the nearest of other grid points, on the host: the engine of the fast metrics.

Most points of two similar surfaces are close to each other. So the shortest offsets are tried in order of their length,
by all remaining points at once. If points are left, a sample of them tells whether to go on with longer offsets; else
a k-d tree of the targets or one distance transform of the whole grid finds the others, whichever is cheaper.

Which way is taken decides about the time alone: each finds whole steps along the axes, whose length is computed by one
function, so that the distances agree to the last bit (two targets whose lengths differ by rounding aside).
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional.typing import HostArray, Spacing

_Result = TypeVar("_Result")

_CLOSE = {1: 7, 2: 29, 3: 123}
"""About how many offsets all points try, by the number of axes: in 3-D those of up to three voxels."""

_NEAR = {1: 41, 2: 317, 3: 515}
"""About how many offsets the others try, if most find a target then: in 3-D those of up to five voxels."""

_FAR = {1: 401, 2: 1257, 3: 4169}
"""About how many offsets the last few points try instead of a tree: in 3-D those of up to ten voxels."""

_SAMPLE = 64
"""One point in so many, in the order of the grid, tells how long the search would take and how many it would miss."""

# Nanoseconds, measured on x86 processors; only their ratios matter, for the choice between ways to the same distances.
_LOOK = 3.0  # one offset of one point
_GROW, _QUERY = 115.0, 2500.0  # one target, and one query, of a k-d tree
_PAIR = 4.0  # the distance of one point to one target
_SWEEP, _SWEEP_UNCACHED = 50.0, 120.0  # one voxel of a distance transform, and one where the grid leaves the cache
_CACHED = 2**19  # voxels that fit in the cache: SciPy keeps 12 bytes for each, and walks along every axis in turn
_WORTH_A_SAMPLE = 2e6  # a sample tries hundreds of offsets, which takes up to a millisecond

_FEW_FAR = 128
"""Up to how many points that nothing else has found look at all targets that may be nearest, instead of a tree."""

_RANK = np.uint16
"""What counts distances that occur: few, as most are whole steps of a few voxels."""

_BLOCK = 2**18
"""How many looks of the last few points are made at once: 2 MB of indices."""


class RankedDistances(NamedTuple):
    """Distances of points: those that occur, in millimetres, and for each point the position of its own among them."""

    lengths: NDArray[np.float64]
    ranks: NDArray[np.integer]


class _Shells(NamedTuple):
    """Offsets in order of length: `reach` voxels along each axis, lengths in millimetres, offsets of each length."""

    reach: tuple[int, ...]
    lengths: NDArray[np.float64]
    offsets: tuple[NDArray[np.intp], ...]


@functools.lru_cache(maxsize=64)
def _shells(spacing: Spacing, count: int) -> _Shells:
    """Return all offsets within a ball that holds about `count` voxels, grouped by their exact length."""
    radius = (count / ball_size(spacing, 1.0)) ** (1 / len(spacing))
    steps = ball_offsets(spacing, radius)
    distinct, group = np.unique(_lengths(steps, spacing), return_inverse=True)
    order = np.argsort(group, kind="stable")
    offsets = np.split(steps[order], np.cumsum(np.bincount(group))[:-1])
    distinct.flags.writeable = False  # it is cached and handed out
    return _Shells(tuple(np.max(steps, axis=0).tolist()), distinct, tuple(offsets))


def ball_size(spacing: Spacing, radius: float) -> float:
    """Return about how many voxels a ball of `radius` millimetres holds, in any number of dimensions."""
    ndim = len(spacing)
    return float(math.pi ** (ndim / 2) / math.gamma(ndim / 2 + 1) * radius**ndim / math.prod(spacing))


def ball_offsets(spacing: Spacing, radius: float) -> NDArray[np.intp]:
    """Return all whole steps along the axes that are at most `radius` millimetres long, one in each row."""
    reach = (int(radius / step) for step in spacing)
    steps = np.array(list(itertools.product(*(range(-r, r + 1) for r in reach))), dtype=np.intp)
    return steps[_lengths(steps, spacing) <= radius]


def _lengths(steps: NDArray[np.intp], spacing: Spacing) -> NDArray[np.float64]:
    """Return the lengths in millimetres of rows of whole steps; the squares are added in the order of the axes."""
    squares = (steps.astype(np.float64) * np.asarray(spacing)) ** 2
    lengths: NDArray[np.float64] = np.sqrt(functools.reduce(np.add, squares.T))
    return lengths


def pad_for_search(grid: HostArray, spacing: Spacing) -> HostArray:
    """Return a grid with the margin of zeros that `nearest_distances` needs, so that no offset leads out of it."""
    return pad_zeros(grid, _shells(spacing, _NEAR[grid.ndim]).reach)


def pad_zeros(grid: HostArray, widths: tuple[int, ...]) -> HostArray:
    """Return a grid with a margin of zeros, `widths` voxels at both ends of the axes; `np.pad` takes twice as long."""
    padded = np.zeros(tuple(size + 2 * width for size, width in zip(grid.shape, widths, strict=True)), dtype=grid.dtype)
    padded[tuple(slice(width, width + size) for size, width in zip(grid.shape, widths, strict=True))] = grid
    return padded


def map_pair(
    function: Callable[..., _Result], first: tuple[HostArray, ...], second: tuple[HostArray, ...]
) -> tuple[_Result, _Result]:
    """Return `function(*first)` and `function(*second)`; in two threads if the last array of `first` is large."""
    found: dict[int, _Result] = {}

    def work(share: Iterator[tuple[int, tuple[HostArray, ...]]]) -> None:
        for number, arrays in share:
            found[number] = function(*arrays)

    # NumPy and SciPy release the interpreter's lock in all that takes long here.
    _array.run_in_threads(work, list(enumerate((first, second))), first[-1].size)
    return found[0], found[1]


def nearest_distances(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Return the distance in millimetres from each point to the nearest target.

    Args:
        points: Flat indices into `targets`, none of them in its margin.
        targets: Boolean grid with the margin that `pad_for_search` makes.
        spacing: Millimetres between grid points along each axis.

    Returns:
        Float64 distances in the order of `points`; inf if there is no target.
    """
    lengths, ranks = ranked_distances(points, targets, spacing)
    return lengths.take(ranks)


def ranked_distances(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> RankedDistances:
    """Return what `nearest_distances` does, as distances that many points share."""
    # SciPy's transform of a grid without any target would return distances to a phantom.
    count = int(np.count_nonzero(targets))
    if not count:
        return RankedDistances(np.array([np.inf]), np.zeros(points.shape, dtype=_RANK))
    close = _shells(spacing, _CLOSE[targets.ndim])
    ranks, missed, _ = _search(points, targets, close)
    if not missed.size:
        return RankedDistances(close.lengths, ranks)
    others = _remaining_distances(points[missed], targets, count, spacing, tried=len(close.lengths))
    distinct, positions = np.unique(others, return_inverse=True)
    lengths = np.concatenate([close.lengths, distinct])
    if lengths.size > np.iinfo(_RANK).max:
        ranks = ranks.astype(np.intp)
    ranks[missed] = positions + close.lengths.size
    return RankedDistances(lengths, ranks)


def _remaining_distances(
    points: NDArray[np.intp], targets: NDArray[np.bool_], count: int, spacing: Spacing, *, tried: int
) -> NDArray[np.float64]:
    """Return the distances of points, which have none of `count` targets in the first shells, in the cheapest way."""
    near = _shells(spacing, _NEAR[targets.ndim])
    voxels = math.prod(size - 2 * reach for size, reach in zip(targets.shape, near.reach, strict=True))
    transform = voxels * (_SWEEP if voxels < _CACHED else _SWEEP_UNCACHED)
    tree = _GROW * count + _QUERY * points.size
    if min(tree, transform) > _WORTH_A_SAMPLE:
        _, missed, looks = _search(points[::_SAMPLE], targets, near, skip=tried)
        search = _SAMPLE * (looks * _LOOK + missed.size * _QUERY)
        if missed.size:
            search += min(_GROW * count, _SAMPLE * missed.size * _FAR[targets.ndim] * _LOOK)
        if search < min(tree, transform):
            return _search_on(points, targets, count, spacing, tried=tried)
    if transform < tree:
        return _transform(points, targets, spacing, near.reach)
    return _query_tree(points, targets, spacing)


def _search_on(
    points: NDArray[np.intp], targets: NDArray[np.bool_], count: int, spacing: Spacing, *, tried: int
) -> NDArray[np.float64]:
    """Return what `_remaining_distances` does, by a search of a few voxels more, which leaves few points to a tree."""
    ndim = targets.ndim
    near = _shells(spacing, _NEAR[ndim])
    ranks, missed, _ = _search(points, targets, near, skip=tried)
    distances = near.lengths.take(ranks)
    # The surface of an organ has so many targets that a tree of them takes longer to grow than all else together. A few
    # hundred points that are further off look up to ten voxels far instead.
    if missed.size and missed.size * _FAR[ndim] * _LOOK < _GROW * count:
        far = _shells(spacing, _FAR[ndim])
        extra = tuple(more - less for more, less in zip(far.reach, near.reach, strict=True))
        starts = np.unravel_index(points[missed], targets.shape)
        wider = pad_zeros(targets, extra)
        shifted = tuple(start + width for start, width in zip(starts, extra, strict=True))
        distances[missed], rest = _search_in_blocks(np.ravel_multi_index(shifted, wider.shape), wider, far)
        missed = missed[rest]
    if missed.size:
        query = _query_all if missed.size <= _FEW_FAR else _query_tree
        distances[missed] = query(points[missed], targets, spacing)
    return distances


def _search(
    points: NDArray[np.intp], targets: NDArray[np.bool_], table: _Shells, *, skip: int = 0
) -> tuple[NDArray[np.integer], NDArray[np.intp], int]:
    """Return which length of a table each distance is, the positions of points without any, and the looks taken.

    Args:
        points: As in `nearest_distances`.
        targets: As in `nearest_distances`, with a margin at least as wide as the offsets.
        table: The offsets to try.
        skip: How many of the shortest lengths have been tried before.
    """
    strides = np.array(targets.strides, dtype=np.intp)  # in bytes, which are the elements of a boolean grid
    # A view that begins at the offset spares a new array of indices for each; counted from the corner of the margin,
    # neither the beginnings nor the indices are negative.
    base = int(strides @ np.array(table.reach))
    grid, indices, looks = targets.reshape(-1), points - base, 0
    rounds: list[tuple[int, int, NDArray[np.intp]]] = []
    for rank, offsets in enumerate(table.offsets[skip:], skip):
        if not indices.size:
            break
        looks += indices.size * len(offsets)
        starts = (offsets @ strides + base).tolist()
        hit = grid[starts[0] :].take(indices)
        for start in starts[1:]:
            hit |= grid[start:].take(indices)
        rest = np.flatnonzero(np.logical_not(hit, out=hit))
        rounds.append((rank, indices.size, rest))
        indices = indices.take(rest)
    # From the last round to the first, so that few numbers are written more than once.
    ranks, missed = np.zeros(indices.size, dtype=_RANK), np.arange(indices.size)
    for rank, size, rest in reversed(rounds):
        nearer = np.empty(size, dtype=_RANK)
        nearer.fill(rank)
        nearer[rest] = ranks
        ranks = nearer
        if missed.size:
            missed = rest.take(missed)
    return ranks, missed, looks


def _search_in_blocks(
    points: NDArray[np.intp], targets: NDArray[np.bool_], table: _Shells
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return what `_search` does, for few points and many offsets, which would pay for a call of NumPy each."""
    offsets = np.concatenate(table.offsets) @ np.array(targets.strides)
    lengths = np.repeat(table.lengths, [len(group) for group in table.offsets])
    distances, missed, start = np.full(points.shape, np.inf), np.arange(points.size), 0
    while missed.size and start < offsets.size:
        stop = start + max(_BLOCK // missed.size, 1)
        hits = targets.reshape(-1).take(points[missed, None] + offsets[start:stop])
        first = hits.argmax(axis=1)  # the offsets are in order of length, so that the first hit is the nearest
        hit = hits[np.arange(missed.size), first]
        distances[missed[hit]] = lengths[start + first[hit]]
        missed, start = missed[~hit], stop
    return distances, missed


def _query_all(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Return what `_query_tree` does, for a few points that are close to each other, as an error far off is."""
    flat, step = np.flatnonzero(targets), np.asarray(spacing)
    starts = np.stack(np.unravel_index(points, targets.shape), axis=1)
    wanted = starts * step
    # No target is the nearest of a point if it is further from the box around all points than each of them is from one
    # of some targets.
    some = [
        end * length
        for end, length in zip(np.unravel_index(flat[:: flat.size // 512 + 1], targets.shape), spacing, strict=True)
    ]
    bound = max(float(_squares(some, point).min()) for point in wanted) * (1 + 1e-9)
    # What is within that distance along each axis is a fraction of an organ's surface, and of the memory.
    reach = (math.sqrt(bound) / step).astype(np.intp) + 1
    corner = np.maximum(starts.min(axis=0) - reach, 0)
    inner = targets[tuple(map(slice, corner.tolist(), (starts.max(axis=0) + reach + 1).tolist()))]
    ends = np.stack(np.unravel_index(np.flatnonzero(inner), inner.shape)) + corner[:, None]
    places = ends * step[:, None]
    middle, half = (wanted.max(axis=0) + wanted.min(axis=0)) / 2, np.ptp(wanted, axis=0) / 2
    outside = np.maximum(abs(places - middle[:, None]) - half[:, None], 0)
    near = np.flatnonzero(_squares(outside, np.zeros(targets.ndim)) <= bound)
    # Points that are apart have to look at too many. The tree takes long to import besides: as long as a whole case.
    if points.size * near.size * _PAIR > _GROW * flat.size + _QUERY * points.size:
        return _query_tree(points, targets, spacing)
    places = places[:, near]
    nearest = near[[int(_squares(places, point).argmin()) for point in wanted]]
    return _lengths(starts - ends[:, nearest].T, spacing)


def _squares(places: Iterable[NDArray[np.floating]], point: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return squared distances of places, one array for each axis, to a point."""
    sums: NDArray[np.float64] = functools.reduce(np.add, ((x - y) ** 2 for x, y in zip(places, point, strict=True)))
    return sums


def _query_tree(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Return distances by a k-d tree of the targets, which finds the nearest one; the length comes from whole steps."""
    from scipy.spatial import KDTree  # at its first use: SciPy takes as long to import as NumPy

    ends = np.stack(np.nonzero(targets), axis=1)
    starts = np.stack(np.unravel_index(points, targets.shape), axis=1)
    # The tree is asked few times, so it must grow fast. Compact nodes take longer to grow, and gained nothing.
    tree = KDTree(ends * np.asarray(spacing), leafsize=32, balanced_tree=False, compact_nodes=False)
    _, index = tree.query(starts * np.asarray(spacing))
    return _lengths(starts - ends[index], spacing)


def _transform(
    points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing, margin: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return distances by an exact distance transform of the grid without its margin, which can be half of it."""
    from scipy import ndimage  # at its first use: SciPy takes as long to import as NumPy

    inner = targets[tuple(slice(width, size - width) for width, size in zip(margin, targets.shape, strict=True))]
    ends = ndimage.distance_transform_edt(~inner, sampling=spacing, return_distances=False, return_indices=True)
    indices = np.unravel_index(points, targets.shape)
    starts = tuple(index - width for index, width in zip(indices, margin, strict=True))
    return _lengths(np.stack([end[starts] - start for end, start in zip(ends, starts, strict=True)], axis=1), spacing)
