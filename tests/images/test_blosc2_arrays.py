"""Arrays of Blosc2: every codec and shape against `blosc2` itself, and files that a stranger wrote."""

import struct

import blosc2
import msgpack
import numpy as np
import pytest

from mia_functional import images
from mia_functional.images.blosc2_arrays import parse_blosc2, read_blosc2

from .fuzzing import byte_mutant, number_mutant
from .nnunet_cases import save

RNG = np.random.default_rng(4)
LAYOUTS = [
    ((1, 13, 20, 9), (1, 6, 20, 9), (1, 3, 7, 9)),
    ((3, 7, 9, 11), (1, 7, 9, 5), (1, 2, 3, 4)),
    ((2, 1, 30, 30), (1, 1, 16, 16), (1, 1, 16, 16)),
    ((5,), (3,), (2,)),
    ((2, 2, 2, 2, 2, 2, 2, 2), (2, 1, 2, 1, 2, 1, 2, 1), (1,) * 8),
]


def read(path, *, max_bytes=1 << 22):
    found = parse_blosc2(path, max_bytes)
    return read_blosc2(found, [range(size) for size in found.shape])


@pytest.mark.parametrize("codec", ["BLOSCLZ", "LZ4", "LZ4HC", "ZLIB", "ZSTD"])
def test_arrays_are_read_as_blosc2_reads_them(tmp_path, codec):
    filters = [blosc2.Filter.NOFILTER, blosc2.Filter.SHUFFLE, blosc2.Filter.BITSHUFFLE]
    dtypes = ["<f4", "<i2", "|i1", ">f8", ">u2", "<u8", "|b1", "<f2"]
    for number, (shape, chunks, blocks) in enumerate(3 * LAYOUTS):
        dtype = dtypes[number % 8]
        options = {"codec": getattr(blosc2.Codec, codec), "filters": [filters[number % 3]]}
        array = (np.cumsum(RNG.integers(-2, 3, shape), axis=-1)).astype(dtype)
        path = save(tmp_path / "x.b2nd", array, chunks=chunks, blocks=blocks, **options)
        found = read(path)
        np.testing.assert_array_equal(found, array)
        np.testing.assert_array_equal(found, blosc2.open(str(path), mode="r")[:])
        assert found.dtype == array.dtype.newbyteorder("=")
        # A box, of the chunks in which it lies.
        ends = [sorted(RNG.integers(0, size + 1, 2).tolist()) for size in shape]
        box = read_blosc2(parse_blosc2(path, 1 << 22), [range(*pair) for pair in ends])
        np.testing.assert_array_equal(box, array[tuple(slice(*pair) for pair in ends)])


def test_chunks_of_one_number_and_the_layout_that_blosc2_chooses(tmp_path):
    path = tmp_path / "x.b2nd"
    parts = np.zeros((1, 40, 50, 60), np.float32)
    parts[:, 20:30] = np.nan
    parts[:, 30:] = RNG.random((1, 10, 50, 60))
    for array in (parts, parts[..., :1] * 0, np.full((1, 9, 9, 9), np.nan), np.full((1, 9, 9, 9), 7, np.int16)):
        np.testing.assert_array_equal(read(save(path, array, chunks=None, blocks=None)), array)
    for value in (0, 3.5, np.nan):
        blosc2.full((1, 30, 30, 30), value, dtype=np.float32, urlpath=str(path), mode="w")
        np.testing.assert_array_equal(read(path), np.full((1, 30, 30, 30), value, np.float32))
    # Chunks that nobody wrote would return what the memory held.
    blosc2.uninit((1, 30, 30, 30), dtype=np.float32, urlpath=str(path), mode="w")
    with pytest.raises(ValueError, match="one of its chunks was never written"):
        read(path)


def plain(tmp_path):
    """Return the bytes of a file with two chunks, its header as values, and where its chunks begin."""
    array = np.arange(2 * 4 * 5 * 6, dtype=np.int16).reshape(2, 4, 5, 6)
    raw = save(tmp_path / "x.b2nd", array, chunks=(1, 4, 5, 6), blocks=(1, 2, 5, 6)).read_bytes()
    start = int.from_bytes(raw[11:15], "big")
    return bytearray(raw), msgpack.unpackb(raw[:start], raw=True), start


def with_shape(raw, **changes):
    """Return a file whose array says otherwise: `shape=(1, 2, 3, 4)` and the like; sizes of the frame stay."""
    offset = raw.index(b"\xc6", raw.index(b"b2nd"))
    numbers = {"shape": (offset + 10, ">q", 9), "chunks": (offset + 47, ">i", 5), "blocks": (offset + 68, ">i", 5)}
    raw = bytearray(raw)
    for name, values in changes.items():
        start, kind, step = numbers[name]
        for position, value in enumerate(values):
            struct.pack_into(kind, raw, start + step * position, value)
    return bytes(raw)


