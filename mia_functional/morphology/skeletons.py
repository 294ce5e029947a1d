"""Centre lines of tubes and middle faces of plates: what is left of a mask that is thinned as far as it can be."""

from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional._label_maps import binary_mask
from mia_functional.morphology.masks import bounding_box
from mia_functional.typing import Array

__all__ = ["skeleton"]


@_array.one_node
def skeleton(mask: Array) -> Array:
    """Return the skeleton of a mask: lines one voxel wide in the middle, with its components and holes. On the host.

    scikit-image computes it, from the extra `skeleton` (0.25 or later): in 2-D by the algorithm of Zhang and Suen, in
    3-D by that of Lee, Kashyap and Chu. Both take voxels away in a fixed order, so the skeleton of a flipped mask may
    lie a voxel beside the flipped skeleton.

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

    Source:
        Zhang and Suen 1984, doi 10.1145/357994.358023; Lee, Kashyap and Chu 1994, doi 10.1006/cgip.1994.1042.
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
        lines[box] = thinning.skeletonize(np.array(native[box]))  # a copy, as it refuses what is read-only
    return _array.from_numpy(lines, xp, mask)
