"""Closed surfaces of triangles on the grid of a volume: inside is where their winding number is not 0.

The winding number of a point counts how often the surface goes around it. Along a line of voxels it changes where the
line meets a triangle, by 1 or -1 after the side from which the triangle is met. Sums along lines are therefore exact if
every line meets triangles that share an edge or a corner as often as it meets the surface there. To this end a plane of
voxels cuts edges, whose two triangles take the cut from one computation, and a line cuts what joins these cuts. A voxel
centre that lies on the surface is inside if the surface ends there towards lower indices, along every axis: a box from
1 to 3 has the voxels 1 and 2, and boxes that touch share none.
"""

from collections.abc import Iterator

import numpy as np

from mia_functional.typing import HostArray

__all__ = ["inside_surface", "open_edges"]

_POINT_NOISE = 2.0**-20
"""Voxels: a point so near to a plane of voxel centres lies in it. Millimetres to indices are off by some 1e-10."""

_CUT_NOISE = 2.0**-32
"""Voxels: what a cut is off by rounding, which slopes of triangles may make larger before it is compared again."""

_SLAB_VOXELS, _CUTS_AT_ONCE = 1 << 22, 1 << 20
"""Voxels whose winding numbers, and cuts of triangles and planes, that are in memory at a time."""


def inside_surface(points: HostArray, triangles: HostArray, shape: tuple[int, int, int]) -> HostArray:
    """Return which voxels of a grid are inside of a closed surface, an array of booleans.

    Args:
        points: Corners, `(points, 3)`: indices of voxels along the axes of the array, with fractions.
        triangles: Three places in `points` for each triangle; each edge is in as many triangles one way round as the
            other way round, so that the winding number is one of whole numbers.
        shape: The grid.
    """
    corners = np.rint(points / _POINT_NOISE) * _POINT_NOISE
    inside = np.zeros(shape, bool)
    depth = max(1, _SLAB_VOXELS // (shape[1] * shape[2]))
    heights = corners[:, 0][triangles]
    lowest, highest = heights.min(axis=1), heights.max(axis=1)
    for start in range(0, shape[0], depth):
        stop = min(start + depth, shape[0])
        near = triangles[(lowest < stop) & (highest > start)]
        if near.size:
            steps = np.zeros((stop - start, *shape[1:]), np.int32)
            for chunk in _cut_triangles(corners, near, start, stop):
                _add_crossings(steps, corners, chunk, start)
            np.not_equal(np.cumsum(steps, axis=2, out=steps), 0, out=inside[start:stop])
    return inside


def open_edges(triangles: HostArray, count: int) -> tuple[int, bool]:
    """Return how many edges are in more triangles one way round than the other, and whether all have two sides.

    `count` is the number of points. A surface is closed if there is no such edge. If there are, and all of them have
    an even number of triangles, some triangles are turned the wrong way round.
    """
    first = triangles[:, [0, 1, 2]].ravel().astype(np.int64)
    second = triangles[:, [1, 2, 0]].ravel().astype(np.int64)
    # An edge of no length has no sides.
    kept = first != second
    first, second = first[kept], second[kept]
    _, edges = np.unique(np.minimum(first, second) * count + np.maximum(first, second), return_inverse=True)
    balance = np.bincount(edges, weights=np.where(first < second, 1.0, -1.0))
    sides = np.bincount(edges)
    wrong = balance != 0
    return int(wrong.sum()), bool((sides[wrong] % 2 == 0).all())


def _planes_between(low: HostArray, high: HostArray, start: int, stop: int) -> tuple[HostArray, HostArray]:
    """Return the first integer that is not below `low`, and how many follow below `high`, within a range."""
    first = np.clip(np.ceil(low), start, stop).astype(np.int64)
    return first, np.maximum(np.clip(np.ceil(high), start, stop).astype(np.int64) - first, 0)


def _repeated(first: HostArray, counts: HostArray) -> tuple[HostArray, HostArray]:
    """Return the place of an entry for each integer that it counts, and these integers."""
    owners = np.repeat(np.arange(len(counts)), counts)
    ends = np.cumsum(counts)
    return owners, first[owners] + np.arange(len(owners)) - (ends - counts)[owners]


def _cut_triangles(
    corners: HostArray, triangles: HostArray, start: int, stop: int
) -> Iterator[tuple[HostArray, HostArray]]:
    """Yield triangles and planes that cut them, in pairs, some at a time."""
    heights = corners[:, 0][triangles]
    first, counts = _planes_between(heights.min(axis=1), heights.max(axis=1), start, stop)
    groups = np.cumsum(counts) // _CUTS_AT_ONCE
    for group in np.unique(groups[counts > 0]):
        chosen = groups == group
        owners, planes = _repeated(first[chosen], counts[chosen])
        yield triangles[chosen][owners], planes


def _add_crossings(steps: HostArray, corners: HostArray, cuts: tuple[HostArray, HostArray], start: int) -> None:
    """Add to each voxel by how much the winding number is another one there than at the voxel before."""
    triangles, planes = cuts
    below = corners[:, 0][triangles] <= planes[:, None]
    # One corner is on a side of its own. Turned so that it is the first, the plane cuts the first and the last edge.
    alone = np.argmax(below == (below.sum(axis=1) == 1)[:, None], axis=1)
    rows = np.arange(len(triangles))
    apex, second, third = (triangles[rows, (alone + turn) % 3] for turn in range(3))
    rising = below[rows, alone]
    one, other = _cut(corners, apex, second, planes, rising), _cut(corners, apex, third, planes, rising)
    # From the edge that goes up to the one that goes down, so that neighbours go on where a triangle ends.
    begin = np.where(rising[:, None], one, other)
    end = np.where(rising[:, None], other, one)
    low, high = np.minimum(begin[:, 0], end[:, 0]), np.maximum(begin[:, 0], end[:, 0])
    first, counts = _planes_between(low, high, 0, steps.shape[1])
    ends = np.cumsum(counts) // _CUTS_AT_ONCE
    for group in np.unique(ends[counts > 0]):
        chosen = np.flatnonzero(ends == group)
        owners, lines = _repeated(first[chosen], counts[chosen])
        owners = chosen[owners]
        begins, stops = begin[owners], end[owners]
        upwards = begins[:, 0] <= lines
        near = np.where(upwards[:, None], begins, stops)
        far = np.where(upwards[:, None], stops, begins)
        share = (lines - near[:, 0]) / (far[:, 0] - near[:, 0])
        columns = near[:, 1] + share * (far[:, 1] - near[:, 1])
        columns = np.ceil(np.rint(columns / _POINT_NOISE) * _POINT_NOISE)
        met = columns < steps.shape[2]
        place = planes[owners] - start, lines, np.maximum(columns, 0)
        index = tuple(axis[met].astype(np.int64) for axis in place)
        np.add.at(steps, index, np.where(upwards[met], 1, -1).astype(np.int32))


def _cut(corners: HostArray, apex: HostArray, other: HostArray, planes: HostArray, rising: HostArray) -> HostArray:
    """Return where planes cut edges, (row, column); for an edge that is the same, whichever triangle asks."""
    low = corners[np.where(rising, apex, other)]
    high = corners[np.where(rising, other, apex)]
    share = (planes - low[:, 0]) / (high[:, 0] - low[:, 0])
    places = low[:, 1:] + share[:, None] * (high[:, 1:] - low[:, 1:])
    return np.asarray(np.rint(places / _CUT_NOISE) * _CUT_NOISE)
