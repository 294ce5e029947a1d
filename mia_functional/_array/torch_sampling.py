"""Linear interpolation by PyTorch's own kernel, where it gives what ours does."""

import sys
from collections.abc import Sequence
from typing import Any

from mia_functional._array.libraries import is_torch
from mia_functional._array.tracing import in_torch_program, is_unknown
from mia_functional.typing import Array

__all__ = ["grid_sample"]

_DEVICES = ("cpu", "cuda")
"""Kinds of devices on which PyTorch (2.13) has the kernel for planes and volumes."""


def grid_sample(values: Array, coordinates: Sequence[Array]) -> Array | None:
    """Return the values `(*spatial, ...)` at points, linear in between, with the edge repeated outside.

    None where PyTorch's kernel does not give what ours does: it has no second derivatives, no forward ones, and none by
    coordinates at an edge, and is made for planes and volumes. Both repeat the edge; all that lies outside of our rim
    has to be filled afterwards.

    Args:
        values: Floats; finite ones, as 0 times infinity is NaN to the kernel.
        coordinates: Points in voxels along each spatial axis, arrays that broadcast against each other.
    """
    axes = len(coordinates)
    if axes not in (2, 3) or not all(map(_is_constant, (values, *coordinates))):
        return None
    torch: Any = sys.modules["torch"]
    image: Any = values
    lines = torch.broadcast_tensors(*coordinates)
    if image.device.type not in _DEVICES or any(line.dtype != image.dtype for line in lines):
        return None
    # From -1 to 1 between the centres of the outermost voxels, the last axis first; an axis of one voxel has no extent.
    grid = image.new_empty((*lines[0].shape, axes))
    for axis, (line, size) in enumerate(zip(lines, image.shape, strict=False)):
        part = grid[..., axes - 1 - axis]
        torch.mul(line, 2 / max(size - 1, 1), out=part)
        part -= 1
    channels = image.shape[axes:]
    batch = image.reshape(*image.shape[:axes], -1).movedim(-1, 0)[None]
    rows = grid.reshape(1, *(1,) * (axes - 1), -1, axes)
    sampled = torch.nn.functional.grid_sample(batch, rows, padding_mode="border", align_corners=True)
    result: Array = sampled.reshape(batch.shape[1], -1).T.reshape(*lines[0].shape, *channels)
    return result


def _is_constant(array: Array) -> bool:
    """Return whether an array is a tensor that is not traced, and of which no derivatives are recorded."""
    if not is_torch(array) or in_torch_program() or is_unknown(array):
        return False
    torch: Any = sys.modules["torch"]
    tensor: Any = array
    recorded = tensor.requires_grad and torch.is_grad_enabled()
    return not recorded and torch.autograd.forward_ad.unpack_dual(tensor).tangent is None
