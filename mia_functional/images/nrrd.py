"""Parse the header of NRRD files (`.nrrd`, `.nhdr`)."""

import re
from pathlib import Path

from mia_functional.images import header

__all__ = ["parse_nrrd"]

_NRRD_TYPES = {
    name: kind
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
    for name in names.split(", ")
}
"""Element types by the names that the NRRD specification lists."""


def parse_nrrd(path: Path) -> header.Header:
    """Parse the text header of an NRRD file."""
    fields, end = _nrrd_fields(path)
    encoding = {"raw": header.RAW, "gzip": header.GZIP, "gz": header.GZIP}.get(fields.get("encoding", ""))
    if encoding is None:
        header.invalid_file(path, f"encoding is {fields.get('encoding', 'missing')}; raw and gzip are read")
    if any(fields.get(name, "0") != "0" for name in ("byteskip", "lineskip")):
        header.invalid_file(path, "data with a header of their own are not read")
    data, offset = (header.detached_file(path, fields["datafile"]), 0) if "datafile" in fields else (path, end)
    sizes = header.parse_sizes(path, fields.get("sizes", ""))
    kind = _NRRD_TYPES.get(fields.get("type", ""), "")
    order = {"little": "<", "big": ">"}.get(fields.get("endian", ""), "")
    return header.text_header(path, data=data, offset=offset, order=order, kind=kind, sizes=sizes, encoding=encoding)


def _nrrd_fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of an NRRD header and its end: after an empty line, or at the end of a detached header."""
    fields: dict[str, str] = {}
    lines = header.header_lines(path)
    version, end = next(lines, ("", 0))
    if re.fullmatch(r"NRRD000[1-5]", version) is None:
        header.invalid_file(path, "it does not begin with an NRRD version")
    for line, position in lines:
        end = position
        if not line:
            break
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([^:]+):(=| )(.*)", line)
        # `data file` and `datafile` are one field to NRRD's own parser.
        name = "" if match is None else match[1].lower().replace(" ", "")
        if match is None or name in fields:
            header.invalid_file(path, f"its header has the line {line[:80]!r}")
        if match[2] == " ":  # `key:=value` is a comment of the user's
            fields[name] = match[3].strip()
    return fields, end
