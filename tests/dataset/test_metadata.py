"""The tables of a cohort: what all subjects must have in common, and paths of files."""

import os
from pathlib import Path

import numpy as np
import pytest

from mia_functional import dataset
from mia_functional.dataset import Storage

from .cases import channelled


def test_subjects_of_different_ranks_are_refused(subjects, tmp_path):
    def transform(sample):
        return {**sample, "numerical": sample["numerical"].reshape((1, 2) if sample["subject"] == "B" else 2)}

    with pytest.raises(ValueError, match="all have numerical, with one number of axes"):
        dataset.create(tmp_path / "x.h5", subjects, transform=transform)


@pytest.mark.parametrize("name", ["A", "C"])
def test_subjects_with_other_categories_are_refused(subjects, tmp_path, name):
    def transform(sample):
        return {**sample, **({"z": np.ones(2)} if sample["subject"] == name else {})}

    owner, other = ("A", "B") if name == "A" else ("C", "A")
    with pytest.raises(
        ValueError, match=f"leave all subjects the same categories; got z of {owner} and none of {other}"
    ):
        dataset.create(tmp_path / "x.h5", subjects, transform=transform)
    assert not (tmp_path / "x.h5").exists()


def test_channels_of_some_subjects_are_not_named_after_entries(tmp_path):
    first, second, third = (channelled(tmp_path, name, a=count, b=1) for name, count in (("A", 1), ("B", 2), ("C", 2)))
    for people in ([first, second], [second, first]):
        message = r"all have one channel for each entry of images \(a, b\), .*; got \(4, 3, 5, 3\) of B"
        with pytest.raises(ValueError, match=message):
            dataset.create(tmp_path / "x.h5", people, overwrite=True)
    dataset.create(tmp_path / "x.h5", [second, third], overwrite=True)
    assert dataset.open(tmp_path / "x.h5").categories[0].entries == ()


def test_no_absolute_path_is_stored(cohort, folder):
    assert str(folder).encode() not in Path(cohort.path).read_bytes()
    found = [os.path.join(os.path.dirname(cohort.path), path) for path in dataset.files(cohort, "B")["images"]]
    assert [os.path.realpath(path) for path in found] == [str(folder / f"B_{entry}.mha") for entry in ("T1", "T2")]


def test_paths_that_are_no_unicode_are_refused_before_any_work(tmp_path):
    name = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"\xff.npy"))
    np.save(name, np.ones((2, 3)))
    one = dataset.Subject(name="A", entries=(dataset.Entry(category="images", name="x", path=name),))
    with pytest.raises(ValueError, match=r"create: `paths` must be text of Unicode .*; got '\\udcff\.npy'\."):
        dataset.create(tmp_path / "x.h5", [one], load=lambda _: pytest.fail("it was loaded"))
    assert len(os.listdir(tmp_path)) == 1
    dataset.create(tmp_path / "x.h5", [one], storage=Storage(paths=False))
    assert dataset.open(tmp_path / "x.h5").grids == ((2, 3),)


@pytest.mark.slow
def test_files_are_found_when_links_lead_to_the_dataset(tmp_path):
    for inner in ("deep/down/dataset", "files/far/away"):
        (tmp_path / inner).mkdir(parents=True)
    np.save(tmp_path / "files/far/away/real.npy", np.ones((2, 3)))
    for link, target in (("link", "deep/down/dataset"), ("data", "files/far/away"), ("deep/data", "files/far")):
        (tmp_path / link).symlink_to(tmp_path / target)
    (tmp_path / "files/far/away/name.npy").symlink_to("real.npy")
    (tmp_path / "deep/down/dataset/inner").symlink_to(tmp_path / "files/far/away")
    for folder, path in (
        ("link", "files/far/away/name.npy"),
        ("link", "data/name.npy"),
        ("deep/down/dataset", "data/name.npy"),
        ("link", "link/inner/name.npy"),
        ("link", "deep/data/../far/away/name.npy"),
        ("data/../../../link", "files/far/away/name.npy"),
        ("data/../../../link", "data/name.npy"),
    ):
        one = dataset.Subject(name="A", entries=(dataset.Entry(category="i", name="x", path=tmp_path / path),))
        dataset.create(tmp_path / folder / "x.h5", [one], overwrite=True)
        for place in (tmp_path / "link", tmp_path / "deep/down/dataset"):
            (found,) = dataset.files(dataset.open(place / "x.h5"), "A")["i"]
            assert os.path.samefile(place / found, tmp_path / "files/far/away/real.npy"), (folder, path, found)
            assert os.path.basename(found) == "name.npy"


def test_files_below_a_linked_folder_beside_the_dataset_lie_below_it(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "data").symlink_to(tmp_path / "elsewhere")
    np.save(tmp_path / "elsewhere" / "A.npy", np.ones((2, 3)))
    entry = dataset.Entry(category="images", name="x", path=tmp_path / "home" / "data" / "A.npy")
    dataset.create(tmp_path / "home" / "x.h5", [dataset.Subject(name="A", entries=(entry,))], metadata_only=True)
    found = dataset.open(tmp_path / "home" / "x.h5")
    assert dataset.files(found, "A") == {"images": (os.path.join("data", "A.npy"),)}
    assert dataset.read(found, "A", "images").sum() == 6
