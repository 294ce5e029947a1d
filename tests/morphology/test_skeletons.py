"""Skeletons are scikit-image's, whatever lies around the mask."""

import subprocess
import sys

import numpy as np
import pytest
from skimage.morphology import skeletonize

from mia_functional.morphology import skeleton


def test_skeletons_are_those_of_the_whole_image(xp):
    if xp.name == "jax-jit":
        pytest.skip("runs on the host")
    rng = np.random.default_rng(0)
    for shape in ((20, 23), (8, 9, 10)):
        for share in (0.0, 0.5, 0.8, 1.0):
            mask = np.zeros(shape, bool)
            mask[2:-1, 1:-2] = rng.random(mask[2:-1, 1:-2].shape) < share
            found = xp.run(skeleton, mask)
            np.testing.assert_array_equal(found, skeletonize(mask))
            assert found.dtype == bool


def test_masks_of_other_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"^skeleton: `mask` must have 2 or 3 axes; got shape"):
        skeleton(np.ones(4, bool))
    with pytest.raises(TypeError, match=r"^skeleton: `mask` must be a boolean mask"):
        skeleton(np.ones((4, 4)))


@pytest.mark.slow
def test_the_extra_is_named_where_it_is_missing():
    program = """
import sys
import numpy as np
sys.modules["skimage"] = None
from mia_functional.morphology import skeleton
try:
    skeleton(np.ones((2, 2), bool))
except ImportError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert "`pip install 'mia_functional[skeleton]'` installs it." in result.stdout
