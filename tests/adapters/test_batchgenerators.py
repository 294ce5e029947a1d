"""batchgenerators: the real package on our samples; image and labels alike, global numbers as before."""

import numpy as np
from batchgenerators.transforms.color_transforms import GammaTransform
from batchgenerators.transforms.spatial_transforms import MirrorTransform

from mia_functional.adapters import batchgenerators
from mia_functional.transforms import flip

from .conftest import head_sample as sample


def test_batchgenerators_mirrors_image_and_labels_alike():
    mirror = batchgenerators.lift(MirrorTransform(axes=(0, 1, 2)))
    for seed in range(5):
        found = mirror(sample(seed))
        flips = [axes for axes in ((), 0, 1, 2, (0, 1), (0, 2), (1, 2), (0, 1, 2))
                 if np.array_equal(found["images"], flip(sample()["images"], axes))]  # fmt: skip
        assert len(flips) == 1
        np.testing.assert_array_equal(found["labels"], flip(sample()["labels"], flips[0]))


def test_batchgenerators_leaves_numpys_global_numbers_alone():
    before = np.random.get_state()[1].copy()
    gamma = batchgenerators.lift(GammaTransform(p_per_sample=1.0), labels=())
    found = gamma(sample())
    assert not np.array_equal(found["images"], sample()["images"])
    np.testing.assert_array_equal(found["labels"], sample()["labels"])
    np.testing.assert_array_equal(np.random.get_state()[1], before)
