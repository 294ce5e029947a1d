"""Arrays of any rank and dtype without a grid, whose shapes differ by subject: from files to samples, to the bit."""

import re

import numpy as np
import pytest

from mia_functional import dataset, images, indexing
from mia_functional.adapters import torch as torch_adapter
from mia_functional.dataset import Entry, Storage, Subject
from mia_functional.geometry import Geometry

from .cases import brightened

GRID = Geometry(shape=(4, 5, 6), spacing=(1.0, 2.0, 3.0))
PATTERNS = {
    "images": {"T1": "{subject}_T1.mha"},
    "eeg": {"EEG": "{subject}_eeg.npy"},
    "points": {"POINTS": "{subject}_points.npy"},
    "kspace": {"KSPACE": "{subject}_kspace.npy"},
}
ROLES = {"eeg": "numbers", "points": "numbers", "kspace": "numbers"}


def arrays(name):
    """Arrays of a subject; the shape of one begins as the grid of the images does."""
    rng = np.random.default_rng(ord(name))
    count = ord(name) - ord("A") + 1
    return {
        "eeg": rng.integers(-9999, 9999, (19, 100 * count)).astype(np.int16),
        "points": rng.normal(size=(7 * count, 3)),
        "kspace": rng.normal(size=(4, 5, 6, 3 + count, 2)).astype(np.float32),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three subjects with an image and three arrays each."""
    folder = tmp_path_factory.mktemp("arrays")
    for name in "ABC":
        images.write(folder / f"{name}_T1.mha", np.full(GRID.shape, ord(name), np.float32), GRID)
        for category, array in arrays(name).items():
            # Of which one lies in memory in another order.
            np.save(folder / f"{name}_{category}.npy", np.asfortranarray(array) if category == "points" else array)
    return folder


@pytest.fixture(scope="module")
def subjects(folder):
    """The subjects as they are discovered."""
    return dataset.discover(folder, PATTERNS, roles=ROLES)


@pytest.fixture(scope="module", params=[{}, {"metadata_only": True}, {"storage": Storage(compression="gzip")}], ids=str)
def cohort(request, subjects, folder, tmp_path_factory):
    """A dataset of them: with voxels, without, and compressed."""
    path = folder / f"{tmp_path_factory.mktemp('x').name}.h5"
    dataset.create(path, subjects, **request.param)
    return dataset.open(path, verify=True)


def test_arrays_are_read_to_the_bit(cohort):
    for name in "ABC":
        for category, array in arrays(name).items():
            stored = dataset.read(cohort, name, category)
            assert stored.dtype == array.dtype
            np.testing.assert_array_equal(stored, array)
            np.testing.assert_array_equal(dataset.read(cohort, name, category, index=(slice(1, 3), 2)), array[1:3, 2])
    records = {category.name: category for category in cohort.categories}
    assert [records[name].spatial for name in PATTERNS] == [True, False, False, False]
    assert {records[name].role for name in ROLES} == {"numbers"}
    assert all(records[name].stored and not records[name].entries for name in ROLES)
    assert dataset.files(cohort, "B")["eeg"][0].endswith("B_eeg.npy")
    assert re.search(r"^eeg +19 x 100\.\.300 +int16 +numbers +\?$", dataset.info(cohort), re.MULTILINE)


def test_samples_hold_them_whole_beside_patches(cohort):
    samples = dataset.samples(
        cohort, indexing=indexing.slices, extract=["images", *ROLES], transform=brightened, seed=2
    )
    assert len(samples) == 12
    sample = samples[5]
    assert (sample["subject"], sample["images"].shape) == ("B", (5, 6, 1))
    for category, array in arrays("B").items():
        np.testing.assert_array_equal(sample[category], array)
    batch = dataset.collate(samples.__getitems__([(0, 0), (0, 4)]))
    assert [array.shape for array in batch["points"]] == [(7, 3), (14, 3)]
    assert batch["images"].shape == (2, 5, 6, 1)


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_loaders_take_cohorts_without_images(folder, tmp_path, workers):
    patterns = {name: PATTERNS[name] for name in ("eeg", "points")}
    dataset.create(tmp_path / "c.h5", dataset.discover(folder, patterns, roles=dict.fromkeys(patterns, "numbers")))
    cohort = dataset.open(tmp_path / "c.h5")
    assert cohort.grids == ()
    samples = dataset.samples(cohort, indexing=indexing.whole, extract=["eeg", "points"])
    batches = list(torch_adapter.loader(samples, batch_size=2, workers=workers, channels_first=False))
    names = [name for batch in batches for name in batch["subject"]]
    assert names == ["A", "B", "C"]
    found = [array for batch in batches for array in batch["eeg"]]
    for name, tensor in zip(names, found, strict=True):
        np.testing.assert_array_equal(tensor.numpy(), arrays(name)["eeg"])


def test_transforms_may_change_their_shape(subjects):
    def halved(sample):
        return {**sample, "kspace": sample["kspace"][::2, 1], "eeg": sample["eeg"][:, ::2]}

    first = next(dataset.traverse(subjects, transform=halved))
    np.testing.assert_array_equal(first["kspace"], arrays("A")["kspace"][::2, 1])
    np.testing.assert_array_equal(first["eeg"], arrays("A")["eeg"][:, ::2])


@pytest.mark.parametrize("with_grid", [False, True])
def test_loaders_of_ones_own_read_any_format(tmp_path, with_grid):
    (tmp_path / "A.txt").write_text("1 2 3\n4 5 6\n")

    def load(path):
        array = np.loadtxt(path)
        return (array, Geometry(shape=array.shape, spacing=(1.0, 1.0))) if with_grid else array

    person = Subject(name="A", entries=(Entry(category="lab", name="LAB", path=tmp_path / "A.txt", role="numbers"),))
    sample = next(dataset.traverse([person], load=load))
    assert sample["lab"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (sample["geometry"], sample["roles"]) == (None, {"lab": "numbers"})
    with pytest.raises(TypeError, match=r"^traverse: `load` must return an array, alone or with a Geometry; got list"):
        next(dataset.traverse([person], load=lambda _: [1, 2]))


def test_what_cannot_be_an_array_is_refused_in_one_sentence(tmp_path, subjects):
    with pytest.raises(ValueError, match=r"^Entry: `role` must be `image` for the category `images`; got numbers\."):
        Entry(category="images", name="T1", path="a.npy", role="numbers")
    two = tuple(Entry(category="eeg", name=name, path="a.npy", role="numbers") for name in "ab")
    words = r"^Subject: `entries` must have one file in a category of numbers, as .*; got 2 of eeg\."
    with pytest.raises(ValueError, match=words):
        Subject(name="A", entries=two)
    np.save(tmp_path / "o.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="it holds object; integers, floats and booleans are read"):
        next(dataset.traverse([Subject(name="A", entries=(Entry(category="eeg", name="E", path=tmp_path / "o.npy",
                                                                role="numbers"),))]))  # fmt: skip
    np.save(tmp_path / "f.npy", np.zeros((2, 3)))
    other = Entry(category="eeg", name="EEG", path=tmp_path / "f.npy", role="numbers")
    third = Entry(category="eeg", name="EEG", path=str(subjects[0].entries[3].path), role="numbers")
    people = [Subject(name="A", entries=(other,)), Subject(name="B", entries=(third,))]
    with pytest.raises(ValueError, match=r"^create: `subjects` must all have eeg, with one number of axes; got"):
        dataset.create(tmp_path / "n.h5", people)
