"""Headers beside their pixels (`.hdr` and `.img`): those of NIfTI, and those of ANALYZE 7.5 and of SPM before NIfTI.

A header of ANALYZE states sizes, spacing and a type. SPM put a factor and a voxel of origin into fields that ANALYZE
does not use, which are read as SPM and nibabel do; what only a file of MATLAB beside it says is not.
"""

import math
import os
from pathlib import Path

import numpy as np

from mia_functional.images.header import (
    GZIP,
    MAX_HEADER_BYTES,
    RAW,
    Header,
    NiftiGrid,
    check_regular,
    detached_file,
    first_bytes,
    invalid_file,
    millimetres,
    scaled_dtype,
)
from mia_functional.images.nifti import NIFTI1_RECORD, nifti_axes, nifti_pair

__all__ = ["parse_pair"]

_HEADER, _PIXELS = (".hdr", ".hdr.gz"), (".img", ".img.gz")

_ANALYZE_BYTES = 348
"""Size of a header, with which it begins."""

_ANALYZE_RECORD = np.dtype({  # type: ignore[call-overload]  # NumPy takes fields as (type, offset), its stubs do not
    "units": ("S4", 56), "cal_max": ("f4", 124), "cal_min": ("f4", 128), "glmax": ("i4", 140), "glmin": ("i4", 144),
    "orient": ("u1", 252), "origin": ("3i2", 253),
})  # fmt: skip
"""The fields that NIfTI-1 uses for something else, with type and position; `origin` is SPM's."""

_NIFTI_ALONE = ("xyzt_units", "toffset", "intent_code", "qform_code", "sform_code", "qform", "sform")
"""Fields of NIfTI-1 that hold something else in a header of ANALYZE."""

_ANALYZE_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 130: "i1", 132: "u2", 136: "u4"}
"""Element types by `datatype`; those above 128 are SPM's."""

_ORIENTATIONS = {1: "coronal", 2: "sagittal", 3: "transverse and flipped", 4: "coronal and flipped",
                 5: "sagittal and flipped"}  # fmt: skip
"""What slices are by `orient`, which SPM and nibabel pass over and others do not; 0 is transverse."""


def parse_pair(path: Path) -> Header:
    """Parse the header of a pair of files, one of which was asked for."""
    check_regular(path)
    header, data = (_partner(path, endings) for endings in (_HEADER, _PIXELS))
    paired = nifti_pair(header, data)
    return paired if paired is not None else _analyze_header(header, data)


def _partner(path: Path, endings: tuple[str, ...]) -> Path:
    """Return the one file beside `path`, or `path` itself, that has its name and one of two extensions."""
    if not path.exists():
        raise FileNotFoundError(f"read: there is no file {path}.")
    if path.name.lower().endswith(endings):
        return path
    stem = path.name[: max(path.name.lower().rindex(end) for end in (".hdr", ".img") if end in path.name.lower())]
    # Of a name in upper case, the other file has one, too.
    names = [
        stem + end for ending in endings for end in (ending, ending.upper()) if path.with_name(stem + end).exists()
    ]
    if not names:
        invalid_file(path, f"{stem}{endings[0]} is missing beside it")
    if len(names) > 1:
        invalid_file(path, f"{' and '.join(names)} lie beside it, and readers confuse them")
    return detached_file(path, os.fsencode(names[0]).decode("latin-1"))


