"""Reading: any part of any array of a file."""

import os

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import dataset, images
from mia_functional.dataset import Storage
from mia_functional.dataset._hdf5 import handles
from mia_functional.geometry import Geometry

from .cases import total

LARGE = (40, 50, 60, 3)


VOLUME = np.random.default_rng(0).normal(size=LARGE).astype(np.float32)


@pytest.fixture(scope="module", params=[None, "gzip"])
def large(request, tmp_path_factory):
    """A dataset whose arrays are large enough for requests to read ahead, mapped or in chunks."""
    path = tmp_path_factory.mktemp("large") / "x.h5"
    someone = dataset.Subject(name="A", entries=(dataset.Entry(category="n", name="x", value=1.0),))
    grid = Geometry(shape=LARGE[:3], spacing=(1, 1, 1))
    dataset.create(
        path, [someone], transform=lambda s: {**s, "images": VOLUME, "geometry": grid},
        storage=Storage(compression=request.param),
    )  # fmt: skip
    return dataset.open(path)


@st.composite
def entries(draw, size):
    """One entry of an index: a position or a slice, from any end, in any direction."""
    if draw(st.booleans()):
        return draw(st.integers(-size, size - 1))
    return draw(st.slices(size))


def check_any_index(large, data):
    """Compare a part, read twice: from a file that was opened for it, and from one that is open."""
    index = tuple(data.draw(entries(size)) for size in LARGE[: data.draw(st.integers(0, 4))])
    handles.release(large.path)
    for _ in "12":
        region = dataset.read(large, "A", "images", index=index)
        np.testing.assert_array_equal(region, VOLUME[index])
    if region.ndim:
        assert region.flags.writeable
        assert region.flags.c_contiguous or region.flags.owndata


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_index_is_that_of_numpy(large, data):
    check_any_index(large, data)


@pytest.mark.full
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_many_indices_are_those_of_numpy(large, data):
    check_any_index(large, data)


def test_reading_into_an_array(large):
    out = np.full((4, 50, 60, 3), np.nan, np.float32)
    assert dataset.read(large, "A", "images", index=slice(3, 7), out=out) is out
    np.testing.assert_array_equal(out, VOLUME[3:7])
    wide = dataset.read(large, "A", "images", index=(2,), out=np.empty((50, 60, 3)))
    np.testing.assert_array_equal(wide, VOLUME[2])
    for shape in ((4, 4), (40, 50, 60, 3)):
        with pytest.raises(ValueError, match=r"`out` must have the shape of the part, \(1, 50, 60, 3\); got shape"):
            dataset.read(large, "A", "images", index=slice(0, 1), out=np.empty(shape))
    with pytest.raises(TypeError, match="`out` must be able to hold float32; got int32"):
        dataset.read(large, "A", "images", out=np.empty(LARGE, np.int32))
    frozen = np.empty(LARGE, np.float32)
    frozen.flags.writeable = False
    for out in (frozen, [1.0]):
        with pytest.raises(TypeError, match="`out` must be a NumPy array that can be written to; got"):
            dataset.read(large, "A", "images", out=out)


def test_what_is_not_there_is_named(large, cohort):
    for arguments, message in (
        (("B", "images"), "`subject` must be one of A; got 'B'"),
        ((1, "images"), "`subject` must lie within 0 and 0; got 1"),
        (("A", "labels"), "`category` must be one of n, images; got 'labels'"),
    ):
        with pytest.raises(ValueError, match=message):
            dataset.read(large, *arguments)
    for index in ((40,), (..., 3), (0, 0, 0, 0, 0)):
        with pytest.raises(IndexError, match="read: `index` must lie within the array; got"):
            dataset.read(large, "A", "images", index=index)
    with pytest.raises(ValueError, match="`entries` must be of T1, T2; got T3"):
        dataset.read(cohort, "A", "images", entries="T3")
    with pytest.raises(ValueError, match="a file that names them"):
        dataset.read(large, "A", "images", entries="T1")


@pytest.mark.parametrize(
    "index",
    [[0, 2], np.array([0, 2]), np.ones(LARGE[:3], bool), None, 1.5, True, (0, "a"), slice(0.0, 2.0), slice(0, 4, 0)],
)
def test_an_index_is_of_integers_and_slices(large, index):
    with pytest.raises(TypeError, match=r"read: `index` must be of integers, slices of them"):
        dataset.read(large, "A", "images", index=index)


def test_entries_and_index_do_not_take_the_same_axis(cohort):
    whole = dataset.read(cohort, "B", "images")
    for index in (..., 3, (3, ...), (3, 4, 5), (slice(None), 2, 5, ...)):
        found = dataset.read(cohort, "B", "images", index=index, entries="T2")
        np.testing.assert_array_equal(found, whole[..., 1][index])
    for index in ((3, 4, 5, 1), (3, 4, 5, slice(1, 2)), (..., 0), (0, ..., 0), (3, 4, 5, 1, ...)):
        with pytest.raises(ValueError, match="`index` must leave the last axis to `entries`; got"):
            dataset.read(cohort, "B", "images", index=index, entries="T1")
    with pytest.raises(ValueError, match="`index` must leave the last axis"):
        dataset.read(cohort, "B", "numerical", index=0, entries="AGE")


