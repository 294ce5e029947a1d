"""Arrays of Zarr against zarr-python, which wrote them: formats, codecs, orders, shards, and missing chunks."""

import itertools

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

from mia_functional.images._zarr.chunks import read_box
from mia_functional.images._zarr.metadata import read_node, zarr_array

from .cases import random_array
from .zarr_cases import array_fields, describe

SHAPE = (7, 12, 9)


def found(path, box=None):
    """What our reader finds in an array, all of it by default."""
    array = zarr_array(read_node(path))
    return read_box(array, path, [range(size) for size in array.shape] if box is None else box)


CHAINS = {
    "none": [], "crc32c": [Crc32cCodec()], "gzip": [GzipCodec()], "zstd": [ZstdCodec()],
    "zstd, checked": [ZstdCodec(checksum=True)], "blosc": [BloscCodec(cname="zstd")],
    "blosc, lz4": [BloscCodec(cname="lz4")], "checked, then compressed": [Crc32cCodec(), ZstdCodec()],
    "compressed, then checked": [GzipCodec(), Crc32cCodec()],
}  # fmt: skip


@pytest.mark.sampled(9)
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("shards", [None, (8, 10, 6)], ids=["files", "shards"])
def test_codecs_of_format_3(tmp_path, chain, shards):
    array = random_array(SHAPE, "int32")
    stored = zarr.create_array(tmp_path, shape=SHAPE, chunks=(4, 5, 3), shards=shards, dtype="int32",
                               compressors=CHAINS[chain], fill_value=5)  # fmt: skip
    stored[...] = array
    np.testing.assert_array_equal(found(tmp_path), array)
    box = [range(3, 7), range(4, 6), range(8, 9)]
    np.testing.assert_array_equal(found(tmp_path, box), array[3:7, 4:6, 8:9])


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", ["blosc", "zlib", "zstd", "gzip", None])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("separator", [".", "/"])
def test_format_2(tmp_path, name, order, separator):
    array = random_array(SHAPE, "uint16").astype(">u2") if order == "F" else random_array(SHAPE, "float32")
    compressor = None if name is None else numcodecs.get_codec({"id": name})
    stored = zarr.create_array(
        tmp_path, shape=SHAPE, chunks=(4, 5, 9), dtype=array.dtype, zarr_format=2, compressors=compressor, order=order,
        chunk_key_encoding={"name": "v2", "separator": separator}, fill_value=None, filters=None,
    )  # fmt: skip
    stored[...] = array
    result = found(tmp_path)
    assert result.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize("endian", ["little", "big"])
def test_axes_are_permuted_before_bytes_are_written(tmp_path, endian):
    array = random_array(SHAPE, "float64")
    codecs = {"filters": [TransposeCodec(order=(2, 0, 1))], "serializer": BytesCodec(endian=endian)}
    stored = zarr.create_array(tmp_path / "a", shape=SHAPE, chunks=(4, 5, 3), dtype="float64", **codecs)
    stored[...] = array
    np.testing.assert_array_equal(found(tmp_path / "a"), array)


@pytest.mark.parametrize("location", ["start", "end"])
def test_the_index_of_shards_is_at_either_end(tmp_path, location):
    array = random_array(SHAPE, "uint8")
    sharding = ShardingCodec(chunk_shape=(4, 5, 3), codecs=[BytesCodec(), ZstdCodec()], index_location=location)
    stored = zarr.create_array(
        tmp_path, shape=SHAPE, chunks=(8, 10, 6), dtype="uint8", serializer=sharding, compressors=None
    )
    stored[...] = array
    np.testing.assert_array_equal(found(tmp_path), array)


@pytest.mark.sampled(8)
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_dtypes_and_what_fills_chunks_that_are_missing(tmp_path, dtype, zarr_format):
    fill = {"b": True, "u": np.iinfo("u1").max, "i": -7, "f": np.nan}[np.dtype(dtype).kind]
    array = np.full(SHAPE, fill, dtype)
    array[:2] = random_array((2, *SHAPE[1:]), dtype)
    stored = zarr.create_array(
        tmp_path, shape=SHAPE, chunks=(2, 5, 3), dtype=dtype, zarr_format=zarr_format, fill_value=fill
    )
    stored[...] = array
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) < 15  # of 36 chunks
    np.testing.assert_array_equal(found(tmp_path), array)


