"""What an image file says of itself, read by ourselves before any C++ reader sees the file.

A file may come from anywhere, so its header is parsed strictly, and whatever is not plain is refused: readers fill up
a short NIfTI file with zeros, and a MetaImage or NRRD header may name any other file of the machine as its pixels.
"""

import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mia_functional import _check

HEADER_LIMIT = 1 << 20
"""Largest text header, in bytes."""

BLOCK = 1 << 16
"""Bytes that are decompressed at a time; they can swell to a thousand times as many."""

RAW, GZIP, GZIP_OR_ZLIB = 0, zlib.MAX_WBITS | 16, zlib.MAX_WBITS | 32
"""How pixels are encoded: plain, or the window bits that make zlib take the one format or both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where the pixels are and how many.

    Args:
        path: The file that was asked for.
        data: The file with the pixels: the same one, or one beside it.
        offset: Bytes before the (maybe compressed) pixels.
        length: Bytes from there on, once decompressed.
        encoding: RAW, GZIP or GZIP_OR_ZLIB.
        values: Numbers in the image: voxels times channels.
        nbytes: Bytes of the image in memory.
        affine: NIfTI's sform in millimetres, if it is in use: three rows of four, world axes (R, A, S).
        dtype: NumPy's name of the stored numbers; empty if there are several per voxel, or their order is not known.
        scale: NIfTI's slope and intercept, by which stored numbers become those that are meant.
    """

    path: Path
    data: Path
    offset: int
    length: int
    encoding: int
    values: int
    nbytes: int
    affine: tuple[tuple[float, ...], ...] = ()
    dtype: str = ""
    scale: tuple[float, float] = (1.0, 0.0)


def refuse(path: Path, reason: str) -> NoReturn:
    """Raise the error of a file that is damaged, hostile or of no kind that is read."""
    _check.invalid_value("read", "path", "name a complete, well-formed image file", f"{path}: {reason}")


def suffix(path: Path) -> str:
    """Return the extension that decides the format of an image file, in lower case."""
    _check.unicode_text("images", "path", str(path))
    for known in PARSERS:
        if path.name.lower().endswith(known):
            return known
    raise ValueError(_check.message("images", "path", f"end in {', '.join(PARSERS)}", path))


RIVALS = {".nii": ".nii.gz", ".nii.gz": ".nii", ".mhd": ".nhdr", ".nhdr": ".mhd"}
"""Extensions that share their pixels' file name, so that one of the two would be read or written for the other."""


def rival(path: Path) -> Path | None:
    """Return the file beside `path` that would be taken for it, if there is one."""
    known = suffix(path)
    other = RIVALS.get(known, known)
    names = [path.name[: -len(known)] + ending for ending in (other, other.upper())]
    return next((path.with_name(name) for name in names if name != path.name and path.with_name(name).exists()), None)


def parse(path: Path) -> Header:
    """Return what the header of an image file says, without a look at the pixels.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The header is not that of a plain image of the kind that the extension names, or `x.nii` lies beside
            `x.nii.gz`.
    """
    parser = PARSERS[suffix(path)]
    if parser is parse_nifti and (other := rival(path)) is not None:
        refuse(path, f"{other.name} lies beside it, and readers take the one for the other")
    if path.exists() and not path.is_file():
        refuse(path, "it is no regular file")
    return parser(path)


NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
"""The numbers of each NIfTI datatype that is read."""

NIFTI_COLOURS = {128: 3, 2304: 4}
"""Numbers per voxel, of one byte each, of the colours of NIfTI."""

NIFTI_UNITS = {1: 1000.0, 3: 0.001}
"""Millimetres in NIfTI's metre and micrometre."""


def parse_nifti(path: Path) -> Header:
    """Parse the 348 bytes of a single-file NIfTI-1 image, gzipped or not."""
    encoding = GZIP if suffix(path) == ".nii.gz" else RAW
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


META_TYPES = {"CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4"}
META_TYPES |= {"ULONG": "u4", "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8"}
"""The numbers of each MetaImage element type."""

META_ORDERS = ("binarydatabyteordermsb", "elementbyteordermsb")
"""MetaImage fields with the order of bytes."""

META_SCALES = ("elementtointensityfunctionslope", "elementtointensityfunctionoffset")
"""MetaImage fields that give numbers another meaning."""

META_PER_AXIS = dict.fromkeys(("offset", "position", "origin", "centerofrotation", "elementspacing", "elementsize"), 1)
META_PER_AXIS |= dict.fromkeys(("transformmatrix", "orientation", "rotation"), 2)
"""MetaImage fields with a number per axis, to this power."""


def parse_meta(path: Path) -> Header:
    """Parse the text header of a MetaImage."""
    fields, end = meta_fields(path)
    if fields.get("objecttype", "Image") != "Image":
        refuse(path, f"ObjectType is {fields['objecttype']}")
    if not true(fields.get("binarydata", "True")) or fields.get("headersize", "0") != "0":
        refuse(path, "only binary data without a header of their own are read")
    name = fields["elementdatafile"]
    data, offset = (path, end) if name in ("LOCAL", "Local", "local") else (beside(path, name), 0)
    encoding = GZIP_OR_ZLIB if true(fields.get("compresseddata", "False")) else RAW
    stored = str(data.stat().st_size - offset)
    if encoding and fields.get("compresseddatasize", stored) != stored:
        refuse(path, f"CompressedDataSize is {fields['compresseddatasize']}, and {stored} bytes are there")
    sizes = whole_numbers(path, fields.get("dimsize", ""))
    for key, power in META_PER_AXIS.items():
        count = len(fields.get(key, "0 " * len(sizes) ** power).split())
        if fields.get("ndims") != str(len(sizes)) or count != len(sizes) ** power:
            refuse(path, f"NDims is {fields.get('ndims')}, DimSize {sizes} and {key} {fields.get(key, 'missing')}")
    sizes += whole_numbers(path, fields.get("elementnumberofchannels", "1"))
    kind = META_TYPES.get(fields.get("elementtype", "").removeprefix("MET_"), "")
    orders = {"<>"[true(fields[name])] for name in META_ORDERS if name in fields}
    order = orders.pop() if len(orders) == 1 and not fields.keys() & META_SCALES else ""
    return text_header(path, data=data, offset=offset, kind=kind and order + kind, sizes=sizes, encoding=encoding)


