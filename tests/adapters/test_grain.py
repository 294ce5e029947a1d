"""Samples in Grain: as a source and in a pipeline."""

import grain
import numpy as np

from mia_functional.adapters import grain as grain_adapter


def test_grain_takes_the_samples_as_they_are_and_in_a_pipeline(samples):
    plain = grain.MapDataset.source(samples)
    np.testing.assert_array_equal(plain[7]["images"], samples[7]["images"])
    batches = list(grain_adapter.pipeline(samples, batch_size=4))
    assert len(batches) == 4
    np.testing.assert_array_equal(batches[1]["labels"], np.stack([samples[k]["labels"] for k in range(4, 8)]))
    shuffled = [grain_adapter.pipeline(samples, batch_size=4, seed=1)[0]["images"] for _ in range(2)]
    np.testing.assert_array_equal(*shuffled)
    assert not np.array_equal(shuffled[0], batches[0]["images"])
