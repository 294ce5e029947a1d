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
        np.testing.assert_array_equal(found.permute(1, 2, 3, 0), samples[0, position]["images"])
    first = next(iter(torch_adapter.loader(samples, batch_size=2, channels_first=False)))
    np.testing.assert_array_equal(first["labels"][1], samples[0, 1]["labels"])
    assert first["labels"].dtype == torch.uint8


def places(batch):
    """Return where the samples of a batch are in their subjects."""
    return list(zip(batch["subject"], map(str, batch["index"]), strict=True))


def test_every_epoch_of_a_loader_draws_anew_and_goes_on_where_it_stopped(samples):
    loader = torch_adapter.loader(samples, batch_size=3, shuffle=True)
    epochs = [list(loader) for _ in range(3)]
    position = {place: k for k in range(16) for place in places(dataset.collate([samples[0, k]]))}
    orders = []
    for epoch, batches in enumerate(epochs):
        found = [position[place] for batch in batches for place in places(batch)]
        images = torch.cat([batch["images"] for batch in batches]).permute(0, 2, 3, 4, 1)
        for k, image in zip(found, images, strict=True):
            np.testing.assert_array_equal(image, samples[epoch, k]["images"])
        orders.append(found)
    assert all(sorted(order) == list(range(16)) for order in orders)
    assert len(set(map(tuple, orders))) == 3
    resumed = torch_adapter.loader(samples, batch_size=3, shuffle=True, epoch=1, start=4)
    assert len(resumed) == 2
    for again, batch in zip([*resumed, *resumed], [*epochs[1][4:], *epochs[2]], strict=True):
        assert torch.equal(again["images"], batch["images"])


@pytest.mark.slow
@pytest.mark.parametrize("persistent", [True, False])
def test_workers_of_a_torch_loader_give_the_same(samples, persistent):
    options = {"batch_size": 8, "shuffle": True}
    loader = torch_adapter.loader(samples, **options, workers=1, persistent_workers=persistent)
    alone = torch_adapter.loader(samples, **options)
    for _ in range(2):
        for found, expected in zip(loader, alone, strict=True):
            assert places(found) == places(expected)
            assert torch.equal(found["images"], expected["images"])


def test_a_loader_takes_a_sampler_of_torch(samples):
    shards = [torch.utils.data.DistributedSampler(samples, num_replicas=2, rank=rank) for rank in (0, 1)]
    loaders = [torch_adapter.loader(samples, batch_size=3, sampler=shard, drop_last=True) for shard in shards]
    assert [len(loader) for loader in loaders] == [2, 2]
    found = [[places(batch) for loader in loaders for batch in loader] for _ in range(2)]
    assert all(len({place for batch in epoch for place in batch}) == 12 for epoch in found)  # disjoint, rest dropped
    assert found[0] != found[1]
    with pytest.raises(ValueError, match="`sampler` must not be given with `shuffle`"):
        torch_adapter.loader(samples, batch_size=3, sampler=shards[0], shuffle=True)
    with pytest.raises(TypeError, match=r"^loader: `samples` must be from `dataset.samples`"):
        torch_adapter.loader([{}], batch_size=1)
    with pytest.raises(TypeError, match=r"^loader: `sampler` must have a length; got list_iterator"):
        torch_adapter.loader(samples, batch_size=1, sampler=iter([0]))
    with pytest.raises(ValueError, match=r"^loader: `workers` must be at least 0; got -1"):
        torch_adapter.loader(samples, batch_size=1, workers=-1)


def test_tensors_stay_what_they_were(samples):
    sample = samples[0, 3]
    before = sample["images"].copy()
    tensors = torch_adapter.tensors(sample, channels_first=False)
    tensors["images"].zero_()
    np.testing.assert_array_equal(sample["images"], before)


def test_the_channels_of_a_sample_come_first_and_those_of_a_batch_second(samples):
    sample = samples[0, 3]
    assert torch_adapter.tensors(sample)["images"].shape == (2, *PATCH)
    np.testing.assert_array_equal(torch_adapter.tensors(sample)["images"], np.moveaxis(sample["images"], -1, 0))
    batch = dataset.collate([sample, sample])
    np.testing.assert_array_equal(torch_adapter.tensors(batch)["labels"][1], torch_adapter.tensors(sample)["labels"])
    flat = torch_adapter.tensors({"subject": "A", "images": np.zeros((5, 2)), "weights": np.ones(3)})
    assert flat["images"].shape == (2, 5)
    assert flat["weights"].shape == (3,)


def test_arrays_of_two_shapes_are_tuples_of_tensors():
    batch = dataset.collate([{"subject": "A", "x": np.ones((4, 5, 2))}, {"subject": "B", "x": np.zeros((3, 5, 2))}])
    found = torch_adapter.tensors(batch)
    assert [tuple(one.shape) for one in found["x"]] == [(2, 4, 5), (2, 3, 5)]
    assert [float(one.sum()) for one in found["x"]] == [40, 0]
    assert found["subject"] == ("A", "B")


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
