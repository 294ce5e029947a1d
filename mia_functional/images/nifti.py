"""NIfTI-1 and NIfTI-2 images (`.nii`, `.nii.gz`, or a header beside its pixels), read without a C++ library.

SimpleITK 2.5.7 takes the qform where nibabel and most others take the sform, refuses an sform that is off right angles
by rounding, gives a file without either another orientation than nibabel, and turns the vectors of displacement fields.
"""

import gzip
import math
import struct
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from mia_functional.geometry import Geometry
from mia_functional.images.header import (
    GZIP,
    MAX_HEADER_BYTES,
    RAW,
    Header,
    NiftiGrid,
    first_bytes,
    invalid_file,
    scaled_dtype,
)
from mia_functional.images.nifti_grid import nifti_geometry
from mia_functional.images.pixels import read_numbers
from mia_functional.typing import Affine, HostArray

__all__ = [
    "NIFTI1_RECORD", "load_nifti", "nifti2_header", "nifti_axes", "nifti_pair", "parse_nifti", "parse_nifti_bytes",
    "set_intent",
]  # fmt: skip

_RECORDS = {
    348: (352, b"n+1", np.dtype({  # type: ignore[call-overload]  # NumPy takes fields as (type, offset), its stubs do not
        "sizeof_hdr": ("i4", 0), "dim": ("8i2", 40), "intent_code": ("i2", 68), "datatype": ("i2", 70),
        "pixdim": ("8f4", 76), "vox_offset": ("f4", 108), "scl_slope": ("f4", 112), "scl_inter": ("f4", 116),
        "xyzt_units": ("u1", 123), "toffset": ("f4", 136), "qform_code": ("i2", 252), "sform_code": ("i2", 254),
        "qform": ("6f4", 256), "sform": ("(3,4)f4", 280), "magic": ("S4", 344),
    })),
    540: (544, b"n+2\0\r\n\x1a\n", np.dtype({  # type: ignore[call-overload]
        "sizeof_hdr": ("i4", 0), "magic": ("S8", 4), "datatype": ("i2", 12), "dim": ("8i8", 16), "pixdim": ("8f8", 104),
        "vox_offset": ("i8", 168), "scl_slope": ("f8", 176), "scl_inter": ("f8", 184), "toffset": ("f8", 216),
        "qform_code": ("i4", 344), "sform_code": ("i4", 348), "qform": ("6f8", 352), "sform": ("(3,4)f8", 400),
        "xyzt_units": ("i4", 500), "intent_code": ("i4", 504),
    })),
}  # fmt: skip
"""By the size that a header states of itself, of NIfTI-1 and of NIfTI-2: its bytes with the flag behind it that
announces extensions, its magic, and the fields that are read, with type and position; named as in nifti1.h, but for the
parameters of qform and sform."""

NIFTI1_RECORD = _RECORDS[348][2]
"""The fields of NIfTI-1 that are read, most of which those of ANALYZE 7.5 became."""

_PAIRED = {b"n+1": b"ni1", b"n+2\0\r\n\x1a\n": b"ni2\0\r\n\x1a\n"}
"""The magic of headers whose pixels are in a file of their own, by that of single files."""

_HEADER_BYTES = max(size for size, _, _ in _RECORDS.values())

_NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
"""Element types by NIfTI's `datatype`; complex numbers and float128 are not read."""

_NIFTI_COLOURS = {128: 3, 2304: 4}
"""Channels, of one byte each, of the datatypes RGB24 and RGBA32."""

_MILLIMETRES = {1: 1000.0, 3: 0.001}
"""By the low bits of `xyzt_units`, metres and micrometres; 2 is millimetres, and 0, unknown, is taken for them."""

_LAST_CODE = 5
"""Largest code of qform and sform in the standard; nibabel takes a larger one for 0, and ITK for one in use."""

_SECONDS = {16: 1e-3, 24: 1e-6}
"""By the high bits of `xyzt_units`, milliseconds and microseconds; all others count as 1, as ITK has it."""


def parse_nifti(path: Path) -> Header:
    """Parse the header of a single-file NIfTI image, gzipped or not."""
    return _nifti_header(path, path)


def nifti_pair(path: Path, data: Path) -> Header | None:
    """Parse the header of a NIfTI pair at `path`; None if it is another kind of header."""
    magics = tuple(_PAIRED.values())
    raw = first_bytes(path, GZIP if path.name.lower().endswith(".gz") else RAW, _HEADER_BYTES)
    return _nifti_header(path, data) if raw[344:348].startswith(magics) or raw[4:12].startswith(magics) else None


