"""Samples in Grain: as a source and in a pipeline."""

import grain
import numpy as np
import pytest

from mia_functional.adapters import grain as grain_adapter


@pytest.mark.parametrize("seed", [None, 3])
def test_every_epoch_of_a_pipeline_draws_anew_and_goes_on_where_it_stopped(samples, seed):
    pipeline = grain_adapter.pipeline(samples, batch_size=4, seed=seed).repeat(3)
    batches = list(pipeline)
    assert len(batches) == 12
    for number, batch in enumerate(batches):
        for k, place in enumerate(zip(batch["subject"], batch["index"], strict=True)):
            position = next(p for p in range(16) if (samples[0, p]["subject"], samples[0, p]["index"]) == place)
            np.testing.assert_array_equal(batch["images"][k], samples[number // 4, position]["images"])
    iterator = iter(pipeline)
    seen = [next(iterator) for _ in range(5)]
    state = iterator.get_state()
    resumed = iter(grain_adapter.pipeline(samples, batch_size=4, seed=seed).repeat(3))
    resumed.set_state(state)
    for again, batch in zip([*seen, *resumed], batches, strict=True):
        np.testing.assert_array_equal(again["images"], batch["images"])
    with pytest.raises(TypeError, match=r"^pipeline: `samples` must be from `dataset.samples`"):
        grain_adapter.pipeline([{}], batch_size=1)


def test_grain_takes_the_samples_as_they_are_and_in_a_pipeline(samples):
    plain = grain.MapDataset.source(samples)
    np.testing.assert_array_equal(plain[7]["images"], samples[0, 7]["images"])
    batches = list(grain_adapter.pipeline(samples, batch_size=4))
    assert len(batches) == 4
    np.testing.assert_array_equal(batches[1]["labels"], np.stack([samples[0, k]["labels"] for k in range(4, 8)]))
    shuffled = [grain_adapter.pipeline(samples, batch_size=4, seed=1)[0]["images"] for _ in range(2)]
    np.testing.assert_array_equal(*shuffled)
    assert not np.array_equal(shuffled[0], batches[0]["images"])
