"""Lazy sequences of index tuples: products of axes, and boxes at stored corners."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array, HostArray, Index

__all__ = ["Axis", "Boxes", "Indices", "Step", "patches_at", "starts"]

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
        # Lists, as programs of `torch.compile` take no `map` for an argument (2.13).
        return sum(math.prod([len(axis) for axis in grid]) for grid in self.grids)

    def __getitem__(self, position: int) -> Index:
        """Return the index tuple at a position; negative ones count from the end."""
        counts = [math.prod([len(axis) for axis in grid]) for grid in self.grids]
        rest = checks.position("indices", position, sum(counts))
        number = 0
        while rest >= counts[number]:
            rest -= counts[number]
            number += 1
        # The last axis is the fastest, as in the memory of an array: its digit is the last of the position.
        entries: list[int | slice] = []
        for axis in reversed(self.grids[number]):
            rest, digit = divmod(rest, len(axis))
            step = axis[digit]
            entries.append(slice(*step) if isinstance(step, tuple) else step)
        return tuple(reversed(entries))

    def __iter__(self) -> Iterator[Index]:
        """Yield the index tuples in order."""
        for grid in self.grids:
            # Slices are made once per axis, not once per index: `product` shares them.
            axes = [[slice(*step) if isinstance(step, tuple) else step for step in axis] for axis in grid]
            yield from product(*axes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes:
    """A lazy sequence of index tuples of one size at stored corners: 4 bytes per axis and index; picklable.

    Args:
        corners: First voxel of every index, NumPy int32 `(count, axes)`.
        extent: Voxels along each axis; None where the index is an integer, which drops the axis.
    """

    corners: HostArray
    extent: tuple[int | None, ...]

    def __len__(self) -> int:
        """Return the number of indices."""
        return len(self.corners)

    def __getitem__(self, position: int) -> Index:
        """Return the index tuple at a position; negative ones count from the end."""
        # `tolist` gives integers of Python, with which slices compare, print and pickle as those of a grid do.
        corner = self.corners[checks.position("indices", position, len(self))].tolist()
        return tuple(
            low if size is None else slice(low, low + size) for low, size in zip(corner, self.extent, strict=True)
        )

    def __iter__(self) -> Iterator[Index]:
        """Yield the index tuples in order."""
        return map(self.__getitem__, range(len(self)))


def starts(indices: Iterable[Index]) -> HostArray:
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
        return _grid_corners(indices)
    checks.require_instance("starts", "indices", indices, Iterable, "indices of `mia_functional.indexing`")
    rows = [[entry.start if isinstance(entry, slice) else entry for entry in index] for index in indices]
    if len(set(map(len, rows))) > 1 or not all(map(checks.is_integer, chain.from_iterable(rows))):
        checks.invalid_value("starts", "indices", "have as many entries each, with explicit starts", rows[:2])
    # As Python's, as arrays without axes may lie on a GPU.
    return _corner_table("starts", "indices", np.array([list(map(int, row)) for row in rows], dtype=np.int64))


def patches_at(corners: "npt.ArrayLike | Array", patch_shape: tuple[int | None, ...]) -> Boxes:
    """Return the indices of patches of one size at given corners, inside of a volume or not.

    Args:
        corners: First voxels, integers `(count, axes)`, as `starts` returns; arrays of a GPU are copied to the host.
        patch_shape: Voxels of a patch along each axis; None for an integer, which drops the axis (slices).

    Raises:
        TypeError: The corners are not integers.
        ValueError: The corners are not a table with one column per axis, or 32 bits do not hold them.

    Example:
        >>> list(patches_at([[3, 7]], (2, None)))
        [(slice(3, 5, None), 7)]
    """
    checks.require_instance("patches_at", "patch_shape", patch_shape, (tuple, list), "a tuple with an entry per axis")
    given: Any = corners
    table = np.array(_array.to_numpy(given))
    columns = len(patch_shape)
    if table.ndim != 2 or table.shape[1] != columns:
        checks.invalid_value("patches_at", "corners", f"be a table of {columns} columns", f"shape {table.shape}")
    if not np.issubdtype(table.dtype, np.integer):
        checks.invalid_kind("patches_at", "corners", "be integers", f"dtype {table.dtype}")
    checks.integer_tuple("patches_at", "patch_shape", [1 if size is None else size for size in patch_shape], minimum=1)
    table = _corner_table("patches_at", "corners", table)
    # The record is frozen, and `starts` hands out its table without a copy.
    table.flags.writeable = False
    return Boxes(corners=table, extent=tuple(patch_shape))


def _corner_table(function: str, argument: str, table: HostArray) -> HostArray:
    """Return first voxels as int32, in a table of its own; raise where that would wrap them around."""
    info = np.iinfo(np.int32)
    if table.size and not info.min <= table.min() <= table.max() <= info.max:
        beyond = table.min() if table.min() < info.min else table.max()
        checks.invalid_value(function, argument, f"lie within {info.min} and {info.max}", int(beyond))
    return table.astype(np.int32)


def _grid_corners(indices: Indices) -> HostArray:
    """Return the first voxels of all indices, written into one table column by column."""
    # Column by column into the result: all voxels of a head then need the table and no more, 12 bytes per voxel.
    table = np.empty((len(indices), len(indices.grids[0])), dtype=np.int32)
    end = 0
    for grid in indices.grids:
        counts = tuple(map(len, grid))
        begin, end = end, end + math.prod(counts)
        block = table[begin:end].reshape(*counts, len(grid))
        for column, axis in enumerate(grid):
            line = [step if isinstance(step, int) else step[0] for step in axis]
            block[..., column] = np.reshape(line, (-1, *(1,) * (len(grid) - column - 1)))
    return table
