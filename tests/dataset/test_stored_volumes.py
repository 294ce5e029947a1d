"""Datasets of metadata whose files are in chunks: patches read the chunks in which they lie, and nothing else."""

import os
import shutil
from functools import partial

import numpy as np
import pytest

from mia_functional import dataset, images
from mia_functional.dataset import Entry, Subject
from mia_functional.geometry import Geometry
from mia_functional.images import stored_images

GRID = Geometry(shape=(40, 50, 60), spacing=(3.0, 1.0, 2.0), origin=(5.0, 6.0, 7.0))
RNG = np.random.default_rng(0)
T1 = RNG.integers(-900, 900, GRID.shape).astype(np.int16)
PAIR = RNG.integers(0, 255, (*GRID.shape, 2)).astype(np.uint8)
LABELS = RNG.integers(0, 3, GRID.shape).astype(np.uint8)


PATTERNS = {
    "images": {"T1": "{subject}_T1.ome.zarr", "pair": "{subject}_pair.nii.zarr"},
    "labels": {"seg": "{subject}_seg.ome.zarr"},
}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A cohort of one subject in OME-Zarr and NIfTI-Zarr, with its dataset of metadata; not to be changed."""
    path = tmp_path_factory.mktemp("cohort")
    images.write(path / "A_T1.ome.zarr", T1, GRID)
    images.write(path / "A_pair.nii.zarr", PAIR, GRID)
    images.write(path / "A_seg.ome.zarr", LABELS, GRID)
    dataset.create(path / "cohort.h5", dataset.discover(path, PATTERNS), metadata_only=True)
    return path


@pytest.fixture
def folder(original, tmp_path):
    """A copy of the cohort that a test may change."""
    return shutil.copytree(original, tmp_path / "cohort")


@pytest.fixture
def opened(original):
    """The dataset of metadata."""
    return dataset.open(original / "cohort.h5")


STACK = np.concatenate([T1[..., None], PAIR], axis=-1)


def test_stored_datasets_hold_the_same(original, opened, tmp_path):
    dataset.create(tmp_path / "stored.h5", dataset.discover(original, PATTERNS))
    stored = dataset.open(tmp_path / "stored.h5")
    for category in ("images", "labels"):
        np.testing.assert_array_equal(dataset.read(opened, "A", category), dataset.read(stored, "A", category))
    assert dataset.geometry(opened, "A") == GRID


@pytest.mark.parametrize(
    "index",
    [
        (slice(3, 9), slice(30, 40), slice(0, 60)),
        (..., 0),
        (..., slice(1, 3)),
        (5, slice(None, None, -7), 3, 1),
        -1,
        (slice(4, 4),),
        (slice(0, 2), 1, slice(3, 5), slice(None, None, -1)),
    ],
)
def test_parts_are_what_numpy_cuts(opened, index):
    found = dataset.read(opened, "A", "images", index=index)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, STACK[index])


def test_entries_are_picked(opened):
    part = (slice(0, 5), slice(0, 5), slice(0, 5))
    np.testing.assert_array_equal(dataset.read(opened, "A", "labels", index=part, entries="seg"), LABELS[part])
    with pytest.raises(IndexError):
        dataset.read(opened, "A", "images", index=40)


def test_patches_read_only_their_chunks(opened, monkeypatch):
    boxes = []

    def spy(array, root, box):
        boxes.append((root.name, tuple((span.start, span.stop) for span in box)))
        return read(array, root, box)

    read = stored_images.read_box
    monkeypatch.setattr(stored_images, "read_box", spy)
    dataset.read(opened, "A", "images", index=(slice(1, 9), 2, slice(3, 5), 0))
    assert boxes == [("A_T1.ome.zarr", ((1, 9), (2, 3), (3, 5)))]
    boxes.clear()
    dataset.read(opened, "A", "labels", index=(slice(1, 9), 2, 3))
    assert boxes == [("A_seg.ome.zarr", ((1, 9), (2, 3), (3, 4)))]


def test_what_has_to_be_changed_is_read_whole(folder):
    turned = Geometry(shape=GRID.shape, spacing=GRID.spacing, origin=(5.0, 6.0, 7.0 + 59 * 2.0),
                      direction=((1, 0, 0), (0, 1, 0), (0, 0, -1)))  # fmt: skip
    images.write(folder / "A_turned.nii.zarr", T1, turned)
    images.write(folder / "A_floats.ome.zarr", LABELS.astype(np.float32), GRID)
    patterns = {"images": {"T1": "{subject}_T1.ome.zarr", "turned": "{subject}_turned.nii.zarr"},
                "labels": {"seg": "{subject}_floats.ome.zarr"}}  # fmt: skip
    subjects = dataset.discover(folder, patterns)
    dataset.create(folder / "b.h5", subjects, metadata_only=True, align="reorient")
    opened = dataset.open(folder / "b.h5")
    np.testing.assert_array_equal(dataset.read(opened, "A", "images", index=(..., 1)), T1[..., ::-1])
    labels = dataset.read(opened, "A", "labels", index=(slice(0, 5), 1))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels[..., 0], LABELS[:5, 1])


def test_readers_of_users_are_called(folder):
    def load(path):
        array, grid = images.read(path)
        return array + 1, grid

    entry = Entry(category="images", name="T1", path=folder / "A_T1.ome.zarr")
    for reader, expected in ((load, T1 + 1), (partial(images.read, max_bytes=10**6), T1), (images.read_stored, T1)):
        dataset.create(folder / "c.h5", [Subject(name="A", entries=(entry,))], load=reader, metadata_only=True,
                       overwrite=True)  # fmt: skip
        opened = dataset.open(folder / "c.h5", load=reader)
        np.testing.assert_array_equal(dataset.read(opened, "A", "images", index=(..., 0)), expected)
        dataset.close(opened)


def test_replaced_stores_are_noticed(folder):
    opened = dataset.open(folder / "cohort.h5")
    dataset.read(opened, "A", "images", index=0)
    images.write(folder / "A_T1.ome.zarr", T1 + 1, GRID, overwrite=True)
    np.testing.assert_array_equal(dataset.read(opened, "A", "images", index=(..., 0)), T1 + 1)
    images.write(folder / "A_T1.ome.zarr", T1[:20], Geometry(shape=(20, 50, 60), spacing=GRID.spacing), overwrite=True)
    with pytest.raises(ValueError, match=r"^read: .* must lie on one grid"):
        dataset.read(opened, "A", "images", index=(..., 0))


def test_levels_and_label_images_are_found_by_patterns(folder):
    (folder / "A_T1.ome.zarr" / "labels").mkdir()
    (folder / "A_seg.ome.zarr").rename(folder / "A_T1.ome.zarr" / "labels" / "organs")
    patterns = {
        "images": {"T1": "{subject}_T1.ome.zarr/0"},
        "labels": {"organs": "{subject}_T1.ome.zarr/labels/organs"},
    }
    dataset.create(folder / "d.h5", dataset.discover(folder, patterns), metadata_only=True)
    opened = dataset.open(folder / "d.h5")
    np.testing.assert_array_equal(dataset.read(opened, "A", "labels")[..., 0], LABELS)
    np.testing.assert_array_equal(dataset.read(opened, "A", "images", index=(3, ..., 0)), T1[3])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_what_is_no_part_of_an_image_is_not_read(folder):
    store = folder / "A_T1.ome.zarr"
    os.mkfifo(store / "pipe")
    (store / "everything").symlink_to("/")
    (store / "endless").symlink_to("/dev/zero")
    (store / "nowhere").symlink_to(folder / "missing")
    dataset.create(folder / "e.h5", dataset.discover(folder, PATTERNS), metadata_only=True)
    opened = dataset.open(folder / "e.h5")
    np.testing.assert_array_equal(dataset.read(opened, "A", "images", index=(3, ..., 0)), T1[3])
