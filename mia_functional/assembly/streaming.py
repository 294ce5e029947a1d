"""Planes handed out one by one, as soon as no patch will touch them again; volumes of several planes into one."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.incremental import added, start
from mia_functional.assembly.placement import Placement, fit, rows_of, spans, walk
from mia_functional.assembly.reductions import Reduction, check_reduction, mean
from mia_functional.assembly.volumes import alike, checked_request, filled, paired, typed
from mia_functional.assembly.windows import Window, uniform
from mia_functional.indexing import Indices, sides
from mia_functional.typing import Array, Index, Margin, Shape


def assemble_planes(
    patches: Iterable[Array],
    indices: Iterable[Index],
    shape: Shape,
    *,
    reduction: Reduction = mean,
    window: Window = uniform,
    fill_value: float | None = None,
    margin: Margin = 0,
    dtype: Any = None,
) -> Iterator[tuple[int, Array]]:
    """Yield the planes of the volume that `assemble` would return, each as soon as it is finished (streaming).

    Only the planes that the patches at hand reach are kept, about as many as a patch has: the label map of many classes
    (`labels[k] = plane.argmax(-1)`) never needs the probabilities of the whole volume.

    Args:
        patches: As for `assemble`, as are all that follow.
        indices: In the order of their starts along the first axis, as those of `patches` are.
        shape: Spatial shape of the volume.
        reduction: `mean`, `total`, `maximum`, `last`, `vote(labels)`, or any whose state is one array.
        window: Weights along one axis of a patch.
        fill_value: Value of voxels that no patch covers.
        margin: Context that the patches still have.
        dtype: That of the planes.

    Yields:
        The position of a plane along the first axis, and the plane, `(*shape[1:], ...)`; in order.

    Raises:
        TypeError: As for `assemble`.
        ValueError: As for `assemble`; or an index starts before the one ahead of it.

    Example:
        >>> import numpy as np
        >>> parts = [np.array([1.0, 1.0]), np.array([3.0, 3.0])]
        >>> [(k, float(plane)) for k, plane in assemble_planes(parts, [(slice(0, 2),), (slice(1, 3),)], (3,))]
        [(0, 1.0), (1, 2.0), (2, 3.0)]
    """
    size = checked_request("assemble_planes", patches, indices, shape, window, reduction)
    known = indices if isinstance(indices, Indices) else list(indices)
    widths = sides("assemble_planes", margin, len(size))
    walked, covered = walk("assemble_planes", known, size, window if reduction.weighted else uniform, fill_value)
    parts = (
        (fit("assemble_planes", patch, index, size, widths), place)
        for patch, (index, place) in paired("assemble_planes", patches, walked)
    )
    for position, values, patch in _finished(parts, _depth(known, size), size, reduction):
        plane = typed(reduction.finish(values), patch, dtype)
        yield position, filled("assemble_planes", plane, _on_plane(covered, position), fill_value)


def merge_planes(volumes: Iterable[Array], *, reduction: Reduction = mean) -> Array:
    """Return one volume of several that were assembled from slices in different planes (2.5-D), one after the other.

    Args:
        volumes: Arrays of one shape and library; a generator needs memory for one of them at a time.
        reduction: `mean`, `total`, `maximum`, `last` or `vote`.

    Returns:
        An array of their shape; of their dtype, sums and means of integers are float32.

    Raises:
        ValueError: There is none, or they differ in shape.

    Example:
        >>> import numpy as np
        >>> merge_planes([np.array([1.0, 2.0]), np.array([3.0, 2.0])]).tolist()
        [2.0, 2.0]
    """
    check_reduction("merge_planes", reduction)
    state: Any = None
    volume = first = None
    for position, volume in enumerate(volumes):
        first = volume if first is None else first
        alike("merge_planes", first, volume)
        if volume.shape != first.shape:
            checks.invalid_value(
                "merge_planes", "volumes", f"have one shape, {tuple(first.shape)}", tuple(volume.shape)
            )
        state = start(volume, tuple(volume.shape), reduction=reduction) if state is None else state
        state = added("merge_planes", state, volume, _again(position, volume.shape), reduction)
    if volume is None:
        checks.invalid_value("merge_planes", "volumes", "hold at least one volume", "none")
    return typed(reduction.finish(state), volume, None)


def _finished(
    parts: Iterator[tuple[Array, Placement]], depth: int, shape: Shape, reduction: Reduction
) -> Iterator[tuple[int, Array, Array]]:
    """Yield the state of every plane as soon as no patch touches it again, with the patch at hand.

    The states lie in a ring of `depth` planes: the plane at position k has row `k % depth`.
    """
    part: Any = None
    ring: Any = None
    blank: Any = None
    done = 0
    for part, place in parts:
        if ring is None:
            ring, blank = (start(part[:1, ...], (rows, *shape[1:]), reduction=reduction) for rows in (depth, 1))
        begin = int(place.start[0])
        for position in range(done, begin):
            yield position, _row(ring, position % depth), part
            ring = _array.jit_call_donating(_array.set_block, ring, (position % depth,), blank)
        done = begin
        for piece, where in _pieces(part, place, depth):
            ring = added("assemble_planes", ring, piece, where, reduction)
    if ring is None:
        checks.invalid_value("assemble_planes", "patches", "hold at least one patch", "none")
    for position in range(done, shape[0]):
        yield position, _row(ring, position % depth), part
        ring = _array.jit_call_donating(_array.set_block, ring, (position % depth,), blank)


def _row(ring: Array, row: int) -> Array:
    """Return a copy of one plane of a ring."""
    return _array.array_namespace(ring).asarray(ring[row, ...], copy=True)


def _pieces(part: Array, place: Placement, depth: int) -> Iterator[tuple[Array, Placement]]:
    """Yield a patch and its place in a ring; in two pieces where it goes beyond the last row."""
    row, size = int(place.start[0]) % depth, part.shape[0]
    first = min(size, depth - row)
    for low, high, begin in ((0, first, row), (first, size, 0)):
        if low < high:
            start = np.array([begin, *place.start[1:]], dtype=np.int32)
            where = rows_of(place, low, high)._replace(start=start)
            yield (part if size == high - low else part[low:high, ...]), where


def _depth(indices: Iterable[Index], shape: Shape) -> int:
    """Return how many planes are unfinished at most: from an index' start to the farthest stop so far.

    Refuses indices that are not in order.
    """
    depth = start = stop = 0
    for index in indices:
        low, high = spans("assemble_planes", index, shape)[0]
        if max(low, 0) < start:
            checks.invalid_value("assemble_planes", "indices", "be in order along the first axis", f"start {low}")
        start, stop = max(low, 0), max(stop, min(high, shape[0]))
        depth = max(depth, stop - start)
    return depth


def _on_plane(covered: list[Any], position: int) -> list[Any]:
    """Return the weights of a plane, from those of the volume."""
    first, *others = covered
    return [first[position] * others[0], *others[1:]] if others else [first[position]]


def _again(position: int, shape: Shape) -> Placement:
    """Return the place of a whole volume after `position` others."""
    before = [position] + [0] * (len(shape) - 1)
    lines = [np.stack([np.full(size, count), np.ones(size)]) for count, size in zip(before, shape, strict=True)]
    return Placement(np.zeros(len(shape), dtype=np.int32), tuple(lines))
