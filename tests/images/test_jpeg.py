"""JPEG files: what Pillow decodes of whole ones, never labels, and what is rare, cut off or hostile."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from mia_functional import images
from mia_functional.geometry import Geometry

RNG = np.random.default_rng(0)
GREY = np.sort(RNG.integers(0, 256, (37, 51)).astype(np.uint8), axis=1)
COLOURS = np.sort(RNG.integers(0, 256, (37, 51, 3)).astype(np.uint8), axis=1)
UNSTATED = "files without a spacing have 1 everywhere, which need not be millimetres; pass `spacing`"


def encoded(array, mode=None, **options):
    """Return an array as a JPEG file."""
    stream = io.BytesIO()
    Image.fromarray(array, mode=mode).save(stream, "JPEG", **({"quality": 95} | options))
    return stream.getvalue()


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 2}, {"dpi": (300, 300)}, {"restart_marker_blocks": 3}]
)
@pytest.mark.parametrize("array", [GREY, COLOURS], ids=["grey", "colours"])
def test_pixels_are_those_of_pillow_near_what_was_written(tmp_path, array, options):
    for name in ("x.jpg", "x.jpeg", "x.JPG"):
        (tmp_path / name).write_bytes(encoded(array, **options))
        found, geometry = images.read(tmp_path / name, spacing=(0.5, 0.25))
        np.testing.assert_array_equal(found, np.array(Image.open(tmp_path / name)))
        assert np.abs(found.astype(int) - array).mean() < 12
        assert (found.dtype, geometry) == (np.uint8, Geometry(shape=(37, 51), spacing=(0.5, 0.25)))
    with pytest.warns(UserWarning, match=f"JPG {UNSTATED}"):
        assert images.read(tmp_path / "x.jpg")[1].spacing == (1.0, 1.0)


def test_labels_are_refused(tmp_path):
    (tmp_path / "x.jpg").write_bytes(encoded((GREY > 99).astype(np.uint8)))
    with pytest.raises(ValueError, match=r"^read_labels: .*its compression is lossy.*; write PNG"):
        images.read_labels(tmp_path / "x.jpg", spacing=(1.0, 1.0))


def refused(folder, content, words, **options):
    """Read a file that has to end in one sentence."""
    (folder / "x.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^read: .*x\.jpg: .*({words})") as caught:
        images.read(folder / "x.jpg", spacing=(1.0, 1.0), **options)
    assert "\n" not in str(caught.value)


def part(code, body):
    """Return a segment of a file."""
    return struct.pack(">BBH", 255, code, len(body) + 2) + body


def test_a_file_that_is_cut_off_or_goes_on_is_never_filled_up(tmp_path):
    for array, options in ((GREY, {}), (COLOURS, {"progressive": True})):
        raw = encoded(array, **options)
        for size in (*range(0, len(raw), 61), len(raw) - 1):
            refused(tmp_path, raw[:size], "cut off or damaged|not a JPEG file")
        refused(tmp_path, raw + b"more", "it does not end where its parts do")
        refused(tmp_path, raw + raw, "it does not end where its parts do")
        refused(tmp_path, raw, "takes .* `max_bytes` is 99", max_bytes=99)


def frame_of(raw):
    """Return where the header of the pixels begins."""
    return next(place for place in (raw.find(bytes((255, code))) for code in (0xC0, 0xC2)) if place > 0)


def with_frame(raw, *, code=None, bits=None, height=None, width=None, channels=None):
    """Return a file with another header of its pixels."""
    place, changed = frame_of(raw), bytearray(raw)
    changed[place + 1] = code or raw[place + 1]
    for offset, kind, value in ((4, "B", bits), (5, ">H", height), (7, ">H", width), (9, "B", channels)):
        if value is not None:
            struct.pack_into(kind, changed, place + offset, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 65500, "height": 65500}, "`max_bytes` is|as many pixels as its header"),
        ({"height": 0}, "states 51 x 0 pixels"),
        ({"width": 0}, "states 0 x 37 pixels"),
        ({"bits": 12}, "of 12 bits"),
        ({"channels": 4}, "has 4 channels"),
        ({"channels": 2}, "has 2 channels"),
        *[({"code": code}, "lossless, hierarchical or of another") for code in (0xC3, 0xC5, 0xC9, 0xCD, 0xCF)],
    ],
)
def test_headers_that_lie_and_rare_kinds(tmp_path, change, words):
    refused(tmp_path, with_frame(encoded(GREY), **change), words, max_bytes=1 << 33)


def test_other_colours_turned_pictures_and_parts_that_are_wrong(tmp_path):
    raw = encoded(GREY)
    place = frame_of(raw)
    frame = raw[place : place + 13]
    turned = Image.Exif()
    turned[274] = 6
    refused(tmp_path, encoded(COLOURS, exif=turned), r"not at the top left \(orientation 6\)")
    refused(tmp_path, encoded(np.zeros((8, 8, 4), np.uint8), mode="CMYK"), "has 4 channels of 8 bits")
    refused(tmp_path, raw[:place] + frame + raw[place:], "two headers of pixels")
    refused(tmp_path, raw[:2] + part(0xC0, b"123") + raw[2:], "or a short one")
    refused(tmp_path, raw[:2] + part(0xDC, b"12") + raw[2:], "another rare kind")
    refused(tmp_path, raw[:2] + b"\xff\xe0\0\1" + raw[2:], "does not end where its parts do")
    refused(tmp_path, raw[:2] + b"\xff\xe0\xff\xff" + raw[2:], "does not end where its parts do")
    refused(tmp_path, raw[:place] + raw[-2:], "does not end where its parts do")
    refused(tmp_path, raw[:2] + raw[:2] + raw[2:], "does not end where its parts do")
    refused(tmp_path, b"\x89PNG" + raw, "not a JPEG file")
    # Scans without codes, of which a decoder would make pixels all the same.
    start = raw.index(b"\xff\xda")
    scan = raw[start : start + 10]
    refused(tmp_path, raw[: start + 10] + b"\xff\xd9", "as many pixels as its header")
    refused(tmp_path, raw[:-2] + scan * 200 + b"\xff\xd9", "too many scans")