def _nifti_header(path: Path, data: Path) -> Header:
    """Parse a header whose pixels are behind it, or in another file."""
    encoding, packed = (GZIP if file.name.lower().endswith(".gz") else RAW for file in (path, data))
    raw = first_bytes(path, encoding, _HEADER_BYTES)
    order, nbytes, fields = _nifti_fields(path, raw, paired=path != data)
    start = float(fields["vox_offset"])
    if not ((nbytes if path == data else 0) <= start < MAX_HEADER_BYTES and start.is_integer()):
        invalid_file(path, f"vox_offset is {start}")
    header = _header_of_fields(path, order, fields)
    # A gzipped file is decompressed from its beginning, so its header counts as part of the data.
    offset = 0 if packed else int(start)
    return replace(header, data=data, offset=offset, length=int(start) - offset + header.length, encoding=packed)


def parse_nifti_bytes(path: Path, raw: bytes) -> Header:
    """Parse a header of NIfTI whose pixels are elsewhere: that of the store at `path`."""
    paired = raw[344:348].startswith(b"ni1") or raw[4:12].startswith(b"ni2")
    # The flag behind it that announces extensions may be left out.
    order, _, fields = _nifti_fields(path, raw.ljust(_HEADER_BYTES, b"\0"), paired=paired)
    return _header_of_fields(path, order, fields)


def _header_of_fields(path: Path, order: str, fields: np.void) -> Header:
    """Return what the fields of a header say, as if the pixels were all that there is in the file."""
    code = int(fields["datatype"])
    if code not in _NIFTI_TYPES | _NIFTI_COLOURS:
        invalid_file(path, f"datatype is {code}; integers, floats, RGB and RGBA are read")
    kind, colours = _NIFTI_TYPES.get(code, "u1"), _NIFTI_COLOURS.get(code, 1)
    # The standard has no scale for colours.
    scale = _nifti_scale(path, float(fields["scl_slope"]), float(fields["scl_inter"])) if colours == 1 else (1.0, 0.0)
    grid = nifti_axes(path, fields, colours)
    values = math.prod(grid.size) * grid.channels
    return Header(
        path=path, data=path, offset=0, length=values * int(kind[1]), encoding=RAW, values=values,
        nbytes=values * scaled_dtype(np.dtype(kind), scale).itemsize, dtype=order + kind, scale=scale, grid=grid,
        intent=int(fields["intent_code"]),
    )  # fmt: skip


def _nifti_fields(path: Path, raw: bytes, *, paired: bool) -> tuple[str, int, np.void]:
    """Return the byte order of a header, its size with the flag of extensions, and its fields."""
    # A header begins with its own size, which reveals the byte order.
    stated = {int.from_bytes(raw[:4], "little"): "<", int.from_bytes(raw[:4], "big"): ">"}
    size = next((size for size in _RECORDS if size in stated), 348)
    nbytes, magic, record = _RECORDS[size]
    if len(raw) < (size if paired else nbytes):
        invalid_file(path, f"it ends within its header, after {len(raw)} bytes")
    order = stated.get(size, "<")
    fields = np.frombuffer(raw, record.newbyteorder(order), 1)[0]
    wanted = _PAIRED[magic] if paired else magic
    if fields["sizeof_hdr"] != size or fields["magic"] != wanted:  # NumPy strips the terminating zero
        invalid_file(path, f"it is not a {'NIfTI header beside its pixels' if paired else 'single-file NIfTI image'}")
    return order, nbytes, fields


def nifti_axes(path: Path, fields: np.void, colours: int) -> NiftiGrid:
    """Return what a header says of axes and places, in millimetres and seconds; raise unless numbers can be that."""
    dim, pixdim = fields["dim"].tolist(), fields["pixdim"].tolist()
    size = dim[1 : 1 + dim[0]] if 1 <= dim[0] <= 7 else []
    channels = size[4] if len(size) > 4 else 1
    # Axes 1 to 3 are space, 4 is time, 5 has the numbers of a voxel.
    if len(size) < 2 or min(size) < 1 or max(size[5:], default=1) > 1 or min(channels, colours) > 1:
        invalid_file(path, f"dim is {dim}; 2 to 4 axes are read, and a fifth of channels")
    # Axes of one voxel at the end are none; a plane with channels has them before the fifth.
    size, least = size[:4], 2 if channels > 1 else 3
    while len(size) > least and size[-1] == 1:
        size.pop()
    # nibabel, too, takes a step of 0 for 1; here, only where there is nothing to step to.
    steps = [step or float(count == 1) for step, count in zip(pixdim[1:4], size, strict=False)]
    if not all(math.isfinite(step) and step > 0 for step in steps):
        invalid_file(path, f"pixdim is {pixdim}")
    if len(steps) < 3:
        steps.append(pixdim[3] if math.isfinite(pixdim[3]) and pixdim[3] > 0 else 1.0)
    codes = int(fields["qform_code"]), int(fields["sform_code"])
    if max(codes) > _LAST_CODE:
        invalid_file(path, f"its qform_code is {codes[0]} and its sform_code {codes[1]}; codes up to 5 are known")
    qform, sform = fields["qform"].tolist(), fields["sform"].tolist()
    # A code of zero means that the form is not in use, whatever its numbers are.
    used = [*(qform if codes[0] > 0 else ()), *(chain(*sform) if codes[1] > 0 else ())]
    if not all(map(math.isfinite, used)):
        invalid_file(path, f"its qform is {qform} and its sform {sform}")
    units = int(fields["xyzt_units"])
    unit, second = _MILLIMETRES.get(units & 0b111, 1.0), _SECONDS.get(units & 0b111000, 1.0)
    return NiftiGrid(
        size=tuple(size), channels=channels * colours, interleaved=colours > 1,
        steps=tuple(unit * step for step in steps), qfac=pixdim[0] or 1.0, qform_code=codes[0],
        qform=(*qform[:3], *(unit * entry for entry in qform[3:])), sform_code=codes[1],
        sform=tuple(tuple(unit * entry for entry in row) for row in sform),
        time=(second * pixdim[4] if pixdim[4] > 0 else 1.0, second * float(fields["toffset"])),
    )  # fmt: skip


