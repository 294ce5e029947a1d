"""Context around indices: the same number of voxels on both sides of an axis, or one for each side."""

from mia_functional._core import checks
from mia_functional.typing import Index, Margin


def dilate(index: Index, margin: Margin) -> Index:
    """Return an index that is wider by `margin` voxels on both sides of each axis, or by a number for each side.

    The result may reach outside of the array (start below 0), which `extraction.extract` pads; a plane becomes a slab.

    Args:
        index: Entries with explicit starts and stops, as all functions here yield.
        margin: Voxels to add on each side: a number for all axes, or one entry per axis, a number or `(before, after)`.

    Raises:
        TypeError: The margin is no whole number.
        ValueError: The margin is negative, or has not one entry per axis.

    Example:
        >>> dilate((slice(0, 4), 7), (2, (1, 0)))
        (slice(-2, 6, None), slice(6, 8, None))
    """
    if not isinstance(index, tuple):
        checks.invalid_kind("dilate", "index", "be a tuple of whole numbers and slices", repr(index))
    return widened("dilate", index, margin)


def widened(function: str, index: Index, margin: Margin) -> Index:
    """Return what `dilate` does; messages name the function that was called."""
    widths = sides(function, margin, len(index))
    return tuple(_widen(function, entry, width) for entry, width in zip(index, widths, strict=True))


def sides(function: str, margin: Margin, axes: int) -> tuple[tuple[int, int], ...]:
    """Return a margin as the voxels before and after along each axis.

    Example:
        >>> sides("extract", (1, (0, 2)), 2)
        ((1, 1), (0, 2))
    """
    listed = margin.tolist() if hasattr(margin, "tolist") else margin
    entries = (listed,) * axes if checks.is_integer(listed) else listed
    if not isinstance(entries, tuple | list) or len(entries) != axes:
        checks.invalid_value(function, "margin", f"be a number or have {axes} entries, one per axis", repr(listed))
    pairs = [entry if isinstance(entry, tuple | list) else (entry, entry) for entry in entries]
    checked = [checks.integer_tuple(function, "margin", pair, length=2, minimum=0) for pair in pairs]
    return tuple((before, after) for before, after in checked)


def _widen(function: str, entry: int | slice, width: tuple[int, int]) -> int | slice:
    """Return one entry of an index with voxels more on its sides; refuse steps, and what is no whole number."""
    if not (checks.is_integer(entry) or (checks.is_integer_slice(entry) and entry.step in (None, 1))):
        checks.invalid_kind(function, "index", "hold whole numbers, and slices of them without a step", repr(entry))
    if width == (0, 0):
        return entry
    start, stop = (entry.start, entry.stop) if isinstance(entry, slice) else (entry, entry + 1)
    if start is None or stop is None:
        checks.invalid_kind(function, "index", "have a start and a stop where there is a margin", repr(entry))
    return slice(start - width[0], stop + width[1])
