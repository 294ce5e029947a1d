"""Two runs on one path."""

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

from mia_functional import dataset
from mia_functional.dataset import checkpoints, locking

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


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_second_run_on_a_path_is_refused(tmp_path, other, options):
    with pytest.raises(BlockingIOError, match=r"create: another run is at work on .*x\.h5\."):
        dataset.create(tmp_path / "x.h5", FOUR, transform=twos, **options)
    assert other.wait() == 0
    found = dataset.open(tmp_path / "x.h5", verify=True)
    assert [dataset.read(found, name, "number").tolist() for name in "ABCD"] == [[1.0]] * 4
    assert os.listdir(tmp_path) == ["x.h5"]


@pytest.mark.slow
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
