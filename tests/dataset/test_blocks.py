"""What can be stored of a sample, and what cannot."""

import os
import re

import numpy as np
import pytest

from mia_functional import dataset
from mia_functional.dataset import Storage
from mia_functional.dataset._hdf5 import blocks, validation
from mia_functional.transforms import crop, on

from .cases import someone


@pytest.mark.parametrize("text", ["a\0b", "\udc80"])
def test_texts_that_hdf5_does_not_hold_are_refused(tmp_path, text):
    with pytest.raises(ValueError, match="create: `numerical` must be text of Unicode without null characters"):
        dataset.create(tmp_path / "x.h5", [someone(WORD=text)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((5, 12, 14, 2))}, "change `geometry` with the shape"),
        ({"images": np.array(["a"])}, "hold arrays of integers, floats or booleans"),
        ({"images": np.zeros((10, 12, 14, 0))}, "at least one axis and element"),
        ({"images": np.zeros(3, dtype=complex)}, "got complex128"),
        ({"subject": "../x"}, "without slashes"),
        ({"a/b": np.zeros(3)}, "without slashes"),
        ({"subject": "x" * 300}, "at most 200 bytes"),
        ({"subject": "line\nbreak"}, "printable"),
    ],
)
def test_what_cannot_be_stored_is_refused(subjects, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        dataset.create(tmp_path / "x.h5", subjects, transform=lambda sample: {**sample, **change})
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {**s, "shape": np.zeros(3)}, "categories under names other than .*; got shape"),
        (lambda s: {**s, "files": ("a",), "names": ("b",), "index": 3}, "other than .*; got files, names, index"),
        (lambda s: {"subject": s["subject"], "geometry": None}, "leave at least one category; got none of A"),
    ],
)
def test_nothing_of_a_sample_is_lost(subjects, tmp_path, change, message):
    with pytest.raises(ValueError, match=f"create: `transform` must .*{message}"):
        dataset.create(tmp_path / "x.h5", subjects, transform=change)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda image: image[..., 0], (10, 12, 14)),
        (lambda image: image[1:, ..., 0], (9, 12, 14)),
        (lambda image: image.mean(axis=(0, 1, 2)), (2,)),
    ],
)
def test_images_keep_their_channels_and_their_grid(subjects, tmp_path, change, shape):
    message = (
        f"create: `images` must keep an axis of channels .* and change both at once, .*; got {re.escape(str(shape))}"
    )
    with pytest.raises(ValueError, match=message):
        dataset.create(tmp_path / "x.h5", subjects, transform=on("images", change))
    assert not (tmp_path / "x.h5").exists()


def test_images_may_change_with_their_geometry_or_without_one(subjects, tmp_path):
    cropped = on(("images", "labels", "geometry"), crop, start=(1, 2, 3), shape=(4, 5, 6))
    for transform, grid in (
        (cropped, (4, 5, 6)),
        (on("labels", lambda labels: labels[..., 0]), (10, 12, 14)),
        (lambda sample: {**sample, "images": np.ones((7, 1)), "geometry": None}, (7,)),
    ):
        dataset.create(tmp_path / "x.h5", subjects, transform=transform, overwrite=True)
        found = dataset.open(tmp_path / "x.h5", verify=True)
        assert found.grids == (grid,) * 3


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
