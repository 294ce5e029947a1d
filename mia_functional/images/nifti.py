"""Parse the header of single-file NIfTI-1 images."""

import math
import struct
import zlib
from pathlib import Path

from mia_functional.images.header import BLOCK, GZIP, HEADER_LIMIT, RAW, Header, refuse

NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
"""The numbers of each NIfTI datatype that is read."""


NIFTI_COLOURS = {128: 3, 2304: 4}
"""Numbers per voxel, of one byte each, of the colours of NIfTI."""


NIFTI_UNITS = {1: 1000.0, 3: 0.001}
"""Millimetres in NIfTI's metre and micrometre."""


def parse_nifti(path: Path) -> Header:
    """Parse the 348 bytes of a single-file NIfTI-1 image, gzipped or not."""
    encoding = GZIP if path.name.lower().endswith(".nii.gz") else RAW
    raw = first_bytes(path, encoding)
    order = next((order for order in "<>" if struct.unpack_from(order + "i", raw) == (348,)), None)
    if order is None or raw[344:348] != b"n+1\0":
        refuse(path, "it is no single-file NIfTI-1 image")
    dims = struct.unpack_from(order + "8h", raw, 40)
    (code,) = struct.unpack_from(order + "h", raw, 70)
    pixdim = struct.unpack_from(order + "8f", raw, 76)
    start, slope, inter = struct.unpack_from(order + "3f", raw, 108)
    shape = dims[1 : 1 + dims[0]] if 1 <= dims[0] <= 7 else ()
    if not shape or min(shape) < 1:
        refuse(path, f"dim is {dims}")
    if code not in NIFTI_TYPES | NIFTI_COLOURS:
        refuse(path, f"datatype is {code}, which is none of the integers, floats and colours")
    if not all(math.isfinite(step) and step > 0 for step in pixdim[1 : 1 + min(dims[0], 3)]):
        refuse(path, f"pixdim is {pixdim}")
    if not (352 <= start < HEADER_LIMIT and start == int(start)):
        refuse(path, f"vox_offset is {start}")
    used = math.isfinite(slope) and slope != 0
    if not (math.isfinite(inter) if used else inter == 0 or math.isnan(inter)):
        refuse(path, f"scl_slope is {slope} and scl_inter is {inter}")
    kind, scale = NIFTI_TYPES.get(code, "u1"), (slope, inter) if used else (1.0, 0.0)
    width, values = int(kind[1]), math.prod(shape) * NIFTI_COLOURS.get(code, 1)
    offset = 0 if encoding else int(start)
    length = values * width + int(start) - offset
    return Header(
        path=path, data=path, offset=offset, length=length, encoding=encoding,
        values=values, nbytes=values * (width if scale == (1, 0) else max(width, 4)), affine=sform(path, raw, order),
        dtype=order + kind if code in NIFTI_TYPES else "", scale=scale,
    )  # fmt: skip


def sform(path: Path, raw: bytes, order: str) -> tuple[tuple[float, ...], ...]:
    """Return the rows of the sform in millimetres, or none where its code is zero."""
    qform_code, sform_code = struct.unpack_from(order + "2h", raw, 252)
    quaternion, rows = struct.unpack_from(order + "6f", raw, 256), struct.unpack_from(order + "12f", raw, 280)
    if not all(map(math.isfinite, quaternion * (qform_code > 0) + rows * (sform_code > 0))):
        refuse(path, f"its qform is {quaternion} and its sform {rows}")
    unit = NIFTI_UNITS.get(raw[123] & 7, 1.0)
    return tuple(tuple(unit * entry for entry in rows[start : start + 4]) for start in (0, 4, 8) if sform_code > 0)


def first_bytes(path: Path, encoding: int) -> bytes:
    """Return the first 352 bytes of a NIfTI file, decompressed if need be."""
    with path.open("rb") as stream:
        raw = stream.read(BLOCK)
    try:
        raw = zlib.decompressobj(encoding).decompress(raw, 352) if encoding else raw
    except zlib.error as error:
        refuse(path, f"it is no gzip file ({error})")
    if len(raw) < 352:
        refuse(path, f"it ends within the header, after {len(raw)} bytes")
    return raw[:352]
