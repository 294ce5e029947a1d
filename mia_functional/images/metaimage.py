"""Parse the header of MetaImage files (`.mha`, `.mhd`)."""

import re
from pathlib import Path

from mia_functional.images.header import GZIP_OR_ZLIB, RAW, Header, beside, lines, refuse, text_header, whole_numbers

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
    return refuse(path, "the header has no ElementDataFile")


def true(text: str) -> bool:
    """Tell whether MetaImage takes a word for true."""
    return text[:1] in ("T", "t", "1")
