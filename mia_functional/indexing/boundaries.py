"""What happens where a regular grid of patches does not fit: rules that position patches along one axis."""

import math
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["FITTING_RULES", "BoundaryRule", "clip", "drop", "even", "overhang", "shift"]

BoundaryRule: TypeAlias = Callable[[int, int, int], tuple[tuple[int, int], ...]]
"""From an axis' size, the patch's size and the step: the (start, stop) of every patch along that axis.

Rules whose patches lie inside give none where the patch is larger than the axis.
"""

FITTING_RULES = "`clip` or `overhang`"
"""The rules that accept a patch larger than the axis, for messages."""


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
    return tuple((start, min(stop, size)) for start, stop in overhang(size, patch, step))


def shift(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Move the last patch back so that it ends at the border: all patches are whole and lie inside.

    Example:
        >>> shift(10, 4, 4)
        ((0, 4), (4, 8), (6, 10))
    """
    if patch > size:
        return ()
    starts = [*range(0, size - patch, step), size - patch]
    return tuple((start, start + patch) for start in starts)


def even(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Spread whole patches evenly from border to border, at most `step` apart (rounded to voxels).

    Example:
        >>> even(10, 4, 4)
        ((0, 4), (3, 7), (6, 10))
    """
    if patch > size:
        return ()
    # A patch as large as the axis has no gap: without the test its starts would be divided by zero.
    gaps = math.ceil((size - patch) / step)
    starts = [round(position * (size - patch) / gaps) for position in range(gaps + 1)] if gaps else [0]
    return tuple((start, start + patch) for start in starts)


def overhang(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Let the last patch reach over the border; `extraction.extract` pads it, assembly cuts it off.

    Example:
        >>> overhang(10, 4, 4)
        ((0, 4), (4, 8), (8, 12))
    """
    # Up to the first patch that reaches the end. With a step larger than the patch that one may start behind the end,
    # where it would hold padding alone.
    behind = min(size, max(size - patch, 0) + step)
    return tuple((start, start + patch) for start in range(0, behind, step))
