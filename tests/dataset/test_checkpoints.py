"""Checkpoints: what was done survives failures and kills, and nothing is half there."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mia_functional import dataset, images
from mia_functional.dataset import checkpoints

from .cases import fail_at, interrupted, numbered, someone


def test_a_run_that_made_nothing_is_not_in_the_way(subjects, tmp_path):
    with pytest.raises(RuntimeError, match="no good"):
        dataset.create(tmp_path / "x.h5", subjects, transform=partial(fail_at, "ABC"))
    dataset.create(tmp_path / "x.h5", subjects)
    assert os.listdir(tmp_path) == ["x.h5"]


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


ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("count", [6, pytest.param(30, marks=pytest.mark.full)])
def test_kills_lose_nothing(tmp_path, count):
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path), str(count)]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    trials = json.loads(result.stdout)
    assert len(trials) == count
    assert len({trial["done"] for trial in trials}) >= 3
    for trial in trials:
        assert trial["whole"]
        assert trial["same"]
        assert trial["lost"] == []
