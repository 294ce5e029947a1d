"""Centre lines of tubes and middle faces of plates: what is left of a mask that is thinned as far as it can be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional._label_maps import binary_mask
from mia_functional.morphology.components import connected_components
from mia_functional.morphology.euclidean import euclidean_distances
from mia_functional.morphology.masks import bounding_box
from mia_functional.typing import Array

__all__ = ["skeleton"]


@_array.one_node
def skeleton(mask: Array) -> Array:
    """Return the skeleton of a mask: lines one voxel wide in the middle, with its components and holes. On the host.

    scikit-image computes it, from the extra `skeleton` (0.25 or later): in 2-D by the algorithm of Zhang and Suen, in
    3-D by that of Lee, Kashyap and Chu. Both take voxels away in a fixed order, so the skeleton of a flipped mask may
    lie a voxel beside the flipped skeleton. A mask of one plane along the first of three axes is thinned within the
    plane, so that a second structure in another plane may change its skeleton.

    Of solid 3-D boxes and rods of even width scikit-image (0.26) leaves nothing at all. A component (voxels that share
    a face, an edge or a corner) that is lost so keeps one voxel: the one with the largest distance to its border, of
    several the first one in array order. Every component is represented, and the skeleton of a mask is empty only where
    the mask is.

    Args:
        mask: Mask of two or three axes (bool, or integers 0 and 1).

    Returns:
        Boolean array of the shape of the mask, a part of it.

    Raises:
        ImportError: scikit-image is not installed.
        TypeError: The mask is not an array, or neither boolean nor integer.
        ValueError: The mask does not have two or three axes, has no voxels, or values besides 0 and 1.

    Example:
        >>> import numpy as np
        >>> tube = np.zeros((7, 30), dtype=bool)
        >>> tube[2:5, 3:-3] = True
        >>> np.flatnonzero(skeleton(tube)[:, 15]).tolist()
        [3]
        >>> np.argwhere(skeleton(np.ones((4, 4, 4), dtype=bool))).tolist()
        [[1, 1, 1]]

    Source:
        Zhang and Suen 1984, doi 10.1145/357994.358023; Lee, Kashyap and Chu 1994, doi 10.1006/cgip.1994.1042.

    Differs from:
        `skimage.morphology.skeletonize`, where it takes all voxels of a component away.
    """
    name = "skeleton"
    xp = _array.checked_namespace(name, mask=mask)
    checks.dimensions(name, "mask", mask.shape, (2, 3))
    checks.not_empty(name, "mask", mask.shape)
    native = _array.to_numpy(binary_mask(name, "mask", mask))
    thinning: Any = optional.require("skimage.morphology")
    lines = np.zeros(native.shape, np.bool_)
    box = bounding_box(native)
    if native[box].size:
        thinned = thinning.skeletonize(np.array(native[box]))  # a copy, as it refuses what is read-only
        lines[box] = _with_lost_components(thinned, native[box])
    return _array.from_numpy(lines, xp, mask)


def _with_lost_components(thinned: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a skeleton with one voxel more for each component of its mask that has none: the deepest, the first."""
    labels = _array.to_numpy(connected_components(mask, connectivity=mask.ndim))
    is_lost = np.bincount(labels[thinned], minlength=int(labels.max()) + 1) == 0
    is_lost[0] = False
    if not is_lost.any():
        return thinned
    # Components do not touch, so that the nearest voxel outside of one is outside of all; beyond the image is outside.
    outside = np.pad(~mask, 1, constant_values=True)
    depth = _array.to_numpy(euclidean_distances(outside, (1.0,) * mask.ndim, cap=np.inf, method="host"))
    inner = depth[(slice(1, -1),) * mask.ndim]
    voxels = np.flatnonzero(is_lost[labels])
    # By component, the deepest one first; a stable sort leaves voxels of one depth in array order.
    order = voxels[np.lexsort((-inner.reshape(-1)[voxels], labels.reshape(-1)[voxels]))]
    _, first = np.unique(labels.reshape(-1)[order], return_index=True)
    kept = thinned.copy()
    kept.reshape(-1)[order[first]] = True
    return kept
