"""Datasets that leave the images in their files."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from mia_functional import dataset, images
from mia_functional.dataset import volume_cache
from mia_functional.geometry import Geometry

from .cases import total


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
    assert dataset.info(found).splitlines()[2] == "images     10 x 12 x 14 x 2  in files  image    T1 T2"
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


@pytest.mark.slow
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
    got = r"got .*, shape \(2, 4, 3\) and not \(10, 12, 14\), spacing "
    with pytest.raises(ValueError, match=r"lie on one grid \(.*C_T1\.mha and .*meta\.h5 of C\); " + got):
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
    got = r"got corners up to .* apart: shift of .* mm \(cured by `create\(align=\"resample\"\)`\)\.$"
    with pytest.raises(ValueError, match=r"^read: `images` must lie on one grid \(.*T1\.mha and .*h5 of B\); " + got):
        dataset.read(found, "B", "images")


def test_an_alignment_of_another_name_is_refused(elsewhere):
    with h5py.File(elsewhere / "meta.h5", "r+") as file:
        del file.attrs["digest"]
        file["meta/files/align"] = "stretch"
    with pytest.raises(ValueError, match=r"meta\.h5.*it does not say how its files are aligned"):
        dataset.read(dataset.open(elsewhere / "meta.h5"), "B", "images")


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


@pytest.mark.slow
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
