"""Creation: what went in comes out, the same for any number of workers, and nothing is lost or half there."""

import errno
import hashlib
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import SimpleITK

import mia_functional
from mia_functional import dataset, images
from mia_functional.dataset import checkpoints, locking
from mia_functional.dataset._hdf5 import writer
from mia_functional.dataset.records import Storage
from mia_functional.geometry import Geometry
from mia_functional.transforms import crop, on

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


def someone(name="A", **values):
    """A subject of values, without files."""
    values = values or {"AGE": 31.0}
    return dataset.Subject(
        name=name, entries=tuple(dataset.Entry(category="numerical", name=key, value=v) for key, v in values.items())
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


def test_a_run_that_made_nothing_is_not_in_the_way(subjects, tmp_path):
    with pytest.raises(RuntimeError, match="no good"):
        dataset.create(tmp_path / "x.h5", subjects, transform=partial(fail_at, "ABC"))
    dataset.create(tmp_path / "x.h5", subjects)
    assert os.listdir(tmp_path) == ["x.h5"]


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


def test_no_absolute_path_is_stored(cohort, folder):
    assert str(folder).encode() not in Path(cohort.path).read_bytes()
    found = [os.path.join(os.path.dirname(cohort.path), path) for path in dataset.files(cohort, "B")["images"]]
    assert [os.path.realpath(path) for path in found] == [str(folder / f"B_{entry}.mha") for entry in ("T1", "T2")]


def test_files_are_digested_on_request(subjects, folder, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects, storage=Storage(file_digests=True))
    with h5py.File(tmp_path / "x.h5") as file:
        table = file["meta/file_digests/images"][()]
    expected = [[hashlib.sha256((folder / f"{s}_{e}.mha").read_bytes()).digest() for e in ("T1", "T2")] for s in "ABC"]
    assert [[bytes(cell) for cell in row] for row in table] == expected


def double(sample):
    """A transform that processes can import."""
    return {**sample, "images": sample["images"] * np.float32(2)}


class Inline(ThreadPoolExecutor):
    """An executor that could be any: to `create`, its workers might be other processes."""


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


# What must not happen


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


def fail_at(names, sample):
    """A transform that fails for some subjects."""
    if sample["subject"] in names:
        raise RuntimeError("no good")
    return sample


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(2)])
def test_a_failure_names_the_subject_and_resuming_keeps_the_rest(subjects, tmp_path, executor):
    path = tmp_path / "x.h5"
    with pytest.raises(RuntimeError, match="no good") as caught:
        dataset.create(path, subjects, transform=partial(fail_at, "B"), executor=executor)
    assert caught.value.__notes__ == ["create: this happened with the subject B."]
    assert not path.exists()
    with pytest.raises(FileExistsError, match="holds parts of an interrupted run"):
        dataset.create(path, subjects)
    assert 1 <= len(list(tmp_path.glob(".x.h5.parts/*.part"))) <= 2
    loaded = []

    def load(path):
        loaded.append(Path(path).name)
        return images.read(path)

    dataset.create(path, subjects, load=load, resume=True)
    assert "A_T1.mha" not in loaded
    assert "B_T1.mha" in loaded
    dataset.create(tmp_path / "whole.h5", subjects)
    assert path.read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["whole.h5", "x.h5"]


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_those_that_wait_for_a_subject_that_fails_fail_too(subjects, tmp_path, kind):
    others = threading.Barrier(3)

    def transform(sample):
        others.wait()
        if sample["subject"] == "A":
            time.sleep(0.1)
            raise kind("no good")
        return sample

    with ThreadPoolExecutor(3) as pool, pytest.raises(kind, match="no good") as caught:
        dataset.create(tmp_path / "x.h5", subjects, transform=transform, executor=pool)
    assert caught.value.__notes__ == ["create: this happened with the subject A."]
    assert not list(tmp_path.glob(".x.h5.parts/*.part"))


