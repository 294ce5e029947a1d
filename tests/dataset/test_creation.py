"""Creation: what went in comes out, the same for any number of workers, and nothing is lost or half there."""

import errno
import hashlib
import os
import struct
import threading
import time
import tracemalloc
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import SimpleITK

from mia_functional import dataset, images
from mia_functional.dataset import parts, storage
from mia_functional.dataset.description import Storage
from mia_functional.geometry import Geometry

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
    part = next(p for p in tmp_path.glob(".x.h5.parts/*.part") if parts.read_part(p).subject == "0")
    spoiled, where = (
        (part, 10) if victim == "part" else (part.with_name("arrays"), parts.read_part(part).blocks[0].offset)
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
    monkeypatch.setattr(storage, "copy", lambda target, task, copy=storage.copy, **options: (
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

    for module in (parts, storage):
        patch.setattr(module, "write_all", counted(parts.write_all))
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
        assert not list(tmp_path.glob(".x.h5.parts/*.draft"))
        path.write_bytes(old)
    dataset.create(path, subjects, storage=options, overwrite=True, resume=True)
    assert path.read_bytes() == expected
