"""Parse the header of MetaImage files (`.mha`, `.mhd`).

MetaIO, which reads them inside of ITK, goes through the header character by character, and everyone else line by line.
Where the two could see different fields, the file is refused (measured with SimpleITK 2.5.7): MetaIO reads on into the
next line where a field has too few numbers, takes the next key for a part of a line that has neither `=` nor `:`, and
of two equal fields keeps the last. All other keys are the user's own: programs that convert images copy what they know
of a NIfTI or DICOM file into the header, values of several lines included.
"""

import math
import re
from pathlib import Path

from mia_functional.images import header

__all__ = ["parse_metaimage"]

# In MetaIO a LONG has 4 bytes on every system.
_META_TYPES = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4", "ULONG": "u4",
    "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip

# MetaIO looks at the first letter of a boolean alone.
_META_TRUE = ("T", "t", "1")

_META_BYTE_ORDERS = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")

_META_OFFSETS = ("Offset", "Position", "Origin", "ImagePosition")

_META_MATRICES = ("TransformMatrix", "Rotation", "Orientation")

_META_TEXTS = (
    "ObjectType", "BinaryData", "CompressedData", *_META_BYTE_ORDERS, "DistanceUnits", "ElementType", "ElementDataFile",
)  # fmt: skip
"""Fields of text that say what and where the pixels are."""

_META_COMMENTS = ("ObjectSubType", "Comment", "AcquisitionDate", "Name", "AnatomicalOrientation", "Modality")
"""Other fields of text that MetaIO knows; they mean nothing here."""

# What MetaIO has room for: in keys and in texts that it knows, and in those of other programs.
_MAX_TEXT, _MAX_FOREIGN = 254, 32_000

_META_NUMBERS = {
    "NDims": 0, "HeaderSize": 0, "FileFormatVersion": 0, "CompressedDataSize": 0, "ElementNumberOfChannels": 0,
    "ElementToIntensityFunctionSlope": 0, "ElementToIntensityFunctionOffset": 0, "DimSize": 1, "ElementSpacing": 1,
    "ElementSize": 1, **dict.fromkeys(_META_OFFSETS, 1), **dict.fromkeys(_META_MATRICES, 2),
}  # fmt: skip
"""Fields of one number (0), of a number per axis (1) or per pair of axes (2)."""

_META_UNUSED = {
    "ElementMin": 0, "ElementMax": 0, "ElementNBits": 0, "ID": 0, "ParentID": 0, "SequenceID": 1, "CenterOfRotation": 1,
    "Color": None,
}  # fmt: skip
"""Likewise, of which only MetaIO's manner of reading matters; Color has four numbers."""

_META_FIELDS = {name.lower(): name for name in (*_META_TEXTS, *_META_NUMBERS)}

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")


def parse_metaimage(path: Path) -> header.Header:
    """Parse the text header of a MetaImage."""
    fields, end = _meta_fields(path)
    if fields.get("ObjectType", "Image") != "Image":
        header.invalid_file(path, f"ObjectType is {fields['ObjectType']}; Image is read")
    if not fields.get("BinaryData", "True").startswith(_META_TRUE) or fields.get("HeaderSize", "0") != "0":
        header.invalid_file(path, "only binary data without a header of their own are read")
    # In version 1, Offset and TransformMatrix place an object in a scene. MetaIO before 2023 does not know it.
    if fields.get("FileFormatVersion", "0") != "0":
        header.invalid_file(path, f"FileFormatVersion is {fields['FileFormatVersion']}; 0 is read")
    sizes = header.parse_sizes(path, fields.get("DimSize", ""))
    numbers = _meta_numbers(path, fields, len(sizes))
    name = fields["ElementDataFile"]
    data, offset = (path, end) if name in ("LOCAL", "Local", "local") else (header.detached_file(path, name), 0)
    encoding = header.GZIP_OR_ZLIB if fields.get("CompressedData", "False").startswith(_META_TRUE) else header.RAW
    stored = str(data.stat().st_size - offset)
    if encoding and (stated := fields.get("CompressedDataSize", stored)) != stored:
        header.invalid_file(path, f"CompressedDataSize is {stated}, but there are {stored} bytes")
    orders = {"<>"[fields[name].startswith(_META_TRUE)] for name in _META_BYTE_ORDERS if name in fields}
    if len(orders) > 1:
        header.invalid_file(path, "its two statements of the byte order contradict each other")
    kind = _META_TYPES.get(fields.get("ElementType", "").removeprefix("MET_"), "")
    channels = header.parse_sizes(path, fields.get("ElementNumberOfChannels", "1"))
    (slope,) = numbers.get("ElementToIntensityFunctionSlope", (1.0,))
    (intercept,) = numbers.get("ElementToIntensityFunctionOffset", (0.0,))
    if slope == 0:
        header.invalid_file(path, "ElementToIntensityFunctionSlope is 0")
    unit = header.millimetres(path, "DistanceUnits", fields.get("DistanceUnits", ""))
    several = channels != [1]
    grid = header.TextGrid(
        sizes=(*channels * several, *sizes),
        channel_axis=0 if several else None,
        factors=() if unit == 1 else (*(unit,) * min(len(sizes), 3), *(1.0,) * (len(sizes) - 3)),
        place=_meta_place(path, numbers, len(sizes)),
    )
    dtype = kind and (*orders, "=")[0] + kind
    return header.text_header(path, data, offset, grid, dtype, encoding=encoding, scale=(slope, intercept))