def meta_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of a MetaImage header, and where it ends: with the line that names the data."""
    fields: dict[str, str] = {}
    for line, end in lines(path):
        match = re.fullmatch(r"([A-Za-z]\w*)\s*=\s*(.*?)\s*", line)
        if match is None or match[1].lower() in fields:
            refuse(path, f"the header has the line {line[:80]!r}")
        fields[match[1].lower()] = match[2]
        if match[1].lower() == "elementdatafile":
            return fields, end
    refuse(path, "the header has no ElementDataFile")


def true(text: str) -> bool:
    """Tell whether MetaImage takes a word for true."""
    return text[:1] in ("T", "t", "1")


NRRD_TYPES = {
    name.strip(): kind
    for kind, names in {
        "i1": "signed char, int8, int8_t",
        "u1": "uchar, unsigned char, uint8, uint8_t",
        "i2": "short, short int, signed short, signed short int, int16, int16_t",
        "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
        "i4": "int, signed int, int32, int32_t",
        "u4": "uint, unsigned int, uint32, uint32_t",
        "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
        "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
        "f4": "float",
        "f8": "double",
    }.items()
    for name in names.split(",")
}
"""The numbers of each NRRD type."""

NRRD_ORDERS = {"little": "<", "big": ">"}
"""The order of bytes by NRRD's word for it."""


def parse_nrrd(path: Path) -> Header:
    """Parse the text header of a NRRD file."""
    fields, end = nrrd_fields(path)
    encoding = {"raw": RAW, "gzip": GZIP, "gz": GZIP}.get(fields.get("encoding", ""))
    if encoding is None:
        refuse(path, f"encoding is {fields.get('encoding', 'missing')}; raw and gzip are read")
    if any(fields.get(name, "0") != "0" for name in ("byteskip", "lineskip")):
        refuse(path, "data with a header of their own are not read")
    data, offset = (beside(path, fields["datafile"]), 0) if "datafile" in fields else (path, end)
    sizes = whole_numbers(path, fields.get("sizes", ""))
    kind, order = NRRD_TYPES.get(fields.get("type", ""), ""), NRRD_ORDERS.get(fields.get("endian", ""), "")
    return text_header(path, data=data, offset=offset, kind=kind and order + kind, sizes=sizes, encoding=encoding)


def nrrd_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of a NRRD header, and where it ends: with an empty line or, of detached data, the file."""
    fields: dict[str, str] = {}
    end = 0
    for number, (line, position) in enumerate(lines(path)):
        end = position
        if number == 0 and re.fullmatch(r"NRRD000[1-5]", line) is None:
            refuse(path, "it does not begin with a NRRD version")
        if not line:
            break
        if number == 0 or line.startswith("#"):
            continue
        match = re.fullmatch(r"([^:]+):(=| )(.*)", line)
        name = "" if match is None else match[1].lower().replace(" ", "")
        if match is None or name in fields:
            refuse(path, f"the header has the line {line[:80]!r}")
        if match[2] == " ":
            fields[name] = match[3].strip()
    return fields, end


def text_header(path: Path, *, data: Path, offset: int, kind: str, sizes: list[int], encoding: int) -> Header:
    """Return the record of a text header; where the order of bytes is not known, `kind` is without it."""
    if not kind or min(sizes) < 1:
        refuse(path, f"its type of numbers and the sizes {sizes} are no image of integers or floats")
    values = math.prod(sizes)
    count = values * int(kind[-1])
    return Header(
        path=path, data=data, offset=offset, length=count, encoding=encoding,
        values=values, nbytes=count, dtype=kind if len(kind) == 3 else "",
    )  # fmt: skip


def lines(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the lines of a text header, each with the position where it ends; refuse control characters."""
    end = 0
    with path.open("rb") as stream:
        while raw := stream.readline(HEADER_LIMIT):
            end += len(raw)
            line = raw.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1")
            if end > HEADER_LIMIT or any(character < " " and character != "\t" for character in line):
                refuse(path, "the header is no plain text")
            yield line, end


def whole_numbers(path: Path, text: str) -> list[int]:
    """Return the numbers of a header line."""
    if re.fullmatch(r"[0-9]{1,18}( +[0-9]{1,18}){0,7}", text) is None:
        refuse(path, f"the header has the sizes {text!r}")
    return [int(word) for word in text.split()]


def beside(path: Path, name: str) -> Path:
    """Return the data file that a header names, which must be one plain file in the folder of the header."""
    plain = re.fullmatch(r"(?!LIST|SKIPLIST)[^/\\%:]+", name) is not None and name not in (".", "..")
    data = path.parent / name
    if not plain or data.resolve().parent != path.parent.resolve():
        refuse(path, f"the header names the data file {name!r}, which is no plain file beside it")
    if not data.is_file():
        refuse(path, f"its data file {data} is missing")
    return data


PARSERS: dict[str, Callable[[Path], Header]] = {
    ".nii": parse_nifti, ".nii.gz": parse_nifti,
    ".mha": parse_meta, ".mhd": parse_meta,
    ".nrrd": parse_nrrd, ".nhdr": parse_nrrd,
}  # fmt: skip
"""The extensions that are read and written, and who parses each."""
