"""What an image file says of itself, parsed by ourselves before any C++ reader sees the file.

A file may come from anywhere, so only plain, unambiguous headers are accepted. Left to itself, SimpleITK 2.5.7 fills a
truncated NIfTI file up with zeros (199 of 200 came back without an error), and follows a MetaImage or NRRD header to
any readable file on the machine, whose bytes then come back as pixels.
"""

import math
import os
import re
import unicodedata
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.typing import Spacing

__all__ = [
    "BZIP2",
    "GZIP",
    "GZIP_OR_ZLIB",
    "INFLATE_BLOCK",
    "MAX_HEADER_BYTES",
    "RAW",
    "SAME_SPACING",
    "Header",
    "NiftiGrid",
    "TextGrid",
    "WriteRequest",
    "check_regular",
    "check_spacing",
    "detached_file",
    "first_bytes",
    "header_lines",
    "invalid_file",
    "known_millimetres",
    "millimetres",
    "parse_sizes",
    "scaled_dtype",
    "spacing_or_one",
    "text_header",
]

MAX_HEADER_BYTES = 1 << 20
"""Largest header in bytes. Real ones have a few hundred; the limit bounds what a hostile one costs."""

INFLATE_BLOCK = 1 << 16
"""Compressed bytes that are read at a time: deflate swells at most about a thousandfold, to 64 MiB."""

# How pixels are encoded, as zlib's window bits: 16 adds a gzip header and trailer, 32 detects gzip or zlib. Bzip2 has a
# library of its own.
RAW, GZIP, GZIP_OR_ZLIB, BZIP2 = 0, zlib.MAX_WBITS | 16, zlib.MAX_WBITS | 32, -1

_PREFIXES = {"nano": 1e-6, "micro": 1e-3, "milli": 1.0, "centi": 10.0, "deci": 100.0, "": 1e3}

_UNITS = {
    "nm": 1e-6, "um": 1e-3, "\N{GREEK SMALL LETTER MU}m": 1e-3, "micron": 1e-3, "microns": 1e-3, "mm": 1.0, "cm": 10.0,
    "dm": 100.0, "m": 1e3, "in": 25.4, "inch": 25.4, "inches": 25.4,
    **{f"{prefix}{word}": factor for prefix, factor in _PREFIXES.items()
       for word in ("meter", "meters", "metre", "metres")},
}  # fmt: skip
"""Millimetres in a unit of length, by its symbol or its name."""

_UNSTATED = ("", "?", "???", "none", "unknown")
"""How text headers say that a unit is not known; lengths are taken for millimetres then, as in files without units."""


SAME_SPACING = 1e-3
"""Largest difference, as a fraction, between spacings that are the same."""


class NiftiGrid(NamedTuple):
    """The axes and places that a NIfTI header states, in its order (x, y, z, t), in millimetres and seconds.

    Args:
        size: Voxels along the 2 to 4 axes.
        channels: Numbers per voxel.
        interleaved: Whether the channels of a voxel are stored side by side (colours).
        steps: The spacing of `pixdim` along x, y and z.
        qfac: The sign of the third axis of the qform.
        qform_code: Above zero if the qform is in use.
        qform: The quaternion's b, c and d, and the offset along x, y and z.
        sform_code: Above zero if the sform is in use.
        sform: Three rows of four; the world axes are (R, A, S).
        time: Step and start.
        name: What the matrix `sform` is called in messages.
    """

    size: tuple[int, ...]
    channels: int
    interleaved: bool
    steps: tuple[float, ...]
    qfac: float
    qform_code: int
    qform: tuple[float, ...]
    sform_code: int
    sform: tuple[tuple[float, ...], ...]
    time: tuple[float, float] = (1.0, 0.0)
    name: str = "sform"


