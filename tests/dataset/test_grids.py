"""Categories on grids of their own, as PET beside MR: each is read with its geometry and cut on its own grid."""

import re
import shutil
from functools import partial

import h5py
import numpy as np
import pytest

from mia_functional import assembly, dataset, images, indexing, transforms
from mia_functional.cli import main
from mia_functional.dataset import Entry, RandomIndexing, SampleField, Storage, Subject
from mia_functional.dataset._hdf5.metadata import digest_of_tables
from mia_functional.geometry import Geometry

PATTERNS = {
    "images": {"T1": "{subject}_T1.mha"},
    "labels": {"GT": "{subject}_GT.mha"},
    "pet": {"FDG": "{subject}_FDG.mha"},
    "lesions": {"GT": "{subject}_lesions.mha"},
    "dose": {"RT": "{subject}_dose.mha"},
}
ROLES = {"pet": "image", "lesions": "labels", "dose": "image"}
GRIDS = {"pet": "pet", "lesions": "pet", "dose": "dose"}


def geometries(name):
    """The grids of a subject: those of MR, PET and dose, of other sizes for each subject."""
    number = ord(name) - ord("A")
    c, s = np.cos(0.2), np.sin(0.2)
    return {
        "mr": Geometry(shape=(8 + number, 9, 10), spacing=(1.0, 1.5, 2.0), origin=(1.0, 2.0, 3.0)),
        "pet": Geometry(
            shape=(4, 5 + number, 6), spacing=(3.0, 3.0, 4.0), origin=(0.5 + number, 1.25, -1.0),
            direction=((1.0, 0.0, 0.0), (0.0, c, -s), (0.0, s, c)),
        ),
        "dose": Geometry(shape=(3, 3, 3), spacing=(5.0, 5.0, 5.0)),
    }  # fmt: skip