def test_the_last_are_cancelled_first(tmp_path, monkeypatch):
    submitted, cancelled = [], []

    def submit(pool, *arguments, original=ThreadPoolExecutor.submit):
        submitted.append(original(pool, *arguments))
        return submitted[-1]

    def cancel(future, original=Future.cancel):
        cancelled.append(future)
        return original(future)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    monkeypatch.setattr(Future, "cancel", cancel)
    people = [someone(f"S{number}") for number in range(20)]
    with ThreadPoolExecutor(2) as pool, pytest.raises(ZeroDivisionError):
        dataset.create(tmp_path / "x.h5", people, executor=pool, progress=lambda done, *_: 1 // (2 - done))
    assert cancelled == [future for future in reversed(submitted) if future in cancelled]
    assert len(cancelled) == 20
    dataset.create(tmp_path / "x.h5", people, resume=True)
    assert len(dataset.open(tmp_path / "x.h5")) == 20


def numbered(folder, shapes):
    """Subjects with a NumPy file each, full of their number."""
    people = []
    for number, shape in enumerate(shapes):
        np.save(folder / f"{number}.npy", np.full(shape, number))
        entry = dataset.Entry(category="images", name="T1", path=str(folder / f"{number}.npy"))
        people.append(dataset.Subject(name=str(number), entries=(entry,)))
    return people


def interrupted(loaded, *, after):
    """Return a loader that notes what it loads, and is interrupted at some file."""

    def load(name):
        loaded.append(Path(name).stem)
        if len(loaded) == after:
            raise KeyboardInterrupt
        return images.read(name)

    return load


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(1)])
@pytest.mark.parametrize("victim", ["part", "arrays"])
def test_damaged_and_stale_parts_are_made_again(tmp_path, victim, executor):
    people = numbered(tmp_path, [(4, 4, 4)] * 3)
    loaded = []
    path = tmp_path / "x.h5"
    load = interrupted(loaded, after=3)
    with pytest.raises(KeyboardInterrupt):
        dataset.create(path, people, load=load, executor=executor)
    part = next(p for p in tmp_path.glob(".x.h5.parts/*.part") if checkpoints.read_checkpoint(p).subject == "0")
    spoiled, where = (
        (part, 10)
        if victim == "part"
        else (part.with_name("arrays"), checkpoints.read_checkpoint(part).blocks[0].offset)
    )
    raw = bytearray(spoiled.read_bytes())
    raw[where] ^= 1
    spoiled.write_bytes(raw)
    np.save(tmp_path / "1.npy", np.full((4, 4, 4), 7))
    dataset.create(path, people, load=load, executor=executor, resume=True)
    assert loaded == ["0", "1", "2", "0", "1", "2"]
    assert [int(dataset.read(dataset.open(path), k, "images").max()) for k in range(3)] == [0, 7, 2]
    dataset.create(tmp_path / "whole.h5", people)
    assert path.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_arrays_are_written_once(subjects, tmp_path, monkeypatch):
    copied = []
    monkeypatch.setattr(writer, "copy", lambda target, task, copy=writer.copy, **options: (
        copied.append(task), copy(target, task, **options)
    ))  # fmt: skip
    for executor in (None, ThreadPoolExecutor(2)):
        dataset.create(tmp_path / "x.h5", subjects, executor=executor, overwrite=True)
        assert {task.source.name for task in copied} == {"frame"}
        data = [dataset.view(dataset.open(tmp_path / "x.h5"), k, "images") for k in range(3)]
        assert sum(task.nbytes for task in copied) < (tmp_path / "x.h5").stat().st_size - sum(a.nbytes for a in data)
        copied.clear()


def test_what_comes_after_a_subject_of_another_size_moves(tmp_path):
    people = numbered(tmp_path, [(40, 5, 5), (30, 5, 5), (30, 5, 5), (20, 5, 5)])
    path, loaded = tmp_path / "x.h5", []
    with pytest.raises(KeyboardInterrupt):
        dataset.create(path, people, load=interrupted(loaded, after=4))
    np.save(tmp_path / "0.npy", np.full((70, 5, 5), 9))
    dataset.create(path, people, load=interrupted(loaded, after=0), resume=True)
    assert loaded == ["0", "1", "2", "3", "0", "1", "2", "3"]
    dataset.create(tmp_path / "whole.h5", people)
    assert path.read_bytes() == (tmp_path / "whole.h5").read_bytes()


@pytest.mark.parametrize("first", ["here", "elsewhere"])
def test_another_executor_resumes(tmp_path, first):
    people = numbered(tmp_path, [(40, 5, 5), (30, 5, 5), (30, 5, 5), (20, 5, 5)])
    path, loaded, pool = tmp_path / "x.h5", [], Inline(max_workers=1)
    executors = (None, pool) if first == "here" else (pool, None)
    with pytest.raises(KeyboardInterrupt):
        dataset.create(path, people, load=interrupted(loaded, after=3), executor=executors[0])
    dataset.create(path, people, load=interrupted(loaded, after=0), executor=executors[1], resume=True)
    assert [loaded.count(name) for name in "012"] == [1, 1, 2]
    dataset.create(tmp_path / "whole.h5", people)
    assert path.read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert sorted(name for name in os.listdir(tmp_path) if "h5" in name) == ["whole.h5", "x.h5"]


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


