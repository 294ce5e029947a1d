"""How much surface passes through a 2x2x2 neighbourhood of voxels: marching cubes, generated and not pasted.

A neighbourhood is written as a code: bit `sum(offset[k] << k)` is set where the voxel at `offset` (0 or 1 along every
axis k) belongs to the structure. The surface cuts the edges between inside and outside voxels at their middle. On
every face it separates the inside voxels from each other where they touch along a diagonal only. With more than half
of the voxels inside, the surface is that of the complement.
"""

import functools
import itertools
import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mia_functional.typing import Spacing

Point: TypeAlias = tuple[int, ...]
"""A corner of the unit cube; middles of edges are written as the sum of the edge's ends."""


SQUARE = ((0, 0), (0, 1), (1, 1), (1, 0))
"""The corners of the unit square, once around."""


@functools.lru_cache(maxsize=64)
def sizes(spacing: Spacing) -> NDArray[np.float64]:
    """Return the size of the surface in a neighbourhood for every code.

    Args:
        spacing: Distance between voxel centres in millimetres, for 1 to 3 axes.

    Returns:
        Float64 array of `2 ** (2 ** ndim)` entries: areas in square millimetres for three axes, contour lengths in
        millimetres for two, and 1 per point for one axis.

    Example:
        >>> sizes((1.0, 2.0)).tolist()[0b0011], sizes((3.0,)).tolist()
        (1.0, [0.0, 1.0, 1.0, 0.0])

    Source:
        W. E. Lorensen and H. E. Cline, Marching cubes, 1987, doi 10.1145/37402.37422.
    """
    ndim = len(spacing)
    full = 2 ** (2**ndim) - 1
    table = np.zeros(full + 1)
    for code in range(1, full):
        fewer = code if code.bit_count() <= 2 ** (ndim - 1) else full - code
        table[code] = _SIZE_OF_CODE[ndim - 1](fewer, spacing)
    table.flags.writeable = False
    return table


def _points(_code: int, _spacing: Spacing) -> float:
    """Return the count of end points between two voxels of which one is inside."""
    return 1.0


def _contour_length(code: int, spacing: Spacing) -> float:
    """Return the length of the contour through a square; middles of edges have doubled coordinates."""
    segments = _segments(SQUARE, _inside(code, 2))
    return sum(0.5 * math.hypot(*(s * (b - a) for s, a, b in zip(spacing, *ends, strict=True))) for ends in segments)


def _surface_area(code: int, spacing: Spacing) -> float:
    """Return the area of the triangles through a cube."""
    first, second, third = spacing
    scale = (second * third, first * third, first * second)
    return sum(math.hypot(*(s * n for s, n in zip(scale, normal, strict=True))) for normal in _normals(code))


_SIZE_OF_CODE: tuple[Any, ...] = (_points, _contour_length, _surface_area)


@functools.cache
def _normals(code: int) -> tuple[tuple[float, ...], ...]:
    """Return the area vectors of the triangles of a code on the grid of unit spacing."""
    normals = []
    for loop in _loops(_inside(code, 3)):
        fans = [_fan(loop[start:] + loop[:start]) for start in range(len(loop))]
        normals += max(fans, key=lambda fan: round(sum(math.hypot(*normal) for normal in fan), 9))
    return tuple(normals)


def _fan(loop: list[Point]) -> list[tuple[float, ...]]:
    """Return the area vectors of the triangles between the first corner of a polygon and its other sides."""
    apex = loop[0]
    arms = [tuple(end - start for end, start in zip(corner, apex, strict=True)) for corner in loop[1:]]
    return [
        ((b * f - c * e) / 8, (c * d - a * f) / 8, (a * e - b * d) / 8)
        for (a, b, c), (d, e, f) in itertools.pairwise(arms)
    ]


def _loops(inside: frozenset[Point]) -> list[list[Point]]:
    """Return the closed polygons in which the surface meets the edges of the unit cube."""
    following = {start: end for face in _faces() for start, end in _segments(face, inside)}
    loops = []
    while following:
        loop = [next(iter(following))]
        while (end := following.pop(loop[-1])) != loop[0]:
            loop.append(end)
        loops.append(loop)
    return loops


@functools.cache
def _faces() -> tuple[tuple[Point, ...], ...]:
    """Return the corners of the six faces of the unit cube, all in the same sense as seen from outside."""
    faces = []
    for axis, side in itertools.product(range(3), range(2)):
        face = tuple((*corner[:axis], side, *corner[axis:]) for corner in SQUARE)
        faces.append(face[::-1] if (side == 1) != (axis == 1) else face)
    return tuple(faces)


def _segments(face: tuple[Point, ...], inside: frozenset[Point]) -> list[tuple[Point, Point]]:
    """Return where the surface enters and leaves a face: one pair of edge middles per run of inside corners."""
    member = [corner in inside for corner in face]
    pairs = []
    for first in range(4):
        if member[first] and not member[first - 1]:
            last = first
            while member[(last + 1) % 4]:
                last += 1
            pairs.append((_middle(face[first - 1], face[first]), _middle(face[last % 4], face[(last + 1) % 4])))
    return pairs


def _middle(first: Point, second: Point) -> Point:
    """Return the middle of an edge, with doubled coordinates."""
    return tuple(a + b for a, b in zip(first, second, strict=True))


def _inside(code: int, ndim: int) -> frozenset[Point]:
    """Return the voxels of a neighbourhood that a code marks."""
    offsets = itertools.product(range(2), repeat=ndim)
    return frozenset(offset for offset in offsets if code >> sum(o << k for k, o in enumerate(offset)) & 1)
