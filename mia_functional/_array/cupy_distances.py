"""CuPy's own distance transform, and the masks for which it is right and fits in memory."""

import importlib
import math
from typing import Any

from mia_functional._array.libraries import is_cupy
from mia_functional.typing import Array, Spacing

__all__ = ["cupy_distance_transform", "has_cupy_distance_transform"]

_PADDED_BYTES, _OWN_BYTES = 9, 40
"""Bytes that CuPy's transform takes per voxel of the padded mask, and ours per voxel of the mask itself."""

_ALWAYS_FINE = 2**28
"""Bytes that every GPU has to spare."""

_CUPY_SIDES = {2: 2048, 3: 1024}
"""The longest sides that CuPy's transform is used for, by the number of axes."""


def has_cupy_distance_transform(mask: Array) -> bool:
    """Return whether a mask is CuPy's and has a shape for which its own distance transform is right and fits in memory.

    CuPy (13 and 14) pads a mask to equal sides, a multiple of 32 voxels, and holds a flag and two positions of 4 bytes
    for each voxel of that: 1.2 GB of cubes of 512 for a mask of 40 x 512 x 512, which has a tenth of the voxels. Beyond
    1024 voxels positions have 8 bytes, and beyond 1290 the number of a voxel does not fit into 32 bits. In 2-D it asks
    for at most 64 bands of 32 voxels, and makes more of them for sides above 2048.
    """
    if not is_cupy(mask) or mask.ndim not in _CUPY_SIDES:
        return False
    side = -(-max(mask.shape) // 32) * 32
    most = max(_OWN_BYTES * math.prod(mask.shape), _ALWAYS_FINE)
    return side <= _CUPY_SIDES[mask.ndim] and _PADDED_BYTES * side**mask.ndim <= most


def cupy_distance_transform(mask: Array, spacing: Spacing) -> Array:
    """Return CuPy's exact distances of the voxels of a mask to the nearest voxel outside, for two or three axes."""
    ndimage: Any = importlib.import_module("cupyx.scipy.ndimage")
    distances: Array = ndimage.distance_transform_edt(mask, sampling=spacing)
    return distances
