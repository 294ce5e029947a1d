"""Context around indices: the same number of voxels on both sides of an axis, or one for each side."""

from typing import Any

from mia_functional._core import checks
from mia_functional.typing import Index, Margin

__all__ = ["bounds", "dilate", "sides"]


def dilate(index: Index, margin: Margin) -> Index:
    """Return an index that is wider by `margin` voxels on both sides of each axis, or by a number for each side.

    The result may reach outside of the array (start below 0), which `extraction.extract` pads; a plane becomes a slab.

    Args:
        index: Entries with explicit starts and stops, as all functions here yield, counted from the first voxel.
        margin: Voxels to add on each side: a number for all axes, or one entry per axis, a number or `(before, after)`.

    Raises:
        TypeError: The margin is not a whole number; an entry is neither a whole number nor a slice without a step.
        ValueError: The margin is negative, or does not have one entry per axis; a slice stops before it starts, or has
            a start below 0 and no stop.

    Example:
        >>> dilate((slice(0, 4), 7), (2, (1, 0)))
        (slice(-2, 6, None), slice(6, 8, None))
    """
    checks.require_instance("dilate", "index", index, tuple, "a tuple of whole numbers and slices")
    wider: list[int | slice] = []
    for entry, (before, after) in zip(index, sides("dilate", margin, len(index)), strict=True):
        start, stop = bounds("dilate", "index", entry)
        if before == after == 0:
            # Without a margin an integer stays an integer, which drops its axis, and a slice may be open.
            wider.append(slice(start, stop) if isinstance(entry, slice) else int(entry))
        elif start is None or stop is None:
            checks.invalid_kind("dilate", "index", "have a start and a stop where there is a margin", repr(entry))
        else:
            wider.append(slice(start - before, stop + after))
    return tuple(wider)


def bounds(function: str, argument: str, entry: Any) -> tuple[int | None, int | None]:
    """Return where an entry of an index starts and stops, as Python's integers; raise for what has several meanings.

    Example:
        >>> bounds("extract", "index", 255), bounds("extract", "index", slice(-2, 3))
        ((255, 256), (-2, 3))
    """
    # A position below 0 lies in front of the image here, where for Python it counts from the end. Slices that reach
    # outside have a start and a stop, as those of `dilate` and `overhang`. What makes sense as Python's alone is
    # refused, for all sources alike, which differ in what they would make of it.
    is_plain = isinstance(entry, slice) and type(entry.start) is type(entry.stop) is int and entry.step is None
    if is_plain and entry.start <= entry.stop:
        # What all functions here yield: to make a view of an array takes no longer than the checks that follow.
        return entry.start, entry.stop
    if checks.is_integer(entry):
        # A NumPy integer is as narrow as its dtype: uint8(255) + 1 is 0.
        return int(entry), int(entry) + 1
    if not (checks.is_integer_slice(entry) and entry.step in (None, 1)):
        checks.invalid_kind(function, argument, "hold whole numbers, and slices of them without a step", repr(entry))
    start, stop = (None if bound is None else int(bound) for bound in (entry.start, entry.stop))
    first = 0 if start is None else start
    if first < 0 if stop is None else stop < first:
        needed = "hold slices that count from the first voxel and do not stop before they start"
        checks.invalid_value(function, argument, needed, repr(entry))
    return start, stop


def sides(function: str, margin: Margin, axes: int) -> tuple[tuple[int, int], ...]:
    """Return a margin as the voxels before and after along each axis; messages begin with the name of `function`.

    Example:
        >>> sides("extract", (1, (0, 2)), 2)
        ((1, 1), (0, 2))
    """
    listed = margin.tolist() if checks.has_shape(margin) and hasattr(margin, "tolist") else margin
    entries = (listed,) * axes if checks.is_integer(listed) else listed
    if not isinstance(entries, tuple | list) or len(entries) != axes:
        checks.invalid_value(function, "margin", f"be a number or have {axes} entries, one per axis", repr(listed))
    pairs = [entry if isinstance(entry, tuple | list) else (entry, entry) for entry in entries]
    checked = [checks.integer_tuple(function, "margin", pair, length=2, minimum=0) for pair in pairs]
    return tuple((before, after) for before, after in checked)
