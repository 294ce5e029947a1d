"""TIFF files, written by tifffile: slices as pages, whose spacing is in the description of OME, as decimals in full.

TIFF's own resolution has whole numbers of 32 bits, and none between slices.
"""

from pathlib import Path

import numpy as np

from mia_functional._core import checks, optional
from mia_functional.geometry import Geometry, describe_differences
from mia_functional.images.header import WriteRequest
from mia_functional.typing import HostArray

__all__ = ["write_tiff"]

_BIGTIFF_BYTES = (1 << 32) - (1 << 25)
"""Bytes of pixels beyond which places are written with 64 bits: what is behind them has to be reached, too."""


def write_tiff(path: Path, array: HostArray, geometry: Geometry, _request: WriteRequest) -> None:
    """Write a picture or a stack of slices, compressed by Deflate; three channels of 8 or 16 bits are colours."""
    tifffile = optional.require("tifffile")
    if len(geometry.shape) > 3:
        checks.invalid_value("write", "geometry", "have 2 or 3 axes for TIFF", geometry.shape)
    if moved := describe_differences(geometry, Geometry(shape=geometry.shape, spacing=geometry.spacing)):
        needed = "begin at 0 and have axes along those of the world for TIFF, which holds a spacing and no place"
        checks.invalid_value("write", "geometry", needed, moved)
    if array.dtype.itemsize > 4 and array.dtype.kind != "f":
        checks.invalid_value("write", "array", "hold integers of up to 32 bits or floats for TIFF", array.dtype)
    axes = "ZYX"[-len(geometry.shape) :]
    sizes = {f"PhysicalSize{axis}": step for axis, step in zip(axes, geometry.spacing, strict=True)}
    units = {f"{name}Unit": "mm" for name in sizes}
    is_colour = array.shape[len(axes) :] == (3,) and array.dtype in (np.uint8, np.uint16)
    if is_colour:
        axes = f"{axes}S"
    elif array.ndim > len(axes):
        # A page for each channel of each slice.
        array, axes = np.moveaxis(array, -1, 0), f"C{axes}"
    tifffile.imwrite(
        path, array, ome=True, bigtiff=array.nbytes > _BIGTIFF_BYTES, compression="zlib",
        photometric="rgb" if is_colour else "minisblack", metadata={"axes": axes, **sizes, **units},
    )  # fmt: skip
