"""JPEG files: photographs, of grey levels or of colours as channels, decoded by Pillow.

Their compression is lossy: the numbers are near those of the camera, and may differ by one or two between decoders.
Label maps are refused (`images/labels.py`), as are the lossless kinds of JPEG, which few decoders know.
"""

import math
import re
from pathlib import Path

import numpy as np

from mia_functional._core import optional
from mia_functional.geometry import Geometry
from mia_functional.images.header import check_regular, invalid_file, spacing_or_one
from mia_functional.typing import HostArray, Spacing

__all__ = ["load_jpeg"]

_START, _END, _SCAN, _LINES, _EXIF_ORIENTATION = 0xD8, 0xD9, 0xDA, 0xDC, 274

_FRAMES = {0xC0: "baseline", 0xC1: "sequential", 0xC2: "progressive"}
"""The processes that are read, by the marker of their header: all of 8 bits with codes of Huffman."""

_OTHER_FRAMES = {0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
"""Lossless, hierarchical and arithmetic processes."""

_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
"""What ends the codes of a scan: not a byte of 255 that is stuffed with 0, and not a mark to begin anew at."""

_MAX_SCANS = 100
"""Most scans of a progressive picture, each of which is decoded over all of it; cameras write about ten."""


def load_jpeg(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the pixels of a JPEG file that is whole, on a grid of that spacing, or 1 everywhere."""
    check_regular(path)
    shape, channels = _checked_segments(path, max_bytes)
    image = optional.require("PIL.Image")
    try:
        with path.open("rb") as stream, image.open(stream, formats=("JPEG",)) as opened:
            turned = opened.getexif().get(_EXIF_ORIENTATION, 1)
            pixels = np.array(opened)
    # Pillow raises errors of several kinds for damaged files, SyntaxError among them.
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, image.DecompressionBombError) as error:
        invalid_file(path, f"Pillow cannot decode it: {error}".rstrip("."))
    if turned not in (0, 1):
        invalid_file(path, f"its first pixel is not at the top left (orientation {turned}); turn it, and write 1")
    if pixels.shape != (*shape, *channels):
        invalid_file(path, f"Pillow sees {pixels.shape} pixels, and its header states {(*shape, *channels)}")
    return pixels, Geometry(shape=shape, spacing=spacing_or_one(path, spacing, 2))


def _checked_segments(path: Path, max_bytes: int) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Return shape and channels of a JPEG file; raise unless it is whole, and of a kind that all decoders read.

    Pillow fills up with grey what is missing of a file with an end (13.0). A file without one is found here, but there
    are no checksums: damage within the codes shows as wrong pixels, if at all.
    """
    if (size := path.stat().st_size) > max_bytes:
        invalid_file(path, f"it takes {size} bytes, and `max_bytes` is {max_bytes}")
    raw = path.read_bytes()
    if raw[:3] != bytes((0xFF, _START, 0xFF)):
        invalid_file(path, "it is not a JPEG file")
    frame: bytes | None = None
    scans, coded, place = 0, 0, 2
    while (marker := raw[place + 1 : place + 2]) and (code := marker[0]) != _END and raw[place] == 0xFF:
        if code == 0xFF:  # a filling byte
            place += 1
            continue
        length = int.from_bytes(raw[place + 2 : place + 4], "big")
        body = raw[place + 4 : place + 2 + length]
        if length < 2 or len(body) != length - 2 or code == _START:
            break
        place += 2 + length
        if code in _OTHER_FRAMES or code == _LINES:
            invalid_file(path, "it is lossless, hierarchical or of another rare kind of JPEG; write PNG")
        if code in _FRAMES:
            if frame is not None or len(body) < 6:
                invalid_file(path, "it is damaged: it has two headers of pixels, or a short one")
            frame = body
            _check_jpeg_frame(path, body, max_bytes)
        if code == _SCAN:
            end = _MARKER.search(raw, place)
            stop = end.end() - 2 if end else len(raw)
            scans, coded, place = scans + 1, coded + stop - place, stop
    else:
        if marker and raw[place] == 0xFF and frame is not None and place + 2 == len(raw):
            height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
            # Every block of 8 x 8 pixels takes a bit at least.
            if not 1 <= scans <= _MAX_SCANS or 8 * coded < math.ceil(height / 8) * math.ceil(width / 8):
                invalid_file(path, "it does not hold as many pixels as its header states, or too many scans of them")
            return (height, width), ((3,) if frame[5] == 3 else ())
    return invalid_file(path, "it is cut off or damaged: it does not end where its parts do")


def _check_jpeg_frame(path: Path, frame: bytes, max_bytes: int) -> None:
    """Raise unless the header of the pixels states grey levels or colours of 8 bits that may be allocated."""
    bits, height, width, channels = frame[0], *(int.from_bytes(frame[at : at + 2], "big") for at in (1, 3)), frame[5]
    if bits != 8 or channels not in (1, 3):
        invalid_file(path, f"it has {channels} channels of {bits} bits; grey levels and colours of 8 bits are read")
    if min(height, width) < 1:
        invalid_file(path, f"its header states {width} x {height} pixels")
    if (nbytes := height * width * channels) > max_bytes:
        invalid_file(path, f"the image takes {nbytes} bytes, and `max_bytes` is {max_bytes}")