def _nifti_scale(path: Path, slope: float, intercept: float) -> tuple[float, float]:
    """Return slope and intercept. A slope of 0 (NIfTI-1) or NaN (nibabel) means that nothing is scaled."""
    used = math.isfinite(slope) and slope != 0
    if not (math.isfinite(intercept) if used else intercept == 0 or math.isnan(intercept)):
        invalid_file(path, f"scl_slope is {slope} and scl_inter is {intercept}")
    return (slope, intercept) if used else (1.0, 0.0)


def load_nifti(
    header: Header, grid: NiftiGrid, max_bytes: int, *, scaled: bool, affine: Affine
) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of a file whose header was parsed, after all checks."""
    geometry = nifti_geometry(header.path, grid, affine)
    numbers = read_numbers(header, max_bytes, scaled=scaled)
    if grid.channels == 1 or grid.interleaved:
        return numbers.reshape(*geometry.shape, *((grid.channels,) if grid.interleaved else ())), geometry
    # Channels are stored one after the other.
    return np.ascontiguousarray(np.moveaxis(numbers.reshape(grid.channels, *geometry.shape), 0, -1)), geometry


def set_intent(path: Path, intent: int) -> None:
    """Replace the intent code of a NIfTI-1 file that ITK wrote, in the byte order of this machine."""
    start = NIFTI1_RECORD.fields["intent_code"][1]
    zipped = path.name.lower().endswith(".nii.gz")
    raw = bytearray(gzip.decompress(path.read_bytes()) if zipped else path.read_bytes())
    raw[start : start + 2] = struct.pack("=h", intent)
    # Without a time in the header of gzip, the same image gives the same bytes.
    path.write_bytes(gzip.compress(raw, mtime=0) if zipped else raw)


def nifti2_header(array: HostArray, geometry: Geometry, intent: int) -> bytes:
    """Return the header of NIfTI-2, whose numbers are of double precision, of an image `(*spatial[, channels])`.

    The place is the sform; there is no qform, whose three numbers of a direction would be rounded.
    """
    axes = len(geometry.shape)
    raw = bytearray(540)
    _, magic, record = _RECORDS[len(raw)]
    fields = np.frombuffer(raw, record.newbyteorder("<"), 1)[0]
    channels = array.shape[axes:]
    dim = [*geometry.shape[::-1], *([1] * (4 - axes) if channels else ()), *channels]
    # The world of NIfTI is (R, A, S), and columns are those of x, y and z.
    turned = np.array(geometry.direction)[::-1, ::-1][:3, :3] * geometry.spacing[::-1][:3] * [[-1.0], [-1.0], [1.0]]
    fields["sizeof_hdr"], fields["magic"], fields["vox_offset"] = len(raw), magic, _RECORDS[len(raw)][0]
    fields["dim"][: len(dim) + 1] = len(dim), *dim
    fields["pixdim"][: axes + 1] = 1.0, *geometry.spacing[::-1]
    fields["datatype"] = {np.dtype(kind): code for code, kind in _NIFTI_TYPES.items()}[array.dtype]
    struct.pack_into("<h", raw, 14, 8 * array.dtype.itemsize)  # bitpix, which is not read
    fields["scl_slope"], fields["xyzt_units"], fields["sform_code"], fields["intent_code"] = 1.0, 2 | 8, 1, intent
    fields["toffset"] = geometry.origin[0] if axes == 4 else 0.0
    fields["sform"] = np.column_stack([turned, np.multiply(geometry.origin[::-1][:3], [-1.0, -1.0, 1.0])])
    return bytes(raw)
