"""Polygons on the grid of a plane to a mask, by one of three rules that say which pixels are inside.

All rules are even-odd: a point is inside if a ray from it crosses the outlines an odd number of times. So a hole is a
polygon within another, whichever way round either is drawn, and a keyhole, one outline that walks through a channel of
no width to the hole and back, is the same as two. Coordinates are indices, (row, column); pixel centres are integers.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from mia_functional.typing import HostArray

__all__ = ["RULES", "Box", "Rule", "boxed_mask", "overlapping_polygon", "polygon_mask"]

Rule = Literal["pixel_centre", "pixel_centre_or_edge", "area_fraction"]

RULES: tuple[Rule, ...] = ("pixel_centre", "pixel_centre_or_edge", "area_fraction")

Box = tuple[slice, slice]
"""A part of a plane: rows and columns."""

_NOISE = 2.0**-20
"""Pixels: what lies so near to a pixel centre lies on it. Millimetres to indices and back are off by some 1e-10."""

_ON_EDGE = 1e-3
"""Pixels between a centre and an edge that runs through it: files keep a few decimals of a millimetre."""

_LINES_OF_ROW = 16
"""Lines through a row of pixels, along which `area_fraction` measures; along a line it is exact."""

_MAX_CROSSINGS = 1 << 22
"""Crossings of edges and lines that are in memory at a time."""


def polygon_mask(polygons: Sequence[HostArray], shape: tuple[int, int], *, rule: Rule = "pixel_centre") -> HostArray:
    """Return which pixels are inside of closed polygons, an array of booleans of `shape`.

    Args:
        polygons: Arrays of shape `(points, 2)`, (row, column); the last point is joined to the first. Fewer than three
            points have no inside, but a centre may be on them.
        shape: Rows and columns; what lies beyond is cut off.
        rule: `pixel_centre`: the centre is inside. A centre on an edge counts where the inside is towards higher
            columns, or rows (half-open), so that polygons that share an edge share no pixel and leave none out.
            `pixel_centre_or_edge`: it is inside or on any edge, as in contours that were drawn from centre to centre of
            the outermost pixels of a mask. `area_fraction`: half of the area of the pixel or more is inside.

    Example:
        >>> square = np.array([[0, 0], [0, 2], [2, 2], [2, 0]])
        >>> [int(polygon_mask([square], (4, 4), rule=rule).sum()) for rule in RULES]
        [4, 9, 5]
    """
    edges = _edges(polygons)
    if rule == "area_fraction":
        return np.greater_equal(_areas(edges, shape), 0.5 - _NOISE)
    height, width = shape
    toggles = np.zeros((height, width + 1), np.int64)
    for rows, columns in _crossings(edges, height):
        # A crossing at `x` turns all pixels from the first column at or behind `x` on.
        first = np.clip(np.ceil(_without_noise(columns)), 0, width).astype(np.int64)
        toggles += np.bincount(rows * (width + 1) + first, minlength=toggles.size).reshape(toggles.shape)
    inside: HostArray = np.cumsum(toggles[:, :width], axis=1) % 2 == 1
    if rule == "pixel_centre_or_edge":
        # Points, too: the outline of a single pixel is its centre.
        for points in polygons:
            nearest = np.rint(points)
            hit = (np.abs(points - nearest) <= _ON_EDGE) & (nearest >= 0) & (nearest < shape)
            rows, columns = nearest[hit.all(axis=1)].astype(np.int64).T
            inside[rows, columns] = True
        _mark_centres_on_edges(inside, edges)
        _mark_centres_on_edges(inside.T, _edges([polygon[:, ::-1] for polygon in polygons]))
    return inside


def overlapping_polygon(polygons: Sequence[HostArray], shape: tuple[int, int]) -> int | None:
    """Return the number of a polygon that shares pixels with another one and neither contains it nor is contained.

    Of two that cover the same pixels it is the second; None if all polygons lie beside or within each other. Only then
    are holes what drawers of contours mean by even-odd.
    """
    masks = [boxed_mask([polygon], shape) for polygon in polygons]
    sizes = [int(mask.sum()) for _, mask in masks]
    innermost = np.full(shape, -1, np.int64)
    # From large to small: each has to lie within a part of the plane that belongs to one larger polygon, or to none.
    for number in sorted(range(len(polygons)), key=lambda number: -sizes[number]):
        box, mask = masks[number]
        around = np.unique(innermost[box][mask])
        if len(around) > 1 or (len(around) and around[0] >= 0 and sizes[around[0]] == sizes[number]):
            return number
        innermost[box][mask] = number
    return None


def boxed_mask(
    polygons: Sequence[HostArray], shape: tuple[int, int], *, rule: Rule = "pixel_centre"
) -> tuple[Box, HostArray]:
    """Return the part of a plane that polygons can reach, and which of its pixels are inside, as `polygon_mask` has it.

    Example:
        >>> box, mask = boxed_mask([np.array([[4, 5], [4, 7], [6, 7], [6, 5]])], (512, 512))
        >>> mask.shape, box[0].start, int(mask.sum())
        ((5, 5), 3, 4)
    """
    points = np.concatenate([*polygons, np.zeros((0, 2))])
    ends = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(2), np.zeros(2))
    # One pixel more, for those that are half inside, or on an edge but for rounding.
    lowest = np.clip(np.floor(ends[0]) - 1, 0, shape).astype(int)
    highest = np.clip(np.ceil(ends[1]) + 2, lowest, shape).astype(int)
    size = int(highest[0] - lowest[0]), int(highest[1] - lowest[1])
    mask = polygon_mask([polygon - lowest for polygon in polygons], size, rule=rule)
    return (slice(int(lowest[0]), int(highest[0])), slice(int(lowest[1]), int(highest[1]))), mask


def _without_noise(coordinates: HostArray) -> HostArray:
    """Return coordinates whose last bits, which conversions leave, are rounded away."""
    return np.round(coordinates / _NOISE) * _NOISE


def _edges(polygons: Sequence[HostArray]) -> HostArray:
    """Return the edges, an array of shape `(4, edges)`: row and column of the upper end, then of the lower one.

    Ordered ends make an edge of two neighbours, which walk along it in opposite directions, cross lines at one place.
    """
    pairs = [np.concatenate([polygon, np.roll(polygon, -1, axis=0)], axis=1) for polygon in polygons]
    edges = np.concatenate([np.empty((0, 4)), *pairs]).T
    edges[[0, 2]] = _without_noise(edges[[0, 2]])
    return np.where(edges[0] <= edges[2], edges, edges[[2, 3, 0, 1]])


def _crossings(edges: HostArray, lines: int) -> Iterator[tuple[HostArray, HostArray]]:
    """Yield line by line where edges cross the lines at rows 0, 1, ...: the rows, and the columns as floats.

    The upper end of an edge is part of it and the lower one is not: a closed polygon crosses a line an even number of
    times. All crossings of one line come in one piece.
    """
    starts, stops = (np.clip(np.ceil(ends), 0, lines).astype(np.int64) for ends in edges[[0, 2]])
    kept = starts < stops
    starts, stops, (top, left, bottom, right) = starts[kept], stops[kept], edges[:, kept]
    # An edge that begins far outside, in rows that are numbers without a fraction, still has a slope.
    slopes = (right - left) / (bottom - top)
    pieces = max(1, -(-int((stops - starts).sum()) // _MAX_CROSSINGS))
    borders = np.linspace(0, lines, min(pieces, lines) + 1).astype(np.int64)
    for first, last in itertools.pairwise(borders.tolist()):
        low, high = np.maximum(starts, first), np.minimum(stops, last)
        counts = np.maximum(high - low, 0)
        edge = np.repeat(np.arange(len(counts)), counts)
        rows = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + low[edge]
        yield rows, left[edge] + (rows - top[edge]) * slopes[edge]


def _mark_centres_on_edges(mask: HostArray, edges: HostArray) -> None:
    """Set pixels whose centre lies on an edge, of the edges that are no longer along rows than across them."""
    height, width = mask.shape
    top, left, bottom, right = edges[:, (edges[2] > edges[0]) & (edges[2] - edges[0] >= np.abs(edges[3] - edges[1]))]
    slopes = (right - left) / (bottom - top)
    # From the first to the last row whose centres both ends may lie on; the lower end of an edge is no part of it.
    first, last = np.ceil(top - _ON_EDGE), np.floor(bottom + _ON_EDGE) + 0.5
    longer = np.stack([first, left + (first - top) * slopes, last, left + (last - top) * slopes])
    for rows, columns in _crossings(longer[:, first < last], height):
        nearest = np.rint(columns)
        hit = (np.abs(columns - nearest) <= _ON_EDGE) & (nearest >= 0) & (nearest < width)
        mask[rows[hit], nearest[hit].astype(np.int64)] = True


def _areas(edges: HostArray, shape: tuple[int, int]) -> HostArray:
    """Return which fraction of each pixel is inside: exact along `_LINES` lines through each row, by their mean."""
    height, width = shape
    lines = edges.copy()
    # Line 0 is the first one of row 0, which begins half a pixel above its centre.
    lines[[0, 2]] = (edges[[0, 2]] + 0.5) * _LINES_OF_ROW - 0.5
    changes = np.zeros((height, width + 2))
    for rows, columns in _crossings(lines, height * _LINES_OF_ROW):
        order = np.lexsort((columns, rows))
        # Every line has an even number of crossings: into the inside, out of it, and so on.
        sign = np.where(np.arange(len(order)) % 2 == 0, 1.0, -1.0)
        places = np.clip(columns[order], -0.5, width - 0.5) + 0.5
        pixels = places.astype(np.int64)
        start = rows[order] // _LINES_OF_ROW * (width + 2) + pixels
        for offset, part in ((0, 1 - (places - pixels)), (1, places - pixels)):
            changes += np.bincount(start + offset, sign * part, changes.size).reshape(changes.shape)
    return np.cumsum(changes, axis=1)[:, :width] / _LINES_OF_ROW
