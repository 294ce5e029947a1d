"""Stores of Zarr that a stranger damaged or made to do harm: each is one sentence, before anything large is made."""

import gzip
import os
import zlib

import numcodecs
import numpy as np
import pytest
import zarr

from mia_functional import images

from .zarr_cases import ARRAY, array_fields, describe, group_fields, image_attributes, put_array, put_image

ONE = [((3, 2, 1), (0, 0, 0))]


def refused(path, words, **options):
    with pytest.raises(ValueError, match=f"^read: `path` must name a complete, well-formed image file; got .*{words}"):
        images.read(path, **options)


@pytest.fixture
def store(tmp_path):
    """An image of one level in one chunk."""
    return put_image(tmp_path / "a.ome.zarr", ARRAY, levels=ONE)


def sharding(**options):
    """The codecs of shards."""
    plain = {
        "chunk_shape": [2, 5, 6], "codecs": ["bytes"], "index_location": "end",
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    }  # fmt: skip
    return [{"name": "sharding_indexed", "configuration": {**plain, **options}}]


def chunks(*sizes):
    """A regular grid of chunks."""
    return {"name": "regular", "configuration": {"chunk_shape": list(sizes)}}


HOSTILE = {
    "a shape of quintillions": ({"shape": [10**18] * 3, "chunk_grid": chunks(1, 1, 1)}, "cut into|takes"),
    "a shape beyond 62 bits": ({"shape": [4, 5, 2**62]}, "its shape is"),
    "a shape of zero": ({"shape": [4, 0, 6]}, "its shape is"),
    "a negative shape": ({"shape": [4, -5, 6]}, "its shape is"),
    "a shape of fractions": ({"shape": [4.0, 5, 6]}, "its shape is"),
    "a shape of truth": ({"shape": [4, True, 6]}, "its shape is"),
    "a shape of text": ({"shape": "456"}, "its shape is"),
    "a shape of a thousand axes": ({"shape": [1] * 1000}, "its shape is"),
    "chunks of other axes": ({"chunk_grid": chunks(4, 5)}, "do not fit"),
    "chunks of nothing": ({"chunk_grid": chunks(4, 5, 0)}, "its chunk_shape is"),
    "a chunk of exabytes": ({"chunk_grid": chunks(2**20, 2**20, 2**20)}, "a chunk takes 2305843009213693952 bytes"),
    "rectangular chunks": ({"chunk_grid": {"name": "rectangular"}}, "its chunks are 'rectangular'"),
    "objects": ({"data_type": "object"}, "its data type is 'object'"),
    "texts": ({"data_type": {"name": "fixed_length_utf32"}}, "its data type is"),
    "complex numbers": ({"data_type": "complex64"}, "its data type is"),
    "raw bits": ({"data_type": "r16"}, "its data type is"),
    "pickles": ({"codecs": [{"name": "numcodecs.pickle"}]}, "its codecs begin with"),
    "pickles behind bytes": ({"codecs": ["bytes", {"name": "numcodecs.pickle"}]}, "its codec is 'numcodecs.pickle'"),
    "no codecs": ({"codecs": []}, "names no codecs"),
    "a hundred codecs": ({"codecs": ["bytes"] + ["gzip"] * 100}, "names no codecs, or too many"),
    "two compressors": ({"codecs": ["bytes", "gzip", "zstd"]}, "it was compressed twice"),
    "codecs without a name": ({"codecs": [{"configuration": {}}]}, "names neither a codec"),
    "axes turned twice": ({"codecs": [{"name": "transpose", "configuration": {"order": [0, 0, 1]}}]}, "has the order"),
    "axes turned by words": ({"codecs": [{"name": "transpose", "configuration": {"order": "C"}}]}, "has the order"),
    "bytes of a strange order": ({"codecs": [{"name": "bytes", "configuration": {"endian": "middle"}}]}, "its bytes"),
    "shards of parts of chunks": ({"codecs": sharding(chunk_shape=[3, 5, 6])}, "are not made of whole chunks"),
    "shards of millions of chunks": (
        {"chunk_grid": chunks(512, 512, 512), "codecs": sharding(chunk_shape=[1, 1, 1])}, "its shards hold 134217728",
    ),
    "shards within shards": ({"codecs": sharding(codecs=sharding())}, "its codecs begin with"),
    "shards that are compressed": ({"codecs": [*sharding(), "gzip"]}, "are encoded as a whole"),
    "an index that is compressed": ({"codecs": sharding(index_codecs=["bytes", "gzip"])}, "index of its shards"),
    "an index in the middle": ({"codecs": sharding(index_location="middle")}, "index of its shards"),
    "an index that is cut off": ({"codecs": sharding(chunk_shape=[1, 1, 1])}, "ends within the index"),
    "storage that is transformed": ({"storage_transformers": [{"name": "x"}]}, "its storage is transformed"),
    "an extension": ({"elsewhere": {"url": "http://example.org"}}, "fields of an extension of Zarr"),
    "a fill value that is no number": ({"fill_value": "zero"}, "its fill value is 'zero'"),
    "a fill value that is too large": ({"fill_value": 10**400}, "its fill value is"),
    "a fill value that is no int16": ({"fill_value": 40000}, "its fill value is 40000"),
    "a fill value in fractions": ({"fill_value": 0.5}, "its fill value is 0.5"),
    "names of chunks": ({"chunk_key_encoding": {"name": "elsewhere"}}, "names of its chunks are"),
    "names of chunks that lead out": (
        {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "/../"}}}, "are separated by '/../'",
    ),
    "names of axes that are none": ({"dimension_names": [1, 2, 3]}, "names of its axes are"),
    "another format": ({"zarr_format": 4}, "describes neither a group nor an array"),
    "another kind of node": ({"node_type": "link"}, "describes neither a group nor an array"),
    "attributes that are none": ({"attributes": [1]}, "its attributes are no object"),
}  # fmt: skip
"""What is changed in the metadata of the level, and words of the sentence that follows."""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_metadata(store, name):
    changes, words = HOSTILE[name]
    describe(store / "0", "zarr.json", array_fields(**changes))
    refused(store, words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dtype": "|O"}, "its dtype is '|O'"),
        ({"dtype": [["r", "u1"]]}, "its dtype is"),
        ({"dtype": "<M8[s]"}, "its dtype is"),
        ({"dtype": "<f16"}, "its dtype is"),
        ({"filters": [{"id": "pickle"}]}, "it has filters"),
        ({"compressor": {"id": "pickle"}}, "its codec is 'pickle'"),
        ({"compressor": {"id": "json2"}}, "its codec is 'json2'"),
        ({"compressor": ["blosc"]}, "its codec is"),
        ({"order": "A"}, "its order is 'A'"),
        ({"dimension_separator": "/../"}, "are separated by"),
        ({"zarr_format": 3}, "describes no group or array of Zarr 2"),
        ({"chunks": [10**9] * 3}, "a chunk takes"),
    ],
)
def test_hostile_metadata_of_format_2(tmp_path, changes, words):
    store = tmp_path / "a.ome.zarr"
    attributes = image_attributes(levels=ONE)["ome"] | {"version": "0.4"}
    describe(store, ".zgroup", {"zarr_format": 2})
    describe(store, ".zattrs", attributes)
    fields = {
        "zarr_format": 2, "shape": [4, 5, 6], "chunks": [4, 5, 6], "dtype": "<i2", "compressor": None, "order": "C",
        "fill_value": 0, "filters": None,
    }  # fmt: skip
    describe(store / "0", ".zarray", fields)
    (store / "0" / "0.0.0").write_bytes(ARRAY.tobytes())
    np.testing.assert_array_equal(images.read(store)[0], ARRAY)
    describe(store / "0", ".zarray", {**fields, **changes})
    refused(store, words)


