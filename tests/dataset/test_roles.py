"""Roles of categories: set at discovery, kept in the file, and what decides on interpolation ever after."""

import re

import h5py
import numpy as np
import pytest

from mia_functional import cli, dataset, images, indexing
from mia_functional import transforms as t
from mia_functional.dataset._hdf5 import handles
from mia_functional.dataset._hdf5.metadata import digest_of_tables
from mia_functional.dataset.source_files import fingerprint
from mia_functional.geometry import Geometry

GRID = Geometry(shape=(4, 5, 6), spacing=(2.0, 1.0, 1.0))
PATTERNS = {"ct": {"CT": "{subject}_ct.mha"}, "truth": {"GT": "{subject}_gt.mha"}}
ROLES = {"ct": "image", "truth": "labels"}
ALL = {**ROLES, "age": "numbers", "sex": "text"}


@pytest.fixture
def folder(tmp_path):
    """A CT of integers and a label map of floats of two subjects, with a number and a text."""
    for number, name in enumerate("AB"):
        rng = np.random.default_rng(number)
        images.write(tmp_path / f"{name}_ct.mha", rng.integers(-999, 999, GRID.shape).astype(np.int16), GRID)
        images.write(tmp_path / f"{name}_gt.mha", rng.integers(0, 3, GRID.shape).astype(np.float32), GRID)
    (tmp_path / "table.csv").write_text("id,age,sex,ct,gt\nA,31,f,A_ct.mha,A_gt.mha\nB,32,m,B_ct.mha,B_gt.mha")
    return tmp_path


@pytest.fixture
def subjects(folder):
    """The subjects with the roles of their categories."""
    columns = {"age": {"AGE": "age"}, "sex": {"SEX": "sex"}}
    return dataset.discover(folder, PATTERNS, table=folder / "table.csv", columns=columns, roles=ROLES)


def float_truth(sample):
    """A transform that makes floats of label maps, as networks want them."""
    return {**sample, "truth": sample["truth"].astype(np.float32)}


def roles_of(found):
    """The roles of a dataset by category."""
    return {category.name: category.role for category in found.categories}


def test_roles_are_set_at_discovery(folder, subjects):
    assert {entry.category: entry.role for entry in subjects[0].entries} == ALL
    plain = dataset.discover(folder, PATTERNS)
    assert {entry.category: entry.role for entry in plain[0].entries} == {"ct": None, "truth": None}
    paths = {"ct": {"CT": "ct"}, "truth": {"GT": "gt"}}
    listed = dataset.discover_table(folder / "table.csv", paths=paths, roles=ROLES)
    assert {entry.category: entry.role for entry in listed[1].entries} == ROLES
    (folder / "sub-1" / "anat").mkdir(parents=True)
    (folder / "sub-1" / "anat" / "sub-1_T1w.nii").touch()
    (found,) = dataset.discover_bids(folder, {"mri": {"T1": "T1w"}}, roles={"mri": "image"})
    assert found.entries[0].role == "image"
    assert dataset.Entry(category="images", name="a", path="a.mha").role == "image"
    assert dataset.Entry(category="labels", name="a", path="a.mha").role == "labels"
    assert dataset.Entry(category="labels", name="a", value=1).role == "numbers"


def test_a_file_keeps_them(subjects, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects)
    found = dataset.open(tmp_path / "x.h5")
    assert roles_of(found) == ALL
    assert [line.split()[-2:] for line in dataset.info(found).splitlines()[2:6]] == [
        ["image", "CT"], ["labels", "GT"], ["numbers", "AGE"], ["text", "SEX"],
    ]  # fmt: skip
    assert "roles by" not in dataset.info(found)
    # The files of labels are label maps: whole numbers, whatever the dtype in the file.
    assert dataset.read(found, "A", "truth").dtype.kind == "i"
    (sample,) = dataset.samples(found, indexing=indexing.whole, extract=["ct", "roles"], subjects=["B"])
    assert sample["roles"] == ALL


