"""NIfTI-Zarr: OME-Zarr with the header of a NIfTI file beside the levels, which says where the voxels lie.

Its specification (1.0 rc1) lets the header count where it and OME's metadata differ. The header is that of the first
level; others lie on the same grid as OME's transformations relate them.
"""

from typing import NamedTuple

import numpy as np

from mia_functional.geometry import Geometry, regrid
from mia_functional.images._zarr.chunks import read_box
from mia_functional.images._zarr.metadata import read_node, zarr_array
from mia_functional.images.header import NiftiGrid, invalid_file
from mia_functional.images.nifti import parse_nifti_bytes
from mia_functional.images.nifti_grid import nifti_geometry
from mia_functional.images.ome_zarr import Pyramid
from mia_functional.typing import Affine

__all__ = ["NIFTI_ARRAY", "NiftiPlace", "nifti_place"]

NIFTI_ARRAY = "nifti"
"""Name of the array with the bytes of the header."""

_HEADER_SIZES = range(348, 1 << 20)
"""Bytes of a header: 348 or 540, and extensions behind them, which are not read."""


class NiftiPlace(NamedTuple):
    """What the header in a store says of a level: where it lies, its scale, and the code of its numbers."""

    geometry: Geometry
    scale: tuple[float, float]
    intent: int


def nifti_place(pyramid: Pyramid, affine: Affine) -> NiftiPlace | None:
    """Return what the header in a store says of the level that was asked for; None if there is no header."""
    path = pyramid.root / NIFTI_ARRAY
    node = read_node(path)
    if node is None:
        return None
    array = zarr_array(node) if node.is_array else None
    if array is None or array.dtype != np.uint8 or len(array.shape) != 1 or array.shape[0] not in _HEADER_SIZES:
        invalid_file(path, "it is no header of NIfTI, which is an array of bytes")
    if array.chunks[0] > _HEADER_SIZES.stop:
        invalid_file(path, f"its chunks take {array.chunks[0]} bytes")
    raw = read_box(array, pyramid.root, [range(array.shape[0])]).tobytes()
    header = parse_nifti_bytes(path, raw)
    grid, shape = header.grid, pyramid.first.array.shape
    assert isinstance(grid, NiftiGrid)
    # The header of a volume may have a time of 1, and that of a plane a depth of 1, or neither.
    sizes = [shape[axis] for axis in pyramid.space][::-1] + [1] * (3 - len(pyramid.space))
    times, channels = (1 if axis is None else shape[axis] for axis in (pyramid.time, pyramid.channel))
    if (*sizes, times) != (*grid.size, 1, 1)[:4] or channels != grid.channels or grid.interleaved:
        text = f"its header says {list(grid.size)} voxels and {grid.channels} channels, and its first level is {shape}"
        invalid_file(pyramid.root, text)
    stored, held = np.dtype(header.dtype).name, pyramid.level.array.dtype.name
    if stored != held:
        invalid_file(pyramid.root, f"its header says numbers of {stored}, and level {pyramid.level.name} holds {held}")
    geometry = nifti_geometry(pyramid.root, grid, affine)
    return NiftiPlace(_geometry_of_level(pyramid, geometry), header.scale, header.intent)


def _geometry_of_level(pyramid: Pyramid, first: Geometry) -> Geometry:
    """Return where a level lies, given where the first one does."""
    if pyramid.level == pyramid.first:
        return first
    axes = [*(() if pyramid.time is None or len(first.shape) < 4 else (pyramid.time,)), *pyramid.space]
    axes = axes[-len(first.shape) :]
    fine, coarse = pyramid.first.scaling, pyramid.level.scaling
    return regrid(
        first, tuple(pyramid.level.array.shape[axis] for axis in axes),
        [(coarse.translation[axis] - fine.translation[axis]) / fine.scale[axis] for axis in axes],
        factors=[coarse.scale[axis] / fine.scale[axis] for axis in axes],
    )  # fmt: skip