class TextGrid(NamedTuple):
    """The axes that a MetaImage or NRRD header states, and what ITK leaves out of account.

    Args:
        sizes: The size of every axis, channels included, from the fastest to the slowest.
        channel_axis: Which of them holds channels; none if there are no channels.
        factors: What each world axis of ITK is multiplied by, to be in millimetres of (L, P, S); empty where it is.
        place: MetaImage: spacing, offset and direction matrix (flat), in ITK's order, which ITK has to read as well.
    """

    sizes: tuple[int, ...]
    channel_axis: int | None
    factors: tuple[float, ...] = ()
    place: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where the pixels of an image file are, and how many.

    Args:
        path: The file that was asked for.
        data: The file with the pixels: the same one, or one beside it.
        offset: Bytes before the (possibly compressed) pixels.
        length: Bytes from there to the end, once decompressed.
        encoding: RAW, GZIP, GZIP_OR_ZLIB or BZIP2.
        values: Numbers in the image: voxels times channels.
        nbytes: Bytes of the image in memory.
        grid: The axes and places that it states.
        intent: NIfTI's code of what the numbers are.
        dtype: NumPy's name of the stored numbers.
        scale: Slope and intercept: the value of a voxel is `slope * stored + intercept`.
        trailer: Most bytes that may follow the pixels.
    """

    path: Path
    data: Path
    offset: int
    length: int
    encoding: int
    values: int
    nbytes: int
    grid: NiftiGrid | TextGrid
    intent: int = 0
    dtype: str = ""
    scale: tuple[float, float] = (1.0, 0.0)
    trailer: int = 0


class WriteRequest(NamedTuple):
    """How an image is to be written by a format that does without SimpleITK.

    Args:
        intent: NIfTI's code of its numbers.
        drop_direction: Whether its direction may be lost.
        attributes: Those of OME.
        path: The name that the file will have, where that counts.
    """

    intent: int | None
    drop_direction: bool
    attributes: Mapping[str, Any] = MappingProxyType({})
    path: Path = Path()


invalid_file = partial(checks.invalid_content, "read", "name a complete, well-formed image file")
"""Raise the error of the file at a path that is damaged, hostile or of an unsupported kind, for a reason."""


def check_regular(path: Path) -> None:
    """Raise if there is something other than a file, such as a folder, or a pipe, whose reader would wait forever."""
    if path.exists() and not path.is_file():
        invalid_file(path, "it is not a regular file")


def check_spacing(path: Path, given: object, stated: Spacing) -> None:
    """Raise unless the spacing that a caller gave is that of a file, which states one."""
    spacing = checks.spacing("read", given, len(stated))
    if any(abs(own - wanted) > SAME_SPACING * own for own, wanted in zip(stated, spacing, strict=True)):
        checks.invalid_value("read", "spacing", f"be what {path} states, {stated}", spacing)


def spacing_or_one(path: Path, given: object, ndim: int, *, kind: str = "") -> Spacing:
    """Return the spacing that a caller gave for a file that states none, or 1 everywhere, which a warning says."""
    if given is not None:
        return checks.spacing("read", given, ndim)
    kind = kind or path.suffix.lower().lstrip(".").upper()
    # Without the name of the file, so that a cohort is told once.
    text = f"read: {kind} files without a spacing have 1 everywhere, which need not be millimetres; pass `spacing`."
    warnings.warn(text, stacklevel=2)
    return (1.0,) * ndim


def text_header(
    path: Path, data: Path, offset: int, grid: TextGrid, dtype: str, *, encoding: int,
    scale: tuple[float, float] = (1.0, 0.0),
) -> Header:  # fmt: skip
    """Return the header of a MetaImage or NRRD file; `dtype` is NumPy's, such as `<f4`, and empty if it is unknown."""
    if not dtype or min(grid.sizes) < 1:
        sizes = list(grid.sizes)
        invalid_file(path, f"its element type and its sizes {sizes} do not describe an image of integers or floats")
    values, stored = math.prod(grid.sizes), np.dtype(dtype)
    return Header(
        path=path, data=data, offset=offset, length=values * stored.itemsize, encoding=encoding, values=values,
        nbytes=values * scaled_dtype(stored, scale).itemsize, grid=grid, dtype=dtype, scale=scale,
    )  # fmt: skip