def test_subjects_of_different_ranks_are_refused(subjects, tmp_path):
    def transform(sample):
        return {**sample, "numerical": sample["numerical"].reshape((1, 2) if sample["subject"] == "B" else 2)}

    with pytest.raises(ValueError, match="all have numerical, with one number of axes"):
        dataset.create(tmp_path / "x.h5", subjects, transform=transform)


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


def test_random_transforms_may_leave_their_generator(subjects, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects, transform=lambda sample: {**sample, "rng": np.random.default_rng(0)})
    assert [category.name for category in dataset.open(tmp_path / "x.h5").categories][-1] == "gender"


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


def channelled(folder, name, **channels):
    """A subject of images with some number of channels each."""
    entries = []
    for entry, count in channels.items():
        np.save(folder / f"{name}_{entry}.npy", np.ones((4, 3, 5, count)))
        path = folder / f"{name}_{entry}.npy"
        entries.append(dataset.Entry(category="images", name=entry, path=path))
    return dataset.Subject(name=name, entries=tuple(entries))


def test_channels_of_some_subjects_are_not_named_after_entries(tmp_path):
    first, second, third = (channelled(tmp_path, name, a=count, b=1) for name, count in (("A", 1), ("B", 2), ("C", 2)))
    for people in ([first, second], [second, first]):
        message = r"all have one channel for each entry of images \(a, b\), .*; got \(4, 3, 5, 3\) of B"
        with pytest.raises(ValueError, match=message):
            dataset.create(tmp_path / "x.h5", people, overwrite=True)
    dataset.create(tmp_path / "x.h5", [second, third], overwrite=True)
    assert dataset.open(tmp_path / "x.h5").categories[0].entries == ()


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda image: image[..., 0], (10, 12, 14)),
        (lambda image: image[1:, ..., 0], (9, 12, 14)),
        (lambda image: image.mean(axis=(0, 1, 2)), (2,)),
        (lambda image: image[..., np.newaxis], (10, 12, 14, 2, 1)),
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


# Two runs on one path

SLOW = """
import multiprocessing, sys, time
from concurrent.futures import ProcessPoolExecutor
import numpy as np
from mia_functional import dataset
def transform(sample):
    print(sample["subject"], flush=True)
    time.sleep(0.2)
    return {**sample, "number": np.ones(1)}
people = [dataset.Subject(name=n, entries=(dataset.Entry(category="a", name="b", value=1.0),)) for n in "ABCD"]
fork = multiprocessing.get_context("fork")
executor = ProcessPoolExecutor(1, mp_context=fork) if sys.argv[2] == "processes" else None
dataset.create(sys.argv[1], people, transform=transform, executor=executor)
"""


def twos(sample):
    """A transform of another run."""
    return {**sample, "number": np.full(1, 2.0)}


