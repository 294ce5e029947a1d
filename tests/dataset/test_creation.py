"""Creation: what went in comes out, the same for any number of workers."""

import os
import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import SimpleITK

import mia_functional
from mia_functional import dataset, images
from mia_functional.dataset import Storage
from mia_functional.geometry import Geometry

from .cases import double, someone

DTYPES = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
)


def test_everything_comes_back(cohort, subjects):
    assert cohort.subjects == ("A", "B", "C")
    assert [category.name for category in cohort.categories] == ["images", "labels", "numerical", "gender"]
    for sample in dataset.traverse(subjects):
        name = sample["subject"]
        assert dataset.geometry(cohort, name) == sample["geometry"]
        assert dataset.read(cohort, name, "gender") == sample["gender"]
        for category in ("images", "labels", "numerical"):
            found = dataset.read(cohort, name, category)
            np.testing.assert_array_equal(found, sample[category])
            assert found.dtype == sample[category].dtype
    assert dataset.verify(cohort) == ()


def test_arrays_are_mapped_and_aligned(cohort):
    with h5py.File(cohort.path) as file:
        for category in ("images", "labels", "numerical"):
            for found in file[f"data/{category}"].values():
                assert found.chunks is None
                assert found.compression is None
        offsets = [file[f"data/images/{k}"].id.get_offset() for k in range(3)]
    assert all(offset % 4096 == 0 for offset in offsets)


@pytest.mark.sampled(12)
@pytest.mark.parametrize("options", [Storage(), Storage(compression="gzip"), Storage(compression="blosc")])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_kept(tmp_path, dtype, options):
    rng = np.random.default_rng(DTYPES.index(dtype))
    array = (rng.normal(size=(5, 70, 3, 2)) * 50).astype(dtype)
    grid = Geometry(shape=(5, 70, 3), spacing=(1, 1, 1))

    def transform(sample):
        return {**sample, "images": array, "swapped": array.astype(array.dtype.newbyteorder(">")), "geometry": grid}

    dataset.create(tmp_path / "x.h5", [someone()], transform=transform, storage=options)
    found = dataset.open(tmp_path / "x.h5", verify=True)
    for category in ("images", "swapped"):
        again = dataset.read(found, "A", category)
        np.testing.assert_array_equal(again, array)
        assert again.dtype == (np.uint8 if dtype == "bool" else dtype)
    for index in (
        (3,),
        (slice(1, 4), slice(60, 70, 3)),
        (..., 1),
        (-1, slice(None), 2, 0),
        slice(4, 1, -1),
        (2, 2, 2, 1),
    ):
        np.testing.assert_array_equal(dataset.read(found, "A", "images", index=index), array[index])


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_every_rank_of_image_and_its_geometry(tmp_path, ndim):
    grid = Geometry(shape=(4, 3, 5, 2)[:ndim], spacing=(1.5, 2.0, 0.5, 3.0)[:ndim], origin=(1.0, -2.0, 3.0, 4.0)[:ndim])
    images.write(tmp_path / "A.mha", np.arange(np.prod(grid.shape), dtype=np.int16).reshape(grid.shape), grid)
    entry = dataset.Entry(category="images", name="T1", path=str(tmp_path / "A.mha"))
    dataset.create(tmp_path / "x.hdf5", [dataset.Subject(name="A", entries=(entry,))])
    found = dataset.open(tmp_path / "x.hdf5")
    assert dataset.geometry(found, 0) == grid
    assert found.grids == (grid.shape,)
    assert dataset.read(found, 0, "images", entries="T1").ravel().tolist() == list(range(int(np.prod(grid.shape))))


