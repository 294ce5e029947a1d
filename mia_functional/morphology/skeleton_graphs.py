"""The graph of a skeleton: branches, the points where they meet, and those where they end."""

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask
from mia_functional.morphology.masks import bounding_box
from mia_functional.typing import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["BranchCounts", "branch_counts"]


class BranchCounts(NamedTuple):
    """How many parts the graph of a skeleton has.

    Attributes:
        branches: Paths between end points and branch points, and closed curves without either.
        branch_points: Places where three or more branches meet.
        end_points: Places where a branch ends, and voxels without a neighbour.
    """

    branches: int
    branch_points: int
    end_points: int


@_array.one_node
def branch_counts(skeleton: Array) -> BranchCounts:
    """Count branches, branch points and end points of a skeleton. It runs on the host.

    Voxels that share a face are linked, and those that share an edge or a corner if no voxel of the skeleton lies
    between them (mixed adjacency), so that a bend is no triangle. Voxels with more than two links, and those of
    triangles and squares, are junction voxels. Linked ones form a cluster; the rest falls into paths. A cluster that
    three or more paths leave is a branch point, one that two leave a bend in a branch, any other an end point.

    Args:
        skeleton: Mask of two or three axes (bool, or integers 0 and 1) of lines one voxel wide, such as `skeleton`
            gives.

    Returns:
        Three whole numbers.

    Raises:
        TypeError: The skeleton is not an array, or neither boolean nor integer.
        ValueError: It does not have two or three axes, has no voxels, or values besides 0 and 1.

    Example:
        >>> import numpy as np
        >>> cross = np.zeros((7, 7), bool)
        >>> cross[3] = cross[:, 3] = True
        >>> branch_counts(cross)
        BranchCounts(branches=4, branch_points=1, end_points=4)

    Source:
        Arganda-Carreras et al. 2010, doi 10.1002/jemt.20829.

    Differs from:
        Their AnalyzeSkeleton and skan, which link all voxels that share a corner: there a bend may be a junction.
    """
    name = "branch_counts"
    _array.checked_namespace(name, skeleton=skeleton)
    checks.dimensions(name, "skeleton", skeleton.shape, (2, 3))
    checks.not_empty(name, "skeleton", skeleton.shape)
    native = _array.to_numpy(binary_mask(name, "skeleton", skeleton))
    lines = np.pad(native[bounding_box(native)], 1)
    links = _links(lines)
    in_triangles = np.asarray((links @ links).multiply(links).sum(axis=1)).reshape(-1) > 0
    return _counts_of_graph(links, _in_squares(lines)[lines] | in_triangles)


def _links(lines: NDArray[np.bool_]) -> "csr_matrix":
    """Return which voxels of padded lines are linked, as a symmetric matrix."""
    places = np.argwhere(lines).T
    numbers = np.full(lines.shape, -1)
    numbers[lines] = np.arange(places.shape[1])
    pairs = [np.zeros((2, 0), np.int64)]
    for step in itertools.product((-1, 0, 1), repeat=lines.ndim):
        if not any(step):
            continue
        far = numbers[tuple(places + np.array(step)[:, None])]
        linked = far >= 0
        # All that lies between the two: steps along some of the axes.
        for between in itertools.product(*((0, one) if one else (0,) for one in step)):
            if any(between) and between != step:
                linked &= numbers[tuple(places + np.array(between)[:, None])] < 0
        own = np.flatnonzero(linked)
        pairs.append(np.stack([own, far[own]]))
    return _graph(places.shape[1], np.concatenate(pairs, axis=1))


def _in_squares(lines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which voxels of padded lines lie in a square of 2 x 2 voxels."""
    found = np.zeros_like(lines)
    for axes in itertools.combinations(range(lines.ndim), 2):
        corners = [
            tuple(slice(axis in chosen, lines.shape[axis] - 1 + (axis in chosen)) for axis in range(lines.ndim))
            for chosen in ((), axes[:1], axes[1:], axes)
        ]
        full = np.logical_and.reduce([lines[corner] for corner in corners])
        for corner in corners:
            found[corner] |= full
    return found


def _counts_of_graph(links: "csr_matrix", thick: NDArray[np.bool_]) -> BranchCounts:
    """Return the counts of linked voxels, of which some lie in triangles and squares."""
    from scipy.sparse import csgraph  # at its first use: it takes as long to import as NumPy

    degree = np.diff(links.indptr)
    junction = (degree > 2) | thick
    pairs = np.stack(links.nonzero())
    alike = junction[pairs[0]] == junction[pairs[1]]
    count, part = csgraph.connected_components(_graph(degree.size, pairs[:, alike]), directed=False)
    is_cluster = np.bincount(part[junction], minlength=count) > 0
    # Every link between two parts is one of a path and a cluster.
    leaving = np.bincount(part[pairs[0, ~alike]], minlength=count)
    ends = np.bincount(part[~junction & (degree == 1)], minlength=count)
    alone = np.bincount(part[~junction & (degree == 0)], minlength=count)
    bends = is_cluster & (leaving == 2)
    # A bend joins two paths to one branch, but where the curve is closed and has nothing but bends.
    total, whole = csgraph.connected_components(_graph(count, part[pairs[:, ~alike]]), directed=False)
    open_ended = np.bincount(whole[(is_cluster & ~bends) | (ends > 0)], minlength=total) > 0
    closed = ~open_ended & (np.bincount(whole[bends], minlength=total) > 0)
    branches = np.count_nonzero(~is_cluster & (alone == 0)) - np.count_nonzero(bends) + np.count_nonzero(closed)
    return BranchCounts(
        int(branches),
        int(np.count_nonzero(is_cluster & (leaving > 2))),
        int(ends.sum() + alone.sum() + np.count_nonzero(is_cluster & (leaving < 2))),
    )


def _graph(count: int, pairs: NDArray[np.integer]) -> "csr_matrix":
    """Return the matrix of a graph from pairs of its nodes."""
    from scipy.sparse import csr_matrix  # at its first use: it takes as long to import as NumPy

    return csr_matrix((np.ones(pairs.shape[1], np.int64), tuple(pairs)), (count, count))