@pytest.fixture(params=["alone"])
def other(request, tmp_path):
    """A run of another process that is at work on a path: its second subject has begun."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SLOW, str(tmp_path / "x.h5"), request.param]
    options = {"stdout": subprocess.PIPE, "encoding": "utf-8", "env": environment, "start_new_session": True}
    with subprocess.Popen(command, **options) as process:
        assert [process.stdout.readline(), process.stdout.readline()] == ["A\n", "B\n"]
        yield process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


FOUR = [dataset.Subject(name=n, entries=(dataset.Entry(category="a", name="b", value=1.0),)) for n in "ABCD"]


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_second_run_on_a_path_is_refused(tmp_path, other, options):
    with pytest.raises(BlockingIOError, match=r"create: another run is at work on .*x\.h5\."):
        dataset.create(tmp_path / "x.h5", FOUR, transform=twos, **options)
    assert other.wait() == 0
    found = dataset.open(tmp_path / "x.h5", verify=True)
    assert [dataset.read(found, name, "number").tolist() for name in "ABCD"] == [[1.0]] * 4
    assert os.listdir(tmp_path) == ["x.h5"]


@pytest.mark.parametrize("other", ["alone", "processes"], indirect=True)
def test_a_run_that_was_killed_holds_nothing(tmp_path, other):
    other.kill()
    other.wait()
    with pytest.raises(FileExistsError, match="holds parts of an interrupted run"):
        dataset.create(tmp_path / "x.h5", FOUR, transform=twos)

    def late(sample):
        time.sleep(0.3)
        return twos(sample)

    dataset.create(tmp_path / "x.h5", FOUR, transform=late, overwrite=True)
    found = dataset.open(tmp_path / "x.h5", verify=True)
    assert [dataset.read(found, name, "number").tolist() for name in "ABCD"] == [[2.0]] * 4


def test_of_many_runs_at_once_one_at_a_time_is_at_work(tmp_path):
    def run(number):
        def transform(sample):
            return {**sample, "number": np.full(1, float(number))}

        try:
            dataset.create(tmp_path / "x.h5", FOUR, transform=transform, overwrite=True)
        except BlockingIOError:
            return None
        return number

    with ThreadPoolExecutor(4) as pool:
        assert {number for number in pool.map(run, range(100)) if number is not None}
    found = dataset.open(tmp_path / "x.h5", verify=True)
    assert len({float(dataset.read(found, name, "number")[0]) for name in "ABCD"}) == 1
    assert os.listdir(tmp_path) == ["x.h5"]


def test_a_drive_without_locks_is_written_to(subjects, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOSYS, "no locks here")

    monkeypatch.setattr(locking.fcntl, "flock", refused)
    dataset.create(tmp_path / "x.h5", subjects)
    assert os.listdir(tmp_path) == ["x.h5"]


def test_a_run_that_ended_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    def late(place, folder, locked=locking.hold_lock):
        place.write_bytes(b"what another run made")
        return locked(place, folder)

    monkeypatch.setattr(checkpoints, "hold_lock", late)
    with pytest.raises(FileExistsError, match=r"x\.h5 exists already"):
        dataset.create(tmp_path / "x.h5", FOUR)
    assert (tmp_path / "x.h5").read_bytes() == b"what another run made"
    assert os.listdir(tmp_path) == ["x.h5"]


# Files whose pixels are elsewhere


def replaced_pixels(path):
    """Add one to every pixel in a file, at another time."""
    raw = bytes(byte + 1 for byte in path.read_bytes())
    path.write_bytes(raw)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


@pytest.mark.parametrize("ending", [".mhd", ".nhdr"])
def test_pixels_beside_their_header_are_part_of_the_file(tmp_path, ending):
    grid, people = Geometry(shape=(2, 3), spacing=(1, 1)), []
    for name in "AB":
        images.write(tmp_path / f"{name}{ending}", np.ones(grid.shape, np.uint8), grid)
        entry = dataset.Entry(category="images", name="T1", path=tmp_path / f"{name}{ending}")
        people.append(dataset.Subject(name=name, entries=(entry,)))
    path, loaded = tmp_path / "x.h5", []
    with pytest.raises(KeyboardInterrupt):
        dataset.create(path, people, load=interrupted(loaded, after=2))
    replaced_pixels(tmp_path / "A.raw")
    dataset.create(path, people, load=interrupted(loaded, after=0), resume=True)
    assert loaded == ["A", "B", "A", "B"]
    assert [int(dataset.read(dataset.open(path), k, "images").max()) for k in range(2)] == [2, 1]
    found = []
    for _ in range(2):
        dataset.create(path, people, storage=Storage(file_digests=True), overwrite=True)
        with h5py.File(path) as file:
            found.append(file["meta/file_digests/images"][()].tobytes())
        replaced_pixels(tmp_path / "A.raw")
    assert found[0][:32] != found[1][:32]
    assert found[0][32:] == found[1][32:]


@pytest.mark.parametrize("content", [b"", b"not a header\n", b"NRRD0004\ndata file: gone.raw\n\n"])
def test_files_of_other_kinds_are_left_to_their_loader(tmp_path, content):
    (tmp_path / "A.nhdr").write_bytes(content)
    one = dataset.Subject(name="A", entries=(dataset.Entry(category="images", name="x", path=tmp_path / "A.nhdr"),))
    grid = Geometry(shape=(2, 3), spacing=(1, 1))
    dataset.create(tmp_path / "x.h5", [one], load=lambda _: (np.ones((2, 3)), grid), storage=Storage(file_digests=True))
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["meta/file_digests/images"][()].tobytes() == hashlib.sha256(content).digest()


# Values, paths and arguments


def test_values_and_paths_are_taken_for_what_they_stand_for():
    for value, expected in (
        (np.float32(0.1), float(np.float32(0.1))),
        (np.int64(3), 3),
        (np.array(2.5), 2.5),
        (np.array([True])[0], True),
        (Fraction(1, 4), 0.25),
        (True, True),
        (3, 3),
        (np.str_("a"), "a"),
    ):
        entry = dataset.Entry(category="a", name="b", value=value)
        assert entry.value == expected
        assert type(entry.value) is type(expected)
    assert dataset.Entry(category="a", name="b", path=Path("x") / "y.nii").path == str(Path("x", "y.nii"))


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"value": b"31"}, TypeError, "`value` must be a number or text; got b'31'"),
        ({"value": np.ones(2)}, TypeError, r"`value` must be a number or text; got an array of shape \(2,\)"),
        ({"value": 1j}, TypeError, "`value` must be a number or text; got 1j"),
        ({"value": 10**400}, ValueError, "`value` must be a number that float64 holds; got one that is larger"),
        ({"path": 3}, TypeError, "`path` must be a path of text; got 3"),
        ({"path": b"x"}, TypeError, "`path` must be a path of text; got b'x'"),
        ({"path": "x", "value": 3}, ValueError, "`path` must be given, or a value, and not both"),
    ],
)
def test_other_values_and_paths_are_refused(given, kind, message):
    with pytest.raises(kind, match=f"^Entry: {message}"):
        dataset.Entry(category="a", name="b", **given)


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


def test_paths_that_are_no_unicode_are_refused_before_any_work(tmp_path):
    name = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"\xff.npy"))
    np.save(name, np.ones((2, 3)))
    one = dataset.Subject(name="A", entries=(dataset.Entry(category="images", name="x", path=name),))
    with pytest.raises(ValueError, match=r"create: `paths` must be text of Unicode .*; got '\\udcff\.npy'\."):
        dataset.create(tmp_path / "x.h5", [one], load=lambda _: pytest.fail("it was loaded"))
    assert len(os.listdir(tmp_path)) == 1
    dataset.create(tmp_path / "x.h5", [one], storage=Storage(paths=False))
    assert dataset.open(tmp_path / "x.h5").grids == ((2, 3),)


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


def test_the_file_tells_what_made_it(cohort):
    with h5py.File(cohort.path) as file:
        assert file.attrs["mia_functional"] == mia_functional.__version__.encode()


def watched(patch, failing):
    """Let one of the writes, flushes and renames fail; where none does, the count tells how many there are."""
    disk = SimpleNamespace(count=0)

    def counted(function):
        def call(*arguments):
            disk.count += 1
            if disk.count == failing:
                raise OSError((errno.ENOSPC, errno.EIO)[failing % 2], "it failed")
            return function(*arguments)

        return call

    def refused(*_):
        raise OSError(errno.EXDEV, "the system cannot copy")

    for module in (checkpoints, writer):
        patch.setattr(module, "write_all", counted(checkpoints.write_all))
    patch.setattr(os, "fsync", counted(os.fsync))
    patch.setattr(Path, "replace", counted(Path.replace))
    patch.setattr(os, "copy_file_range", refused)
    return disk


@pytest.mark.parametrize(("options", "step"), [(Storage(), 1), (Storage(compression="gzip"), 9)])
def test_each_failing_write_is_an_error_and_leaves_nothing(subjects, tmp_path, options, step):
    path = tmp_path / "x.h5"
    with pytest.MonkeyPatch.context() as patch:
        disk = watched(patch, -1)
        dataset.create(path, subjects, storage=options)
    expected, total = path.read_bytes(), disk.count
    assert total > 150
    old = b"what was there"
    path.write_bytes(old)
    for failing in {*range(1, 101, step), *range(101, total, 23), *range(total - 4, total + 1)}:
        with pytest.MonkeyPatch.context() as patch:
            watched(patch, failing)
            with pytest.raises(OSError, match=f"{tmp_path}.* could not be written: it failed"):
                dataset.create(path, subjects, storage=options, overwrite=True)
        assert path.read_bytes() == (expected if failing == total else old)
        left = list(tmp_path.glob(".x.h5.parts/*.part"))
        assert sorted(os.listdir(tmp_path)) == [*([".x.h5.parts"] if left else []), "x.h5"]
        assert not list(tmp_path.glob(".x.h5.parts/.mia-*"))
        path.write_bytes(old)
    dataset.create(path, subjects, storage=options, overwrite=True, resume=True)
    assert path.read_bytes() == expected