def chunk_with(raw, start, offset, *values):
    """Return a file whose first chunk has these bytes from an offset on."""
    raw = bytearray(raw)
    raw[start + offset : start + offset + len(values)] = bytes(values)
    return bytes(raw)


LAYER = b"\xa4b2nd"
HOSTILE = {
    "no array": (lambda _, __: b"no array" * 40, "it is not an array of Blosc2"),
    "empty": (lambda _, __: b"", "it is not an array of Blosc2"),
    "header alone": (lambda raw, start: raw[:start], "announces .* bytes, and there are"),
    "cut off": (lambda raw, _: raw[:-1], "announces .* bytes, and there are"),
    "too long": (lambda raw, _: raw + b"0", "announces .* bytes, and there are"),
    "a folder": (lambda raw, _: raw[:26] + b"\x01" + raw[27:], "it is not one file with chunks of one length"),
    "chunks of any length": (lambda raw, _: raw[:25] + b"\x52" + raw[26:], "chunks of one length"),
    "expression": (lambda raw, _: raw.replace(LAYER, b"\xa4expr"), "such as an expression"),
    "huge": (lambda raw, _: with_shape(raw, shape=(2**40, 2**20, 2**20, 2**20)), "contradicts itself"),
    "overflow": (lambda raw, _: with_shape(raw, shape=(2**62, 4, 5, 6)), "contradicts itself"),
    "negative": (lambda raw, _: with_shape(raw, shape=(2, -4, 5, 6)), "its shape is"),
    "nothing": (lambda raw, _: with_shape(raw, shape=(2, 0, 5, 6)), "its shape is"),
    "chunks of 0": (lambda raw, _: with_shape(raw, chunks=(0, 4, 5, 6)), "its shape is"),
    "blocks too large": (lambda raw, _: with_shape(raw, blocks=(1, 5, 5, 6)), "larger than its chunks"),
    "other chunks": (lambda raw, _: with_shape(raw, chunks=(1, 2, 5, 6)), "contradicts itself"),
    "objects": (lambda raw, _: raw.replace(b"\x03<i2", b"\x03|O8"), "integers, floats and booleans are read"),
    "texts": (lambda raw, _: raw.replace(b"\x03<i2", b"\x03<U2"), "integers, floats and booleans are read"),
    "complex": (lambda raw, _: raw.replace(b"\x03<i2", b"\x03<c8"), "integers, floats and booleans are read"),
    "other numbers": (lambda raw, _: raw.replace(b"\x03<i2", b"\x03<i4"), "contradicts itself"),
    "table beyond": (lambda raw, _: raw[:39] + b"\x00\x00\xff\xff" * 2 + raw[47:], "announces .* bytes of chunks"),
    "chunk of more": (lambda raw, start: chunk_with(raw, start, 4, 255, 255, 0), "announces 65535 bytes"),
    "chunk negative": (lambda raw, start: chunk_with(raw, start, 7, 255), "one of its chunks announces -"),
    "chunk packed beyond": (lambda raw, start: chunk_with(raw, start, 14, 1), "packed bytes, beyond its end"),
    "chunk of other blocks": (lambda raw, start: chunk_with(raw, start, 8, 2), "in blocks of"),
    "chunk of other numbers": (lambda raw, start: chunk_with(raw, start, 3, 1), "one of its chunks announces"),
    "plugin codec": (lambda raw, start: chunk_with(raw, start, 2, raw[start + 2] & 0x1F | 0xC0), "no part of Blosc2"),
    "plugin filter": (lambda raw, start: chunk_with(raw, start, 21, 35), "no part of Blosc2 itself"),
    "lazy": (lambda raw, start: chunk_with(raw, start, 31, raw[start + 31] | 8), "of a kind that is not read"),
    "dictionary": (lambda raw, start: chunk_with(raw, start, 31, raw[start + 31] | 1), "of a kind that is not read"),
    "unwritten": (lambda raw, start: chunk_with(raw, start, 31, 0x40), "of a kind that is not read"),
    "noise": (lambda raw, start: chunk_with(raw, start, 32, *[255] * 40), "one of its chunks is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path, name):
    raw, _, start = plain(tmp_path)
    change, reason = HOSTILE[name]
    (tmp_path / "x.b2nd").write_bytes(change(bytes(raw), start))
    with pytest.raises(ValueError, match=rf"^read: `path` must name a complete, well-formed image file.*{reason}"):
        read(tmp_path / "x.b2nd")


@pytest.mark.filterwarnings("ignore:read. preprocessed cases of nnU-Net")
def test_sizes_are_compared_with_the_limit_before_anything_is_made(tmp_path):
    path = tmp_path / "x.b2nd"
    # 40 GB of zeros in some hundred bytes.
    blosc2.zeros((1, 10_000, 1_000, 1_000), dtype=np.float32, chunks=(1, 100, 1000, 1000), urlpath=str(path), mode="w")
    assert path.stat().st_size < 1000
    with pytest.raises(ValueError, match=r"one of its chunks takes \d+ bytes, and `max_bytes` is 4194304"):
        read(path)
    with pytest.raises(ValueError, match="the image takes 40000000000 bytes, and `max_bytes` is 4294967296"):
        images.read(path, spacing=(1.0, 1.0, 1.0))
    # A chunk that is far larger than the array in it, and more chunks than anybody makes.
    blosc2.zeros(
        (1, 2, 2, 2), dtype=np.float32, chunks=(1, 500, 500, 500), blocks=(1, 5, 500, 500), urlpath=str(path), mode="w"
    )
    with pytest.raises(ValueError, match="one of its chunks takes 500000000 bytes, and"):
        read(path)
    blosc2.zeros(
        (1, 200, 200, 200), dtype=np.int8, chunks=(1, 1, 1, 1), blocks=(1, 1, 1, 1), urlpath=str(path), mode="w"
    )
    with pytest.raises(ValueError, match="it holds 8000000 chunks; up to 131072 are read"):
        read(path, max_bytes=1 << 30)


def test_what_is_no_array_is_never_opened(tmp_path, monkeypatch):
    # An address, an expression and objects, each of which `blosc2.open` would follow, compute or unpack.
    path = tmp_path / "x.b2nd"
    source = blosc2.asarray(np.zeros((4, 4)), urlpath=str(tmp_path / "source.b2nd"), mode="w")
    (source + 1).save(urlpath=str(path))
    monkeypatch.setattr(blosc2, "open", None)
    with pytest.raises(ValueError, match="such as an expression, or the address of one"):
        read(path)
    array = np.arange(24, dtype=np.int16).reshape(1, 2, 3, 4)
    stored = blosc2.asarray(array, urlpath=str(path), mode="w")
    stored.schunk.vlmeta["objects"] = {"a": [1, 2, b"cos\nsystem\n(S'x'\ntR."]}
    np.testing.assert_array_equal(read(path), array)
    (tmp_path / "y.b2nd").mkdir()
    with pytest.raises(ValueError, match="it is not a regular file"):
        read(tmp_path / "y.b2nd")


MUTANTS = {"quick": 100, "default": 300, "full": 10_000}
"""Mutated files, by part of the suite."""


def parsed_or_refused(path):
    """Return what a file announces and holds, or None and the sentence that refuses it."""
    try:
        found = parse_blosc2(path, 1 << 20)
        array = read_blosc2(found, [range(size) for size in found.shape])
    except ValueError as error:
        return None, str(error)
    assert (array.shape, array.dtype) == (found.shape, found.dtype.newbyteorder("="))
    return found, ""


def test_mutants_are_read_or_refused(tmp_path, request):
    # The container has no checksums, so that a changed number is another number; but no more than what it says is made.
    sources = []
    for number, codec in enumerate((blosc2.Codec.LZ4HC, blosc2.Codec.ZSTD, blosc2.Codec.BLOSCLZ, blosc2.Codec.ZLIB)):
        array = np.cumsum(np.random.default_rng(number).integers(-2, 3, (1, 9, 14, 17)), axis=-1).astype(np.int16)
        options = {"chunks": (1, 6, 14, 17), "blocks": (1, 3, 7, 9), "codec": codec}
        sources.append(save(tmp_path / "x.b2nd", array, **options).read_bytes())
    outcomes = {"read": 0, "refused": 0}
    rng = np.random.default_rng(6)
    for number in range(MUTANTS[request.config.getoption("part")]):
        content = sources[number % 4]
        for _ in range(int(rng.integers(1, 4))):
            change = (byte_mutant, number_mutant)[int(rng.integers(2))]
            content = change(rng, content, int(rng.choice([300, len(content) - 1]))) or content
        # The length alone would refuse all that are cut or longer.
        content = content[:16] + len(content).to_bytes(8, "big") + content[24:]
        (tmp_path / "x.b2nd").write_bytes(content)
        found, text = parsed_or_refused(tmp_path / "x.b2nd")
        outcomes["read" if found is not None else "refused"] += 1
        assert found is not None or text.startswith("read: `path` must name a complete, well-formed image file; got ")
    assert min(outcomes.values()) > 0
