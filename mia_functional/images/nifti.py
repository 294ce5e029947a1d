"""Parse the header of single-file NIfTI-1 images (`.nii`, `.nii.gz`)."""

import math
import zlib
from itertools import chain
from pathlib import Path

import numpy as np

from mia_functional.images.header import GZIP, INFLATE_BLOCK, MAX_HEADER_BYTES, RAW, Header, invalid_file

__all__ = ["parse_nifti"]

_NIFTI_BYTES = 352
"""Bytes of the header (348) and of the flag behind it that announces extensions."""

_NIFTI_RECORD = np.dtype({  # type: ignore[call-overload]  # NumPy takes fields as (type, offset), its stubs do not
    "sizeof_hdr": ("i4", 0), "dim": ("8i2", 40), "datatype": ("i2", 70), "pixdim": ("8f4", 76),
    "vox_offset": ("f4", 108), "scl_slope": ("f4", 112), "scl_inter": ("f4", 116), "xyzt_units": ("u1", 123),
    "qform_code": ("i2", 252), "sform_code": ("i2", 254), "qform": ("6f4", 256), "sform": ("(3,4)f4", 280),
    "magic": ("S4", 344),
})  # fmt: skip
"""The fields that are read, with type and position; named as in nifti1.h, but for the parameters of qform and sform."""

_NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
"""Element types by NIfTI's `datatype`; complex numbers and float128 are not read."""

_NIFTI_COLOURS = {128: 3, 2304: 4}
"""Channels, of one byte each, of the datatypes RGB24 and RGBA32."""

_MILLIMETRES = {1: 1000.0, 3: 0.001}
"""By the low bits of `xyzt_units`, metres and micrometres; 2 is millimetres, and 0, unknown, is taken for them."""


def parse_nifti(path: Path) -> Header:
    """Parse the header of a single-file NIfTI-1 image, gzipped or not."""
    encoding = GZIP if path.name.lower().endswith(".nii.gz") else RAW
    raw = _nifti_bytes(path, encoding)
    # The size of the header, which is always 348, reveals the byte order.
    order, fields = "<", np.frombuffer(raw, _NIFTI_RECORD.newbyteorder("<"), 1)[0]
    if fields["sizeof_hdr"] != 348:
        order, fields = ">", np.frombuffer(raw, _NIFTI_RECORD.newbyteorder(">"), 1)[0]
    if fields["sizeof_hdr"] != 348 or fields["magic"] != b"n+1":  # NumPy strips the terminating zero
        invalid_file(path, "it is not a single-file NIfTI-1 image")
    dim, pixdim, code = fields["dim"].tolist(), fields["pixdim"].tolist(), int(fields["datatype"])
    shape = dim[1 : 1 + dim[0]] if 1 <= dim[0] <= 7 else []
    if not shape or min(shape) < 1:
        invalid_file(path, f"dim is {dim}")
    if code not in _NIFTI_TYPES | _NIFTI_COLOURS:
        invalid_file(path, f"datatype is {code}; integers, floats, RGB and RGBA are read")
    if not all(math.isfinite(step) and step > 0 for step in pixdim[1 : 1 + min(dim[0], 3)]):
        invalid_file(path, f"pixdim is {pixdim}")
    start = float(fields["vox_offset"])
    if not (_NIFTI_BYTES <= start < MAX_HEADER_BYTES and start.is_integer()):
        invalid_file(path, f"vox_offset is {start}")
    scale = _nifti_scale(path, float(fields["scl_slope"]), float(fields["scl_inter"]))
    kind = _NIFTI_TYPES.get(code, "u1")
    width, values = int(kind[1]), math.prod(shape) * _NIFTI_COLOURS.get(code, 1)
    # A gzipped file is decompressed from its beginning, so its header counts as part of the data.
    offset = 0 if encoding else int(start)
    return Header(
        path=path, data=path, offset=offset, length=int(start) - offset + values * width, encoding=encoding,
        values=values, nbytes=values * (width if scale == (1, 0) else max(width, 4)),  # scaled: at least float32
        affine=_sform_rows(path, fields), dtype=order + kind if code in _NIFTI_TYPES else "", scale=scale,
    )  # fmt: skip


def _nifti_bytes(path: Path, encoding: int) -> bytes:
    """Return the bytes of the header, decompressed if need be."""
    with path.open("rb") as stream:
        raw = stream.read(INFLATE_BLOCK)
    try:
        raw = zlib.decompressobj(encoding).decompress(raw, _NIFTI_BYTES) if encoding else raw
    except zlib.error as error:
        invalid_file(path, f"it is not a gzip file ({error})")
    if len(raw) < _NIFTI_BYTES:
        invalid_file(path, f"it ends within its header, after {len(raw)} bytes")
    return raw[:_NIFTI_BYTES]


def _nifti_scale(path: Path, slope: float, intercept: float) -> tuple[float, float]:
    """Return slope and intercept. A slope of 0 (NIfTI-1) or NaN (nibabel) means that nothing is scaled."""
    used = math.isfinite(slope) and slope != 0
    if not (math.isfinite(intercept) if used else intercept == 0 or math.isnan(intercept)):
        invalid_file(path, f"scl_slope is {slope} and scl_inter is {intercept}")
    return (slope, intercept) if used else (1.0, 0.0)


def _sform_rows(path: Path, fields: np.void) -> tuple[tuple[float, ...], ...]:
    """Return the rows of the sform in millimetres; none unless its code is positive."""
    qform, sform = fields["qform"].tolist(), fields["sform"].tolist()
    # A code of zero means that the form is not in use, whatever its numbers are.
    used = [*(qform if fields["qform_code"] > 0 else ()), *(chain(*sform) if fields["sform_code"] > 0 else ())]
    if not all(map(math.isfinite, used)):
        invalid_file(path, f"its qform is {qform} and its sform {sform}")
    unit = _MILLIMETRES.get(int(fields["xyzt_units"]) & 7, 1.0)
    return tuple(tuple(unit * entry for entry in row) for row in sform) if fields["sform_code"] > 0 else ()
