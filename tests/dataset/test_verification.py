"""What a dataset says of itself, and that no damage is silent."""

import pickle

import h5py
import numpy as np
import pytest

from mia_functional import dataset
from mia_functional.dataset import Storage

from .cases import everything, someone


def test_datasets_are_records(cohort, tmp_path):
    dataset.create(tmp_path / "x.h5", [someone()])
    assert pickle.loads(pickle.dumps(cohort)) == cohort
    assert len({cohort, dataset.open(cohort.path), dataset.open(tmp_path / "x.h5")}) == 2
    assert len(cohort) == 3
    assert repr(cohort).endswith("3 subjects with images (T1 T2), labels (GT), numerical (AGE GPA), gender (GENDER))")
    assert dataset.info(cohort).splitlines()[1:] == [
        "3 subjects: A, B, C",
        "images     10 x 12 x 14 x 2  float32  image    T1 T2",
        "labels     10 x 12 x 14 x 1  uint8    labels   GT",
        "numerical  2                 float64  numbers  AGE GPA",
        "gender     1                 text     text     GENDER",
        "spacing in mm: 3 x 1..3 x 0.7",
    ]


def test_images_without_a_place_are_described(tmp_path):
    someone = dataset.Subject(name="A", entries=(dataset.Entry(category="n", name="x", value=1.0),))
    volume = np.zeros((4, 5, 6, 1), np.uint8)
    dataset.create(tmp_path / "x.h5", [someone], transform=lambda sample: {**sample, "images": volume})
    found = dataset.open(tmp_path / "x.h5")
    last = dataset.info(found).splitlines()[-1].split()
    assert last == ["images", *["4", "x", "5", "x", "6", "x", "1"], "uint8", "image", "?"]
    with pytest.raises(ValueError, match="geometry: `dataset` must say where its images lie; got Dataset"):
        dataset.geometry(found, "A")


def opened(path):
    """All that a file says and holds, or none if it is refused."""
    try:
        return everything(dataset.open(path, verify=True))
    except ValueError:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("options", [Storage(), Storage(compression="gzip")])
@pytest.mark.parametrize("count", [60, pytest.param(300, marks=pytest.mark.full)])
def test_no_damage_is_silent(subjects, tmp_path, options, count):
    dataset.create(tmp_path / "whole.h5", subjects, storage=options)
    expected = everything(dataset.open(tmp_path / "whole.h5"))
    raw = (tmp_path / "whole.h5").read_bytes()
    rng = np.random.default_rng(0)
    noticed = {"cut": 0, "flipped": 0, "zeroed": 0}
    for number in range(count):
        damaged = bytearray(raw)
        place = int(rng.integers(len(raw)))
        kind = list(noticed)[number % 3]
        if kind == "cut":
            del damaged[place:]
        elif kind == "flipped":
            damaged[place] ^= 1 << int(rng.integers(8))
        else:
            damaged[place - place % 512 : place - place % 512 + 512] = bytes(512)
        path = tmp_path / f"{number}.h5"
        path.write_bytes(damaged)
        found = opened(path)
        noticed[kind] += found is None
        assert found in (None, expected)
        path.unlink()
    assert noticed["cut"] == count // 3
    assert noticed["flipped"] > count // 6


def test_verify_names_what_is_damaged(subjects, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects)
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file["data/images/1"][3, 3, 3, 0] += 1
        file["data/gender/2"][0] = "X"
        file["data/labels"].create_dataset("7", data=np.zeros(3))
        file["data/other/0"] = np.zeros(3)
        del file["data/numerical/0"]
    found = dataset.open(tmp_path / "x.h5")
    faults = dataset.verify(found)
    assert faults[0] == "The file has 7 in data/labels, of which its tables say nothing."
    assert faults[1] == "The file has data/other, of which its tables say nothing."
    assert faults[2].startswith("numerical of A cannot be read: ")
    assert faults[3:] == ("images of B is not what was written.", "gender of C is not what was written.")
    with pytest.raises(ValueError, match=r"well-formed dataset; got .*The file has 7"):
        dataset.open(tmp_path / "x.h5", verify=True)


def test_changed_tables_are_noticed_on_opening(subjects, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects)
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file["meta/image_props/spacing"][0, 0] = 2.0
    with pytest.raises(ValueError, match="its tables are damaged"):
        dataset.open(tmp_path / "x.h5")