@pytest.mark.parametrize(
    "path", ["../other", "/etc", "a/../../b", "", ".", "0\0", "a\\b", "a\nb", "C:x", 5, None, "0/"]
)
def test_paths_that_lead_out_of_the_store(store, path):
    attributes = image_attributes(levels=ONE)
    attributes["ome"]["multiscales"][0]["datasets"][0]["path"] = path
    describe(store, "zarr.json", group_fields(attributes))
    refused(store, "which is no path in its folder")


def test_links_that_lead_out_of_the_store(store, tmp_path):
    chunk = store / "0" / "c" / "0" / "0" / "0"
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "0").write_bytes(ARRAY.tobytes())
    chunk.unlink()
    chunk.symlink_to(tmp_path / "secret" / "0")
    refused(store, "its chunk c/0/0/0 is not a regular file")
    chunk.unlink()
    chunk.parent.rmdir()
    chunk.parent.symlink_to(tmp_path / "secret")
    refused(store, "its chunk c/0/0/0 lies outside of its folder")
    os.rename(store / "0", tmp_path / "level")
    (store / "0").symlink_to(tmp_path / "level")
    refused(store, "is a link that leads out of it")
    os.rename(store / "zarr.json", tmp_path / "metadata.json")
    (store / "zarr.json").symlink_to(tmp_path / "metadata.json")
    refused(store, "zarr.json: it is not a regular file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_pipes_are_not_waited_for(store):
    for path in (store / "0" / "c" / "0" / "0" / "0", store / "0" / "zarr.json"):
        path.unlink()
        os.mkfifo(path)
        refused(store, "is not a regular file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is no JSON, or damaged"),
        (b"[]", "it holds no object of JSON"),
        (b'{"a": ', "it is no JSON, or damaged"),
        (b"\xff\xfe{}", "it is no JSON, or damaged"),
        (b'{"a": ' + b"[" * 200_000, "it is no JSON, or damaged"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "it is no JSON, or damaged"),
        (b"{" + b" " * (1 << 20) + b"}", "it takes more than 1048576 bytes"),
    ],
)
def test_metadata_that_are_none(store, content, words):
    describe(store, "zarr.json", content)
    refused(store, words)


