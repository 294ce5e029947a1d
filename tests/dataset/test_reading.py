"""Reading: any part of any array, from the file, from other files, in any process."""

import hashlib
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import dataset, images
from mia_functional.dataset import volume_cache
from mia_functional.dataset._hdf5 import blocks, handles, validation
from mia_functional.dataset.records import Storage
from mia_functional.geometry import Geometry

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


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_index_is_that_of_numpy(large, data):
    index = tuple(data.draw(entries(size)) for size in LARGE[: data.draw(st.integers(0, 4))])
    handles.release(large.path)
    for _ in "12":
        found = dataset.read(large, "A", "images", index=index)
        np.testing.assert_array_equal(found, VOLUME[index])
    if found.ndim:
        assert found.flags.writeable
        assert found.flags.c_contiguous or found.flags.owndata


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
    return [(end - mapped.start) / mapped.array.strides[1] for end in mapped.requested[1:]]


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
        assert requested(large) == ends * 2
    monkeypatch.setattr(handles, "_REQUESTS_PER_PLANE", 1 / 8)
    dataset.close(large)
    for number in range(40):
        np.testing.assert_array_equal(dataset.read(large, 0, "images", index=number), VOLUME[number])
    assert requested(large) == [50, 100, 150, 200, 250]


def test_datasets_are_records(cohort, large):
    assert pickle.loads(pickle.dumps(cohort)) == cohort
    assert len({cohort, dataset.open(cohort.path), large}) == 2
    assert len(cohort) == 3
    assert repr(cohort).endswith("3 subjects with images (T1 T2), labels (GT), numerical (AGE GPA), gender (GENDER))")
    assert dataset.info(cohort).splitlines()[1:] == [
        "3 subjects: A, B, C",
        "images     10 x 12 x 14 x 2  float32  T1 T2",
        "labels     10 x 12 x 14 x 1  uint8    GT",
        "numerical  2                 float64  AGE GPA",
        "gender     1                 text     GENDER",
        "spacing in mm: 3 x 1..3 x 0.7",
    ]


def test_digests_of_files_can_be_compared_with_the_files(subjects, cohort, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects, storage=Storage(file_digests=True))
    found = dataset.open(tmp_path / "x.h5")
    for subject in found.subjects:
        paths, digests = dataset.files(found, subject), dataset.file_digests(found, subject)
        assert paths.keys() == digests.keys()
        for name, files in paths.items():
            contents = [(tmp_path / file).read_bytes() for file in files]
            assert digests[name] == tuple(hashlib.sha256(content).hexdigest() for content in contents)
    assert dataset.file_digests(cohort, "A") == {}


def test_images_without_a_place_are_described(tmp_path):
    someone = dataset.Subject(name="A", entries=(dataset.Entry(category="n", name="x", value=1.0),))
    volume = np.zeros((4, 5, 6, 1), np.uint8)
    dataset.create(tmp_path / "x.h5", [someone], transform=lambda sample: {**sample, "images": volume})
    found = dataset.open(tmp_path / "x.h5")
    assert dataset.info(found).splitlines()[-1].split() == ["images", "4", "x", "5", "x", "6", "x", "1", "uint8", "?"]
    with pytest.raises(ValueError, match="geometry: `dataset` must say where its images lie; got Dataset"):
        dataset.geometry(found, "A")


def test_stored_arrays_may_be_of_any_size_and_compressed_ones_may_not(cohort, subjects, tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "MAX_BYTES", 1000)
    dataset.close(cohort)
    assert dataset.read(cohort, "A", "images").nbytes > 1000
    dataset.create(tmp_path / "x.h5", subjects, storage=Storage(compression="gzip"))
    with pytest.raises(ValueError, match="declares 13440 bytes in chunks, and 1000 are the most"):
        dataset.read(dataset.open(tmp_path / "x.h5"), "A", "images")
    monkeypatch.setattr(blocks, "MAX_BYTES", 1000)
    dataset.create(tmp_path / "y.h5", subjects)
    with pytest.raises(ValueError, match="`storage` must be without compression where arrays exceed 1000 bytes"):
        dataset.create(tmp_path / "z.h5", subjects, storage=Storage(compression="gzip"))


