"""Parse the header of NRRD files (`.nrrd`, `.nhdr`), after the definition at teem.sourceforge.net/nrrd/format.html.

NrrdIO, which reads them inside of ITK, says where the image lies, but not in which unit, and it fills gaps of a header
with defaults (measured with SimpleITK 2.5.7): files with such gaps are refused here.
"""

import math
import re
from pathlib import Path

from mia_functional.images import header

__all__ = ["nrrd_keys", "parse_nrrd"]

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

_NRRD_ENCODINGS = {
    "raw": header.RAW, "gzip": header.GZIP, "gz": header.GZIP, "bzip2": header.BZIP2, "bz2": header.BZIP2,
}  # fmt: skip

_PER_AXIS = (
    "sizes", "spacings", "thicknesses", "axis mins", "axis maxs", "space directions", "centers", "centerings", "kinds",
    "labels", "units",
)  # fmt: skip

_IN_SPACE = ("space units", "space origin", "space directions", "measurement frame")

_NRRD_FIELDS = {
    name.replace(" ", ""): name
    for name in (
        *_PER_AXIS, *_IN_SPACE, "content", "number", "type", "block size", "dimension", "space", "space dimension",
        "min", "max", "old min", "old max", "endian", "encoding", "line skip", "byte skip", "sample units", "data file",
    )
}  # fmt: skip
"""All fields that there are; a name of two words is written with a blank between them or without."""

# ITK turns the spaces of patients into (L, P, S) itself, but not those with time.
_SPACES = {
    **dict.fromkeys(("rightanteriorsuperior", "ras", "leftanteriorsuperior", "las", "leftposteriorsuperior", "lps",
                     "scannerxyz", "3drighthanded", "3dlefthanded"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("rightanteriorsuperiortime", "rast"), (-1.0, -1.0, 1.0, 1.0)),
    **dict.fromkeys(("leftanteriorsuperiortime", "last"), (-1.0, 1.0, 1.0, 1.0)),
    **dict.fromkeys(("leftposteriorsuperiortime", "lpst", "scannerxyztime", "scannerxyzt", "3drighthandedtime",
                     "3dlefthandedtime"), (1.0, 1.0, 1.0, 1.0)),
}  # fmt: skip
"""The signs that turn the axes of a space into (L, P, S); names without their blanks and hyphens."""

_DOMAIN_KINDS = ("domain", "space", "time", "???", "none")
"""Kinds of axes along which the image extends; all others are kinds of channels."""

_CHANNEL_KINDS = {
    0: "list point vector contravariant-vector covariant-vector normal",
    1: "stub scalar",
    2: "complex 2-vector",
    3: "3-color rgb-color rgbcolor rgb hsv-color hsvcolor hsv xyz-color 3-vector 3-gradient 3-normal "
       "2d-symmetric-matrix 2d-sym-matrix 2d-symmetric-tensor 2d-sym-tensor",
    4: "4-color rgba-color rgbacolor rgba 4-vector quaternion 2d-matrix 2d-tensor "
       "2d-masked-symmetric-matrix 2d-masked-sym-matrix 2d-masked-symmetric-tensor 2d-masked-sym-tensor",
    5: "2d-masked-matrix 2d-masked-tensor",
    6: "3d-symmetric-matrix 3d-sym-matrix 3d-symmetric-tensor 3d-sym-tensor",
    9: "3d-matrix 3d-tensor",
    10: "3d-masked-matrix 3d-masked-tensor",
}  # fmt: skip
"""Kinds of channels by their number, 0 for any. ITK drops the mask of a symmetric matrix: it is not read."""


def parse_nrrd(path: Path) -> header.Header:
    """Parse the text header of an NRRD file."""
    fields, _, end = _nrrd_fields(path)
    encoding = _NRRD_ENCODINGS.get(fields.get("encoding", "").lower())
    if encoding is None:
        header.invalid_file(path, f"encoding is {fields.get('encoding', 'missing')}; raw, gzip and bzip2 are read")
    if any(fields.get(name, "0") != "0" for name in ("byte skip", "line skip")):
        header.invalid_file(path, "data with a header of their own are not read")
    data, offset = (header.detached_file(path, fields["data file"]), 0) if "data file" in fields else (path, end)
    sizes = header.parse_sizes(path, fields.get("sizes", ""))
    if fields.get("dimension") != str(len(sizes)):
        header.invalid_file(path, f"dimension is {fields.get('dimension', 'missing')}, but the sizes are {sizes}")
    kind = _NRRD_TYPES.get(fields.get("type", "").lower(), "")
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower(), "=" if kind[1:] == "1" else "")
    if not order:
        header.invalid_file(path, f"endian is {fields.get('endian', 'missing')}; little or big is needed")
    kinds = [kind.lower() for kind in _per_axis(path, fields, "kinds", len(sizes))] or ["???"] * len(sizes)
    channels = [axis for axis, kind in enumerate(kinds) if kind not in _DOMAIN_KINDS]
    if len(channels) > 1:
        header.invalid_file(path, f"kinds is {fields['kinds']}; at most one axis of channels is read")
    for axis in channels:
        counts = [count for count, names in _CHANNEL_KINDS.items() if kinds[axis] in names.split()]
        if not counts or counts[0] not in (0, sizes[axis]):
            held = f"{sizes[axis]} entries of kind {kinds[axis]}"
            header.invalid_file(path, f"its axis {axis} holds {held}, which are not read")
    for name in _PER_AXIS[1:]:
        _per_axis(path, fields, name, len(sizes))
    if "block size" in fields:
        header.invalid_file(path, "it has a block size, and blocks are not read")
    in_space = "space" in fields or "space dimension" in fields
    factors = _factors_of_space(path, fields, kinds) if in_space else _factors_of_axes(path, fields, kinds, sizes)
    factors = () if set(factors) == {1.0} else factors
    grid = header.TextGrid(tuple(sizes), next(iter(channels), None), factors)
    dtype = kind and order + kind
    return header.text_header(path, data, offset, grid, dtype, encoding=encoding)


