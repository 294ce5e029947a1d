"""The file is pymia's: each library reads what the other wrote."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mia_functional import dataset, images

OLD = Path(__file__).with_name("pymia_old.py")


def pymia(*arguments):
    """Run pymia in a process of its own."""
    command = [sys.executable, "-W", "ignore", str(OLD), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_pymia_reads_our_file(cohort, subjects, tmp_path):
    pymia("read", cohort.path, tmp_path / "result.npz")
    found = np.load(tmp_path / "result.npz")
    for number, sample in enumerate(dataset.traverse(subjects)):
        for category in ("images", "labels", "numerical"):
            np.testing.assert_array_equal(found[f"{number}/{category}"], sample[category])
            assert found[f"{number}/{category}"].dtype == sample[category].dtype
        texts = json.loads(str(found[f"{number}/texts"]))
        size, spacing, origin, direction = texts["geometry"]
        assert images.from_itk(size, spacing, origin, direction) == sample["geometry"]
        assert tuple(texts["shape"]) == sample["geometry"].shape
        assert (texts["subject"], texts["gender"]) == (sample["subject"], list(sample["gender"]))
        assert (texts["images_names"], texts["labels_names"]) == (["T1", "T2"], ["GT"])
        assert (texts["numerical_names"], texts["gender_names"]) == (["AGE", "GPA"], ["GENDER"])
        assert texts["images_files"] == [f"{sample['subject']}_{entry}.mha" for entry in ("T1", "T2")]
    whole = np.stack([dataset.read(cohort, name, "images") for name in cohort.subjects])
    np.testing.assert_array_equal(found["slices"], np.moveaxis(whole, 2, 1).reshape(-1, 10, 14, 2))


@pytest.mark.slow
def test_we_read_the_file_of_pymia(subjects, folder, tmp_path):
    pymia("write", tmp_path / "old.h5", folder)
    old = dataset.open(tmp_path / "old.h5")
    assert old.subjects == ("A", "B", "C")
    entries = {category.name: category.entries for category in old.categories}
    assert entries == {"gender": ("GENDER",), "images": ("T1", "T2"), "labels": ("GT",), "numerical": ("AGE", "GPA")}
    for sample in dataset.traverse(subjects):
        name = sample["subject"]
        for category in ("images", "labels"):
            np.testing.assert_array_equal(dataset.read(old, name, category), sample[category])
        assert dataset.read(old, name, "numerical").ravel().tolist() == sample["numerical"].tolist()
        assert dataset.read(old, name, "gender") == sample["gender"]
        assert dataset.geometry(old, name) == sample["geometry"]
        assert dataset.read(old, name, "images", index=(2, slice(1, 5)), entries="T2").shape == (4, 14)
        paths = [os.path.relpath(path, folder) for path in dataset.files(old, name)["images"]]
        assert paths == [f"{name}_T1.mha", f"{name}_T2.mha"]
    samples = dataset.samples(old, indexing=lambda shape: [(k,) for k in range(shape[0])], extract=["images"])
    assert len(samples) == 30
