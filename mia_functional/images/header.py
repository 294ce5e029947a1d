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
from typing import NamedTuple, NoReturn

import numpy as np

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
    "NiftiGrid",
    "check_regular",
    "check_spacing",
    "detached_file",
    "header_lines",
    "invalid_file",
    "parse_sizes",
    "scaled_dtype",
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
    time: tuple[float, float]


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
        nifti: The axes and places that a NIfTI header states.
        intent: NIfTI's code of what the numbers are.
        dtype: NumPy's name of the stored numbers; empty if their byte order is unknown.
        scale: NIfTI's slope and intercept: the value of a voxel is `slope * stored + intercept`.
    """

    path: Path
    data: Path
    offset: int
    length: int
    encoding: int
    values: int
    nbytes: int
    nifti: NiftiGrid | None = None
    intent: int = 0
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


def scaled_dtype(stored: np.dtype[np.generic], scale: tuple[float, float]) -> np.dtype[np.generic]:
    """Return the dtype of values: of scaled integers float32, where it keeps all of them apart, or else float64."""
    if scale == (1, 0) or stored.kind == "f":
        return stored
    largest = abs(scale[0]) * 2.0 ** (8 * stored.itemsize) + abs(scale[1])
    # Neighbours among float32 of that size are at most `largest * 2^-23` apart.
    exact = largest * 2.0**-23 < abs(scale[0]) and largest < float(np.finfo(np.float32).max)
    return np.dtype(np.float32 if exact else np.float64)


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