def _meta_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of a MetaImage header, and where it ends: with the line that names the data."""
    fields: dict[str, str] = {}
    unfinished = False
    for line, end in header.header_lines(path):
        # MetaIO takes any run of equals signs, colons and blanks for one separator.
        separator = re.search("[=:]", line)
        key = (line if separator is None else line[: separator.start()]).strip(" \t")
        text = "" if separator is None else line[separator.start() :].lstrip("=: \t").rstrip(" \t")
        longest = _MAX_TEXT if key in _META_TEXTS + _META_COMMENTS else _MAX_FOREIGN
        if len(key) > _MAX_TEXT or len(text) > longest:
            header.invalid_file(path, f"the line {line[:80]!r} of its header is longer than MetaIO holds")
        name = key if key in _META_UNUSED else _META_FIELDS.get(key.lower())
        if name is not None:
            # Of a field that is there twice, MetaIO takes the last and others may take the first. It does not know one
            # whose letters have another case, and skips what stands behind a line without a separator.
            if separator is None or unfinished or name != key or name in fields:
                header.invalid_file(path, f"readers take the line {line[:80]!r} of its header for different things")
            fields[name] = text
            if name == "ElementDataFile":
                return fields, end
        if key or separator is not None:
            unfinished = separator is None
    return header.invalid_file(path, "its header has no ElementDataFile")


def _meta_numbers(path: Path, fields: dict[str, str], ndim: int) -> dict[str, tuple[float, ...]]:
    """Return the numbers of the fields that have some; raise unless there are as many as `ndim` axes need."""
    if fields.get("NDims") != str(ndim):
        header.invalid_file(path, f"NDims is {fields.get('NDims', 'missing')}, but DimSize {fields['DimSize']!r}")
    numbers, names = {}, list(fields)
    for name, power in (_META_NUMBERS | _META_UNUSED).items():
        if name not in fields:
            continue
        words = fields[name].split()
        count = 4 if power is None else ndim**power
        given = words[:count] if name in _META_UNUSED else words
        numbers[name] = tuple(float(word) for word in given if _NUMBER.fullmatch(word))
        if not len(given) == len(numbers[name]) == count or not all(map(math.isfinite, numbers[name])):
            header.invalid_file(path, f"{name} is {fields[name]!r}, where numbers are needed, {count} of them")
        if power and names.index(name) < names.index("NDims"):
            header.invalid_file(path, f"{name} stands before NDims")
    return numbers


def _meta_place(path: Path, numbers: dict[str, tuple[float, ...]], ndim: int) -> tuple[tuple[float, ...], ...]:
    """Return spacing, offset and direction matrix in ITK's order; raise where a header states one of them twice."""
    found = []
    for names, default in (
        (_META_OFFSETS, (0.0,) * ndim),
        (_META_MATRICES, tuple(float(entry % (ndim + 1) == 0) for entry in range(ndim**2))),
    ):
        stated = {name: numbers[name] for name in names if name in numbers}
        if len(set(stated.values())) > 1:
            header.invalid_file(path, f"{' and '.join(stated)} contradict each other")
        found.append(next(iter(stated.values()), default))
    spacing = numbers.get("ElementSpacing") or numbers.get("ElementSize") or (1.0,) * ndim
    offset, matrix = found
    # A row of MetaImage's matrix is the direction of an axis, which is a column of ITK's.
    return spacing, offset, tuple(matrix[ndim * (entry % ndim) + entry // ndim] for entry in range(ndim**2))