NUMBERS = ARRAY.tobytes()


def codec_of(name):
    """The metadata of an array behind a compressor."""
    return array_fields(codecs=["bytes", name])


BOMB = bytes(1 << 26)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gzip", gzip.compress(BOMB)),
        ("gzip", gzip.compress(NUMBERS)[:-9]),
        ("gzip", gzip.compress(NUMBERS) + b"more"),
        ("gzip", zlib.compress(NUMBERS)),
        ("gzip", b""),
        ("zstd", numcodecs.Zstd().encode(BOMB)),
        ("zstd", numcodecs.Zstd().encode(NUMBERS)[:-9]),
        ("zstd", numcodecs.Zstd().encode(NUMBERS) + b"more"),
        # A frame that does not state its size, and repeats one byte 2^17 times in every block of four bytes.
        ("zstd", b"\x28\xb5\x2f\xfd\x00\x58" + b"\x02\x00\x10\x00" * 500 + b"\x03\x00\x10\x00"),
        ("zstd", b"\x28\xb5\x2f\xfd"),
        ("blosc", numcodecs.Blosc().encode(BOMB)),
        ("blosc", numcodecs.Blosc().encode(NUMBERS)[:-1]),
        ("blosc", numcodecs.Blosc().encode(NUMBERS) + b"more"),
        ("blosc", b"\x02\x01\x00\x02"),
        ("crc32c", NUMBERS + b"1234"),
        ("crc32c", b"123"),
    ],
)
def test_chunks_that_hold_other_than_they_should(store, name, content):
    describe(store / "0", "zarr.json", codec_of(name))
    (store / "0" / "c" / "0" / "0" / "0").write_bytes(content)
    refused(store, "a chunk of it is damaged, or holds other than 240 bytes|takes .* for 240")


@pytest.mark.parametrize("content", [b"", NUMBERS[:-1], NUMBERS + b"0", NUMBERS + bytes(10_000)])
def test_chunks_of_another_length(store, content):
    (store / "0" / "c" / "0" / "0" / "0").write_bytes(content)
    refused(store, "a chunk of it holds|takes 10240 bytes at 0, of 10240, for 240")


def test_shards_whose_index_is_wrong(tmp_path):
    store = put_image(tmp_path / "a.ome.zarr", ARRAY, levels=ONE)
    chunk = store / "0" / "c" / "0" / "0" / "0"
    describe(store / "0", "zarr.json", array_fields(codecs=sharding()))

    def shard(*entries, check=b""):
        chunk.write_bytes(NUMBERS + np.array(entries, "<u8").tobytes() + check)

    shard((0, 120), (120, 120))
    np.testing.assert_array_equal(images.read(store)[0], ARRAY)
    shard((120, 120), (2**64 - 1, 2**64 - 1))
    np.testing.assert_array_equal(images.read(store)[0][:2], ARRAY[2:])
    for wrong in ((0, 121), (2**63, 2**63), (2**64 - 121, 120), (300, 120), (0, 119), (2**64 - 1, 120)):
        shard((0, 120), wrong)
        refused(store, "its chunk in c/0/0/0 takes|a chunk of it holds")
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, "crc32c"]
    describe(store / "0", "zarr.json", array_fields(codecs=sharding(index_codecs=index)))
    shard((0, 120), (120, 120), check=b"1234")
    refused(store, "the index of its shard c/0/0/0 is damaged")


def test_sizes_are_checked_before_anything_is_read(store):
    assert images.read(store, max_bytes=240)[0].nbytes == 240
    refused(store, "a chunk takes 240 bytes, and `max_bytes` is 239", max_bytes=239)
    describe(store / "0", "zarr.json", array_fields(chunk_grid=chunks(1, 5, 6)))
    refused(store, "the image takes 240 bytes, and `max_bytes` is 239", max_bytes=239)
    image = images.open(store, max_bytes=60)
    with pytest.raises(ValueError, match="takes 240 bytes, and `max_bytes` is 60"):
        image[...]


def test_missing_chunks_hold_the_fill_value(store):
    # By the rules of Zarr: writers leave out chunks that hold nothing else.
    (store / "0" / "c" / "0" / "0" / "0").unlink()
    describe(store / "0", "zarr.json", array_fields(fill_value=-3))
    assert (images.read(store)[0] == -3).all()
    # A file where a folder would be is no chunk either.
    (store / "0" / "c" / "0" / "0").rmdir()
    (store / "0" / "c" / "0" / "0").write_bytes(b"")
    assert (images.read(store)[0] == -3).all()


def test_what_else_lies_in_a_store_is_not_looked_at(store):
    put_array(store / "pickled", ARRAY, codecs=["bytes", "numcodecs.pickle"])
    describe(store, ".zmetadata", b"\0")
    (store / "labels").symlink_to("/")
    np.testing.assert_array_equal(images.read(store)[0], ARRAY)
    assert zarr.open_group(store, mode="r")["0"].shape == ARRAY.shape
