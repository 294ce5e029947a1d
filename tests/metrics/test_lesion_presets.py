"""Scores of autoPET and ISLES 2022: the numbers of their programs, by hand, labels, libraries."""

from functools import partial

import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.metrics import autopet_scores, isles_scores

from .test_brats_lesions import lesions

RECORDED = {
    0: (
        (0.08506616257088846, 1.278, 1.365),
        (0.08506616257088846, 0.09600000000000009, 24, 0.021108179419525065),
    ),
    1: (
        (0.09224730127576054, 1.167, 1.299),
        (0.09224730127576054, 0.014999999999999902, 38, 0.023809523809523808),
    ),
    2: (
        (0.13437195715676728, 1.143, 1.185),
        (0.13437195715676728, 0.14100000000000001, 27, 0.019099590723055934),
    ),
    3: (
        (0.14299153339604892, 1.161, 1.209),
        (0.14299153339604892, 0.04499999999999993, 4, 0.02425876010781671),
    ),
}
"""By the seed of a scene at 1 x 1.5 x 2 mm, volumes in millilitres. autoPET's `val_script.py` (commit 468179b): Dice,
false-positive and false-negative volume; ISLES' `eval_utils.py` (commit 31b7c8c): Dice, absolute volume difference,
absolute lesion difference, lesion F1; both with NumPy 2.4 and cc3d 4.1.1."""


@pytest.mark.parametrize("seed", RECORDED)
def test_the_numbers_of_the_challenges(seed):
    maps = lesions(seed)
    rng = np.random.default_rng(100 + seed)
    # Single voxels here and there, which touch others by faces, edges and corners.
    pair = [(part == 3) ^ (rng.random(part.shape) < 0.004) for part in maps]
    autopet, isles = RECORDED[seed]
    found = autopet_scores(*pair, spacing=(1.0, 1.5, 2.0))
    np.testing.assert_allclose(found, autopet * np.array([1, 1000, 1000]), rtol=1e-9)
    found = isles_scores(*pair, spacing=(1.0, 1.5, 2.0))
    np.testing.assert_allclose(found, isles * np.array([1, 1000, 1, 1]), rtol=1e-9)


#                   shared by a voxel; two that touch by an edge and by a corner, of which one voxel is shared; missed
REFERENCE = np.zeros((4, 4, 6), np.uint8)
REFERENCE[0, 0, :2] = REFERENCE[2, 0, 0] = REFERENCE[3, 1, 0] = REFERENCE[2, 2, 1] = REFERENCE[0, 3, 4:] = 1
PREDICTION = np.zeros((4, 4, 6), np.uint8)
PREDICTION[0, 0, 1:3] = PREDICTION[2, 0, 0] = PREDICTION[3, 3, 4] = 1


def test_a_scene_by_hand(xp):
    if xp.name == "jax-jit":
        pytest.skip("has fixed shapes, in the ways of calling")
    options = {"spacing": (1.0, 2.0, 3.0)}
    found = xp.run(partial(autopet_scores, **options), PREDICTION, REFERENCE)
    np.testing.assert_allclose(found, (2 * 2 / (4 + 7), 6.0, 6.0 + 2 * 6.0), rtol=1e-6)
    found = xp.run(partial(isles_scores, **options), PREDICTION, REFERENCE)
    np.testing.assert_allclose(found, (2 * 2 / (4 + 7), 3 * 6.0, 0.0, 2 * 2 / (2 * 2 + 1 + 1)), rtol=1e-6)


def test_labels_and_connectivity():
    maps = [part[::2, ::2, ::2] for part in lesions(1)]
    labels, step = (3, (1, 2, 3)), (1.0, 1.0, 2.0)
    for scores in (autopet_scores, isles_scores):
        found = scores(*maps, spacing=step, labels=iter(labels), connectivity=1)
        for position, values in enumerate(labels):
            pair = [np.isin(part, values) for part in maps]
            alone = scores(*pair, spacing=step, connectivity=1)
            np.testing.assert_allclose([field[position] for field in found], alone)
    flat = np.eye(4, dtype=bool)
    assert autopet_scores(flat, ~flat, spacing=(1, 1)).false_positive_volume == 4
    assert isles_scores(flat[:1], flat[1:2], spacing=(1, 1)).lesion_f1 == 0


def test_empty_masks():
    none, some = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    np.testing.assert_equal([*map(float, autopet_scores(none, none, spacing=(1, 2)))], [np.nan, 0, 0])
    assert [*map(float, autopet_scores(some, none, spacing=(1, 2)))] == [0, 24, 0]
    assert [*map(float, isles_scores(none, none, spacing=(1, 2)))] == [1, 0, 0, 1]
    assert [*map(float, isles_scores(none, some, spacing=(1, 2)))] == [0, 24, 1, 0]


def test_wrong_arguments():
    mask = np.ones((2, 3), bool)
    for scores, name in ((autopet_scores, "autopet_scores"), (isles_scores, "isles_scores")):
        with pytest.raises(ValueError, match=f"{name}: `spacing` must have 2 entries"):
            scores(mask, mask, spacing=(1,))
        with pytest.raises(ValueError, match=f"{name}: `prediction` must have the shape of the reference"):
            scores(mask, mask[:1], spacing=(1, 1))
        with pytest.raises(ValueError, match=f"{name}: `connectivity` must be at most 2"):
            scores(mask, mask, spacing=(1, 1), connectivity=3)
        with pytest.raises(TypeError, match=f"{name}: `prediction` must be an array"):
            scores(None, mask, spacing=(1, 1))
    assert metrics.lesion_count_difference(mask, mask, spacing=(1, 1)) == 0
