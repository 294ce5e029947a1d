"""What happens where a regular grid of patches does not fit: rules that place patches along one axis."""

import math
from collections.abc import Callable
from typing import TypeAlias

Boundary: TypeAlias = Callable[[int, int, int], tuple[tuple[int, int], ...]]
"""From an axis' size, the patch's size and the step: the (start, stop) of every patch along that axis.

Rules whose patches lie inside give none where the patch is larger than the axis.
"""

LARGER = "`clip` or `overhang`"
"""The rules that place a patch larger than the axis, for messages."""


def drop(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Leave out the patches that would cross the border: voxels behind the last full patch are not visited.

    Example:
        >>> drop(10, 4, 4)
        ((0, 4), (4, 8))
    """
    return tuple((start, start + patch) for start in range(0, size - patch + 1, step))


def clip(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Cut patches off at the border: the last ones are smaller.

    Example:
        >>> clip(10, 4, 4)
        ((0, 4), (4, 8), (8, 10))
    """
    return tuple((start, min(start + patch, size)) for start in _covering(size, patch, step) if start < size)


def shift(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Move the last patch back so that it ends at the border: all patches are whole and lie inside.

    Example:
        >>> shift(10, 4, 4)
        ((0, 4), (4, 8), (6, 10))
    """
    if patch > size:
        return ()
    return tuple((min(start, size - patch), min(start + patch, size)) for start in _covering(size, patch, step))


def even(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Spread whole patches evenly from border to border, at most `step` apart (rounded to voxels).

    Example:
        >>> even(10, 4, 4)
        ((0, 4), (3, 7), (6, 10))
    """
    if patch > size:
        return ()
    gaps = math.ceil((size - patch) / step)
    starts = [round(position * (size - patch) / gaps) for position in range(gaps + 1)] if gaps else [0]
    return tuple((start, start + patch) for start in starts)


def overhang(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Let the last patch reach over the border; `extraction.extract` pads it, assembly cuts it off.

    Example:
        >>> overhang(10, 4, 4)
        ((0, 4), (4, 8), (8, 12))
    """
    return tuple((start, start + patch) for start in _covering(size, patch, step) if start < size)


def _covering(size: int, patch: int, step: int) -> range:
    """Return the starts, `step` apart from 0, up to the first patch that reaches the end of the axis."""
    return range(0, step * math.ceil(max(size - patch, 0) / step) + 1, step)
