"""Open files: in threads, in other processes, and when they are closed."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mia_functional import dataset
from mia_functional.dataset import Storage
from mia_functional.dataset._hdf5 import handles

from .cases import total


@pytest.mark.slow
def test_other_processes_open_their_own_handles(cohort):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(total, [cohort] * 4)) == [total(cohort)] * 4


FORKED = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import torch
from mia_functional import dataset, indexing

def total(found):
    return float(dataset.read(found, "B", "images").sum())

found = dataset.open(sys.argv[1])
expected = total(found)
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
    assert list(pool.map(total, [found] * 4)) == [expected] * 4
samples = dataset.samples(found, indexing=indexing.slices, extract=["images"])
options = {"collate_fn": dataset.collate, "num_workers": 2, "multiprocessing_context": "fork"}
loader = torch.utils.data.DataLoader(samples, 5, **options)
for batch, again in zip(loader, dataset.prefetch(samples, batch_size=5), strict=True):
    assert (batch["images"] == again["images"]).all() and batch["subject"] == again["subject"]
assert total(found) == expected
"""


@pytest.mark.slow
def test_forked_processes_do_not_inherit_handles(cohort):
    command = [sys.executable, "-W", "error", "-c", FORKED, cohort.path]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, cwd=Path(__file__).parents[2])
    assert result.returncode == 0, result.stderr


def test_arrays_outlive_their_file(subjects, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects)
    found = dataset.open(tmp_path / "x.h5")
    view = dataset.view(found, 0, "images")
    expected = np.array(view)
    handles.release(found.path)
    (tmp_path / "x.h5").unlink()
    np.testing.assert_array_equal(view, expected)
    with pytest.raises(FileNotFoundError, match=r"x\.h5"):
        dataset.read(found, 0, "images")


@pytest.mark.slow
def test_only_so_many_files_stay_open(subjects, tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "OPEN_FILES", 3)
    found = []
    for number in range(5):
        dataset.create(tmp_path / f"{number}.h5", subjects)
        found.append(dataset.open(tmp_path / f"{number}.h5"))
    assert len(handles._HANDLES) == 3
    assert len({total(one) for one in found}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("turns", [60, pytest.param(300, marks=pytest.mark.full)])
def test_files_may_close_while_threads_read(compression, turns, subjects, cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "OPEN_FILES", 2)
    found = []
    for number in range(4):
        dataset.create(tmp_path / f"{number}.h5", subjects, storage=Storage(compression=compression, durable=False))
        found.append(dataset.open(tmp_path / f"{number}.h5"))
    expected = dataset.read(cohort, "B", "images")

    def same(turn):
        if turn % 7 == 0:
            dataset.close(found[turn % 3])
        plane = dataset.read(found[turn % 4], "B", "images", index=turn % 10)
        return bool((plane == expected[turn % 10]).all())

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(same, range(turns)))