def test_labels_are_stored_as_what_they_mean_and_have_no_scale(tmp_path):
    head = "NDims = 3\nBinaryData = True\nDimSize = 5 3 4\nElementToIntensityFunctionSlope = {}\n"
    head += "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    stored = np.arange(60, dtype=np.uint8).reshape(4, 3, 5)
    (tmp_path / "A_T1.mha").write_bytes(head.format(0.5).encode() + stored.tobytes())
    (tmp_path / "A_GT.mha").write_bytes(head.format(2).encode() + stored.tobytes())
    people = dataset.discover(tmp_path, {"images": {"T1": "{subject}_T1.mha"}, "labels": {"GT": "{subject}_GT.mha"}})
    for load, factor in ((images.read, 0.5), (images.read_stored, 1)):
        for metadata_only in (False, True):
            path = tmp_path / "x.h5"
            dataset.create(path, people, load=load, metadata_only=metadata_only, overwrite=True)
            found = dataset.open(path, load=load)
            np.testing.assert_array_equal(dataset.read(found, "A", "images")[..., 0], stored * factor)
            np.testing.assert_array_equal(dataset.read(found, "A", "labels")[..., 0], 2 * stored.astype(int))
            assert dataset.scales(found, "A") == {"images": ((0.5, 0.0),)}


@pytest.mark.slow
def test_stored_integers_and_their_scales_are_kept_on_request(tmp_path):
    grid, rng = Geometry(shape=(4, 3, 5), spacing=(1, 1, 1)), np.random.default_rng(0)
    arrays = {name: rng.integers(-999, 999, (4, 3, 5)).astype(np.int16) for name in ("A_T1", "A_T2", "B_T1", "B_T2")}
    for name, array in arrays.items():
        images.write(tmp_path / f"{name}.nii", array, grid)
        images.write(tmp_path / f"{name[0]}_GT.nii", (array > 0).astype(np.uint8), grid, overwrite=True)
    with (tmp_path / "B_T2.nii").open("r+b") as stream:
        stream.seek(112)
        stream.write(struct.pack("<ff", 0.5, -3.0))
    patterns = {
        "images": {name: f"{{subject}}_{name}.nii" for name in ("T1", "T2")},
        "labels": {"GT": "{subject}_GT.nii"},
    }
    people = dataset.discover(tmp_path, patterns)
    expected = {"images": ((1.0, 0.0), (0.5, -3.0))}
    for options in ({"load": images.read_stored}, {}, {"metadata_only": True}):
        dataset.create(tmp_path / "x.h5", people, overwrite=True, **options)
        found = dataset.open(tmp_path / "x.h5", verify=True)
        assert dataset.scales(found, "B") == expected
        assert dataset.scales(found, 0) == {"images": ((1.0, 0.0), (1.0, 0.0))}
        numbers = dataset.read(found, "B", "images")
        assert numbers.dtype == (np.int16 if "load" in options else np.float32)
        slope, intercept = np.array(expected["images"]).T if "load" in options else (1.0, 0.0)
        np.testing.assert_array_equal(numbers[..., 0], arrays["B_T1"])
        np.testing.assert_array_equal((numbers * slope + intercept)[..., 1], arrays["B_T2"] * 0.5 - 3.0)
        assert dataset.read(found, "B", "labels").dtype == np.uint8


def test_transforms_run_and_may_rename(subjects, tmp_path):
    def transform(sample):
        number = "ABC".index(sample["subject"])
        rest = {key: value for key, value in sample.items() if key != "gender"}
        return {**rest, "subject": f"id{number}", "images": sample["images"] * 2, "mask": sample["labels"] > 1}

    dataset.create(tmp_path / "x.h5", subjects, transform=transform, storage=Storage(paths=False))
    found = dataset.open(tmp_path / "x.h5")
    assert found.subjects == ("id0", "id1", "id2")
    assert [category.name for category in found.categories] == ["images", "labels", "numerical", "mask"]
    for number, sample in enumerate(dataset.traverse(subjects)):
        np.testing.assert_array_equal(dataset.read(found, number, "images"), sample["images"] * 2)
        np.testing.assert_array_equal(dataset.read(found, number, "mask"), sample["labels"] > 1)
    raw = Path(found.path).read_bytes()
    assert not any(
        word in raw
        for word in (b"A_T1", b"B_T1", str(tmp_path).encode(), os.path.dirname(subjects[0].entries[0].path).encode())
    )


