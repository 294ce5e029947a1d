"""Surfaces of FreeSurfer (`lh.pial`, `rh.white`): binary files of triangles, placed by the notes behind them.

Corners are in the coordinates of `tkregister`, whose origin is the centre of the volume and whose axes are those of a
coronal one. The notes have the directions and the centre of the volume, from which the scanner's coordinates follow.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mia_functional.images.header import MAX_HEADER_BYTES, check_regular, invalid_file
from mia_functional.typing import HostArray

__all__ = ["is_freesurfer_surface", "read_freesurfer_surface", "scanner_points"]

_MAGIC, _QUADRANGLES = b"\xff\xff\xfe", (b"\xff\xff\xff", b"\xff\xff\xfd")

_COORDINATES_NOTE, _GEOMETRY_NOTE = 2, 20
"""Numbers of the notes that say whether coordinates are the scanner's, and what the volume's place is."""

_VOLUME_NOTES = "valid", "filename", "volume", "voxelsize", "xras", "yras", "zras", "cras"

_TKREGISTER_AXES = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Where columns, rows and slices of a volume point to in the coordinates of `tkregister`."""


def is_freesurfer_surface(path: Path) -> bool:
    """Return whether a file begins as the surfaces of FreeSurfer do, whatever its name is."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(3) == _MAGIC


def read_freesurfer_surface(path: Path, max_bytes: int) -> tuple[HostArray, HostArray]:
    """Return corners (x, y, z) in the scanner's coordinates (R, A, S), and triangles."""
    check_regular(path)
    size = path.stat().st_size
    with path.open("rb") as stream:
        magic = stream.read(3)
        if magic in _QUADRANGLES:
            invalid_file(path, "it is a surface of quadrangles; surfaces of triangles are read")
        if magic != _MAGIC:
            invalid_file(path, "it is not a surface of FreeSurfer")
        # Who made it and when, up to an empty line.
        made = stream.readline(MAX_HEADER_BYTES), stream.readline(MAX_HEADER_BYTES)
        counts = stream.read(8)
        points, triangles = (int.from_bytes(counts[at : at + 4], "big", signed=True) for at in (0, 4))
        if (
            not made[0].endswith(b"\n")
            or not made[0].isascii()
            or made[1] != b"\n"
            or len(counts) < 8
            or min(points, triangles) < 1
        ):
            invalid_file(path, f"its header is damaged: it states {points} corners and {triangles} triangles")
        nbytes = 12 * (points + triangles)
        if (needed := 2 * nbytes) > max_bytes:
            invalid_file(path, f"the surface takes {needed} bytes, and `max_bytes` is {max_bytes}")
        if stream.tell() + nbytes > size:
            invalid_file(path, "it is cut off: corners or triangles that it announces are not in it")
        corners = np.frombuffer(stream.read(12 * points), ">f4").reshape(-1, 3).astype(np.float64)
        faces = np.frombuffer(stream.read(12 * triangles), ">i4").reshape(-1, 3).astype(np.int64)
        notes = stream.read(MAX_HEADER_BYTES)
    place = 0
    if int.from_bytes(notes[:4], "big") == _COORDINATES_NOTE:
        scanner = int.from_bytes(notes[4:8], "big")
        if scanner == 1:
            return corners, faces
        place = 8 if scanner == 0 else len(notes)
    # Lines such as `xras   = -1.0 0.0 0.0`; what follows them is binary.
    lines = [line.decode("latin-1").partition("=") for line in notes[place + 4 :].split(b"\n")[: len(_VOLUME_NOTES)]]
    fields = {name.strip(): value for name, _, value in lines}
    known = int.from_bytes(notes[place : place + 4], "big") == _GEOMETRY_NOTE and tuple(fields) == _VOLUME_NOTES
    if not known or fields["valid"].split()[:1] != ["1"]:
        invalid_file(path, "it does not say where its volume lies in the scanner")
    # Size and spacing are not needed; if they are damaged, so may be the others.
    extent = _note_rows(fields, ("volume", "voxelsize"))
    if extent.shape != (2, 3) or not (extent > 0).all():
        invalid_file(path, "the size of its volume is damaged")
    return scanner_points(path, corners, fields, ("xras", "yras", "zras", "cras")), faces


def scanner_points(path: Path, corners: HostArray, fields: Mapping[str, str], names: tuple[str, ...]) -> HostArray:
    """Return corners of `tkregister` in the scanner's coordinates, given names of fields: axes, centre."""
    rows = _note_rows(fields, names)
    known = rows.shape == (4, 3) and bool(np.isfinite(rows).all())
    if not known or not np.allclose(rows[:3] @ rows[:3].T, np.eye(3), atol=1e-3):
        invalid_file(path, f"the place of its volume is damaged ({', '.join(names)})")
    # A step along an axis of the volume is the same step in both coordinates, and so is the centre.
    return np.asarray(corners @ _TKREGISTER_AXES.T @ rows[:3] + rows[3])


def _note_rows(fields: Mapping[str, str], names: tuple[str, ...]) -> HostArray:
    """Return the numbers of some notes, a row for each; an array without rows if they are damaged."""
    try:
        return np.array([[float(word) for word in fields[name].split()] for name in names])
    except (ValueError, KeyError):
        return np.zeros((0, 3))