def millimetres(path: Path, field: str, unit: str) -> float:
    """Return how many millimetres a unit of length is; raise for a unit that is not one of length."""
    # Headers are decoded as Latin-1, in which the two bytes of a mu in UTF-8 are two letters; and there are two mus.
    try:
        word = unit.encode("latin-1").decode()
    except UnicodeDecodeError:
        word = unit
    factor = known_millimetres(word)
    if factor is None and word.strip().lower() not in _UNSTATED:
        invalid_file(path, f"its {field} are {unit!r}; units of length are read, such as mm or um")
    return 1.0 if factor is None else factor


def known_millimetres(unit: str) -> float | None:
    """Return how many millimetres a unit of length is; None for what is not known to be one."""
    return _UNITS.get(unicodedata.normalize("NFKC", unit).strip().lower())


def scaled_dtype(stored: np.dtype[np.generic], scale: tuple[float, float]) -> np.dtype[np.generic]:
    """Return the dtype of values: of scaled integers float32, where it keeps all of them apart, or else float64."""
    if scale == (1, 0) or stored.kind == "f":
        return stored
    largest = abs(scale[0]) * 2.0 ** (8 * stored.itemsize) + abs(scale[1])
    # Neighbours among float32 of that size are at most `largest * 2^-23` apart.
    exact = largest * 2.0**-23 < abs(scale[0]) and largest < float(np.finfo(np.float32).max)
    return np.dtype(np.float32 if exact else np.float64)


def first_bytes(path: Path, encoding: int, count: int) -> bytes:
    """Return the first bytes of a file, at most `count` of them if they are inflated (GZIP)."""
    with path.open("rb") as stream:
        block = stream.read(INFLATE_BLOCK)
    raw = b"" if encoding else block
    try:
        # A gzip file may have several members, one after the other.
        while len(raw) < count and encoding and block:
            decoder = zlib.decompressobj(encoding)
            raw += decoder.decompress(block, count - len(raw))
            block = decoder.unused_data
    except zlib.error:
        invalid_file(path, "it is not a gzip file, or damaged")
    return raw


_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1a\x1c-\x1f]")
"""Control characters, without tabulators and escapes."""


def header_lines(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the lines of a text header, each with the position of its end; raise at control characters."""
    end = 0
    with path.open("rb") as stream:
        while raw := stream.readline(MAX_HEADER_BYTES):
            end += len(raw)
            # Every byte is a character of Latin-1, so that foreign comments cannot make a header unreadable.
            line = raw.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1")
            # A carriage return inside a line may end it for another parser, which then sees a field that we do not.
            # Escapes change the alphabet of a name that was copied from DICOM, and mean nothing to any parser.
            if end > MAX_HEADER_BYTES or _CONTROL.search(line):
                invalid_file(path, "its header is not plain text")
            yield line, end


def parse_sizes(path: Path, text: str) -> list[int]:
    """Return the whole numbers of a header line, at most eight; 18 digits fit 64 bits in every reader."""
    if re.fullmatch(r"[0-9]{1,18}([ \t]+[0-9]{1,18}){0,7}", text) is None:
        invalid_file(path, f"its header has the sizes {text!r}")
    return [int(word) for word in text.split()]


def detached_file(path: Path, name: str) -> Path:
    """Return the data file that a header names, which must be one ordinary file in the folder of the header."""
    # The header was decoded as Latin-1, and file names have the encoding of the system.
    name = os.fsdecode(re.sub(r"^(\./)+", "", name).encode("latin-1"))
    # LIST, SKIPLIST and patterns with % stand for several files, a colon for a drive or a stream of Windows, and - for
    # the standard input.
    ordinary = re.fullmatch(r"(?!LIST|SKIPLIST)[^/\\%:]+", name) is not None and name not in (".", "..", "-")
    data = path.parent / name
    if not ordinary or data.resolve().parent != path.parent.resolve():  # a symbolic link may lead elsewhere
        invalid_file(path, f"its header names the data file {name!r}, which is not an ordinary file beside it")
    if not data.is_file():
        invalid_file(path, f"its data file {data} is missing")
    return data
