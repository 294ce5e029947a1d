"""What an image file says of itself, parsed by ourselves before any C++ reader sees the file.

A file may come from anywhere, so only plain, unambiguous headers are accepted. Left to itself, SimpleITK 2.5.7 fills a
truncated NIfTI file up with zeros (199 of 200 came back without an error), and follows a MetaImage or NRRD header to
any readable file on the machine, whose bytes then come back as pixels.
"""

import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mia_functional._core import checks
from mia_functional.typing import Spacing

__all__ = [
    "GZIP",
    "GZIP_OR_ZLIB",
    "INFLATE_BLOCK",
    "MAX_HEADER_BYTES",
    "RAW",
    "SAME_SPACING",
    "Header",
    "check_regular",
    "check_spacing",
    "detached_file",
    "header_lines",
    "invalid_file",
    "parse_sizes",
    "text_header",
]

MAX_HEADER_BYTES = 1 << 20
"""Largest header in bytes. Real ones have a few hundred; the limit bounds what a hostile one costs."""

INFLATE_BLOCK = 1 << 16
"""Compressed bytes that are read at a time: deflate swells at most about a thousandfold, to 64 MiB."""

# How pixels are encoded, as zlib's window bits: 16 adds a gzip header and trailer, 32 detects gzip or zlib.
RAW, GZIP, GZIP_OR_ZLIB = 0, zlib.MAX_WBITS | 16, zlib.MAX_WBITS | 32


SAME_SPACING = 1e-3
"""Largest difference, as a fraction, between spacings that are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where the pixels of an image file are, and how many.

    Args:
        path: The file that was asked for.
        data: The file with the pixels: the same one, or one beside it.
        offset: Bytes before the (possibly compressed) pixels.
        length: Bytes from there to the end, once decompressed.
        encoding: RAW, GZIP or GZIP_OR_ZLIB.
        values: Numbers in the image: voxels times channels.
        nbytes: Bytes of the image in memory.
        affine: NIfTI's sform in millimetres, if it is in use: three rows of four, world axes (R, A, S).
        dtype: NumPy's name of the stored numbers; empty if there are several per voxel or their byte order is unknown.
        scale: NIfTI's slope and intercept: the value of a voxel is `slope * stored + intercept`.
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


def invalid_file(path: Path, reason: str) -> NoReturn:
    """Raise the error of a file that is damaged, hostile or of an unsupported kind."""
    checks.invalid_value("read", "path", "name a complete, well-formed image file", f"{path}: {reason}")


def check_regular(path: Path) -> None:
    """Raise if there is something other than a file, such as a folder, or a pipe, whose reader would wait forever."""
    if path.exists() and not path.is_file():
        invalid_file(path, "it is not a regular file")


def check_spacing(path: Path, given: object, stated: Spacing) -> None:
    """Raise unless the spacing that a caller gave is that of a file, which states one."""
    spacing = checks.spacing("read", given, len(stated))
    if any(abs(own - wanted) > SAME_SPACING * own for own, wanted in zip(stated, spacing, strict=True)):
        checks.invalid_value("read", "spacing", f"be what {path} states, {stated}", spacing)


def text_header(
    path: Path, *, data: Path, offset: int, order: str, kind: str, sizes: list[int], encoding: int
) -> Header:
    """Return the header of a MetaImage or NRRD file; `order` is `<`, `>` or empty (unknown), `kind` such as `f4`."""
    if not kind or min(sizes) < 1:
        invalid_file(path, f"its element type and its sizes {sizes} do not describe an image of integers or floats")
    values = math.prod(sizes)
    nbytes = values * int(kind[-1])
    return Header(
        path=path, data=data, offset=offset, length=nbytes, encoding=encoding,
        values=values, nbytes=nbytes, dtype=order and order + kind,
    )  # fmt: skip


def header_lines(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the lines of a text header, each with the position of its end; raise at control characters."""
    end = 0
    with path.open("rb") as stream:
        while raw := stream.readline(MAX_HEADER_BYTES):
            end += len(raw)
            # Every byte is a character of Latin-1, so that foreign comments cannot make a header unreadable.
            line = raw.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1")
            # A carriage return inside a line may end it for another parser, which then sees a field that we do not.
            if end > MAX_HEADER_BYTES or any(character < " " and character != "\t" for character in line):
                invalid_file(path, "its header is not plain text")
            yield line, end


def parse_sizes(path: Path, text: str) -> list[int]:
    """Return the whole numbers of a header line, at most eight; 18 digits fit 64 bits in every reader."""
    if re.fullmatch(r"[0-9]{1,18}( +[0-9]{1,18}){0,7}", text) is None:
        invalid_file(path, f"its header has the sizes {text!r}")
    return [int(word) for word in text.split()]


def detached_file(path: Path, name: str) -> Path:
    """Return the data file that a header names, which must be one ordinary file in the folder of the header."""
    # LIST, SKIPLIST and patterns with % stand for several files, and a colon for a drive or a stream of Windows.
    ordinary = re.fullmatch(r"(?!LIST|SKIPLIST)[^/\\%:]+", name) is not None and name not in (".", "..")
    data = path.parent / name
    if not ordinary or data.resolve().parent != path.parent.resolve():  # a symbolic link may lead elsewhere
        invalid_file(path, f"its header names the data file {name!r}, which is not an ordinary file beside it")
    if not data.is_file():
        invalid_file(path, f"its data file {data} is missing")
    return data
