"""Connected components of masks, numbered in the same order by every library and in every program.

The number of a component is its position among all, in the order of their first voxels in array order: what
`scipy.ndimage.label` gives, whoever computes.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.morphology.dense_components import label_dense
from mia_functional.morphology.masks import spatial_mask
from mia_functional.morphology.runs import has_few_runs, join_runs, runs_of
from mia_functional.typing import Array

__all__ = ["checked_connectivity", "connected_components", "label_in_program", "largest_components"]


@_array.one_node
def connected_components(mask: Array, *, connectivity: int = 1) -> Array:
    """Return the connected components of a mask, numbered from 1 by their first voxels in array order (labelling).

    Args:
        mask: Mask of one to three axes (bool, or integers 0 and 1).
        connectivity: How many coordinates of neighbours may differ: 1 for faces, 2 for edges too, 3 for corners too.

    Returns:
        Int32 array of the shape of the mask; 0 outside of it. The maximum is the number of components.
        In a program of JAX labels spread in a compiled loop until none changes; elsewhere the host computes: from runs
        along the last axis where they are few, else by SciPy.

    Raises:
        TypeError: The mask is not an array, or neither boolean nor integer.
        ValueError: The mask has no axes or more than three, no voxels, or values besides 0 and 1; the connectivity is
            not between 1 and the number of axes.

    Example:
        >>> import numpy as np
        >>> connected_components(np.array([1, 1, 0, 1])).tolist()
        [1, 1, 0, 2]

    Agrees with:
        `scipy.ndimage.label`.
    """
    name = "connected_components"
    mask = spatial_mask(name, mask)
    reach = checked_connectivity(name, connectivity, mask.ndim)
    if _array.is_traced(mask):
        return _array.jit_call(label_in_program, mask, connectivity=reach)
    if _array.is_torch(mask) and _array.is_unknown(mask):
        xp = _array.array_namespace(mask)
        return _array.call_opaquely(name, _labels_on_host, mask, shape=mask.shape, dtype=xp.int32, connectivity=reach)
    return _labels_on_host(mask, connectivity=reach)


@_array.one_node
def largest_components(mask: Array, *, count: int = 1, connectivity: int = 1) -> Array:
    """Return the `count` components of a mask with the most voxels; of equal ones, the first. It runs on the host.

    Args:
        mask: Mask of one to three axes (bool, or integers 0 and 1).
        count: How many components to keep.
        connectivity: As in `connected_components`.

    Returns:
        Boolean array of the shape of the mask.

    Raises:
        TypeError: The mask is not an array, or neither boolean nor integer.
        ValueError: The mask has no axes or more than three, no voxels, or values besides 0 and 1; `count` is less than
            1; the connectivity is not between 1 and the number of axes.

    Example:
        >>> import numpy as np
        >>> largest_components(np.array([1, 0, 1, 1])).tolist()
        [False, False, True, True]
    """
    name = "largest_components"
    keep = checks.integer(name, "count", count, minimum=1)
    mask = spatial_mask(name, mask)
    labels = _number_components(_array.to_numpy(mask), checked_connectivity(name, connectivity, mask.ndim))
    volumes = np.bincount(labels.reshape(-1))[1:]
    kept = np.zeros(volumes.size + 1, dtype=np.bool_)
    # A stable sort of negative volumes: of equal components the first one comes first.
    kept[np.argsort(-volumes, kind="stable")[:keep] + 1] = True
    return _array.from_numpy(kept[labels], _array.array_namespace(mask), mask)


def checked_connectivity(function: str, connectivity: object, ndim: int) -> int:
    """Return how many coordinates of neighbours may differ, of `ndim`."""
    reach = checks.integer(function, "connectivity", connectivity, minimum=1)
    if reach > ndim:
        checks.invalid_value(function, "connectivity", f"be at most {ndim}, the number of axes", reach)
    return reach


def _labels_on_host(mask: Array, connectivity: int) -> Array:
    """Return the numbered components that the host finds."""
    labels = _number_components(_array.to_numpy(mask), connectivity)
    return _array.from_numpy(labels, _array.array_namespace(mask), mask)


def _number_components(mask: NDArray[np.bool_], connectivity: int) -> NDArray[np.int32]:
    """Return the numbered components of a NumPy mask."""
    if not has_few_runs(mask):
        dense, renumbered, _ = label_dense(mask, connectivity)
        return dense if renumbered is None else np.take(renumbered.astype(np.int32), dense)
    runs = runs_of(mask)
    numbers, _ = join_runs(runs, mask.shape, connectivity)
    labels = np.zeros(mask.size, np.int32)
    lengths = runs.stop - runs.start
    behind = np.cumsum(lengths) - lengths
    positions = np.arange(int(lengths.sum())) + np.repeat(runs.start - behind, lengths)
    labels[positions] = np.repeat((numbers + 1).astype(np.int32), lengths)
    return labels.reshape(mask.shape)


def label_in_program(mask: Array, *, connectivity: int) -> Array:
    """Return the numbered components of a boolean mask of JAX, with fixed shapes.

    Every voxel has a label, at first its own position: the smallest label around goes to the voxel, and to the voxel
    whose position its label was. Where labels are positions of labels, these are followed. The last of all is the
    position of the first voxel of the component.
    """
    # Of an exported program for any size it is a symbol.
    xp, size = _array.array_namespace(mask), math.prod(mask.shape)
    own = xp.reshape(xp.arange(size, dtype=xp.int32), mask.shape)
    outside = xp.arange(size, size + 1, dtype=xp.int32)
    start = xp.where(mask, own, outside[0])

    def follow(labels: Array) -> Array:
        table = xp.concat([xp.reshape(labels, (-1,)), outside])
        return xp.reshape(xp.take(table, xp.reshape(labels, (-1,))), mask.shape)

    def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
        labels, _ = state
        near = xp.where(mask, _smallest_around(labels, connectivity), outside[0])
        hooked = _array.lower_at(xp.reshape(labels, (-1,)), xp.reshape(labels, (-1,)), xp.reshape(near, (-1,)))
        changed = follow(follow(xp.minimum(xp.reshape(hooked, mask.shape), near)))
        return changed, xp.any(changed != labels)

    labels, _ = _array.while_loop(lambda state: state[1], step, (start, xp.any(mask)))
    first = xp.cumulative_sum(xp.astype(xp.reshape((labels == own) & mask, (-1,)), xp.int32))
    numbers = xp.take(first, xp.reshape(xp.minimum(labels, size - 1), (-1,)))
    return xp.where(mask, xp.reshape(xp.astype(numbers, xp.int32), mask.shape), 0)


def _smallest_around(labels: Array, connectivity: int) -> Array:
    """Return the smallest label of every voxel and its neighbours."""
    xp = _array.array_namespace(labels)
    largest = xp.iinfo(labels.dtype).max

    def along(array: Array, axis: int) -> Array:
        before = (slice(None),) * axis
        edge = xp.full_like(array[(*before, slice(0, 1), ...)], largest)
        above = xp.concat([array[(*before, slice(1, None), ...)], edge], axis=axis)
        below = xp.concat([edge, array[(*before, slice(None, -1), ...)]], axis=axis)
        return xp.minimum(array, xp.minimum(above, below))

    # All neighbours that differ along some axes, and those along two of three are the ones in three planes.
    smallest = labels
    for axes in itertools.combinations(range(labels.ndim), connectivity):
        around = labels
        for axis in axes:
            around = along(around, axis)
        smallest = xp.minimum(smallest, around)
    return smallest