def nrrd_keys(path: Path) -> list[tuple[str, str]]:
    """Return the pairs `key:=value` of an NRRD header, in which programs write what is theirs; a key may come twice."""
    pairs = []
    for key, value in _nrrd_fields(path)[1]:
        # Headers were decoded as Latin-1, and what is not ASCII in them is UTF-8 nowadays.
        try:
            text = value.encode("latin-1").decode()
        except UnicodeDecodeError:
            text = value
        pairs.append((key, re.sub(r"\\([n\\])", lambda match: "\n" if match[1] == "n" else "\\", text)))
    return pairs


def _nrrd_fields(path: Path) -> tuple[dict[str, str], list[tuple[str, str]], int]:
    """Return the fields of an NRRD header, the user's keys and values, and the header's end.

    The end is after an empty line, or at the end of a detached header.
    """
    fields: dict[str, str] = {}
    keys = []
    lines = header.header_lines(path)
    version, end = next(lines, ("", 0))
    if re.fullmatch(r"NRRD(000[1-5]|00\.01)", version) is None:
        header.invalid_file(path, "it does not begin with an NRRD version")
    for line, position in lines:
        if len(line) == position - end:  # a last line that NrrdIO loses
            header.invalid_file(path, f"the line {line[:80]!r} of its header has no end")
        end = position
        if not line:
            break
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([^:]+):(=|[ ][ \t]*)(.*)", line)
        if match is not None and match[2] == "=":  # `key:=value` is the user's, whatever the key
            keys.append((match[1], match[3]))
            continue
        word = "" if match is None else match[1].lower()
        name = _NRRD_FIELDS.get(word.replace(" ", ""), "")
        if match is None or word not in (name, name.replace(" ", "")) or name in fields:
            header.invalid_file(path, f"its header has the line {line[:80]!r}")
        # NrrdIO takes blanks at the end for a part of words and of file names.
        if match[3] != match[3].rstrip(" \t") and name in ("type", "encoding", "endian", "space", "data file"):
            header.invalid_file(path, f"the line {line[:80]!r} of its header ends in a blank")
        needed = [*["dimension"] * (name in _PER_AXIS), *["space"] * (name in _IN_SPACE)]
        if missing := [field for field in needed if not {field, f"{field} dimension"} & fields.keys()]:
            header.invalid_file(path, f"{name} stands before {missing[0]} in its header")
        fields[name] = match[3].rstrip(" \t")
    return fields, keys, end


