"""Batches: samples side by side, ahead of their use, and in the loaders of others."""

import pickle
from functools import partial

import numpy as np
import pytest

from mia_functional import dataset, indexing

from .cases import PATCHES, brightened, same


def test_batches_are_samples_side_by_side(cohort):
    samples = dataset.samples(cohort, indexing=PATCHES, extract=["images", "gender", "numerical"])
    alone = [samples[position] for position in (3, 0, 40)]
    together = samples.__getitems__([3, 0, 40])
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))
    batch = dataset.collate(together)
    assert same(batch, dataset.collate(alone))
    assert batch["images"].shape == (3, 4, 4, 4, 2)
    assert batch["subject"] == tuple(sample["subject"] for sample in alone)
    assert dataset.collate(batch) is batch
    clipped = partial(indexing.patches, patch_shape=(7, 7, 7), boundary=indexing.clip)
    ragged = dataset.samples(cohort, indexing=clipped, extract=["images"], subjects=["A"])
    parts = ragged.__getitems__([0, len(ragged) - 1])
    assert [part["images"].shape for part in parts] == [(7, 7, 7, 2), (3, 5, 7, 2)]
    assert all(part["images"].flags.writeable for part in parts)
    assert samples.__getitems__([]) == []


def test_samples_that_lie_side_by_side_are_not_copied_and_changes_to_them_count(cohort):
    samples = dataset.samples(cohort, indexing=PATCHES, extract=["images", "labels", "numerical"])
    parts = samples.__getitems__([3, 0, 40])
    batch = dataset.collate(parts)
    assert all(np.shares_memory(batch[name], parts[1][name]) for name in ("images", "labels", "numerical"))
    assert not np.shares_memory(dataset.collate(parts[:2])["images"], batch["images"])
    reordered = dataset.collate(parts[::-1])["images"]
    assert not np.shares_memory(reordered, batch["images"])
    np.testing.assert_array_equal(reordered, batch["images"][::-1])
    parts[1]["images"][...] = 7
    parts[2]["images"] = parts[2]["images"] + 1
    changed = dataset.collate(parts)["images"]
    assert (changed[1] == 7).all()
    np.testing.assert_array_equal(changed[2], batch["images"][2] + 1)
    mirrored = dataset.collate([{**part, "images": part["images"][..., ::-1]} for part in parts])["images"]
    np.testing.assert_array_equal(mirrored[0], batch["images"][0][..., ::-1])
    travelled = pickle.loads(pickle.dumps(samples.__getitems__([3, 0])))
    travelled[1]["images"][...] = 5
    assert (dataset.collate(travelled)["images"][1] == 5).all()
    with pytest.raises(TypeError, match="collate: `samples` must be several dictionaries, or a batch; got 3"):
        dataset.collate(3)
    own = np.arange(8.0).reshape(2, 4)
    assert not np.shares_memory(dataset.collate([{"x": row} for row in own])["x"], own)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "context"), [(0, None), (1, "spawn")])
def test_samples_go_into_torch(cohort, workers, context):
    data = pytest.importorskip("torch.utils.data")
    samples = dataset.samples(cohort, indexing=PATCHES, extract=["images"], transform=brightened, subjects=["A"])
    loader = data.DataLoader(
        samples, batch_size=5, collate_fn=dataset.collate, num_workers=workers, multiprocessing_context=context
    )
    assert all(same(a, b) for a, b in zip(loader, dataset.prefetch(samples, batch_size=5), strict=True))


def without_index(sample):
    """Return what the collation of PyTorch knows how to put together."""
    return {"subject": sample["subject"], "images": sample["images"]}


@pytest.mark.slow
def test_the_collation_of_torch_and_your_own_get_samples(cohort):
    data = pytest.importorskip("torch.utils.data")
    samples = dataset.samples(cohort, indexing=PATCHES, extract=["images"], transform=without_index, subjects=["A"])
    batch = next(iter(data.DataLoader(samples, batch_size=3)))
    np.testing.assert_array_equal(batch["images"].numpy(), np.stack([samples[k]["images"] for k in range(3)]))
    assert batch["subject"] == ["A"] * 3
    subset = data.Subset(dataset.samples(cohort, indexing=PATCHES, extract=["images"]), [4, 2])
    loader = data.DataLoader(subset, batch_size=2, collate_fn=lambda parts: [part["index"] for part in parts])
    assert list(loader) == [[subset[0]["index"], subset[1]["index"]]]


@pytest.mark.slow
def test_samples_go_into_grain(cohort):
    grain = pytest.importorskip("grain")
    samples = dataset.samples(cohort, indexing=PATCHES, extract=["images"])
    source = grain.MapDataset.source(samples)
    assert len(source) == len(samples)
    assert same(source[7], samples[7])
    images = grain.MapDataset.source(samples).shuffle(seed=1).map(lambda sample: sample["images"]).batch(4)
    assert images[0].shape == (4, 4, 4, 4, 2)
    assert len(list(grain.MapDataset.source(samples).to_iter_dataset())) == len(samples)