@pytest.mark.parametrize("metadata_only", [False, True])
def test_samples_are_interpolated_by_them(subjects, tmp_path, metadata_only):
    transform = None if metadata_only else float_truth
    dataset.create(tmp_path / "x.h5", subjects, transform=transform, metadata_only=metadata_only)
    found = dataset.open(tmp_path / "x.h5")
    # Under other names, too: what a sample holds of a category is what the category is.
    fields = [dataset.SampleField(category="ct", name="scan"), "truth", "age"]
    resize = t.on(("scan", "truth"), t.resample, scale=(0.5, 0.5, 0.5))
    (sample, _) = dataset.samples(found, indexing=indexing.whole, extract=fields, transform=resize)
    ct, truth = dataset.read(found, "A", "ct"), dataset.read(found, "A", "truth")
    np.testing.assert_array_equal(sample["scan"], t.resample(ct, (0.5,) * 3, interpolation=t.linear))
    np.testing.assert_array_equal(sample["truth"], t.resample(truth, (0.5,) * 3, interpolation=t.nearest))
    assert sample["scan"].dtype == np.int16
    assert set(np.unique(sample["truth"])) == {0, 1, 2}
    assert "roles" not in sample


def test_transforms_of_traverse_and_create_go_by_them_and_may_add_some(subjects, tmp_path):
    def with_mask(sample):
        mask = (sample["truth"] > 0).astype(np.float32)
        return {**sample, "mask": mask, "roles": {**sample["roles"], "mask": "labels"}}

    def forgetful(sample):
        return {name: value for name, value in sample.items() if name not in ("roles", "age")}

    finer = t.resample_to(("ct", "truth", "mask"), (1.0, 0.5, 0.5))
    transform = t.compose(with_mask, finer, forgetful)
    sample = next(dataset.traverse(subjects, transform=t.compose(with_mask, finer)))
    assert sample["roles"] == {**ALL, "mask": "labels"}
    assert set(np.unique(sample["mask"])) == {0, 1}
    dataset.create(tmp_path / "x.h5", subjects, transform=t.compose(with_mask, finer))
    assert roles_of(dataset.open(tmp_path / "x.h5")) == {**ALL, "mask": "labels"}
    dataset.create(tmp_path / "y.h5", subjects, transform=transform)
    expected = {name: role for name, role in ALL.items() if name != "age"}
    assert roles_of(dataset.open(tmp_path / "y.h5")) == {**expected, "mask": None}
    bad = {"ct": "picture"}
    with pytest.raises(
        ValueError, match=r"^create: `roles` must be one of image, labels, numbers, text; got 'picture'"
    ):
        dataset.create(tmp_path / "z.h5", subjects, transform=lambda sample: {**sample, "roles": bad})


@pytest.mark.parametrize("role", ["image", "labels", None])
def test_files_on_other_grids_are_resampled_by_them(tmp_path, role):
    line = Geometry(shape=(1, 1, 4), spacing=(1.0, 1.0, 1.0))
    late = Geometry(shape=(1, 1, 3), spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.75))
    images.write(tmp_path / "a.mha", np.zeros(line.shape, np.uint8), line)
    images.write(tmp_path / "b.mha", np.array([[[10, 20, 30]]], np.uint8), late)
    entries = tuple(dataset.Entry(category="x", name=name, path=tmp_path / f"{name}.mha", role=role) for name in "ab")
    person = dataset.Subject(name="A", entries=entries)
    if role is None:
        message = "^traverse: `role of x` must be `image` or `labels` to be interpolated; got none\\.$"
        with pytest.raises(ValueError, match=message):
            next(dataset.traverse([person], align="resample"))
        return
    expected = [0, 12, 22, 30] if role == "image" else [0, 10, 20, 30]
    sample = next(dataset.traverse([person], align="resample"))
    assert sample["x"][0, 0, :, 1].tolist() == expected
    for metadata_only in (False, True):
        path = tmp_path / f"{metadata_only}.h5"
        dataset.create(path, [person], align="resample", metadata_only=metadata_only)
        assert dataset.read(dataset.open(path), "A", "x")[0, 0, :, 1].tolist() == expected


