"""Lazy sequences of index tuples: products of axes, and boxes at stored corners."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import Any, TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.typing import Index

Step: TypeAlias = int | tuple[int, int]
"""A plane at a position, or the range from a start to a stop."""

Axis: TypeAlias = range | tuple[Step, ...]
"""All that is visited along one axis, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indices:
    """A lazy sequence of index tuples: one grid (a product of axes) after the other.

    It stores a few numbers per axis, however many indices it has; it is hashable and picklable.

    Args:
        grids: For every grid the visited positions of each axis.
    """

    grids: tuple[tuple[Axis, ...], ...]

    def __len__(self) -> int:
        """Return the number of indices."""
        return sum(math.prod(map(len, grid)) for grid in self.grids)

    def __getitem__(self, position: int) -> Index:
        """Return the index tuple at a position; negative ones count from the end."""
        rest = _within(position, len(self))
        for grid in self.grids:
            count = math.prod(map(len, grid))
            if rest < count:
                return _locate(grid, rest)
            rest -= count
        raise AssertionError("unreachable: the position was checked against the length")

    def __iter__(self) -> Iterator[Index]:
        """Yield the index tuples in order."""
        steps = chain.from_iterable(product(*grid) for grid in self.grids)
        return (tuple(map(_as_index, entries)) for entries in steps)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes:
    """A lazy sequence of index tuples of one size at stored corners: 4 bytes per axis and index; picklable.

    Args:
        corners: First voxel of every index, NumPy int32 `(count, axes)`.
        extent: Voxels along each axis; None where the index is an integer, which drops the axis.
    """

    corners: Any
    extent: tuple[int | None, ...]

    def __len__(self) -> int:
        """Return the number of indices."""
        return len(self.corners)

    def __getitem__(self, position: int) -> Index:
        """Return the index tuple at a position; negative ones count from the end."""
        corner = self.corners[_within(position, len(self))].tolist()
        return tuple(
            low if size is None else slice(low, low + size) for low, size in zip(corner, self.extent, strict=True)
        )

    def __iter__(self) -> Iterator[Index]:
        """Yield the index tuples in order."""
        return map(self.__getitem__, range(len(self)))


def starts(indices: Iterable[Index]) -> Any:
    """Return the first voxels (corners) of all indices as one table of integers: 4 bytes per axis and index.

    Args:
        indices: What any function here returns, or an iterable of index tuples with explicit starts.

    Returns:
        NumPy int32 `(count, axes)`; `patches_at` makes indices of it again.

    Example:
        >>> starts([(slice(0, 2), 5), (slice(1, 3), 6)]).tolist()
        [[0, 5], [1, 6]]
    """
    if isinstance(indices, Boxes):
        return indices.corners
    if isinstance(indices, Indices):
        return _corners(indices)
    if not isinstance(indices, Iterable):
        checks.invalid_kind("starts", "indices", "be indices of `mia_functional.indexing`", repr(indices))
    rows = [[entry.start if isinstance(entry, slice) else entry for entry in index] for index in indices]
    if len(set(map(len, rows))) > 1 or not all(map(checks.is_integer, chain.from_iterable(rows))):
        checks.invalid_value("starts", "indices", "have as many entries each, with explicit starts", rows[:2])
    return np.array(rows, dtype=np.int32)


def patches_at(corners: Any, patch_shape: tuple[int | None, ...]) -> Boxes:
    """Return the indices of patches of one size at given corners, inside of a volume or not.

    Args:
        corners: First voxels, integers `(count, axes)`, as `starts` returns.
        patch_shape: Voxels of a patch along each axis; None for an integer, which drops the axis (slices).

    Raises:
        TypeError: The corners are no integers.
        ValueError: The corners are no table with one column per axis.

    Example:
        >>> list(patches_at([[3, 7]], (2, None)))
        [(slice(3, 5, None), 7)]
    """
    if not isinstance(patch_shape, tuple | list):
        checks.invalid_kind("patches_at", "patch_shape", "be a tuple with an entry per axis", repr(patch_shape))
    table = np.array(corners)
    if table.ndim != 2 or table.shape[1] != len(patch_shape):
        checks.invalid_value(
            "patches_at", "corners", f"be a table of {len(patch_shape)} columns", f"shape {table.shape}"
        )
    if not np.issubdtype(table.dtype, np.integer):
        checks.invalid_kind("patches_at", "corners", "be integers", f"dtype {table.dtype}")
    sizes = [1 if size is None else size for size in patch_shape]
    checks.integer_tuple("patches_at", "patch_shape", sizes, minimum=1)
    table = table.astype(np.int32)
    table.flags.writeable = False
    return Boxes(corners=table, extent=tuple(patch_shape))


def _corners(indices: Indices) -> Any:
    """Return the first voxels of all indices, written into one table column by column."""
    table = np.empty((len(indices), len(indices.grids[0])), dtype=np.int32)
    end = 0
    for grid in indices.grids:
        counts = tuple(map(len, grid))
        begin, end = end, end + math.prod(counts)
        block = table[begin:end].reshape(*counts, len(grid))
        for place, axis in enumerate(grid):
            line = [step if isinstance(step, int) else step[0] for step in axis]
            block[..., place] = np.reshape(line, (-1, *(1,) * (len(grid) - place - 1)))
    return table


def _within(position: int, size: int) -> int:
    """Return a position counted from the start; refuse one outside of the sequence."""
    if not -size <= position < size:
        raise IndexError(f"indices: `position` must lie within {-size} and {size - 1}; got {position}.")
    return position % size


def _locate(grid: tuple[Axis, ...], position: int) -> Index:
    """Return the index at a position within one grid."""
    entries: list[int | slice] = []
    for axis in reversed(grid):
        position, place = divmod(position, len(axis))
        entries.append(_as_index(axis[place]))
    return tuple(reversed(entries))


def _as_index(step: Step) -> int | slice:
    """Return a step as what indexing syntax takes."""
    return slice(*step) if isinstance(step, tuple) else step