def _per_axis(path: Path, fields: dict[str, str], name: str, count: int) -> list[str]:
    """Return the entries of a field for every axis, none if it is not there; raise unless there are `count`."""
    text = fields.get(name, "")
    # Units and labels are in quotes, with \" for a quote; vectors are in brackets or, for an axis without one, `none`.
    pattern = r'"((?:\\"|[^"])*)"' if name.endswith(("units", "labels")) else r"\([^()]*\)|[^ \t()]+"
    entries = [str(entry) for entry in re.findall(pattern, text)]
    if len(entries) != count and name in fields:
        header.invalid_file(path, f"{name} is {text}, and {count} entries are needed")
    return entries


def _numbers_per_axis(path: Path, fields: dict[str, str], name: str, count: int) -> list[float]:
    """Return the numbers of a field for every axis."""
    try:
        return [float(entry) for entry in _per_axis(path, fields, name, count)]
    except ValueError:
        return header.invalid_file(path, f"{name} is {fields[name]!r}")


def _factors_of_space(path: Path, fields: dict[str, str], kinds: list[str]) -> tuple[float, ...]:
    """Return what coordinates of the space are multiplied by, to be millimetres of (L, P, S)."""
    directions = _per_axis(path, fields, "space directions", len(kinds))
    domain = [axis for axis, kind in enumerate(kinds) if kind in _DOMAIN_KINDS]
    if not directions or any(directions[axis].lower() == "none" for axis in domain):
        given = fields.get("space directions", "missing")
        header.invalid_file(path, f"space directions is {given}; each axis that is not one of channels needs one")
    space = fields.get("space", "")
    signs = _SPACES.get(re.sub("[ -]", "", space.lower()), ()) if space else (1.0,) * len(domain)
    if not signs:
        header.invalid_file(path, f"its space is {space!r}")
    if any(len(directions[axis].split(",")) != len(domain) for axis in domain) or len(signs) != len(domain):
        header.invalid_file(path, f"it has {len(domain)} axes in a space of another number of axes")
    for name in ("spacings", "axis mins", "axis maxs", "units"):
        if name in fields:
            header.invalid_file(path, f"it has {name} and space directions, which exclude each other")
    units = _per_axis(path, fields, "space units", len(domain)) or [""] * len(domain)
    # A fourth axis is time, whose unit is not one of length, and stays.
    factors = [header.millimetres(path, "space units", unit) for unit in units[:3]] + [1.0] * len(units[3:])
    return tuple(sign * factor for sign, factor in zip(signs, factors, strict=True))


def _factors_of_axes(path: Path, fields: dict[str, str], kinds: list[str], sizes: list[int]) -> tuple[float, ...]:
    """Return what spacings and positions along the axes are multiplied by, to be millimetres."""
    domain = [axis for axis, kind in enumerate(kinds) if kind in _DOMAIN_KINDS]
    numbers = {
        name: _numbers_per_axis(path, fields, name, len(sizes))
        for name in ("spacings", "axis mins", "axis maxs") if name in fields
    }  # fmt: skip
    # NrrdIO takes 1 for a spacing that is not a number, and 0 for a position that has no spacing.
    for name, values in numbers.items():
        if not all(math.isfinite(values[axis]) and (values[axis] != 0 or name != "spacings") for axis in domain):
            header.invalid_file(path, f"{name} is {fields[name]}; each axis that is not one of channels needs a number")
        if "spacings" not in numbers:
            header.invalid_file(path, f"it has {name}, but no spacings")
    centers = _per_axis(path, fields, "centers", len(sizes)) or _per_axis(path, fields, "centerings", len(sizes))
    for axis in domain if {"axis mins", "axis maxs"} <= numbers.keys() else ():
        # Samples lie in the middle of cells, unless they are said to be nodes, the first and the last on the ends.
        steps = sizes[axis] - bool(centers and centers[axis].lower() == "node")
        length = numbers["axis maxs"][axis] - numbers["axis mins"][axis]
        if not math.isclose(length, steps * numbers["spacings"][axis], rel_tol=1e-3):
            header.invalid_file(path, "its spacings, axis mins, axis maxs and centers contradict each other")
    units = _per_axis(path, fields, "units", len(sizes)) or [""] * len(sizes)
    return tuple(1.0 if kinds[axis] == "time" else header.millimetres(path, "units", units[axis]) for axis in domain)