def test_transform_must_not_name_two_subjects_alike(subjects, tmp_path):
    with pytest.raises(ValueError, match=r"identifiers of their own, .*; got 'same', 'same', 'same'"):
        dataset.create(tmp_path / "x.h5", subjects, transform=lambda sample: {**sample, "subject": "same"})
    assert not (tmp_path / "x.h5").exists()


def test_a_folder_of_slices_is_a_file_like_any_other(tmp_path):
    for number, place in enumerate(("A", "B")):
        (tmp_path / place / "ct").mkdir(parents=True)
        for slice_number in range(3):
            image = SimpleITK.GetImageFromArray(np.full((1, 4, 5), 10 * number + slice_number, np.int16))
            image.SetOrigin((0.0, 0.0, 2.0 * slice_number))
            image.SetMetaData("0020|000e", f"1.2.{number + 1}")
            image.SetMetaData("0020|0032", f"0\\0\\{2 * slice_number}")
            image.SetMetaData("0020|0037", "1\\0\\0\\0\\1\\0")
            writer = SimpleITK.ImageFileWriter()
            writer.KeepOriginalImageUIDOn()
            writer.SetFileName(tmp_path / place / "ct" / f"{slice_number}.dcm")
            writer.Execute(image)
    people = dataset.discover(tmp_path, {"images": {"CT": "{subject}/ct"}})
    dataset.create(tmp_path / "x.h5", people, storage=Storage(file_digests=True))
    found = dataset.open(tmp_path / "x.h5", verify=True)
    assert dataset.read(found, "B", "images", index=(slice(None), 0, 0, 0)).tolist() == [10, 11, 12]
    assert dataset.geometry(found, "A").spacing == (2.0, 1.0, 1.0)


def test_the_file_is_the_same_for_any_workers(subjects, tmp_path, executor):
    make = partial(dataset.create, subjects=subjects, transform=double)
    make(tmp_path / "serial.h5")
    make(tmp_path / "parallel.h5", executor=executor)
    assert (tmp_path / "parallel.h5").read_bytes() == (tmp_path / "serial.h5").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["parallel.h5", "serial.h5"]


def test_threads_compress_at_the_same_time(subjects, tmp_path):
    with ThreadPoolExecutor(3) as pool:
        dataset.create(tmp_path / "threads.h5", subjects, executor=pool, storage=Storage(compression="gzip"))
    dataset.create(tmp_path / "serial.h5", subjects, storage=Storage(compression="gzip"))
    assert (tmp_path / "threads.h5").read_bytes() == (tmp_path / "serial.h5").read_bytes()


@pytest.mark.slow
def test_memory_is_that_of_a_few_subjects(tmp_path):
    grid = Geometry(shape=(100, 100, 100), spacing=(1, 1, 1))
    for name in ("T1", "T2"):
        images.write(tmp_path / f"{name}.mha", np.ones(grid.shape, np.float32), grid)
    entries = [dataset.Entry(category="images", name=name, path=str(tmp_path / f"{name}.mha")) for name in ("T1", "T2")]
    people = [dataset.Subject(name=f"S{number}", entries=tuple(entries)) for number in range(12)]
    with ThreadPoolExecutor(2) as pool:
        tracemalloc.start()
        dataset.create(tmp_path / "x.h5", people, executor=pool)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert 1 < peak / (2 * 4 * 100**3) < 4


def test_progress_counts_subjects(subjects, tmp_path):
    calls = []
    dataset.create(tmp_path / "x.h5", subjects, progress=lambda *call: calls.append(call))
    assert calls == [(1, 3, "A"), (2, 3, "B"), (3, 3, "C")]