def arrays(name):
    """The arrays of a subject, by category."""
    rng, grids = np.random.default_rng(ord(name)), geometries(name)
    return {
        "images": (rng.normal(size=grids["mr"].shape).astype(np.float32), grids["mr"]),
        "labels": (rng.integers(0, 3, grids["mr"].shape).astype(np.uint8), grids["mr"]),
        "pet": (rng.normal(size=grids["pet"].shape).astype(np.float32), grids["pet"]),
        "lesions": (rng.integers(0, 2, grids["pet"].shape).astype(np.uint8), grids["pet"]),
        "dose": (rng.integers(0, 70, grids["dose"].shape).astype(np.int16), grids["dose"]),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of two subjects."""
    folder = tmp_path_factory.mktemp("pet")
    for name in "AB":
        for category, (array, grid) in arrays(name).items():
            ((entry, pattern),) = PATTERNS[category].items()
            images.write(folder / pattern.format(subject=name), array, grid)
            assert entry
    return folder


@pytest.fixture(scope="module")
def subjects(folder):
    """The subjects as they are discovered."""
    return dataset.discover(folder, PATTERNS, roles=ROLES)


@pytest.fixture(scope="module", params=[{}, {"metadata_only": True}, {"storage": Storage(compression="gzip")}], ids=str)
def cohort(request, subjects, folder, tmp_path_factory):
    """A dataset of them: with voxels, without, and compressed."""
    path = folder / f"{tmp_path_factory.mktemp('x').name}.h5"
    dataset.create(path, subjects, grids=GRIDS, **request.param)
    return dataset.open(path, verify=True)


@pytest.fixture
def plain(subjects, tmp_path):
    """The path of a dataset with voxels that may be damaged."""
    dataset.create(tmp_path / "x.h5", subjects, grids=GRIDS)
    return tmp_path / "x.h5"


def test_each_category_is_read_with_its_geometry(cohort):
    assert [(c.name, c.grid, c.spatial_axes) for c in cohort.categories] == [
        ("images", "images", 3), ("labels", "images", 3), ("pet", "pet", 3), ("lesions", "pet", 3), ("dose", "dose", 3),
    ]  # fmt: skip
    assert cohort.grids == ((8, 9, 10), (9, 9, 10))
    for name in "AB":
        assert dataset.geometry(cohort, name) == geometries(name)["mr"]
        for category, (array, grid) in arrays(name).items():
            assert dataset.geometry(cohort, name, category=category) == grid
            np.testing.assert_array_equal(dataset.read(cohort, name, category)[..., 0], array)
            part = dataset.read(cohort, name, category, index=(1, slice(0, 3)))
            np.testing.assert_array_equal(part, array[1, :3, :, np.newaxis])
    text = dataset.info(cohort)
    assert "\nspacing in mm: 1 x 1.5 x 2\nspacing of pet in mm: 3 x 3 x 4\nspacing of dose in mm: 5 x 5 x 5" in text


def test_categories_of_one_grid_are_cut_together(cohort):
    patches = partial(indexing.patches, patch_shape=(2, 3, 3), boundary=indexing.clip)
    samples = dataset.samples(cohort, indexing=patches, extract=["pet", "lesions", "geometry", "shape"], grid="pet")
    assert samples[0]["geometry"] == geometries("A")["pet"]
    assert samples[0]["shape"] == (4, 5, 6)
    for category in ("pet", "lesions"):
        found = dict(assembly.assemble_subjects(samples, [(sample, sample[category]) for sample in samples]))
        for name in "AB":
            np.testing.assert_array_equal(found[name][..., 0], arrays(name)[category][0])
    margin = SampleField(category="pet", margin=1, fill_value=-1)
    (first, *_) = dataset.samples(cohort, indexing=indexing.slices, extract=[margin], grid="pet")
    padded = np.pad(arrays("A")["pet"][0], 1, constant_values=-1)
    np.testing.assert_array_equal(first["pet"][..., 0], padded[0:3])


def test_another_grid_is_taken_whole_or_refused_with_a_cure(cohort):
    whole = SampleField(category="pet", whole=True)
    seen = []

    def look(sample):
        seen.append(sample["spatial_axes"])
        return sample

    samples = dataset.samples(cohort, indexing=indexing.slices, extract=["images", whole], transform=look)
    np.testing.assert_array_equal(samples[9]["pet"][..., 0], arrays("B")["pet"][0])
    assert samples[9]["images"].shape == (9, 10, 1)
    assert seen[0] == {"images": 2, "pet": 3}
    words = (
        "samples: `extract` must be of categories on the grid of the indices, images; cure this by "
        '`SampleField(category="lesions", resample=True)`, or `whole=True`, or `samples(grid="pet")`; '
        "got lesions on the grid pet."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        dataset.samples(cohort, indexing=indexing.slices, extract=["images", "lesions"])
    with pytest.raises(ValueError, match=r"on the grid of the indices, pet; .*; got dose on the grid dose\.$"):
        dataset.samples(cohort, indexing=indexing.slices, extract=["pet", "dose"], grid="pet")
    drawn = RandomIndexing(function=lambda *_: [(slice(0, 2),)], at="lesions")
    with pytest.raises(ValueError, match=r"^samples: `indexing` must be of categories on the grid of the indices, im"):
        dataset.samples(cohort, indexing=drawn, extract=["images"])
    assert dataset.samples(cohort, indexing=drawn, extract=["pet"], grid="pet")[0]["pet"].shape == (2, 5, 6, 1)
    with pytest.raises(ValueError, match=r"^samples: `grid` must be one of dose, images, pet; got 'ct'"):
        dataset.samples(cohort, indexing=indexing.slices, extract=["pet"], grid="ct")
    with pytest.raises(ValueError, match=r"^geometry: `category` must be one of images, labels, pet, .*; got 'ct'"):
        dataset.geometry(cohort, "A", category="ct")


def test_without_names_of_grids_all_files_share_one(subjects, tmp_path):
    with pytest.raises(ValueError, match=r"^create: .* must lie on one grid \(.*FDG.mha and .*T1.mha of A\)"):
        dataset.create(tmp_path / "x.h5", subjects)
    images.write(tmp_path / "l.mha", np.zeros((4, 4, 4), np.uint8), Geometry(shape=(4,) * 3, spacing=(1,) * 3))
    lesions = Entry(category="lesions", name="GT", path=tmp_path / "l.mha", role="labels")
    wrong = Subject(name="A", entries=(*subjects[0].entries[:3], lesions))
    words = r"must lie on one grid \(.*l.mha and .*FDG.mha of A\), or lesions on one of its own, named in `grids`; got"
    with pytest.raises(ValueError, match=words):
        next(dataset.traverse([wrong], grids={"pet": "pet", "lesions": "pet"}))
    resampled = next(dataset.traverse(subjects, align="resample"))
    assert resampled["pet"].shape == (8, 9, 10, 1)
    assert "grids" not in resampled


@pytest.mark.parametrize(
    ("grids", "kind", "words"),
    [
        ({"images": "mr"}, ValueError, "`grids` must be of categories other than `images`; got"),
        (["pet"], TypeError, "`grids` must be a dictionary of names of grids by category"),
        ({"pet": 3}, TypeError, "`grids` must map categories to names of grids"),
        (
            {"ct": "pet"},
            ValueError,
            "`grids` must be of categories that have image files, dose, images, labels, lesions, pet of A; got ct",
        ),
        (dict.fromkeys(("pet", "lesions", "dose"), "x") | {"pet": "y"}, ValueError, "must lie on one grid"),
    ],
)
def test_grids_that_cannot_be_meant_are_one_sentence(subjects, tmp_path, grids, kind, words):
    with pytest.raises(kind, match=rf"^create: .*{words}"):
        dataset.create(tmp_path / "x.h5", subjects, grids=grids)
    assert not (tmp_path / "x.h5").exists()


def test_transforms_move_arrays_with_their_grids(subjects, tmp_path):
    def halved(sample):
        box = partial(transforms.crop, start=(0, 1, 2), shape=(2, 2, 2))
        grids = {**sample["grids"], "pet": box(sample["grids"]["pet"]), "suv": box(sample["grids"]["pet"])}
        pet = box(sample["pet"])
        return {**sample, "pet": pet, "suv": pet * 2, "grids": grids, "roles": {**sample["roles"], "suv": "image"}}

    dataset.create(tmp_path / "x.h5", subjects, grids=GRIDS, transform=halved)
    found = dataset.open(tmp_path / "x.h5", verify=True)
    assert {c.name: c.grid for c in found.categories} == {
        "images": "images", "labels": "images", "pet": "pet", "lesions": "lesions", "dose": "dose", "suv": "pet",
    }  # fmt: skip
    assert dataset.geometry(found, "B", category="suv") == transforms.crop(geometries("B")["pet"], (0, 1, 2), (2, 2, 2))
    (one, *_) = dataset.samples(found, indexing=indexing.whole, extract=["pet", "suv"], grid="pet")
    np.testing.assert_array_equal(one["suv"], one["pet"] * 2)
    wrong = transforms.on("pet", transforms.crop, start=(0, 0, 0), shape=(2, 2, 2))
    with pytest.raises(
        ValueError, match=r"^create: `transform` must change `grids` with the shape of the images; got p"
    ):
        dataset.create(tmp_path / "y.h5", subjects, grids=GRIDS, transform=wrong)
    for bad, kind in (({"pet": 3}, TypeError), ({"ct": geometries("A")["pet"]}, ValueError)):
        with pytest.raises(kind, match=r"^create: `transform` must return "):
            dataset.create(tmp_path / "y.h5", subjects, grids=GRIDS, transform=lambda s, bad=bad: {**s, "grids": bad})


def test_a_run_goes_on_with_the_same_grids_alone(subjects, tmp_path):
    with pytest.raises(RuntimeError):
        dataset.create(tmp_path / "x.h5", subjects, grids=GRIDS, transform=partial(_fail_at_b, {}))
    dataset.create(tmp_path / "x.h5", subjects, grids=GRIDS, resume=True)
    dataset.create(tmp_path / "y.h5", subjects, grids=GRIDS)
    assert (tmp_path / "x.h5").read_bytes() == (tmp_path / "y.h5").read_bytes()


def _fail_at_b(_, sample):
    if sample["subject"] == "B":
        raise RuntimeError("no good")
    return sample


def _changed(path, target, change):
    """Write a copy of a dataset with other tables, whose digest is right again."""
    shutil.copy(path, target)
    with h5py.File(target, "r+") as file:
        change(file["meta"])
        tables = {}

        def visit(name, node):
            if isinstance(node, h5py.Dataset):
                is_text = h5py.check_string_dtype(node.dtype) is not None
                tables[f"meta/{name}"] = np.array(node.asstr()[()], object) if is_text else node[()]

        file["meta"].visititems(visit)
        file.attrs["digest"] = np.bytes_(digest_of_tables(tables))
    return target


def _put(meta, name, value):
    """Replace a table."""
    if name in meta:
        del meta[name]
    if value is not None:
        is_text = np.asarray(value).dtype == object
        meta.create_dataset(name, data=value, dtype=h5py.string_dtype() if is_text else None)


def _names(*texts):
    return np.array(texts, object)


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("grids", lambda _: _names("", "", "pet", "pet"), "its grids are not those of categories"),
        ("grids", lambda _: None, "its grids are not those of categories"),
        ("grids", lambda _: _names("pet", "", "pet", "pet", "dose"), "images does not lie on its grid, pet"),
        ("grids", lambda _: _names("", "pet", "pet", "pet", "dose"), "labels does not lie on its grid, pet"),
        ("grids", lambda _: _names("", "", "lesions", "pet", "dose"), "its grids are not those of categories"),
        ("geometries/pet", lambda _: None, "its grids are not those of categories"),
        ("geometries/images", lambda _: np.ones((2, 18)), "its grids are not those of categories"),
        ("geometries/pet", lambda table: table[:1], "pet does not lie on its grid, pet"),
        ("geometries/pet", lambda table: table[:, :17], "pet does not lie on its grid, pet"),
        ("geometries/pet", lambda table: table.astype(np.int64), "pet does not lie on its grid, pet"),
        ("geometries/pet", lambda table: table[0], "pet does not lie on its grid, pet"),
        ("geometries/pet", lambda table: np.where(table == table[0, 0], np.nan, table), "pet does not lie on its grid"),
        ("geometries/dose", lambda table: table + (np.arange(18) == 1), "dose does not lie on its grid, dose"),
        ("geometries/pet", lambda _: _names("a", "b"), "pet does not lie on its grid, pet"),
    ],
)
def test_contradictory_tables_are_refused(plain, tmp_path, name, make, words):
    def change(meta):
        old = meta[name][()] if name in meta and name != "grids" else None
        _put(meta, name, make(old))

    path = _changed(plain, tmp_path / "bad.h5", change)
    with pytest.raises(ValueError, match=rf"^open: .*{words}"):
        dataset.open(path)


@pytest.mark.parametrize("column", [3, 9, 17])
def test_grids_that_are_none_are_refused_when_asked_for(plain, tmp_path, column):
    def change(meta):
        table = meta["geometries/pet"][()]
        table[:, column] = np.nan if column != 3 else -1.0
        _put(meta, "geometries/pet", table)

    found = dataset.open(_changed(plain, tmp_path / "bad.h5", change))
    with pytest.raises(ValueError, match=r"^open: .*the grid of A is none \(from_itk: "):
        dataset.geometry(found, "A", category="pet")
    dataset.geometry(found, "A", category="images")


def test_files_without_grids_of_their_own_have_no_more_tables(subjects, tmp_path):
    dataset.create(tmp_path / "x.h5", [Subject(name=s.name, entries=s.entries[:2]) for s in subjects])
    with h5py.File(tmp_path / "x.h5") as file:
        assert "grids" not in file["meta"]
        assert "geometries" not in file["meta"]
    assert dataset.open(tmp_path / "x.h5").grid == "images"


def test_the_command_names_grids(folder, tmp_path, capsys):
    arguments = [
        f"{category}/{entry}={text}" for category in ("images", "pet") for entry, text in PATTERNS[category].items()
    ]
    main(["create", str(tmp_path / "x.h5"), str(folder), *arguments, "--role", "pet=image", "--grid", "pet=pet"])
    assert "spacing of pet in mm: 3 x 3 x 4" in capsys.readouterr().out
    assert dataset.geometry(dataset.open(tmp_path / "x.h5"), "B", category="pet") == geometries("B")["pet"]


def test_another_grid_is_cut_at_the_same_place_in_millimetres(cohort, subjects, tmp_path):
    dataset.create(tmp_path / "aligned.h5", subjects, align="resample")
    aligned = dataset.open(tmp_path / "aligned.h5")
    names = ("images", "pet", "lesions", "dose")
    drawn = RandomIndexing(function=partial(indexing.random_patches, patch_shape=(4, 5, 3), count=12))
    patches = partial(indexing.patches, patch_shape=(5, 4, 6), boundary=indexing.clip)
    for indices in (indexing.slices, partial(indexing.slices, axis=2), drawn, patches, indexing.whole):
        expected = dataset.samples(aligned, indexing=indices, extract=names)
        fields = [SampleField(category=name, resample=name != "images") for name in names]
        found = dataset.samples(cohort, indexing=indices, extract=fields)
        for own, other in zip(found, expected, strict=True):
            assert own["pet"].dtype == np.float32
            np.testing.assert_allclose(own["pet"], other["pet"], atol=1e-5)
            for name in ("lesions", "dose"):
                assert own[name].dtype == other[name].dtype
                assert (own[name] != other[name]).mean() < 0.01  # halves between two voxels
    assert any(sample["pet"].any() for sample in found)
    margin = SampleField(category="pet", resample=True, margin=(0, 2, 1), entries="FDG", fill_value=-3)
    (one, *_) = dataset.samples(cohort, indexing=indexing.slices, extract=[margin], subjects=["B"])
    onto = transforms.pad(geometries("B")["mr"], (0, 2, 1))
    whole = transforms.resample_onto(*arrays("B")["pet"], onto, interpolation=transforms.linear, fill_value=-3)
    np.testing.assert_allclose(one["pet"], whole[0], atol=1e-5)


def test_what_cannot_be_resampled_is_one_sentence(cohort):
    for options in ({"whole": True}, {"pad_mode": transforms.edge}):
        field = SampleField(category="pet", resample=True, **options)
        with pytest.raises(
            ValueError, match=r"^samples: `extract` must have `resample` without `whole` and `pad_mode`"
        ):
            dataset.samples(cohort, indexing=indexing.slices, extract=[field])
    field = SampleField(category="pet", resample=True)
    stepped = dataset.samples(cohort, indexing=lambda _: [(slice(0, 4, 2),)], extract=[field])
    with pytest.raises(ValueError, match=r"^samples: `indexing` must have no steps for categories that are resampled"):
        stepped[0]