@pytest.mark.parametrize("fill", ["NaN", "Infinity", "-Infinity", "0x7fc00001", 2, 1.5, 1e300])
def test_fill_values_of_floats(tmp_path, fill):
    describe(tmp_path, "zarr.json", array_fields((2,), "float32", fill_value=fill))
    numbers = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf, "0x7fc00001": np.nan, 1e300: np.inf}
    np.testing.assert_array_equal(found(tmp_path), np.full(2, numbers.get(fill, fill), np.float32))


def test_every_box_is_what_numpy_cuts(tmp_path):
    array = random_array((5, 6), "int16")
    stored = zarr.create_array(tmp_path, shape=array.shape, chunks=(2, 1), shards=(4, 3), dtype="int16")
    stored[...] = array
    described = zarr_array(read_node(tmp_path))
    ranges = [[range(a, b) for a in range(n) for b in range(a + 1, n + 1)] for n in array.shape]
    for rows, columns in itertools.product(*ranges):
        part = read_box(described, tmp_path, [rows, columns])
        np.testing.assert_array_equal(part, array[rows.start : rows.stop, columns.start : columns.stop])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("after", [[], [Crc32cCodec()]], ids=["alone", "checked"])
def test_of_a_chunk_of_blosc_only_the_blocks_in_question_are_inflated(tmp_path, order, after):
    array = np.arange(90 * 64, dtype="int32").reshape(90, 64) // 7
    stored = zarr.create_array(
        tmp_path, shape=array.shape, chunks=array.shape, dtype="int32", fill_value=0,
        filters=[TransposeCodec(order=order)], compressors=[BloscCodec(cname="zstd", blocksize=1000, clevel=5), *after],
    )  # fmt: skip
    stored[...] = array
    file = tmp_path / "c" / "0" / "0"
    raw = file.read_bytes()
    size = int.from_bytes(raw[8:12], "little")
    assert array.nbytes // size > 10  # blocks of 1000 bytes, and one that is not full
    assert array.nbytes % size
    for first, last in ((0, 1), (3, 4), (0, 33), (15, 50), (63, 64), (7, 64)):
        part = found(tmp_path, [range(first, last), range(first, min(last, 64))])
        np.testing.assert_array_equal(part, array[first:last, first:last])
    # What is damaged in one block is found by whoever wants that block.
    places = np.frombuffer(raw, "<i4", -(-array.nbytes // size), 16)
    start = sorted(places)[-1]
    if not after:
        file.write_bytes(raw[:start] + b"\xff" * (len(raw) - start))
        rows = [range(1), range(64)] if order == (0, 1) else [range(90), range(1)]
        np.testing.assert_array_equal(found(tmp_path, rows), array[rows[0].start : rows[0].stop, : len(rows[1])])
        with pytest.raises(ValueError, match="is damaged"):
            found(tmp_path)


def test_a_chunk_whose_blocks_have_no_places_is_refused(tmp_path):
    stored = zarr.create_array(tmp_path, shape=(4096,), chunks=(4096,), dtype="uint8", compressors=[BloscCodec()])
    stored[...] = np.arange(4096) // 16
    file = tmp_path / "c" / "0"
    raw = bytearray(file.read_bytes())
    raw[8:12] = (1).to_bytes(4, "little")  # so many blocks that the table of their places would not fit
    file.write_bytes(raw)
    for box in ([range(4096)], [range(4095, 4096)]):
        with pytest.raises(ValueError, match="is damaged"):
            found(tmp_path, box)


def test_large_boxes_are_read_in_two_threads(tmp_path):
    array = random_array((80, 90, 100), "uint16")
    stored = zarr.create_array(tmp_path, shape=array.shape, chunks=(32,) * 3, shards=(64,) * 3, dtype="uint16")
    stored[...] = array
    np.testing.assert_array_equal(found(tmp_path), array)
