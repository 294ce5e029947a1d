"""Skeletons are scikit-image's, whatever lies around the mask, but that no component is lost."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.ndimage as ndi
from skimage.morphology import skeletonize

from mia_functional import metrics
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


SIZES = ((2, 2), (4, 4), (6, 6), (4, 6), (2, 2, 2), (4, 4, 4), (6, 6, 6), (4, 2, 6), (4, 4, 12), (5, 5, 5))


def deepest(box, shape):
    """Return the first voxel of a box in a volume with the largest distance to what is outside of the box."""
    outside = [np.array(voxel) for voxel in np.ndindex(*(side + 2 for side in shape))]
    ring = [voxel for voxel in outside if np.any((voxel < 1) | (voxel > shape))]
    depths = {voxel: np.min(np.sum((np.array(ring) - 1 - voxel) ** 2, axis=1)) for voxel in np.ndindex(*shape)}
    first = max(depths, key=depths.get)  # of equal ones the first, in array order
    return tuple(np.add(first, [part.start for part in box]))


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("width", [0, 2])
def test_a_solid_box_is_represented(shape, width):
    mask = np.pad(np.ones(shape, bool), width)
    box = tuple(slice(width, width + side) for side in shape)
    found, thinned = skeleton(mask), skeletonize(mask)
    if thinned.any():
        np.testing.assert_array_equal(found, thinned)
    else:
        assert [tuple(voxel) for voxel in np.argwhere(found)] == [deepest(box, shape)]
    assert metrics.centerline_dice(mask, mask) == 1


def test_each_lost_component_keeps_a_voxel_and_others_what_they_have():
    mask = np.zeros((14, 12, 20), bool)
    boxes = [np.s_[1:5, 1:5, 1:5], np.s_[7:13, 1:7, 1:7], np.s_[1:5, 7:11, 1:17], np.s_[7:12, 8:11, 9:18]]
    for box in boxes:
        mask[box] = True
    mask[13, 7, 7] = True  # touches the second one at a corner: they are one component
    found, thinned = skeleton(mask), skeletonize(mask)
    labels = ndi.label(mask, np.ones((3, 3, 3)))[0]
    assert labels.max() == 4
    lost = set(range(1, 5)) - set(labels[thinned])
    assert len(lost) >= 2
    assert {deepest(boxes[0], (4, 4, 4)), deepest(boxes[2], (4, 4, 16))} <= set(map(tuple, np.argwhere(found)))
    assert set(labels[found]) == {1, 2, 3, 4}
    assert np.count_nonzero(found) == np.count_nonzero(thinned) + len(lost)
    assert np.all(mask[found])
    assert np.all(found[thinned])


def test_a_perfect_prediction_of_any_mask_has_a_cldice_of_1():
    rng = np.random.default_rng(1)
    for shape in ((5, 6), (4, 4, 4), (2, 3, 4), (6, 6, 6)):
        for share in (0.2, 0.6, 0.95, 1.0):
            mask = rng.random(shape) < share
            mask[tuple(side // 2 for side in shape)] = True
            assert metrics.centerline_dice(mask, mask) == 1
            around = np.ones((3,) * mask.ndim)
            assert ndi.label(skeleton(mask), around)[1] >= ndi.label(mask, around)[1]


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
