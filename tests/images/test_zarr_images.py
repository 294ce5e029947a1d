"""Images that are opened without being read: parts, also in other processes, and what takes them as it takes arrays."""

import os
import pickle
import signal

import numpy as np
import pytest
import tensorstore

from mia_functional import evaluation, extraction, images
from mia_functional.cli import main
from mia_functional.geometry import Geometry
from mia_functional.images import Segment, Segmentation

from .cases import random_array

GRID = Geometry(shape=(40, 50, 70), spacing=(3.0, 0.7, 0.3), origin=(-101.5, 20.25, 1 / 3))
ARRAY = random_array((*GRID.shape, 2), "int16")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """An image of two channels; not to be changed."""
    path = tmp_path_factory.mktemp("stores") / "a.ome.zarr"
    images.write(path, ARRAY, GRID)
    return path


def test_tensorstore_finds_the_same(store):
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{store}/0"}}
    stored = tensorstore.open(spec, read=True).result()
    assert stored.domain.labels == ("c", "z", "y", "x")
    np.testing.assert_array_equal(stored.read().result(), np.moveaxis(ARRAY, -1, 0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
# JAX, which another test may have loaded, warns of any fork; the child does not touch it.
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
def test_forked_processes_read(store):
    # In one that was forked after tensorstore 0.1.86 had read something, it ends the process.
    image = images.open(store)
    image[...]  # in two threads
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        same = np.array_equal(image[...], ARRAY)
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_opened_images_travel(store):
    image = pickle.loads(pickle.dumps(images.open(store)))
    np.testing.assert_array_equal(image[3:5, 2], ARRAY[3:5, 2])


def test_patches_with_a_margin_are_extracted(store):
    index = (slice(0, 10), slice(40, 50), slice(30, 40))
    found = extraction.extract(images.open(store), index, margin=3)
    np.testing.assert_array_equal(found, extraction.extract(ARRAY, index, margin=3))


def test_the_command_says_what_is_in_a_store(store, tmp_path, capsys):
    for path in (store, store / "0"):
        assert main(["info", str(path)]) == 0
        assert capsys.readouterr().out == f"{path}: 40 x 50 x 70 voxels\nspacing in mm: 3 x 0.7 x 0.3\nlevels: 0\n"
    labels = np.zeros(GRID.shape, np.uint8)
    labels[3:9] = 2
    images.write_segmentation(tmp_path / "s.ome.zarr", Segmentation(labels, (Segment(label=2, name="liver"),), GRID))
    assert main(["info", str(tmp_path / "s.ome.zarr")]) == 0
    assert "2      liver" in capsys.readouterr().out


def test_folders_are_evaluated_with_the_names_of_label_images(tmp_path):
    labels = np.zeros(GRID.shape, np.uint8)
    labels[3:9], labels[20:30] = 1, 2
    segments = Segment(label=1, name="liver"), Segment(label=2, name="spleen")
    for folder, array in (("predictions", np.roll(labels, 1, axis=0)), ("references", labels)):
        (tmp_path / folder).mkdir()
        images.write_segmentation(tmp_path / folder / "A.ome.zarr", Segmentation(array, segments, GRID))
    results = evaluation.evaluate_folders(tmp_path / "predictions", tmp_path / "references", metrics=["dice"])
    found = {(result.subject, result.label): result.value for result in results}
    assert found == {("A", "liver"): pytest.approx(10 / 12), ("A", "spleen"): pytest.approx(18 / 20)}


def test_only_formats_in_chunks_are_opened(tmp_path):
    with pytest.raises(
        ValueError, match=r"open: `path` must end in .*\.nii\.zarr, \.ome\.zarr, \.zarr, or lead into such"
    ):
        images.open(tmp_path / "a.nii")
    with pytest.raises(ValueError, match="open: `path` must end in"):
        images.open(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^open: "):
        images.open(tmp_path / "a.ome.zarr")


def test_parts_are_what_numpy_cuts(tmp_path):
    array = random_array((*GRID.shape, 2), "int16")
    images.write(tmp_path / "a.ome.zarr", array, GRID)
    image = images.open(tmp_path / "a.ome.zarr")
    assert (image.shape, image.dtype, image.geometry) == (array.shape, array.dtype, GRID)
    for index in (
        ..., 3, -1, (slice(None), 5), (..., 0), (slice(10, 20), slice(60, 2), 3), (slice(30, 4, -3), ..., slice(1, 2)),
        (5, 6, 7, 1), (slice(3, 40, 7), slice(-5, None), slice(None, None, -1)), (5, ..., 6, 7, 1),
    ):  # fmt: skip
        np.testing.assert_array_equal(image[index], array[index])
    for wrong in ((0,) * 5, (..., ...), 40, (0, -51)):
        with pytest.raises(IndexError):
            image[wrong]
