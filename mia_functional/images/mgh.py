"""Volumes of FreeSurfer (`.mgh`, `.mgz`, `.mgh.gz`): a fixed header, big-endian numbers, and notes behind them.

The header states the steps, the directions of the axes and the centre of the volume in scanner coordinates (R, A, S).
"""

import gzip
import math
from pathlib import Path

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.header import (
    GZIP,
    MAX_HEADER_BYTES,
    RAW,
    Header,
    NiftiGrid,
    WriteRequest,
    check_regular,
    first_bytes,
    invalid_file,
)
from mia_functional.typing import HostArray

__all__ = ["parse_mgh", "write_mgh"]

_MGH_RECORD = np.dtype([
    ("version", ">i4"), ("size", ">i4", 3), ("frames", ">i4"), ("type", ">i4"), ("dof", ">i4"), ("placed", ">i2"),
    ("steps", ">f4", 3), ("axes", ">f4", (3, 3)), ("centre", ">f4", 3),
])  # fmt: skip

_PIXELS_AT = 284
"""Bytes before the numbers: those after the fields are not used."""

_MGH_TYPES = {0: "u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
"""Element types by code: those that FreeSurfer reads and writes of its eleven (8.0)."""

_NO_SCAN = bytes(20)
"""What follows the numbers: repetition time, flip angle, echo time, inversion time and field of view, unknown."""

_CORONAL = (-1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)
"""Where columns, rows and slices point to if a header does not say: to the left, down and to the front."""


def parse_mgh(path: Path) -> Header:
    """Parse the header of a volume of FreeSurfer; its frames are channels."""
    check_regular(path)
    encoding = RAW if path.name.lower().endswith(".mgh") else GZIP
    raw = first_bytes(path, encoding, _PIXELS_AT)
    if len(raw) < _PIXELS_AT:
        invalid_file(path, f"it ends within its header, after {len(raw)} bytes")
    fields = np.frombuffer(raw, _MGH_RECORD, 1)[0]
    size, frames, code = fields["size"].tolist(), int(fields["frames"]), int(fields["type"])
    if fields["version"] != 1:
        invalid_file(path, "it is not a volume of FreeSurfer of version 1")
    if min(*size, frames) < 1:
        invalid_file(path, f"it has {size} voxels in {frames} frames")
    if code not in _MGH_TYPES:
        invalid_file(path, f"its type is {code}; integers of 8, 16 and 32 bits and floats are read")
    values, kind = math.prod(size) * frames, _MGH_TYPES[code]
    nbytes = values * np.dtype(kind).itemsize
    # A gzipped file is decompressed from its beginning, so its header counts as part of the data.
    offset = 0 if encoding else _PIXELS_AT
    return Header(
        path=path, data=path, offset=offset, length=_PIXELS_AT - offset + nbytes, encoding=encoding, values=values,
        nbytes=nbytes, dtype=kind, grid=_grid_of_fields(path, fields, tuple(size), frames), trailer=MAX_HEADER_BYTES,
    )  # fmt: skip


def _grid_of_fields(path: Path, fields: np.void, size: tuple[int, ...], frames: int) -> NiftiGrid:
    """Return where a header places its voxels; without a place of its own where FreeSurfer and nibabel do."""
    placed = int(fields["placed"])
    if placed not in (0, 1):
        invalid_file(path, f"its goodRASFlag is {placed}; 0 and 1 are known")
    steps, axes, centre = (
        (fields["steps"].astype(float), fields["axes"].astype(float), fields["centre"].astype(float))
        if placed
        else (np.ones(3), np.array(_CORONAL), np.zeros(3))
    )
    if not (np.isfinite(axes).all() and np.isfinite(centre).all() and (steps > 0).all() and np.isfinite(steps).all()):
        invalid_file(path, f"its steps are {steps.tolist()}, its axes {axes.tolist()} and its centre {centre.tolist()}")
    matrix = axes.T * steps
    # The centre is that of voxel `size / 2`, half a voxel behind the middle between the outer ones.
    pose = np.column_stack([matrix, centre - matrix @ size / 2])
    return NiftiGrid(
        size=size, channels=frames, interleaved=False, steps=tuple(steps.tolist()), qfac=1.0, qform_code=0, qform=(),
        sform_code=1, sform=tuple(map(tuple, pose.tolist())), name="matrix of axes",
    )  # fmt: skip


def write_mgh(path: Path, array: HostArray, geometry: Geometry, _request: WriteRequest) -> None:
    """Write a volume of FreeSurfer, with channels as frames; names that end in `.mgh` are not compressed."""
    if len(geometry.shape) != 3:
        checks.invalid_value("write", "geometry", "have 3 axes for FreeSurfer's volumes", geometry.shape)
    codes = {np.dtype(kind).newbyteorder("="): code for code, kind in _MGH_TYPES.items()}
    if array.dtype not in codes:
        checks.invalid_value("write", "array", f"hold {', '.join(map(str, codes))} for FreeSurfer", array.dtype)
    raw = bytearray(_PIXELS_AT)
    fields = np.frombuffer(raw, _MGH_RECORD, 1)[0]
    frames = array.shape[3] if array.ndim == 4 else 1
    # Columns are those of x, y and z, and the world is (R, A, S).
    axes = np.array(geometry.direction)[::-1, ::-1] * [[-1.0], [-1.0], [1.0]]
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-5):
        checks.invalid_value("write", "geometry", "have axes at right angles for FreeSurfer's volumes", axes.tolist())
    size, steps = geometry.shape[::-1], geometry.spacing[::-1]
    origin = np.multiply(geometry.origin[::-1], [-1.0, -1.0, 1.0])
    fields["version"], fields["size"], fields["frames"], fields["type"] = 1, size, frames, codes[array.dtype]
    fields["placed"], fields["steps"], fields["axes"] = 1, steps, axes.T
    fields["centre"] = origin + axes * steps @ np.divide(size, 2)
    in_frames = array if array.ndim == 3 else np.moveaxis(array, -1, 0)
    numbers = np.ascontiguousarray(in_frames, array.dtype.newbyteorder(">")).data.cast("B")
    with path.open("wb") as stream:
        if path.name.lower().endswith(".mgh"):
            stream.writelines((raw, numbers, _NO_SCAN))
        else:
            # Without a name and a time, so that equal volumes are equal files.
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=stream, mtime=0) as packed:
                packed.writelines((raw, numbers, _NO_SCAN))
