"""What an image file says of itself, read by ourselves before any C++ reader sees the file.

A file may come from anywhere, so its header is parsed strictly, and whatever is not plain is refused: readers fill up
a short NIfTI file with zeros, and a MetaImage or NRRD header may name any other file of the machine as its pixels.
"""

import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mia_functional._core import checks

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
    checks.invalid_value("read", "path", "name a complete, well-formed image file", f"{path}: {reason}")


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
