"""The writer: every array goes to the disk once, and every write may fail."""

import errno
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mia_functional import dataset
from mia_functional.dataset import Storage, checkpoints
from mia_functional.dataset._hdf5 import writer

from .cases import (
    interrupted,
    numbered,
)


class Inline(ThreadPoolExecutor):
    """An executor that could be any: to `create`, its workers might be other processes."""


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


FULL_DISK = """
import json, resource, signal, sys
import numpy as np
from mia_functional import dataset
from mia_functional.dataset.records import Storage
from mia_functional.geometry import Geometry
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
grid = Geometry(shape=(32, 32, 32), spacing=(1, 1, 1))
noise = np.random.default_rng(0).integers(0, 30000, (32, 32, 32, 1)).astype(np.int16)
people = [dataset.Subject(name=n, entries=(dataset.Entry(category="age", name="AGE", value=1.0),)) for n in "AB"]
for limit in (1000, 30000, 100000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        dataset.create(sys.argv[1], people, storage=Storage(**json.loads(sys.argv[2])), overwrite=True,
                       transform=lambda sample: {**sample, "images": noise, "geometry": grid})
    except OSError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_a_full_disk_is_an_error(tmp_path, options):
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "x.h5"), json.dumps(options)]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, cwd=Path(__file__).parents[2])
    assert result.returncode == 0, result.stderr
    assert len(re.findall(f"create: {tmp_path}/.* could not be written: File too large", result.stdout)) == 3
    assert os.listdir(tmp_path) == [".x.h5.parts"]


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "step"),
    [
        (Storage(), 23),
        (Storage(compression="gzip"), 29),
        pytest.param(Storage(), 1, marks=pytest.mark.full),
        pytest.param(Storage(compression="gzip"), 9, marks=pytest.mark.full),
    ],
)
def test_each_failing_write_is_an_error_and_leaves_nothing(subjects, tmp_path, options, step):
    path = tmp_path / "x.h5"
    with pytest.MonkeyPatch.context() as patch:
        disk = watched(patch, -1)
        dataset.create(path, subjects, storage=options)
    expected, total = path.read_bytes(), disk.count
    assert total > 150
    old = b"what was there"
    path.write_bytes(old)
    for failing in {*range(1, 101, step), *range(101, total, 23 + step), *range(total - 4, total + 1)}:
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


def test_the_failure_is_told_and_not_what_hdf5_says_of_it(subjects, tmp_path, monkeypatch):
    def fail(stream, failures):
        failures.append(OSError(errno.ENOSPC, "it failed"))
        return new_file(stream, failures)

    def stumble(*_):
        raise OSError("bad heap index")

    new_file = writer.new_file
    dataset.create(tmp_path / "x.h5", subjects)
    monkeypatch.setattr(writer, "new_file", fail)
    monkeypatch.setattr(writer, "allocate", stumble)
    with pytest.raises(OSError, match=f"{tmp_path}.* could not be written: it failed"):
        dataset.create(tmp_path / "x.h5", subjects, overwrite=True)