def older(path):
    """Make a file one of an earlier version, which kept no roles."""
    tables = {key: table for key, table in handles.open_handle(str(path)).tables.items() if key != "meta/roles"}
    handles.release(str(path))
    with h5py.File(path, "r+") as file:
        del file["meta/roles"]
        file.attrs["digest"] = np.bytes_(digest_of_tables(tables))
    return dataset.open(path)


def test_older_files_open_with_the_roles_of_names_and_say_so(folder, tmp_path):
    patterns = {"images": PATTERNS["ct"], "labels": PATTERNS["truth"], "other": PATTERNS["ct"]}
    dataset.create(tmp_path / "x.h5", dataset.discover(folder, patterns))
    found = older(tmp_path / "x.h5")
    assert roles_of(found) == {"images": "image", "labels": "labels", "other": None}
    lines = dataset.info(found).splitlines()
    assert lines[-1] == "roles by the names of the categories, as the file keeps none"
    assert lines[4].split()[-2:] == ["?", "CT"]
    resize = t.on(("images", "labels"), t.resample, scale=(0.5, 0.5, 0.5))
    (sample, _) = dataset.samples(found, indexing=indexing.whole, extract=["images", "labels"], transform=resize)
    ct = dataset.read(found, "A", "images")
    np.testing.assert_array_equal(sample["images"], t.resample(ct, (0.5,) * 3, interpolation=t.linear))
    unknown = t.on("other", t.resample, scale=(0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match="on: `roles` must say whether 'other' is an `image` or `labels`"):
        _ = dataset.samples(found, indexing=indexing.whole, extract=["other"], transform=unknown)[0]


def test_the_command_sets_them(folder):
    arguments = ["ct/CT={subject}_ct.mha", "truth/GT={subject}_gt.mha", "--role", "ct=image", "--role", "truth=labels"]
    assert cli.main(["create", str(folder / "x.h5"), str(folder), *arguments]) == 0
    assert roles_of(dataset.open(folder / "x.h5")) == ROLES


def entry(name="a", category="x", **options):
    """An entry of a category without a role of its own."""
    return dataset.Entry(category=category, name=name, **options)


REFUSED = {
    "Entry: `role` must be one of image, labels, numbers; got 'text'.": lambda _: entry(path="a.mha", role="text"),
    "Entry: `role` must be one of text; got 'labels'.": lambda _: entry(value="f", role="labels"),
    "Entry: `category` must not be one of subject, index, geometry, shape, names, files, rng, epoch, "
    "roles, spatial_axes, grids; got roles.": (lambda _: entry(category="roles", value=1)),
    "Subject: `entries` must have one role in a category; got image and none of x.": lambda _: dataset.Subject(
        name="A", entries=(entry(path="a.mha", role="image"), entry("b", path="b.mha"))
    ),
    "discover: `roles` must be of ct, truth; got 'images'.": lambda folder: dataset.discover(
        folder, PATTERNS, roles={"images": "image"}
    ),
    "discover: `roles` must be one of image, labels, numbers; got 'scan'.": lambda folder: dataset.discover(
        folder, PATTERNS, roles={"ct": "scan"}
    ),
    "discover: `roles` must be one of image, labels, numbers; got 'text'.": lambda folder: dataset.discover(
        folder, PATTERNS, roles={"ct": "text"}
    ),
    "create: `subjects` must all have one role of ct; got image, labels.": lambda folder: dataset.create(
        folder / "x.h5",
        [dataset.discover(folder, PATTERNS, roles={"ct": role})[k] for k, role in enumerate(("image", "labels"))],
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused(folder, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        REFUSED[message](folder)


def test_a_resumed_run_makes_parts_of_other_roles_anew(folder):
    """What a file is read as depends on its role: a part of another role is none of this run."""
    made = {
        fingerprint(
            dataset.discover(folder, PATTERNS, roles=roles)[0], dataset.Storage(), align=None, grids={}, voxels=True
        )
        for roles in (None, ROLES, {"ct": "image"})
    }
    assert len(made) == 3
