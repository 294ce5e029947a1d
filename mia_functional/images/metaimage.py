"""Parse the header of MetaImage files (`.mha`, `.mhd`)."""

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

_META_BYTE_ORDERS = ("binarydatabyteordermsb", "elementbyteordermsb")

_META_SCALES = {"elementtointensityfunctionslope", "elementtointensityfunctionoffset"}

_META_LENGTHS = {
    "offset": 1, "position": 1, "origin": 1, "centerofrotation": 1, "elementspacing": 1, "elementsize": 1,
    "transformmatrix": 2, "orientation": 2, "rotation": 2,
}  # fmt: skip
"""Fields with a number per axis (1) or per pair of axes (2). Of a shorter line, MetaIO reads on into the next one."""


def parse_metaimage(path: Path) -> header.Header:
    """Parse the text header of a MetaImage."""
    fields, end = _meta_fields(path)
    if fields.get("objecttype", "Image") != "Image":
        header.invalid_file(path, f"ObjectType is {fields['objecttype']}")
    if not fields.get("binarydata", "True").startswith(_META_TRUE) or fields.get("headersize", "0") != "0":
        header.invalid_file(path, "only binary data without a header of their own are read")
    name = fields["elementdatafile"]
    data, offset = (path, end) if name in ("LOCAL", "Local", "local") else (header.detached_file(path, name), 0)
    encoding = header.GZIP_OR_ZLIB if fields.get("compresseddata", "False").startswith(_META_TRUE) else header.RAW
    stored = str(data.stat().st_size - offset)
    if encoding and (stated := fields.get("compresseddatasize", stored)) != stored:
        header.invalid_file(path, f"CompressedDataSize is {stated}, but there are {stored} bytes")
    sizes = header.parse_sizes(path, fields.get("dimsize", ""))
    if fields.get("ndims") != str(len(sizes)):
        header.invalid_file(path, f"NDims is {fields.get('ndims', 'missing')}, but DimSize {sizes}")
    for key, power in _META_LENGTHS.items():
        if key in fields and len(fields[key].split()) != len(sizes) ** power:
            header.invalid_file(path, f"{key} is {fields[key]!r}, but DimSize {sizes}")
    sizes += header.parse_sizes(path, fields.get("elementnumberofchannels", "1"))
    kind = _META_TYPES.get(fields.get("elementtype", "").removeprefix("MET_"), "")
    # Where byte orders contradict each other or values are rescaled, the order stays empty: ITK reads the pixels.
    orders = {"<>"[fields[name].startswith(_META_TRUE)] for name in _META_BYTE_ORDERS if name in fields}
    order = orders.pop() if len(orders) == 1 and not fields.keys() & _META_SCALES else ""
    return header.text_header(path, data=data, offset=offset, order=order, kind=kind, sizes=sizes, encoding=encoding)


def _meta_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of a MetaImage header, and where it ends: with the line that names the data."""
    fields: dict[str, str] = {}
    for line, end in header.header_lines(path):
        match = re.fullmatch(r"([A-Za-z]\w*)\s*=\s*(.*?)\s*", line)
        # Of a field that is there twice, MetaIO takes the last and others may take the first.
        if match is None or match[1].lower() in fields:
            header.invalid_file(path, f"its header has the line {line[:80]!r}")
        fields[match[1].lower()] = match[2]
        if match[1].lower() == "elementdatafile":
            return fields, end
    return header.invalid_file(path, "its header has no ElementDataFile")
