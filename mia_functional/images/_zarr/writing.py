"""OME-Zarr 0.5 and NIfTI-Zarr, written by zarr-python into a folder that does not exist: one level, in shards.

Chunks are small, so that a patch reads little beside what it needs, and shards hold many of them, so that a volume is
not thousands of files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mia_functional._core import checks, optional
from mia_functional.geometry import Geometry, describe_differences
from mia_functional.images.header import WriteRequest
from mia_functional.images.nifti import nifti2_header
from mia_functional.images.nifti_zarr import NIFTI_ARRAY
from mia_functional.typing import HostArray

__all__ = ["write_nifti_zarr", "write_ome_zarr"]

_CHUNK, _SHARD = 32, 256
"""Voxels along a side of a chunk, and of a shard: of int16, 64 KiB and 32 MiB before compression."""


def write_ome_zarr(path: Path, array: HostArray, geometry: Geometry, request: WriteRequest) -> None:
    """Write an image as OME-Zarr; its axes have to be those of the world, unless its direction is to be lost."""
    plain = Geometry(shape=geometry.shape, spacing=geometry.spacing, origin=geometry.origin)
    if not request.drop_direction and describe_differences(geometry, plain):
        requirement = (
            "have axes along those of the world for OME-Zarr, which has no direction; `.nii.zarr` keeps it, "
            "`transforms.reorient` turns what is not oblique, and `drop_direction=True` writes it all the same"
        )
        checks.invalid_value("write", "geometry", requirement, f"the direction {geometry.direction}")
    _write_image(path, array, plain, request, {})


def write_nifti_zarr(path: Path, array: HostArray, geometry: Geometry, request: WriteRequest) -> None:
    """Write an image as NIfTI-Zarr, with a header of double precision that keeps its direction."""
    if len(geometry.shape) < 3:
        checks.invalid_value("write", "geometry", "have 3 axes for NIfTI-Zarr, or 4 with time", geometry.shape)
    # As in files that ITK writes, several numbers are a vector unless the caller knows better.
    intent = request.intent if request.intent is not None else 1007 if array.ndim > len(geometry.shape) else 0
    header = np.frombuffer(nifti2_header(array, geometry, intent), np.uint8)
    # Its levels lie in the space of the voxels, scaled: what turns and moves them is in the header.
    plain = Geometry(shape=geometry.shape, spacing=geometry.spacing)
    _write_image(path, array, plain, request, {NIFTI_ARRAY: header})


def _write_image(
    path: Path, array: HostArray, geometry: Geometry, request: WriteRequest, others: Mapping[str, HostArray]
) -> None:
    """Write the group of an image, its level, and other arrays beside it."""
    zarr: Any = optional.require("zarr")
    axes = len(geometry.shape)
    names = [*"tzyx"[-axes:]]
    scale, translation = list(geometry.spacing), list(geometry.origin)
    if array.ndim > axes:
        # The format wants channels in front of the axes of space.
        place = axes - min(axes, 3)
        array = np.moveaxis(array, -1, place)
        names.insert(place, "c")
        scale.insert(place, 1.0)
        translation.insert(place, 0.0)
    units: dict[str, dict[str, str]] = {"t": {"type": "time", "unit": "second"}, "c": {"type": "channel"}}
    space = {"type": "space", "unit": "millimeter"}
    transformations = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": translation}]
    pyramid = {
        "name": path.name, "axes": [{"name": name, **units.get(name, space)} for name in names],
        "datasets": [{"path": "0", "coordinateTransformations": transformations}],
    }  # fmt: skip
    ome = {"version": "0.5", "multiscales": [pyramid], **request.attributes}
    chunks = tuple(min(_CHUNK, size) if name in "zyx" else 1 for name, size in zip(names, array.shape, strict=True))
    # Sizes of shards are multiples of those of chunks.
    shards = tuple(-(-min(_SHARD, size) // chunk) * chunk if name in "zyx" else 1
                   for name, size, chunk in zip(names, array.shape, chunks, strict=True))  # fmt: skip
    group = zarr.create_group(path, zarr_format=3, attributes={"ome": ome})
    level = group.create_array(
        "0", shape=array.shape, dtype=array.dtype, chunks=chunks, shards=shards,
        compressors=zarr.codecs.BloscCodec(cname="zstd", clevel=3), dimension_names=names, fill_value=0,
    )  # fmt: skip
    level[...] = array
    for name, numbers in others.items():
        beside = group.create_array(name, shape=numbers.shape, dtype=numbers.dtype, chunks=numbers.shape,
                                    compressors=None, fill_value=0)  # fmt: skip
        beside[...] = numbers
