"""Planes handed out one by one, as soon as no patch will touch them again; volumes of several planes into one."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.incremental import add_placed, start
from mia_functional.assembly.placement import Coverage, Placement, index_ranges, place_indices, placement_of_planes
from mia_functional.assembly.reductions import Reduction, check_reduction, mean
from mia_functional.assembly.volumes import check_arguments, check_same_kind, cropped_patches, finish_volume
from mia_functional.assembly.windows import Window, uniform
from mia_functional.indexing import Indices
from mia_functional.typing import Array, Index, Margin, Shape

__all__ = ["assemble_planes", "merge_planes"]


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
    if _array.in_bytecode():
        options = {"reduction": reduction, "window": window, "fill_value": fill_value, "margin": margin, "dtype": dtype}
        yield from enumerate(_planes_at_once(patches, indices, shape, **options))
        return
    with checks.speaking_for("assemble_planes", "assemble", "start", "add", patch="patches"):
        size = check_arguments(patches, indices, shape, window, reduction)
        ordered = indices if isinstance(indices, Indices) else list(indices)
        placed, coverage = place_indices(ordered, size, window if reduction.weighted else uniform, fill_value)
        parts = cropped_patches(patches, placed, size, margin)
        for position, state, patch in _finished_planes(parts, _ring_depth(ordered, size), size, reduction):
            line, *others = coverage
            # The weights of a plane: one number times the lines of the other axes, or its part of a volume.
            on_plane: Coverage = [line[position] * others[0], *others[1:]] if others else [line[position]]
            yield position, finish_volume(reduction.finish(state), patch, on_plane, fill_value, dtype)


@_array.one_node
def _planes_at_once(*arguments: Any, **options: Any) -> list[Array]:
    """Return the planes that `assemble_planes` yields."""
    return [plane for _, plane in assemble_planes(*arguments, **options)]


@_array.one_node
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
    state = volume = first = None
    checks.require_instance("merge_planes", "volumes", volumes, Iterable, "volumes one after the other")
    with checks.speaking_for("merge_planes", "assemble", "start", "add", patch="volumes", patches="volumes"):
        for position, volume in enumerate(volumes):
            first = volume if first is None else first
            check_same_kind(first, volume)
            if volume.shape != first.shape:
                needed = f"have one shape, {tuple(first.shape)}"
                checks.invalid_value("merge_planes", "volumes", needed, tuple(volume.shape))
            shape = tuple(volume.shape)
            state = start(volume, shape, reduction=reduction) if position == 0 else state
            # `position` volumes come before this one: along the first axis their weight, all else counts once.
            ahead = [position] + [0] * (len(shape) - 1)
            lines = [np.stack([np.full(size, count), np.ones(size)]) for count, size in zip(ahead, shape, strict=True)]
            placement = Placement(np.zeros(len(shape), dtype=np.int32), tuple(lines))
            state = add_placed(state, volume, placement, reduction=reduction)
    if volume is None:
        checks.invalid_value("merge_planes", "volumes", "hold at least one volume", "none")
    return finish_volume(reduction.finish(state), volume, [], None, None)


def _finished_planes(
    parts: Iterator[tuple[Array, Placement]], depth: int, shape: Shape, reduction: Reduction
) -> Iterator[tuple[int, Array, Array]]:
    """Yield the state of every plane as soon as no patch touches it again, with the patch that came last.

    The states lie in a ring of `depth` planes: the plane at position k has row `k % depth`.
    """
    patch: Array | None = None
    ring: Any = None
    done = 0

    def released(low: int, high: int) -> Iterator[tuple[int, Array]]:
        nonlocal ring
        for position in range(low, high):
            row = position % depth
            # A copy: the row is used again, while the caller may keep the plane. `stack` copies in all libraries, and
            # PyTorch records gradients through it; of `asarray(copy=True)` it warns that they may be cut.
            yield position, _array.array_namespace(ring).stack([ring[row, ...]])[0, ...]
            ring = _array.jit_call_donating(_array.set_block, ring, (row,), blank)

    for patch, placement in parts:
        if ring is None:
            ring, blank = (start(patch[:1, ...], (rows, *shape[1:]), reduction=reduction) for rows in (depth, 1))
        begin = int(placement.start[0])
        yield from ((*plane, patch) for plane in released(done, begin))
        done = begin
        for piece, piece_placement in _pieces_in_ring(patch, placement, depth):
            ring = add_placed(ring, piece, piece_placement, reduction=reduction)
    if patch is None:
        checks.invalid_value("assemble_planes", "patches", "hold at least one patch", "none")
    yield from ((*plane, patch) for plane in released(done, shape[0]))


def _pieces_in_ring(patch: Array, placement: Placement, depth: int) -> Iterator[tuple[Array, Placement]]:
    """Yield a patch and its placement in a ring; in two pieces where it goes beyond the last row."""
    row, size = int(placement.start[0]) % depth, patch.shape[0]
    first = min(size, depth - row)
    for low, high, begin in ((0, first, row), (first, size, 0)):
        if low < high:
            start = np.array([begin, *placement.start[1:]], dtype=np.int32)
            piece = placement_of_planes(placement, low, high)._replace(start=start)
            yield (patch if size == high - low else patch[low:high, ...]), piece


def _ring_depth(indices: Iterable[Index], shape: Shape) -> int:
    """Return how many planes are unfinished at most: from an index' start to the farthest stop so far.

    Raise unless the indices are in order.
    """
    depth = start = stop = 0
    for index in indices:
        low, high = index_ranges(index, shape)[0]
        if max(low, 0) < start:
            checks.invalid_value("assemble_planes", "indices", "be in order along the first axis", f"start {low}")
        start, stop = max(low, 0), max(stop, min(high, shape[0]))
        depth = max(depth, stop - start)
    return depth