class Unhashable:
    """A function that cannot be a part of a record."""

    __hash__ = None

    def __call__(self, path):
        return images.read(path)


def test_what_is_no_dataset_or_no_name_is_said(cohort, tmp_path):
    for call in (
        lambda: dataset.read(cohort.path, "A", "images"),
        lambda: dataset.view(cohort.path, "A", "images"),
        lambda: dataset.geometry(cohort.path, "A"),
        lambda: dataset.files(cohort.path, "A"),
        lambda: dataset.close(cohort.path),
        lambda: dataset.samples(cohort.path, indexing=len, extract=["images"]),
    ):
        with pytest.raises(TypeError, match="`dataset` must come from `open`; got '"):
            call()
    for category in (None, ["images"]):
        with pytest.raises(TypeError, match="`category` must be the name of one category; got"):
            dataset.read(cohort, "A", category)
    with pytest.raises(ValueError, match="`entries` must be of T1, T2; got \\(0,\\)"):
        dataset.read(cohort, "A", "images", entries=(0,))
    for entries in (0, np.array(["T1", "T2"])):
        with pytest.raises(TypeError, match="`entries` must be a name or a sequence of names; got"):
            dataset.read(cohort, "A", "images", entries=entries)
    for subject in (["A"], None, 1.0):
        with pytest.raises(TypeError, match="`subject` must be an identifier or a position; got"):
            dataset.read(cohort, subject, "images")
    with pytest.raises(ValueError, match="`out` must be none for texts"):
        dataset.read(cohort, "A", "gender", out=np.empty(1))
    with pytest.raises(ValueError, match="it is a folder"):
        dataset.open(tmp_path)
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(ValueError, match="it is not a regular file"):
        dataset.open(tmp_path / "pipe.h5")
    for options in ({"load": None}, {"load": 3}, {"load": Unhashable()}, {"cache_bytes": "a"}):
        with pytest.raises(TypeError, match=f"open: `{next(iter(options))}` must be a"):
            dataset.open(cohort.path, **options)


def requested(data):
    """Where the parts of a mapped array that were requested ahead ended, in rows of its planes."""
    mapped = handles.ARRAYS[(data.path, data.digest, 0, "images")]
    return list(dict.fromkeys((end - mapped.start) / mapped.array.strides[1] for end in mapped.requested[1:]))


def test_only_the_pages_of_a_part_are_requested(large, monkeypatch):
    if not isinstance(dataset.view(large, 0, "images"), np.ndarray):
        return  # chunks are read by HDF5
    for index, ends in (
        ((slice(3, 6), slice(20, 30)), [3 * 50 + 30, 4 * 50 + 30, 5 * 50 + 30]),
        ((9,), [500]),
        (..., [2000]),
        ((slice(None, None, -20), 7), [39 * 50 + 8, 19 * 50 + 8]),
        ((slice(0, 0),), []),
        ((0, 0, 0, 0), []),
    ):
        dataset.close(large)
        for _ in "12":
            np.testing.assert_array_equal(dataset.read(large, 0, "images", index=index), VOLUME[index])
        assert requested(large) == ends
    monkeypatch.setattr(handles, "_REQUESTS_PER_PLANE", 1 / 8)
    dataset.close(large)
    for number in range(40):
        np.testing.assert_array_equal(dataset.read(large, 0, "images", index=number), VOLUME[number])
    assert requested(large) == [50, 100, 150]


def test_padding_reads_no_more_than_it_needs(large):
    dataset.close(large)
    source = dataset.samples(
        large, indexing=lambda _: [(slice(-2, 5), slice(45, 52), slice(3, 6))], extract=["images"], subjects=["A"]
    )
    padded = np.pad(VOLUME, ((2, 0), (0, 2), (0, 0), (0, 0)))
    np.testing.assert_array_equal(source[0]["images"], padded[:7, 45:52, 3:6])
    if isinstance(dataset.view(large, 0, "images"), np.ndarray):
        assert requested(large) == [number * 50 + 50 - 54 / 60 for number in range(5)]


def test_a_user_block_moves_everything(cohort, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w", userblock_size=1024) as file, h5py.File(cohort.path) as old:
        for name in ("data", "meta"):
            old.copy(name, file)
    moved = dataset.open(tmp_path / "x.h5", verify=True)
    assert (moved.subjects, total(moved)) == (cohort.subjects, total(cohort))


@pytest.mark.slow
def test_whole_arrays_go_to_jax_without_a_copy(subjects, tmp_path):
    jax = pytest.importorskip("jax")
    dataset.create(tmp_path / "x.h5", subjects)
    found = dataset.open(tmp_path / "x.h5")
    memory = dataset.view(found, "B", "images")
    assert jax.device_put(memory).unsafe_buffer_pointer() == memory.ctypes.data
    with pytest.raises(ValueError, match="read-only"):
        memory[0] = 1
