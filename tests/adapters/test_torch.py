"""Batches and samples as tensors, and the loader: the same samples come out, augmented as the seed says."""

import numpy as np
import pytest
import torch

from mia_functional import dataset
from mia_functional.adapters import torch as torch_adapter

from .conftest import PATCH


def test_a_torch_loader_gives_the_samples_with_channels_first(samples):
    batches = list(torch_adapter.loader(samples, batch_size=5))
    assert [len(batch["images"]) for batch in batches] == [5, 5, 5, 1]
    assert batches[0]["images"].shape == (5, 2, *PATCH)
    assert batches[0]["subject"] == ("A",) * 5
    for position, found in enumerate(torch.cat([batch["images"] for batch in batches])):
        np.testing.assert_array_equal(found.permute(1, 2, 3, 0), samples[position]["images"])
    first = next(iter(torch_adapter.loader(samples, batch_size=2, channels_first=False)))
    np.testing.assert_array_equal(first["labels"][1], samples[1]["labels"])
    assert first["labels"].dtype == torch.uint8


@pytest.mark.slow
def test_workers_of_a_torch_loader_give_the_same(samples):
    torch.manual_seed(0)
    batches = list(torch_adapter.loader(samples, batch_size=8, shuffle=True, workers=1))
    found = {(batch["subject"][k], batch["index"][k][0].start, batch["index"][k][1].start, batch["index"][k][2].start):
             batch["images"][k] for batch in batches for k in range(8)}  # fmt: skip
    for sample in samples:
        place = (sample["subject"], *(entry.start for entry in sample["index"]))
        np.testing.assert_array_equal(found[place].permute(1, 2, 3, 0), sample["images"])


def test_tensors_stay_what_they_were(samples):
    sample = samples[3]
    before = sample["images"].copy()
    tensors = torch_adapter.tensors(sample, channels_first=False)
    tensors["images"].zero_()
    np.testing.assert_array_equal(sample["images"], before)


def test_the_channels_of_a_sample_come_first_and_those_of_a_batch_second(samples):
    sample = samples[3]
    assert torch_adapter.tensors(sample)["images"].shape == (2, *PATCH)
    np.testing.assert_array_equal(torch_adapter.tensors(sample)["images"], np.moveaxis(sample["images"], -1, 0))
    batch = dataset.collate([sample, sample])
    np.testing.assert_array_equal(torch_adapter.tensors(batch)["labels"][1], torch_adapter.tensors(sample)["labels"])
    flat = torch_adapter.tensors({"subject": "A", "images": np.zeros((5, 2)), "weights": np.ones(3)})
    assert flat["images"].shape == (2, 5)
    assert flat["weights"].shape == (3,)


def test_tensors_are_made_of_arrays_of_either_byte_order():
    found = torch_adapter.tensors({"images": np.arange(6, dtype=">f4").reshape(1, 6)})["images"]
    assert found.tolist() == [[0, 1, 2, 3, 4, 5]]


def test_tensors_of_a_reused_buffer_stay_what_they_were():
    buffer, found = np.empty((3, 8, 8, 2), np.float32), []
    for number in range(50):
        buffer[:] = number
        found.append(torch_adapter.tensors({"x": buffer})["x"])
    buffer[:] = -1
    assert [(float(tensor.min()), float(tensor.max())) for tensor in found] == [(k, k) for k in range(50)]
