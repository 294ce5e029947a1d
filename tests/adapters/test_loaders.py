"""Loaders of other libraries: the same samples come out of each, with the augmentation that the seed says."""

from functools import partial

import grain
import numpy as np
import pytest
import torch

from mia_functional import dataset, images, indexing, phantoms, transforms
from mia_functional.adapters import flax, tensorflow
from mia_functional.adapters import grain as grain_adapter
from mia_functional.adapters import torch as torch_adapter

PATCH = (8, 8, 8)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Sixteen augmented patches of two small heads."""
    folder = tmp_path_factory.mktemp("cohort")
    for name, seed in (("A", 0), ("B", 1)):
        head = phantoms.head((16, 16, 16), rng=np.random.default_rng(seed))
        for entry, array in (("T1", head.t1), ("T2", head.t2), ("GT", head.labels)):
            images.write(folder / f"{name}_{entry}.nii.gz", array, head.geometry)
    patterns = {
        "images": {"T1": "{subject}_T1.nii.gz", "T2": "{subject}_T2.nii.gz"},
        "labels": {"GT": "{subject}_GT.nii.gz"},
    }
    dataset.create(folder / "cohort.h5", dataset.discover(folder, patterns))
    return dataset.samples(
        dataset.open(folder / "cohort.h5"),
        indexing=partial(indexing.patches, patch_shape=PATCH),
        extract=("images", "labels"),
        transform=transforms.randomly(("images", "labels"), transforms.random_flip, transforms.flip),
    )


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


def test_grain_takes_the_samples_as_they_are_and_in_a_pipeline(samples):
    plain = grain.MapDataset.source(samples)
    np.testing.assert_array_equal(plain[7]["images"], samples[7]["images"])
    batches = list(grain_adapter.pipeline(samples, batch_size=4))
    assert len(batches) == 4
    np.testing.assert_array_equal(batches[1]["labels"], np.stack([samples[k]["labels"] for k in range(4, 8)]))
    shuffled = [grain_adapter.pipeline(samples, batch_size=4, seed=1)[0]["images"] for _ in range(2)]
    np.testing.assert_array_equal(*shuffled)
    assert not np.array_equal(shuffled[0], batches[0]["images"])


def test_batches_come_to_the_device_in_order_and_compile(samples):
    import jax

    total = jax.jit(lambda batch: batch["images"].sum())
    batches = dataset.prefetch(samples, batch_size=4)
    found = [float(total(batch)) for batch in flax.to_device(batches, ahead=2)]
    expected = [sum(float(samples[k + i]["images"].sum()) for i in range(4)) for k in range(0, 16, 4)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert list(flax.to_device([], ahead=1)) == []


def test_tensorflow_gets_arrays_and_texts_alone(samples):
    parts = list(tensorflow.generate(samples))
    assert len(parts) == 16
    assert set(parts[0]) == {"images", "labels", "subject"}
    np.testing.assert_array_equal(parts[5]["images"], samples[5]["images"])
