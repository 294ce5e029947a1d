"""PNG files: grey levels, masks and colours as they are stored; what has no plain meaning or is damaged is refused."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from mia_functional import images
from mia_functional._core import optional
from mia_functional.geometry import Geometry

RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 4, (5, 7)).astype(np.uint8)
UNSTATED = "PNG files without a spacing have 1 everywhere, which need not be millimetres; pass `spacing`"


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, bits, colour, rows, *others, interlace=0):
    """Return a PNG file whose packed rows are given, each without its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *others, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    )


def packed(levels, bits):
    """Return the rows of grey levels of few bits."""
    weights = 1 << np.arange(bits)[::-1]
    return [np.packbits((row[:, None] & weights > 0).ravel()).tobytes() for row in levels]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_levels_are_those_that_are_stored(tmp_path, bits):
    levels = RNG.integers(0, 2**bits, (5, 7))
    rows = [row.astype(">u2").tobytes() for row in levels] if bits == 16 else packed(levels, bits)
    (tmp_path / "x.png").write_bytes(png(7, 5, bits, 0, rows))
    array, geometry = images.read(tmp_path / "x.png", spacing=(0.5, 0.25))
    np.testing.assert_array_equal(array, levels)
    assert array.dtype == (np.bool_ if bits == 1 else np.uint16 if bits == 16 else np.uint8)
    assert geometry == Geometry(shape=(5, 7), spacing=(0.5, 0.25))
    assert images.read_geometry(tmp_path / "x.png", spacing=(0.5, 0.25)) == geometry
    with pytest.warns(UserWarning, match=UNSTATED):
        assert images.read(tmp_path / "x.png")[1].spacing == (1.0, 1.0)


def test_what_pillow_writes_comes_back(tmp_path):
    for number, array in enumerate([
        LEVELS, LEVELS > 1, RNG.integers(0, 2**16, (5, 7)).astype(np.uint16),
        RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8),
    ]):  # fmt: skip
        Image.fromarray(array).save(tmp_path / f"{number}.PNG", dpi=(72, 72))  # a resolution that nobody measured
        with pytest.warns(UserWarning, match=UNSTATED):
            again, geometry = images.read(tmp_path / f"{number}.PNG")
        np.testing.assert_array_equal(again, array)
        assert again.dtype == array.dtype
        assert geometry.shape == (5, 7)


def test_interlaced_pictures(tmp_path):
    """Adam7: the first picture has every eighth row and column, and so on, until all have been sent."""
    for shape in ((5, 7), (1, 1), (9, 17), (3, 2)):
        levels = RNG.integers(0, 256, shape)
        rows = []
        for top, left, down, right in [
            (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
        ]:  # fmt: skip
            rows += [row.tolist() for row in levels[top::down, left::right] if row.size]
        (tmp_path / "x.png").write_bytes(png(shape[1], shape[0], 8, 0, rows, interlace=1))
        np.testing.assert_array_equal(images.read(tmp_path / "x.png", spacing=(1, 1))[0], levels)


def test_labels_and_colours(tmp_path):
    Image.fromarray(LEVELS).save(tmp_path / "labels.png")
    np.testing.assert_array_equal(images.read_labels(tmp_path / "labels.png", spacing=(1, 1))[0], LEVELS)
    Image.fromarray(np.stack([LEVELS] * 3, axis=-1)).save(tmp_path / "colours.png")
    with pytest.raises(ValueError, match=r"^read_labels: .*colours.png: it holds colours; give every colour a label"):
        images.read_labels(tmp_path / "colours.png", spacing=(1, 1))


GOOD = png(7, 5, 8, 0, LEVELS)
EMPTY = [b"\0" * 7] * 5
WRONG = {
    "empty": (b"", "it is not a PNG file"),
    "other": (b"GIF89a" + GOOD[6:], "it is not a PNG file"),
    "cut": (GOOD[:-20], "it is cut off or damaged"),
    "no end": (GOOD[:-12], "it is cut off or damaged"),
    "flipped": (GOOD[:-13] + bytes([GOOD[-13] ^ 1]) + GOOD[-12:], "the checksum of a part of it is wrong"),
    "longer": (GOOD + b"\0", "there is more in the file behind its end"),
    "palette": (png(7, 5, 8, 3, EMPTY, chunk(b"PLTE", b"\0" * 12)), "in a palette of colours; write the labels"),
    "alpha": (png(7, 5, 8, 6, [b"\0" * 28] * 5), "it has an alpha channel"),
    "grey alpha": (png(7, 5, 8, 4, [b"\0" * 14] * 5), "it has an alpha channel"),
    "transparent": (png(7, 5, 8, 0, EMPTY, chunk(b"tRNS", b"\0\0")), "write it without transparency"),
    "moving": (png(7, 5, 8, 0, EMPTY, chunk(b"acTL", struct.pack(">II", 2, 0))), "several pictures that move"),
    "deep colours": (png(7, 5, 16, 2, [b"\0" * 42] * 5), "colours of 16 bits, which Pillow rounds to 8"),
    "nothing": (png(0, 5, 8, 0, []), "its header states 0 x 5 pixels"),
    "rows": (png(7, 5, 8, 0, LEVELS[:3]), "it does not hold as many pixels as its header states"),
    "more": (png(7, 4, 8, 0, LEVELS), "it does not hold as many pixels as its header states"),
    "bomb": (png(7, 5, 8, 0, [bytes(10**8)]), "it does not hold as many pixels"),
    "garbage": (png(7, 5, 8, 0, EMPTY).replace(zlib.compress(bytes(40)), b"abcd"), "its pixels cannot be inflated"),
    "huge": (png(2**31 - 1, 2**31 - 1, 16, 0, []), "takes 9223372028264841218 bytes, and `max_bytes` is 4294967296"),
    "bits": (png(7, 5, 7, 0, EMPTY), "colours of type 0 with 7 bits"),
    "twice": (GOOD[:33] + GOOD[8:], "it has two headers"),
    "text": (png(7, 5, 8, 0, EMPTY, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))), "Pillow cannot decode it"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_damaged_hostile_or_of_no_plain_meaning_is_one_sentence(tmp_path, name):
    raw, words = WRONG[name]
    (tmp_path / "x.png").write_bytes(raw)
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"(?s)^read: .*x\.png: .*({words}).*\.$") as caught:
        images.read(tmp_path / "x.png", spacing=(1, 1))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_limits_and_spacings_are_those_of_the_caller(tmp_path):
    (tmp_path / "x.png").write_bytes(GOOD)
    with pytest.raises(ValueError, match="the image takes 35 bytes, and `max_bytes` is 34"):
        images.read(tmp_path / "x.png", max_bytes=34)
    with pytest.raises(ValueError, match="`spacing` must have 2 entries"):
        images.read(tmp_path / "x.png", spacing=(1, 1, 1))


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "x.png").write_bytes(GOOD)

    def absent(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(optional.importlib, "import_module", absent)
    with pytest.raises(ImportError, match=r"pip install 'mia_functional\[images\]'"):
        images.read(tmp_path / "x.png")
