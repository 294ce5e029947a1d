"""How much surface passes through a 2x2x2 neighbourhood of voxels: marching cubes, generated and not pasted.

A neighbourhood is written as a code: bit `sum(offset[k] << k)` is set where the voxel at `offset` (0 or 1 along every
axis k) belongs to the structure. The surface cuts the edges between inside and outside voxels at their middle. On
every face it separates the inside voxels from each other where they touch along a diagonal only. With more than half
of the voxels inside, the surface is that of the complement.
"""

import functools
import itertools
import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mia_functional.typing import Spacing

_Point: TypeAlias = tuple[int, ...]
"""A corner of the unit cube; middles of edges are written as the sum of the edge's ends."""

_SQUARE = ((0, 0), (0, 1), (1, 1), (1, 0))
"""The corners of the unit square, once around."""


@functools.lru_cache(maxsize=64)
def surfel_sizes(spacing: Spacing) -> NDArray[np.float64]:
    """Return the size of the surface in a neighbourhood for every code.

    Args:
        spacing: Distance between voxel centres in millimetres, for 1 to 3 axes.

    Returns:
        Float64 array of `2 ** (2 ** ndim)` entries: areas in square millimetres for three axes, contour lengths in
        millimetres for two, and 1 per point for one axis.

    Example:
        >>> surfel_sizes((1.0, 2.0)).tolist()[0b0011], surfel_sizes((3.0,)).tolist()
        (1.0, [0.0, 1.0, 1.0, 0.0])

    Source:
        W. E. Lorensen and H. E. Cline, Marching cubes, 1987, doi 10.1145/37402.37422.
    """
    ndim = len(spacing)
    full = 2 ** (2**ndim) - 1
    table = np.zeros(full + 1)
    for code in range(1, full):
        # The complement rule of Lorensen and Cline, who list patterns of up to four inside corners and give the others
        # the surface of the complement. It matters on faces with two diagonal corners inside, which can be cut in two
        # ways: by it all 256 areas are those of DeepMind's table, as a test shows.
        fewer = min(code, full - code, key=int.bit_count)
        offsets = itertools.product(range(2), repeat=ndim)
        inside = frozenset(offset for offset in offsets if fewer >> sum(o << k for k, o in enumerate(offset)) & 1)
        if ndim == 1:
            table[code] = 1.0
        elif ndim == 2:
            # Middles of edges have doubled coordinates.
            ends = (zip(spacing, *segment, strict=True) for segment in _segments(_SQUARE, inside))
            table[code] = sum(0.5 * math.hypot(*(s * (b - a) for s, a, b in sides)) for sides in ends)
        else:
            table[code] = _surface_area(inside, spacing)
    # The table is cached and handed out to all callers.
    table.flags.writeable = False
    return table


def _surface_area(inside: frozenset[_Point], spacing: Spacing) -> float:
    """Return the area of the triangles through a cube."""
    first, second, third = spacing
    # A component of an area vector is an area in the plane of the other two axes, and grows with their spacings.
    scale = (second * third, first * third, first * second)
    return sum(math.hypot(*(s * n for s, n in zip(scale, normal, strict=True))) for normal in _area_vectors(inside))


@functools.cache
def _area_vectors(inside: frozenset[_Point]) -> tuple[tuple[float, ...], ...]:
    """Return the area vectors of the triangles on the grid of unit spacing, which serve every spacing."""
    vectors = []
    for polygon in _polygons(inside):
        # Polygons of more than three corners are not flat in general, so their area depends on the corner that the fan
        # of triangles starts from: it is the one of the largest area. Without rounding, the last bit of a sum would
        # choose among equal fans, which differ again as soon as the spacing is anisotropic.
        fans = [_fan(polygon[start:] + polygon[:start]) for start in range(len(polygon))]
        vectors += max(fans, key=lambda fan: round(sum(math.hypot(*vector) for vector in fan), 9))
    return tuple(vectors)


def _fan(polygon: list[_Point]) -> list[tuple[float, ...]]:
    """Return the area vectors of the triangles between the first corner of a polygon and its other sides."""
    apex = polygon[0]
    arms = [tuple(end - start for end, start in zip(corner, apex, strict=True)) for corner in polygon[1:]]
    # Half of a cross product, of arms that are twice as long as they should be: an eighth.
    return [
        ((b * f - c * e) / 8, (c * d - a * f) / 8, (a * e - b * d) / 8)
        for (a, b, c), (d, e, f) in itertools.pairwise(arms)
    ]


def _polygons(inside: frozenset[_Point]) -> list[list[_Point]]:
    """Return the closed polygons in which the surface meets the edges of the unit cube."""
    # Every edge that is cut lies on two faces: on one of them a segment ends there, on the other the next one begins.
    following = {start: end for face in _cube_faces() for start, end in _segments(face, inside)}
    polygons = []
    while following:
        polygon = [next(iter(following))]
        while (end := following.pop(polygon[-1])) != polygon[0]:
            polygon.append(end)
        polygons.append(polygon)
    return polygons


@functools.cache
def _cube_faces() -> tuple[tuple[_Point, ...], ...]:
    """Return the corners of the six faces of the unit cube, all in the same sense as seen from outside."""
    faces = []
    for axis, side in itertools.product(range(3), range(2)):
        face = tuple((*corner[:axis], side, *corner[axis:]) for corner in _SQUARE)
        # Opposite faces are seen from opposite sides, and the middle axis leaves the other two in odd order.
        faces.append(face[::-1] if (side == 1) != (axis == 1) else face)
    return tuple(faces)


def _segments(face: tuple[_Point, ...], inside: frozenset[_Point]) -> list[tuple[_Point, _Point]]:
    """Return where the surface enters and leaves a face: one pair of edge middles per run of inside corners."""
    # One for each edge of the face, in the order of the corners where the edges end.
    middles = [tuple(a + b for a, b in zip(face[corner - 1], face[corner], strict=True)) for corner in range(4)]
    member = [corner in inside for corner in face]
    pairs = []
    for first in range(4):
        if member[first] and not member[first - 1]:
            last = first
            while member[(last + 1) % 4]:
                last += 1
            pairs.append((middles[first], middles[(last + 1) % 4]))
    return pairs