def total(found):
    """A sum that another process computes."""
    return float(dataset.read(found, "B", "images").sum())


def test_other_processes_open_their_own_handles(cohort):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(total, [cohort] * 4)) == [total(cohort)] * 4


FORKED = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import torch
from mia_functional import dataset, indexing

def total(found):
    return float(dataset.read(found, "B", "images").sum())

found = dataset.open(sys.argv[1])
expected = total(found)
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
    assert list(pool.map(total, [found] * 4)) == [expected] * 4
samples = dataset.samples(found, indexing=indexing.slices, extract=["images"])
options = {"collate_fn": dataset.collate, "num_workers": 2, "multiprocessing_context": "fork"}
loader = torch.utils.data.DataLoader(samples, 5, **options)
for batch, again in zip(loader, dataset.prefetch(samples, batch_size=5), strict=True):
    assert (batch["images"] == again["images"]).all() and batch["subject"] == again["subject"]
assert total(found) == expected
"""


def test_forked_processes_do_not_inherit_handles(cohort):
    command = [sys.executable, "-W", "error", "-c", FORKED, cohort.path]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, cwd=Path(__file__).parents[2])
    assert result.returncode == 0, result.stderr


def test_arrays_outlive_their_file(subjects, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects)
    found = dataset.open(tmp_path / "x.h5")
    view = dataset.view(found, 0, "images")
    expected = np.array(view)
    handles.release(found.path)
    (tmp_path / "x.h5").unlink()
    np.testing.assert_array_equal(view, expected)
    with pytest.raises(FileNotFoundError, match=r"x\.h5"):
        dataset.read(found, 0, "images")


def test_only_so_many_files_stay_open(subjects, tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "OPEN_FILES", 3)
    found = []
    for number in range(5):
        dataset.create(tmp_path / f"{number}.h5", subjects)
        found.append(dataset.open(tmp_path / f"{number}.h5"))
    assert len(handles._HANDLES) == 3
    assert len({total(one) for one in found}) == 1


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_files_may_close_while_threads_read(compression, subjects, cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "OPEN_FILES", 2)
    found = []
    for number in range(4):
        dataset.create(tmp_path / f"{number}.h5", subjects, storage=Storage(compression=compression, durable=False))
        found.append(dataset.open(tmp_path / f"{number}.h5"))
    expected = dataset.read(cohort, "B", "images")

    def same(turn):
        if turn % 7 == 0:
            dataset.close(found[turn % 3])
        plane = dataset.read(found[turn % 4], "B", "images", index=turn % 10)
        return bool((plane == expected[turn % 10]).all())

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(same, range(300)))


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


# Datasets that leave the images in their files


@pytest.fixture
def elsewhere(folder, subjects, tmp_path):
    """A dataset of metadata, beside copies of the files."""
    for path in folder.iterdir():
        shutil.copy(path, tmp_path)
    moved = [
        dataset.Subject(
            name=s.name,
            entries=tuple(
                e if e.path is None else dataset.Entry(
                    category=e.category, name=e.name, path=str(tmp_path / os.path.basename(e.path))
                )
                for e in s.entries
            ),
        )
        for s in subjects
    ]  # fmt: skip
    dataset.create(tmp_path / "meta.h5", moved, metadata_only=True)
    return tmp_path


def test_a_dataset_of_metadata_reads_like_any_other(elsewhere, cohort):
    found = dataset.open(elsewhere / "meta.h5")
    assert found.grids == cohort.grids
    assert [category.stored for category in found.categories] == [False, False, True, True]
    for name in cohort.subjects:
        assert dataset.geometry(found, name) == dataset.geometry(cohort, name)
        for category in ("images", "labels", "numerical"):
            for index in (..., 0) if category == "numerical" else (..., (3,), (slice(2, 5), slice(None, None, 2))):
                expected = dataset.read(cohort, name, category, index=index)
                np.testing.assert_array_equal(dataset.read(found, name, category, index=index), expected)
        assert dataset.read(found, name, "gender") == dataset.read(cohort, name, "gender")
    samples = [
        dataset.samples(one, indexing=lambda s: [(0,), (s[0] - 1,)], extract=["images"]) for one in (found, cohort)
    ]
    for one, other in zip(*samples, strict=True):
        np.testing.assert_array_equal(one["images"], other["images"])
    assert dataset.verify(found) == ()
    assert dataset.info(found).splitlines()[2] == "images     10 x 12 x 14 x 2  in files  T1 T2"
    assert not dataset.view(found, "A", "images").flags.writeable
    assert os.path.getsize(elsewhere / "meta.h5") < os.path.getsize(cohort.path) / 2


def test_files_may_move_with_a_root(elsewhere, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    shutil.copy(elsewhere / "meta.h5", other)
    found = dataset.open(other / "meta.h5")
    with pytest.raises(FileNotFoundError, match=r"A_T1\.mha"):
        dataset.read(found, "A", "images")
    moved = dataset.open(other / "meta.h5", root=elsewhere)
    assert total(moved) == total(dataset.open(elsewhere / "meta.h5"))


def test_files_outside_of_the_folder_need_a_root(subjects, folder, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects, metadata_only=True)
    with pytest.raises(ValueError, match="be opened with `root=`, as its files lie outside of its folder"):
        dataset.read(dataset.open(tmp_path / "x.h5"), "A", "images")
    assert dataset.read(dataset.open(tmp_path / "x.h5", root=folder), "A", "images").shape == (10, 12, 14, 2)
    for name in ("/etc/hostname", "../x.mha", "..\\x.mha", "c:x.mha"):
        dataset.close(dataset.open(tmp_path / "x.h5"))
        with h5py.File(tmp_path / "x.h5", "r+") as file:
            del file.attrs["digest"]
            file["meta/files/images_files"][0, 0] = name
        with pytest.raises(ValueError, match="name a dataset whose files lie in one folder"):
            dataset.read(dataset.open(tmp_path / "x.h5", root=folder), "A", "images")
        dataset.create(tmp_path / "x.h5", subjects, metadata_only=True, overwrite=True)


def test_changed_files_are_noticed(elsewhere):
    found = dataset.open(elsewhere / "meta.h5")
    array, grid = images.read(elsewhere / "B_T1.mha")
    images.write(elsewhere / "B_T1.mha", array + 1, grid, overwrite=True)
    assert dataset.verify(found) == ("images of B is not what was written.",)
    small = Geometry(shape=(2, 3, 4), spacing=(1, 1, 1))
    for entry in ("T1", "T2"):
        images.write(elsewhere / f"C_{entry}.mha", np.zeros((2, 3, 4), np.float32), small, overwrite=True)
    with pytest.raises(ValueError, match=r"lie on one grid \(.*C_T1\.mha and .*meta\.h5 of C\); got shape \(2, 3, 4\)"):
        dataset.read(found, "C", "images")


def test_kept_volumes_never_stand_for_other_files(elsewhere, tmp_path):
    found = dataset.open(elsewhere / "meta.h5")
    before = dataset.read(found, "B", "images")
    copied = tmp_path / "copied"
    shutil.copytree(elsewhere, copied)
    for entry in ("T1", "T2"):
        array, grid = images.read(copied / f"B_{entry}.mha")
        images.write(copied / f"B_{entry}.mha", array + 1, grid, overwrite=True)
    moved = dataset.open(elsewhere / "meta.h5", root=copied)
    np.testing.assert_array_equal(dataset.read(moved, "B", "images"), before + 1)
    tenfold = dataset.open(elsewhere / "meta.h5", load=tenfold_of)
    np.testing.assert_array_equal(dataset.read(tenfold, "B", "images"), before * 10)
    with pytest.raises(FileNotFoundError):
        dataset.read(dataset.open(elsewhere / "meta.h5", root=tmp_path / "none"), "B", "images")
    shutil.copy(copied / "B_T1.mha", elsewhere / "B_T1.mha")
    np.testing.assert_array_equal(dataset.read(found, "B", "images")[..., 0], before[..., 0] + 1)
    dataset.close(found)
    assert not any(key[0] == found.path for key in volume_cache._VOLUMES)


def tenfold_of(path):
    """Load an image and multiply it."""
    array, grid = images.read(path)
    return array * 10, grid


def test_verify_reads_files_anew_even_if_their_size_and_time_are_the_same(elsewhere):
    found = dataset.open(elsewhere / "meta.h5")
    dataset.read(found, "B", "images")
    place = elsewhere / "B_T1.mha"
    state, content = place.stat(), bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)
    os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert dataset.verify(found) == ("images of B is not what was written.",)


def test_files_have_to_lie_where_the_dataset_says(elsewhere):
    found = dataset.open(elsewhere / "meta.h5")
    array, grid = images.read(elsewhere / "B_T1.mha")
    images.write(elsewhere / "B_T1.mha", array, replace(grid, origin=(9.0, 9.0, 9.0)), overwrite=True)
    with pytest.raises(ValueError, match=r"lie on one grid \(.*B_T1\.mha and .*meta\.h5 of B\); got origin"):
        dataset.read(found, "B", "images")


def test_what_a_loader_returns_stays_writable_and_is_stored_in_native_order(tmp_path):
    kept = np.arange(24, dtype=">i2").reshape(2, 3, 4)
    (tmp_path / "A.npy").touch()
    someone = dataset.Subject(name="A", entries=(dataset.Entry(category="images", name="x", path=f"{tmp_path}/A.npy"),))

    def load(_):
        return kept, Geometry(shape=(2, 3, 4), spacing=(1, 1, 1))

    dataset.create(tmp_path / "x.h5", [someone], load=load, metadata_only=True)
    found = dataset.open(tmp_path / "x.h5", load=load)
    assert dataset.verify(found) == ()
    assert dataset.read(found, "A", "images").dtype == np.dtype("<i2")
    assert kept.flags.writeable


HELD = """
import os, signal, sys
from mia_functional import dataset
from mia_functional.dataset._hdf5 import handles
from mia_functional.images import itk_globals
found = dataset.open(sys.argv[1])
expected = dataset.read(found, "A", "images")
with handles.FILES_LOCK, itk_globals._LOCK:
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        same = (dataset.read(found, "A", "images") == expected).all() and dataset.read(found, "B", "images").any()
        os._exit(0 if same else 1)
sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_process_that_is_forked_while_a_thread_reads_can_read(elsewhere):
    command = [sys.executable, "-c", HELD, str(elsewhere / "meta.h5")]
    assert subprocess.run(command, timeout=120, cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_the_last_volumes_are_kept(elsewhere):
    loaded = []

    def load(path):
        loaded.append(Path(path).name)
        return images.read(path)

    volume_cache._VOLUMES.clear()
    size = 10 * 12 * 14 * 2 * 4
    found = dataset.open(elsewhere / "meta.h5", load=load, cache_bytes=2 * size)
    for name in "AABABCCA":
        dataset.read(found, name, "images", index=(0,))
    assert [name[0] for name in loaded[::2]] == ["A", "B", "C", "A"]
    assert sum(kept.nbytes for kept in volume_cache._VOLUMES.values()) <= 2 * size


def test_whole_arrays_go_to_jax_without_a_copy(subjects, tmp_path):
    jax = pytest.importorskip("jax")
    dataset.create(tmp_path / "x.h5", subjects)
    found = dataset.open(tmp_path / "x.h5")
    memory = dataset.view(found, "B", "images")
    assert jax.device_put(memory).unsafe_buffer_pointer() == memory.ctypes.data
    with pytest.raises(ValueError, match="read-only"):
        memory[0] = 1