def _analyze_header(path: Path, data: Path) -> Header:
    """Parse a header of ANALYZE 7.5."""
    raw = first_bytes(path, GZIP if path.name.lower().endswith(".gz") else RAW, _ANALYZE_BYTES)
    # A header begins with its own size, which reveals the byte order.
    sizes = {_ANALYZE_BYTES.to_bytes(4, "little"): "<", _ANALYZE_BYTES.to_bytes(4, "big"): ">"}
    order = sizes.get(raw[:4])
    if len(raw) < _ANALYZE_BYTES or order is None:
        invalid_file(path, "it is not a header of NIfTI or ANALYZE 7.5")
    own = np.frombuffer(raw, _ANALYZE_RECORD.newbyteorder(order), 1)[0]
    shared = np.frombuffer(raw, NIFTI1_RECORD.newbyteorder(order), 1).copy()
    for name in _NIFTI_ALONE:
        shared[name] = 0
    fields = shared[0]
    code, start = int(fields["datatype"]), float(fields["vox_offset"])
    if code not in _ANALYZE_TYPES:
        invalid_file(path, f"datatype is {code}; integers and floats are read")
    if not (0 <= start < MAX_HEADER_BYTES and start.is_integer()):
        invalid_file(path, f"vox_offset is {start}")
    grid = _grid_of_analyze(path, nifti_axes(path, fields, 1), own)
    kind, values = _ANALYZE_TYPES[code], math.prod(grid.size) * grid.channels
    scale = _spm_scale(path, float(fields["scl_slope"]), float(fields["scl_inter"]), own)
    packed = GZIP if data.name.lower().endswith(".gz") else RAW
    offset = 0 if packed else int(start)
    return Header(
        path=path, data=data, offset=offset, length=int(start) - offset + values * int(kind[1]), encoding=packed,
        values=values, nbytes=values * scaled_dtype(np.dtype(kind), scale).itemsize, dtype=order + kind,
        scale=scale, grid=grid,
    )  # fmt: skip


def _grid_of_analyze(path: Path, grid: NiftiGrid, own: np.void) -> NiftiGrid:
    """Return the axes in millimetres, on the voxel of origin that SPM may have stated; else their centre is at 0."""
    orient = int(own["orient"])
    if orient in _ORIENTATIONS:
        invalid_file(path, f"its slices are {_ORIENTATIONS[orient]} (orient {orient}), which readers do not agree on")
    # The extension may be in upper case, and so may that of the file beside.
    stem = path.name[: path.name.lower().rindex(".hdr")]
    matrix = next((f"{stem}{end}" for end in (".mat", ".MAT") if path.with_name(f"{stem}{end}").exists()), None)
    if matrix is not None:
        invalid_file(path, f"{matrix} beside it says where it lies, which is not read; write it as NIfTI")
    factor = millimetres(path, "vox_units", own["units"].decode("latin-1").rstrip("\0 "))
    steps = np.multiply(grid.steps, factor)
    size, origin = np.array((*grid.size[:3], 1)[:3]), own["origin"].astype(float)
    # SPM's voxels are counted from 1; what lies far from the image is no origin, but other software's text.
    if not origin.any() or (origin <= -size).any() or (origin >= 2 * size).any():
        return grid._replace(steps=tuple(steps.tolist()))
    # As in all files of ANALYZE that SPM and nibabel read, the first axis points to the left.
    matrix_of_axes = np.diag(steps * [-1.0, 1.0, 1.0])
    pose = np.column_stack([matrix_of_axes, -matrix_of_axes @ (origin - 1)])
    return grid._replace(
        steps=tuple(steps.tolist()), sform_code=1, sform=tuple(map(tuple, pose.tolist())), name="origin"
    )


def _spm_scale(path: Path, slope: float, intercept: float, own: np.void) -> tuple[float, float]:
    """Return slope and intercept by SPM's rule; raise where only other software's fields could state them."""
    if math.isfinite(slope) and slope != 0:
        return slope, intercept if math.isfinite(intercept) else 0.0
    stored, meant = float(own["glmax"]) - float(own["glmin"]), float(own["cal_max"]) - float(own["cal_min"])
    # SPM and nibabel take these ranges for a scale where there is no other; most readers do not.
    if stored and meant and (stored != meant or own["glmin"] != own["cal_min"]):
        invalid_file(
            path, f"it states the ranges {own['glmin']} to {own['glmax']} of stored numbers and {own['cal_min']:g} to "
            f"{own['cal_max']:g} of values, of which readers do not agree whether they are a scale"
        )  # fmt: skip
    return 1.0, 0.0