def test_nothing_is_overwritten_unasked(tmp_path):
    path = tmp_path / "x.h5"
    dataset.create(path, [someone(AGE=1.0)])
    old = dataset.open(path)
    with pytest.raises(FileExistsError, match=r"x\.h5 exists already; `overwrite=True` replaces it"):
        dataset.create(path, [someone(AGE=2.0)])
    assert dataset.read(old, "A", "numerical").tolist() == [1.0]
    dataset.create(path, [someone(AGE=2.0)], overwrite=True)
    with pytest.raises(ValueError, match="another file than the one that was opened"):
        dataset.read(old, "A", "numerical")
    assert dataset.read(dataset.open(path), "A", "numerical").tolist() == [2.0]
    assert os.listdir(tmp_path) == ["x.h5"]


def test_random_transforms_may_leave_their_generator(subjects, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects, transform=lambda sample: {**sample, "rng": np.random.default_rng(0)})
    assert [category.name for category in dataset.open(tmp_path / "x.h5").categories][-1] == "gender"


def test_wrong_wishes_are_refused_before_anything_is_written(subjects, tmp_path):
    other = dataset.Subject(name="X", entries=subjects[0].entries[:2])
    for people, message in (
        ([], "must be at least one; got none"),
        ([subjects[0], other], r"have the same entries in the same order, .* as A has; got images/T1, images/T2 of X"),
        ([subjects[0], subjects[0]], "must have identifiers of their own, that differ by more than case; got 'A', 'A'"),
        ([someone("Zo\u00eb"), someone("b"), someone("ZOE\u0308")], "by more than case; got 'Zo\u00eb', 'ZOE\u0308'"),
    ):
        with pytest.raises(ValueError, match=message):
            dataset.create(tmp_path / "x.h5", people)
    for people, message in (
        ((subject for subject in subjects), "be a sequence of `Subject`; got generator"),
        (subjects[0], "be a sequence of `Subject`; got Subject"),
    ):
        with pytest.raises(TypeError, match=message):
            dataset.create(tmp_path / "x.h5", people)
    with pytest.raises(ValueError, match=r"must end in \.h5 or \.hdf5"):
        dataset.create(tmp_path / "x.hdf", subjects)
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        dataset.create(tmp_path / "nowhere" / "x.h5", subjects)
    with pytest.raises(ValueError, match="be without `transform`"):
        dataset.create(tmp_path / "x.h5", subjects, metadata_only=True, transform=double)
    with pytest.raises(ValueError, match="be gzip, blosc or none"):
        Storage(compression="lzma")
    assert os.listdir(tmp_path) == []


def test_places_that_are_taken_are_named(tmp_path):
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.h5 is a folder"):
        dataset.create(tmp_path / "folder.h5", [someone()], overwrite=True)
    (tmp_path / "link.h5").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match=r"link\.h5 exists already"):
        dataset.create(tmp_path / "link.h5", [someone()])
    (tmp_path / ".x.h5.parts").touch()
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(FileExistsError, match=r"\.x\.h5\.parts is a file"):
            dataset.create(tmp_path / "x.h5", [someone()], **options)
    (tmp_path / ".y.h5.parts").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match=r"\.y\.h5\.parts is a file or a link"):
        dataset.create(tmp_path / "y.h5", [someone()])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": 4}, "`executor` must be a `concurrent.futures.Executor`; got 4"),
        ({"executor": ThreadPoolExecutor}, "`executor` must be a `concurrent.futures.Executor`; got <class"),
        ({"storage": "gzip"}, "`storage` must be a `Storage`; got 'gzip'"),
        ({"load": None}, "`load` must be a function such as `images.read`; got None"),
        ({"transform": "abc"}, "`transform` must be a function such as .*; got 'abc'"),
        ({"progress": "x"}, "`progress` must be a function such as `print`; got 'x'"),
    ],
)
def test_wrong_kinds_of_options_are_refused_before_any_work(subjects, tmp_path, options, message):
    with pytest.raises(TypeError, match=rf"^create: {message}.*\.$"):
        dataset.create(tmp_path / "x.h5", subjects, **options)
    assert os.listdir(tmp_path) == []


def test_the_file_tells_what_made_it(cohort):
    with h5py.File(cohort.path) as file:
        assert file.attrs["mia_functional"] == mia_functional.__version__.encode()
