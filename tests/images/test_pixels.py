"""Compressed pixels, by Python's zlib and by zlib-ng: the same numbers, and the same files are refused."""

import gzip
import zlib

import numpy as np
import pytest

from mia_functional import images
from mia_functional._core import optional
from mia_functional.geometry import Geometry
from mia_functional.images import pixels
from mia_functional.images.header import INFLATE_BLOCK

from .cases import random_array

FASTER = pytest.param("zlib_ng.zlib_ng", marks=pytest.mark.skipif(
    optional.installed("zlib_ng.zlib_ng") is None, reason="zlib-ng is not installed"
))  # fmt: skip


@pytest.fixture(params=["zlib", FASTER])
def inflater(request, monkeypatch):
    """Let files be inflated by one of the two libraries."""
    monkeypatch.setattr(pixels, "_INFLATER", optional.installed(request.param))


def nifti(tmp_path, shape=(5, 4, 3)):
    """The array and the bytes of an uncompressed file that is there no more, and the path of a compressed one."""
    array = random_array(shape, "int16")
    images.write(tmp_path / "x.nii", array, Geometry(shape=shape, spacing=(1, 1, 1)))
    raw = (tmp_path / "x.nii").read_bytes()
    (tmp_path / "x.nii").unlink()
    return array, raw, tmp_path / "x.nii.gz"


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_numbers_are_those_that_were_compressed(tmp_path, level):
    array, raw, path = nifti(tmp_path, (40, 80, 70))
    path.write_bytes(gzip.compress(raw, level))
    assert path.stat().st_size > 3 * INFLATE_BLOCK
    np.testing.assert_array_equal(images.read(path)[0], array)


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("cut", [1, 100, 352, 471, -1, INFLATE_BLOCK - 23])
def test_members_follow_each_other_wherever_one_ends(tmp_path, cut):
    """Uncompressed members have 23 bytes besides: one of them ends with the block that is read at a time."""
    array, raw, path = nifti(tmp_path, (40, 40, 40))
    members = [gzip.compress(raw[:cut], 0), gzip.compress(b"", 0), gzip.compress(raw[cut:])]
    path.write_bytes(b"".join(members))
    np.testing.assert_array_equal(images.read(path)[0], array)
    for tail in (b"\0", b"\x1f", b"\x1f\x8b", members[0][:-1], zlib.compress(b"")):
        path.write_bytes(b"".join(members) + tail)
        with pytest.raises(ValueError, match=r"damaged|end too early|and there are more"):
            images.read(path)


@pytest.mark.usefixtures("inflater")
def test_no_cut_and_no_flipped_bit_of_the_end_is_read(tmp_path):
    _, raw, path = nifti(tmp_path)
    whole = gzip.compress(raw)
    for length in range(1, 60):
        path.write_bytes(whole[:-length])
        with pytest.raises(ValueError, match="end too early"):
            images.read(path)
    # The last eight bytes are the checksum and the length.
    for place in range(1, 9):
        broken = bytearray(whole)
        broken[-place] ^= 0x10
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="damaged"):
            images.read(path)


@pytest.mark.usefixtures("inflater")
def test_more_than_was_announced_is_not_kept(tmp_path):
    _, raw, path = nifti(tmp_path)
    path.write_bytes(gzip.compress(raw + bytes(1 << 24)))
    with pytest.raises(ValueError, match="announces 472 bytes of pixels, and there are more"):
        images.read(path)


def test_an_extra_makes_the_faster_library_the_one_that_is_used():
    faster = optional.installed("zlib_ng.zlib_ng")
    assert (faster or zlib) is pixels._INFLATER
    assert optional.installed("a_package_that_is_not_there") is None
