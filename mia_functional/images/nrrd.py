"""Parse the header of NRRD files (`.nrrd`, `.nhdr`)."""

import re
from pathlib import Path

from mia_functional.images.header import GZIP, RAW, Header, beside, lines, refuse, text_header, whole_numbers

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
