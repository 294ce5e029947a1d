"""TIFF files: pages as slices, of every dtype and lossless compression, with the spacing that can be trusted."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image

from mia_functional import images
from mia_functional.geometry import Geometry
from mia_functional.images import tiff_directories

RNG = np.random.default_rng(0)
VOLUME = RNG.integers(0, 300, (4, 5, 7))
UNSTATED = "files without a spacing have 1 everywhere, which need not be millimetres; pass `spacing`"


def written(path, array, **options):
    tifffile.imwrite(path, array, **({"photometric": "minisblack"} | options))
    return path


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "zstd"])
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", "int16", ">u2", "uint32", "int64", "float16", "float32", "float64"]
)
def test_pages_are_slices_whatever_they_hold(tmp_path, dtype, compression):
    array = VOLUME.astype(dtype)
    path = written(tmp_path / "x.tif", array, compression=compression, byteorder=">" if dtype == ">u2" else "<")
    again, geometry = images.read(path, spacing=(3.0, 1.0, 0.5))
    np.testing.assert_array_equal(again, array)
    assert again.dtype == np.dtype(dtype).newbyteorder("=")
    assert geometry == Geometry(shape=VOLUME.shape, spacing=(3.0, 1.0, 0.5))


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "float32"])
@pytest.mark.parametrize("shape", [(9, 5, 7), (9, 5, 7, 3), (9, 1, 7), (9, 16, 16)])
def test_pages_without_a_description_that_follow_each_other(tmp_path, shape, dtype):
    array = np.random.default_rng(1).integers(0, 250, shape).astype(dtype)
    options = {"tile": (16, 16)} if shape[1] == 16 else {"photometric": "rgb"} if len(shape) == 4 else {}
    order = ">" if dtype == ">u2" else "<"
    with tifffile.TiffWriter(tmp_path / "x.tif", byteorder=order) as writer:
        for page in array:
            writer.write(page, metadata=None, **({"photometric": "minisblack"} | options))
    again, _ = images.read(tmp_path / "x.tif", spacing=(1.0, 1.0, 1.0))
    np.testing.assert_array_equal(again, tifffile.imread(tmp_path / "x.tif"))
    assert again.dtype == np.dtype(dtype).newbyteorder("=")
    with pytest.raises(ValueError, match=f"takes {array.nbytes} bytes, and `max_bytes` is {array.nbytes - 1}"):
        images.read(tmp_path / "x.tif", spacing=(1.0, 1.0, 1.0), max_bytes=array.nbytes - 1)
    raw = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "y.tif").write_bytes(raw[: len(raw) - 1])
    with pytest.raises(ValueError, match="is cut off"):
        images.read(tmp_path / "y.tif")


@pytest.mark.parametrize(
    "options",
    [
        {"tile": (16, 16)},
        {"predictor": True, "compression": "lzw"},
        {"bigtiff": True},
        {"rowsperstrip": 3},
        {"byteorder": ">"},
    ],
)
def test_tiles_strips_predictors_and_large_files(tmp_path, options):
    array = RNG.integers(0, 2**16, (40, 50)).astype(np.uint16)
    with pytest.warns(UserWarning, match=f"TIFF {UNSTATED}"):
        again, geometry = images.read(written(tmp_path / "x.tiff", array, **options))
    np.testing.assert_array_equal(again, array)
    assert geometry == Geometry(shape=(40, 50), spacing=(1.0, 1.0))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_what_pillow_writes_comes_back(tmp_path, compression):
    mask, colours = VOLUME[0] > 99, RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    for array in (VOLUME[0].astype(np.uint16), (VOLUME[0] % 256).astype(np.uint8), mask, colours):
        Image.fromarray(array).save(tmp_path / "x.tif", compression=compression, dpi=(300, 300))
        again, geometry = images.read(tmp_path / "x.tif", spacing=(1.0, 1.0))
        np.testing.assert_array_equal(again, array)
        assert (again.dtype, geometry.shape) == (array.dtype, (5, 7))
    pages = [Image.fromarray(page.astype(np.uint8)) for page in VOLUME % 256]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(images.read_labels(tmp_path / "x.tif", spacing=(1.0, 1.0, 1.0))[0], VOLUME % 256)


def imagej(unit, axes="ZYX", **more):
    return {"imagej": True, "resolution": (4, 2), "metadata": {"unit": unit, "spacing": 2.0, "axes": axes, **more}}


def ome(unit, axes="ZYX"):
    sizes = {f"PhysicalSize{axis}": size for axis, size in zip("XYZ", (0.25, 0.5, 2.0), strict=True)}
    return {"ome": True, "metadata": {"axes": axes, **sizes, **{f"{name}Unit": unit for name in sizes}}}


@pytest.mark.parametrize(
    ("options", "spacing"),
    [
        (imagej("mm"), (2.0, 0.5, 0.25)),
        (imagej("um"), (0.002, 0.0005, 0.00025)),
        (imagej("micron"), (0.002, 0.0005, 0.00025)),
        (imagej("\\u00B5m"), (0.002, 0.0005, 0.00025)),
        (ome("mm"), (2.0, 0.5, 0.25)),
        (ome("\N{MICRO SIGN}m"), (0.002, 0.0005, 0.00025)),
        (imagej("pixel"), None),
        (imagej("inch"), None),
        ({"imagej": True, "metadata": {"axes": "ZYX"}}, None),
        (ome("pixel"), None),
        ({"resolution": (100, 50), "resolutionunit": "CENTIMETER"}, None),  # and what between slices?
    ],
)
def test_a_spacing_that_can_be_trusted_is_that_of_the_file(tmp_path, options, spacing):
    path = written(tmp_path / ("x.ome.tif" if "ome" in options else "x.tif"), VOLUME.astype(np.uint16), **options)
    if spacing is None:
        with pytest.warns(UserWarning, match=f"TIF {UNSTATED}"):
            assert images.read(path)[1].spacing == (1.0, 1.0, 1.0)
        assert images.read(path, spacing=(3.0, 2.0, 1.0))[1].spacing == (3.0, 2.0, 1.0)
        return
    array, geometry = images.read(path)
    np.testing.assert_array_equal(array, VOLUME)
    assert geometry.spacing == pytest.approx(spacing, rel=1e-9)
    assert images.read(path, spacing=spacing)[1] == geometry
    with pytest.raises(ValueError, match=r"`spacing` must be what .* states"):
        images.read(path, spacing=(9.0, 9.0, 9.0))


@pytest.mark.parametrize(
    ("dots", "spacing"), [((100, 50), (0.2, 0.1)), ((72 / 2.54,) * 2, None), ((300 / 2.54,) * 2, None)]
)
def test_dots_per_centimetre_count_unless_they_are_those_of_screens_and_printers(tmp_path, dots, spacing):
    path = written(tmp_path / "x.tif", VOLUME[0].astype(np.uint8), resolution=dots, resolutionunit="CENTIMETER")
    if spacing is None:
        with pytest.warns(UserWarning, match=UNSTATED):
            assert images.read(path)[1].spacing == (1.0, 1.0)
    else:
        assert images.read(path)[1].spacing == pytest.approx(spacing)


@pytest.mark.parametrize(
    ("shape", "options", "order"),
    [
        ((2, 4, 5, 7), ome("mm", "CZYX"), (1, 2, 3, 0)),
        ((4, 2, 5, 7), imagej("mm", "ZCYX"), (0, 2, 3, 1)),
        ((2, 5, 7), {"imagej": True, "metadata": {"axes": "CYX"}}, (1, 2, 0)),
        ((4, 5, 7, 3), {"photometric": "rgb"}, (0, 1, 2, 3)),
        ((3, 5, 7), {"photometric": "rgb", "planarconfig": "separate"}, (1, 2, 0)),
    ],
)
def test_channels_come_last(tmp_path, shape, options, order):
    array = RNG.integers(0, 256, shape).astype(np.uint8)
    path = written(tmp_path / ("x.ome.tif" if "ome" in options else "x.tif"), array, **options)
    with pytest.warns(UserWarning, match=UNSTATED) if "mm" not in str(options) else np.errstate():
        again, geometry = images.read(path)
    np.testing.assert_array_equal(again, array.transpose(order))
    assert again.shape[len(geometry.shape) :] == (array.shape[order[-1]],)
    with pytest.raises(ValueError, match=r"^read_labels: .*it (holds colours; give every|has 2 channels; write each)"):
        images.read_labels(path, spacing=None if "mm" in str(options) else (1.0,) * len(geometry.shape))


def kinds(folder):
    """Return files that have no plain meaning, and what is said of them."""
    byte = VOLUME.astype(np.uint8)
    kind = {
        "palette": ((byte[0],), {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}, "palette"),
        "alpha": ((np.zeros((5, 7, 4), np.uint8),), {"photometric": "rgb"}, "alpha channel"),
        "white": ((byte[0],), {"photometric": "miniswhite"}, "of the kind MINISWHITE; write grey levels, black as 0"),
        "jpeg": ((RNG.integers(0, 9, (32, 32)).astype(np.uint8),), {"compression": "jpeg"}, "its compression is JPEG"),
        "time": ((byte,), {"imagej": True, "metadata": {"axes": "TYX"}}, "several time points"),
        "five": ((np.zeros((2, 2, 4, 5, 7), np.uint8),), {}, "its axes are QQQYX"),
        "turned": ((byte[0],), {"extratags": [(274, 3, 1, 6, True)]}, "its first pixel is not at the top left"),
        "complex": ((np.zeros((5, 7), np.complex64),), {}, "it holds complex64"),
        "packed": ((byte[0] % 16,), {"bitspersample": 4}, "have 4 bits"),
        "entities": (
            (byte[0],),
            {"description": "<!DOCTYPE a [<!ENTITY b 'c'>]><OME>&b;</OME>", "metadata": None},
            "XML",
        ),
        "others": (
            (byte[0],),
            {"description": '<OME><UUID FileName="secret.tif"/></OME>', "metadata": None},
            "in other",
        ),
        "binary": ((byte[0],), {"description": "<OME><BinaryOnly/></OME>", "metadata": None}, "in other files"),
        "broken": ((byte[0],), {"description": "<OME><Pixels OME>", "metadata": None}, "damaged|pages"),
    }
    for name, (arrays, options, words) in kind.items():
        yield written(folder / f"{name}.tif", *arrays, **options), words
    with tifffile.TiffWriter(folder / "two.tif") as writer:
        writer.write(np.zeros((4, 5), np.uint8))
        writer.write(np.zeros((6, 5), np.uint8))
    yield folder / "two.tif", "its 2 pages are of 2 kinds"


def refused(path, words):
    """Read a file that has to end in one sentence, without much memory."""
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"^read: .*{path.name}: .*({words}).*\.$") as caught:
        images.read(path)
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_what_has_no_plain_meaning_is_one_sentence(tmp_path):
    for path, words in kinds(tmp_path):
        refused(path, words)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_file_that_is_cut_off_is_never_filled_up(tmp_path, compression):
    buffer = io.BytesIO()
    written(buffer, VOLUME.astype(np.uint16), compression=compression, metadata=None)
    raw = buffer.getvalue()
    needed = max(len(raw) - 16, raw.rfind(b"tifffile.py"))  # the name of the program comes last
    for size in (*range(0, needed, 97), needed - 1):
        (tmp_path / "x.tif").write_bytes(raw[:size])
        refused(tmp_path / "x.tif", "")
    (tmp_path / "x.tif").write_bytes(raw)
    with pytest.raises(ValueError, match="the image takes 280 bytes, and `max_bytes` is 279"):
        images.read(tmp_path / "x.tif", max_bytes=279)


def test_directories_that_go_round_or_lead_nowhere(tmp_path):
    written(tmp_path / "x.tif", VOLUME[:1].astype(np.uint8), metadata=None)
    raw = (tmp_path / "x.tif").read_bytes()
    (start,) = struct.unpack_from("<I", raw, 4)
    end = start + 2 + 12 * struct.unpack_from("<H", raw, start)[0]
    assert struct.unpack_from("<I", raw, end) == (0,)
    for target in (start, 2**31, len(raw) - 1):
        (tmp_path / "x.tif").write_bytes(raw[:end] + struct.pack("<I", target) + raw[end + 4 :])
        refused(tmp_path / "x.tif", "damaged|cut off")


def patched(raw, tag, value):
    """Return a little-endian file of one page in which a number of its directory is another."""
    raw = bytearray(raw)
    start = struct.unpack_from("<I", raw, 4)[0]
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", raw, start)[0], 12):
        if struct.unpack_from("<H", raw, entry)[0] == tag:
            struct.pack_into("<HHII", raw, entry, tag, 4, 1, value)
            return bytes(raw)
    raise AssertionError(tag)


WIDTH, LENGTH, COMPRESSION, OFFSETS, ROWS, COUNTS = 256, 257, 259, 273, 278, 279


@pytest.mark.parametrize(
    ("tags", "compression", "words"),
    [
        ({WIDTH: 2**31, LENGTH: 2**31, ROWS: 2**31}, None, "takes 4611686018427387904 bytes, and `max_bytes`"),
        ({WIDTH: 2**15, LENGTH: 2**15, ROWS: 2**15}, None, "cut off: pages or pixels that it announces are not in it"),
        ({WIDTH: 2**12}, "zlib", ""),
        ({LENGTH: 3, ROWS: 3}, "zlib", "Z_BUF_ERROR|damaged"),
        ({COUNTS: 0}, None, "cut off"),
        ({OFFSETS: 2**30}, None, "cut off|damaged"),
        ({COMPRESSION: 34925}, "zlib", "its compression is LZMA"),
        ({COMPRESSION: 4711}, "zlib", "its compression is|damaged"),
    ],
)
def test_headers_that_lie(tmp_path, tags, compression, words):
    buffer = io.BytesIO()
    written(buffer, np.zeros((4000, 4000), np.uint8), compression=compression, rowsperstrip=4000, metadata=None)
    raw = buffer.getvalue()
    for tag, value in tags.items():
        raw = patched(raw, tag, value)
    (tmp_path / "x.tif").write_bytes(raw)
    refused(tmp_path / "x.tif", words)


def test_pages_that_a_description_puts_together_and_the_directories_do_not(tmp_path):
    """tifffile reads such a stack as one block, whatever the directories of its pages say."""
    path = written(tmp_path / "x.tif", VOLUME.astype(np.uint8))
    with tifffile.TiffFile(path) as opened:
        places = [page.tags[OFFSETS].valueoffset for page in opened.pages]
        starts = [page.dataoffsets[0] for page in opened.pages]
    raw = bytearray(path.read_bytes())
    for place, start in zip(places[1:3], starts[2:0:-1], strict=True):
        struct.pack_into("<I", raw, place, start)
    path.write_bytes(raw)
    refused(path, "says that its pages follow each other, and they do not")


def test_pages_with_other_tags_beside_the_pixels_are_of_one_kind(tmp_path):
    array = VOLUME.astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "x.tif", bigtiff=True) as writer:
        for number, page in enumerate(array):
            more = [(65000, 2, 0, "a" * 9 * number, True)] if number else []
            writer.write(page, photometric="minisblack", metadata=None, extratags=more, rowsperstrip=2)
    np.testing.assert_array_equal(images.read(tmp_path / "x.tif", spacing=(1.0, 1.0, 1.0))[0], array)


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}])
def test_directories_that_are_read_together_say_what_each_of_them_says(tmp_path, monkeypatch, request, options):
    content = written(tmp_path / "x.tif", np.zeros((12, 4, 5), np.uint16), metadata=None, **options).read_bytes()
    with tifffile.TiffFile(tmp_path / "x.tif") as opened:
        places = [page.offset for page in opened.pages]
    assert len({*np.diff(places[1:])}) == 1  # which is when they are
    rng = np.random.default_rng(0)

    def found(near):
        monkeypatch.setattr(tiff_directories, "_NEAR", near)
        try:
            return tiff_directories.read_directories(tmp_path / "x.tif")
        except ValueError as error:
            return str(error)

    assert found(4096).pages == 12
    outcomes = set()
    for number in range(1000 if request.config.getoption("part") == "full" else 60):
        changed = bytearray(content)
        for _ in range(int(rng.integers(1, 3))):
            where = int(rng.choice(places)) + int(rng.integers(0, 250))
            size = int(rng.choice([1, 2, 4]))
            # Places of other pages make circles and short cuts of their chain.
            value = int(rng.choice([0, 1, 255, len(content), *places])) % 256**size
            changed[where : where + size] = value.to_bytes(size, "big" if options.get("byteorder") else "little")
        (tmp_path / "x.tif").write_bytes(bytes(changed[: len(content)]))
        together, one_by_one = found(4096), found(0)
        assert together == one_by_one, number
        outcomes.add(type(together))
    assert len(outcomes) == 2


def test_kinds_that_tifffile_decides_on_by_itself(tmp_path, monkeypatch):
    """As SVS in version 2026.11.8, where to switch it off is an error, and SIS in those of 2025."""
    monkeypatch.setattr(tifffile.TiffFile, "is_svs", property(lambda _: False), raising=False)
    tifffile.imwrite(tmp_path / "a.tif", np.eye(3, dtype=np.uint8), compression="zlib")
    assert images.read(tmp_path / "a.tif", spacing=(1.0, 1.0))[0].tolist() == np.eye(3).tolist()
