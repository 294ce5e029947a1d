"""Surfaces of STL files, binary or of text: triangles with coordinates of their own, joined where these are equal."""

import re
from pathlib import Path

import numpy as np

from mia_functional.images.header import check_regular, invalid_file
from mia_functional.typing import HostArray

__all__ = ["read_stl"]

_PREAMBLE = 84
"""Bytes before the triangles of a binary file: a comment of 80, and how many there are."""

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")])

_FACET = re.compile(
    rb"facet\s+normal(?:\s+\S+){3}\s+outer\s+loop"
    + rb"\s+vertex\s+(\S+)\s+(\S+)\s+(\S+)" * 3
    + rb"\s+endloop\s+endfacet",
    re.IGNORECASE,
)
"""A triangle in text; its normal is not used."""

_SPACE = re.compile(rb"SPACE[ \t]*=[ \t]*(LPS|RAS)\b")
"""How 3D Slicer notes the world of its coordinates in the comment."""


def read_stl(path: Path, max_bytes: int) -> tuple[HostArray, HostArray, str]:
    """Return corners (x, y, z), triangles, and the world that the comment of the file names, or an empty text."""
    check_regular(path)
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(_PREAMBLE)
        count = int.from_bytes(head[80:84], "little")
        binary = len(head) == _PREAMBLE and size == _PREAMBLE + count * _TRIANGLE.itemsize
        # Text takes more bytes than the numbers that it stands for.
        if size > max_bytes:
            invalid_file(path, f"it takes {size} bytes, and `max_bytes` is {max_bytes}")
        if not binary and not head.lstrip().lower().startswith(b"solid"):
            invalid_file(
                path, f"it is not an STL file, or its {size} bytes are not those of the triangles it announces"
            )
        comment = head[:80] if binary else head.lstrip().split(b"\n")[0]
        if binary:
            corners = np.frombuffer(stream.read(), _TRIANGLE, count)["corners"].reshape(-1, 3)
        else:
            corners = _text_corners(path, head + stream.read())
    if not len(corners):
        invalid_file(path, "it holds no triangles")
    worlds = {match.decode() for match in _SPACE.findall(comment)}
    if len(worlds) > 1:
        invalid_file(path, "its comment names two worlds")
    points, places = _joined_corners(corners)
    return points, places.reshape(-1, 3), next(iter(worlds), "")


def _text_corners(path: Path, text: bytes) -> HostArray:
    """Return the corners of a text, three for each triangle; raise if there is more in it than triangles in solids."""
    words = _FACET.findall(text)
    lines = [line.split()[0].lower() for line in _FACET.sub(b"", text).splitlines() if line.strip()]
    if not lines or lines != [b"solid", b"endsolid"] * (len(lines) // 2):
        invalid_file(path, f"it is cut off or damaged: there is more in it than its {len(words)} triangles")
    try:
        return np.array(words).reshape(-1, 3).astype(np.float64)
    except ValueError:
        return invalid_file(path, "its coordinates are not numbers")


def _joined_corners(corners: HostArray) -> tuple[HostArray, HostArray]:
    """Return corners without doubles, and where each one is among them."""
    # A zero below 0 is no other place.
    corners = corners.astype(np.float64) + 0.0
    order = np.lexsort(corners.T)
    ordered = corners[order]
    fresh = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    places = np.empty(len(corners), np.int64)
    places[order] = np.cumsum(fresh) - 1
    return ordered[fresh], places
