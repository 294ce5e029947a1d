"""Assembly of volumes that need not exist: planes are handed out as soon as no patch will touch them again."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from mia_functional import _array, _check
from mia_functional.assembly.places import Place, fit, walk
from mia_functional.assembly.reductions import Reduction, mean
from mia_functional.assembly.steps import add, start
from mia_functional.assembly.volumes import filled, paired, typed
from mia_functional.assembly.windows import Window, uniform
from mia_functional.indexing import Indices
from mia_functional.typing import Array, Index, Margin, Shape


def assemble_planes(
    patches: Iterable[Array],
    indices: Iterable[Index],
    shape: Shape,
    *,
    reduction: Reduction = mean,
    window: Window = uniform,
    fill: float | None = None,
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
        reduction: `mean`, `total`, `maximum`, `last` or `vote`.
        window: Weights along one axis of a patch.
        fill: Value of voxels that no patch covers.
        margin: Context that the patches still have.
        dtype: That of the planes.

    Yields:
        The position of a plane along the first axis, and the plane, `(*shape[1:], ...)`; in order.

    Raises:
        ValueError: As for `assemble`; or an index starts before the one ahead of it.

    Example:
        >>> import numpy as np
        >>> parts = [np.array([1.0, 1.0]), np.array([3.0, 3.0])]
        >>> [(k, float(plane)) for k, plane in assemble_planes(parts, [(slice(0, 2),), (slice(1, 3),)], (3,))]
        [(0, 1.0), (1, 2.0), (2, 3.0)]
    """
    size = _check.integers("assemble_planes", "shape", shape, minimum=1)
    known = indices if isinstance(indices, Indices) else list(indices)
    walked, covered = walk("assemble_planes", known, size, window if reduction.weighted else uniform, fill)
    parts = (
        (fit("assemble_planes", patch, index, size, margin), place)
        for patch, (index, place) in paired("assemble_planes", patches, walked)
    )
    for (low, high), state, patch in _finished(parts, _slabs(known, size[0]), size[1:], reduction):
        slab = reduction.finish(state)
        for position in range(low, high):
            plane = filled("assemble_planes", slab[position - low, ...], _on_plane(covered, position), fill)
            yield position, _array.library(plane).asarray(typed(plane, patch, dtype), copy=True)
        del state, slab, plane


def _finished(
    parts: Iterator[tuple[Array, Place]], slabs: list[tuple[int, int]], rest: Shape, reduction: Reduction
) -> Iterator[tuple[tuple[int, int], Any, Array]]:
    """Yield the slabs of a volume with their states, and the patch at hand, as soon as no patch touches them again."""
    states: dict[tuple[int, int], Any] = dict.fromkeys(slabs)
    part: Any = None
    for part, place in parts:
        begin = int(place.start[0])
        if begin < next(iter(states))[0]:
            _check.invalid_value("assemble_planes", "indices", "be in order along the first axis", f"start {begin}")
        for slab in [slab for slab in states if slab[1] <= begin]:
            yield slab, _started(states.pop(slab), part, slab, rest, reduction), part
        for slab in states:
            if slab[0] < begin + part.shape[0]:
                piece, where = _piece(part, place, slab)
                states[slab] = add(
                    _started(states[slab], part, slab, rest, reduction), piece, where, reduction=reduction
                )
    if part is None:
        _check.invalid_value("assemble_planes", "patches", "hold at least one patch", "none")
    for slab in list(states):
        yield slab, _started(states.pop(slab), part, slab, rest, reduction), part


def _started(state: Any, part: Array, slab: tuple[int, int], rest: Shape, reduction: Reduction) -> Any:
    """Return the state of a slab; a new one where no patch has touched it."""
    return start(part[:1, ...], (slab[1] - slab[0], *rest), reduction=reduction) if state is None else state


def _piece(part: Array, place: Place, slab: tuple[int, int]) -> tuple[Array, Place]:
    """Return what of a patch lies in a slab, and where."""
    cut = slice(slab[0] - int(place.start[0]), slab[1] - int(place.start[0]))
    lines = tuple(line[:, cut] if axis == 0 else line for axis, line in enumerate(place.lines))
    divisor = None if place.divisor is None else place.divisor[cut]
    return part[cut, ...], Place(np.concatenate([[0], place.start[1:]]), lines, divisor)


def _slabs(indices: Iterable[Index], size: int) -> list[tuple[int, int]]:
    """Return the ranges between all starts and stops along the first axis: no patch takes part of one."""
    spans = [(entry.start, entry.stop) if isinstance(entry, slice) else (entry, entry + 1) for entry, *_ in indices]
    edges = {min(max(edge, 0), size) for span in spans for edge in span}
    return list(pairwise(sorted(edges | {0, size})))


def _on_plane(covered: list[Any], position: int) -> list[Any]:
    """Return the weights of a plane, from those of the volume."""
    first, *others = covered
    return [first[position] * others[0], *others[1:]] if others else [first[position]]
