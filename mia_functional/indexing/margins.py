"""Context around indices: the same number of voxels on both sides of an axis, or one for each side."""

from mia_functional._core import checks
from mia_functional.typing import Index, Margin

__all__ = ["dilate", "sides"]


def dilate(index: Index, margin: Margin) -> Index:
    """Return an index that is wider by `margin` voxels on both sides of each axis, or by a number for each side.

    The result may reach outside of the array (start below 0), which `extraction.extract` pads; a plane becomes a slab.

    Args:
        index: Entries with explicit starts and stops, as all functions here yield.
        margin: Voxels to add on each side: a number for all axes, or one entry per axis, a number or `(before, after)`.

    Raises:
        TypeError: The margin is not a whole number.
        ValueError: The margin is negative, or does not have one entry per axis.

    Example:
        >>> dilate((slice(0, 4), 7), (2, (1, 0)))
        (slice(-2, 6, None), slice(6, 8, None))
    """
    checks.require_instance("dilate", "index", index, tuple, "a tuple of whole numbers and slices")
    wider: list[int | slice] = []
    for entry, (before, after) in zip(index, sides("dilate", margin, len(index)), strict=True):
        if not (checks.is_integer(entry) or (checks.is_integer_slice(entry) and entry.step in (None, 1))):
            checks.invalid_kind("dilate", "index", "hold whole numbers, and slices of them without a step", repr(entry))
        start, stop = (entry.start, entry.stop) if isinstance(entry, slice) else (entry, entry + 1)
        if before == after == 0:
            # Without a margin an integer stays an integer, which drops its axis, and a slice may be open.
            wider.append(entry)
        elif start is None or stop is None:
            checks.invalid_kind("dilate", "index", "have a start and a stop where there is a margin", repr(entry))
        else:
            wider.append(slice(start - before, stop + after))
    return tuple(wider)


def sides(function: str, margin: Margin, axes: int) -> tuple[tuple[int, int], ...]:
    """Return a margin as the voxels before and after along each axis; messages begin with the name of `function`.

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
