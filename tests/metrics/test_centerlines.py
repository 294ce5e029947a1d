"""Centre lines and clDice: shapes by hand, loops, and the soft skeleton by poolings, as its authors write it."""

import functools
import math
from functools import partial

import jax
import numpy as np
import pytest
import torch
from skimage.morphology import skeletonize
from torch.nn import functional

from mia_functional import metrics
from mia_functional.evaluation import evaluate
from mia_functional.metrics import CenterlineCounts, centerline_counts, centerline_dice, soft_centerline_counts

pytestmark = pytest.mark.sampled(4)

RNG = np.random.default_rng(2026)
TUBE = np.zeros((9, 20), bool)
TUBE[3:6, 2:18] = True


def pooled_skeleton(image, iterations):
    """Return the soft skeleton of a tensor by max pooling, after the listing in the paper."""
    ndim, batch = image.ndim, image[None, None]
    pool = {2: functional.max_pool2d, 3: functional.max_pool3d}[ndim]

    def erode(x):
        lines = (tuple(3 if axis == one else 1 for axis in range(ndim)) for one in range(ndim))
        poolings = [-pool(-x, size, (1,) * ndim, tuple(n // 2 for n in size)) for size in lines]
        return functools.reduce(torch.minimum, poolings)

    def opened(x):
        return pool(erode(x), (3,) * ndim, (1,) * ndim, (1,) * ndim)

    lines = functional.relu(batch - opened(batch))
    for _ in range(iterations):
        batch = erode(batch)
        taken = functional.relu(batch - opened(batch))
        lines = lines + functional.relu(taken - lines * taken)
    return lines[0, 0]


@pytest.mark.parametrize("shape", [(9, 11), (5, 6, 7)])
def test_soft_skeletons_are_those_of_the_paper(xp, shape):
    image = RNG.random(shape).astype(np.float32)
    for iterations in (0, 3):
        expected = pooled_skeleton(torch.asarray(image), iterations).numpy()
        found = xp.run(partial(metrics.soft_skeleton, iterations=iterations), image)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_tube_that_is_cut_off(xp):
    if xp.name == "jax-jit":
        pytest.skip("thins on the host")
    half = TUBE & (np.arange(20) < 10)
    counts = xp.run(centerline_counts, half, TUBE)
    lines = skeletonize(half), skeletonize(TUBE)
    expected = (lines[0] & TUBE).sum(), lines[0].sum(), (lines[1] & half).sum(), lines[1].sum()
    assert [int(count) for count in counts] == list(expected)
    sensitivity = expected[2] / expected[3]
    assert math.isclose(metrics.centerline_precision(counts), 1, rel_tol=1e-6)
    assert math.isclose(metrics.centerline_sensitivity(counts), sensitivity, rel_tol=1e-6)
    assert math.isclose(centerline_dice(counts), 2 * sensitivity / (1 + sensitivity), rel_tol=1e-6)


def test_empty_masks_and_masks_apart():
    none, other = np.zeros_like(TUBE), np.roll(TUBE, 4, 0)
    other[:3] = False
    for pair, dice, precision, sensitivity in (
        ((none, none), math.nan, math.nan, math.nan),
        ((TUBE, none), 0, 0, math.nan),
        ((none, TUBE), 0, math.nan, 0),
        ((TUBE, other), 0, 0, 0),
        ((TUBE, TUBE), 1, 1, 1),
    ):
        counts = centerline_counts(*pair)
        found = centerline_dice(counts), metrics.centerline_precision(counts), metrics.centerline_sensitivity(counts)
        np.testing.assert_array_equal(found, (dice, precision, sensitivity))
    assert centerline_dice(none, none, zero_division=1.0) == 1


def test_labels_ignored_voxels_and_merged_cases():
    prediction, reference = TUBE.astype(np.uint8), 2 * TUBE.astype(np.uint8)
    reference[:, :10] = np.minimum(reference[:, :10], 1)
    prediction[:, 15:] *= 2
    counts = centerline_counts(prediction, reference, labels=iter((1, 2)))
    for position, label in enumerate((1, 2)):
        one = centerline_counts(prediction == label, reference == label)
        np.testing.assert_array_equal([field[position] for field in counts], one)
    ignored = np.zeros(TUBE.shape, bool)
    ignored[:, 9:] = True
    np.testing.assert_array_equal(
        centerline_counts(prediction, reference, labels=(1,), mask=~ignored),
        [[n] for n in centerline_counts((prediction == 1) & ~ignored, (reference == 1) & ~ignored)],
    )
    both = metrics.merge(CenterlineCounts(*(field[0] for field in counts)), CenterlineCounts(*(f[1] for f in counts)))
    assert math.isclose(metrics.centerline_precision(both), counts[0].sum() / counts[1].sum())
    rows = evaluate(prediction, reference, metrics=["CLDICE", "tprec", "tsens"], labels=(1,))
    assert [row.value for row in rows] == pytest.approx(
        [float(f(counts)[0]) for f in (centerline_dice, metrics.centerline_precision, metrics.centerline_sensitivity)]
    )


def test_soft_counts_are_sums_of_products(xp):
    probabilities, reference = RNG.random((6, 7, 8, 2)).astype(np.float32), RNG.integers(0, 3, (6, 7, 8))
    found = xp.run(partial(soft_centerline_counts, labels=(1, 2), iterations=2), probabilities, reference)
    for position, label in enumerate((1, 2)):
        mask = (reference == label).astype(np.float32)
        share = probabilities[..., position]
        lines = [pooled_skeleton(torch.asarray(array), 2).numpy() for array in (share, mask)]
        expected = (lines[0] * mask).sum(), lines[0].sum(), (lines[1] * share).sum(), lines[1].sum()
        np.testing.assert_allclose([field[position] for field in found], expected, rtol=1e-5)
    one = xp.run(partial(soft_centerline_counts, iterations=2), probabilities[..., 0], reference == 1)
    np.testing.assert_allclose(one, [field[0] for field in found], rtol=1e-5)


@pytest.mark.slow
def test_the_loss_has_the_same_gradient_in_both_libraries_and_none_that_is_undefined():
    probabilities = (0.8 * TUBE + 0.2 * RNG.random(TUBE.shape)).astype(np.float32)

    def loss(p, r):
        return 1 - centerline_dice(soft_centerline_counts(p, r, iterations=3), zero_division=1.0)

    gradient = jax.jit(jax.grad(loss))
    for values in (probabilities, TUBE.astype(np.float32), np.zeros(TUBE.shape, np.float32)):
        for reference in (TUBE, np.zeros_like(TUBE)):
            tensor = torch.tensor(values, requires_grad=True)
            loss(tensor, torch.asarray(reference)).backward()
            slope = gradient(values, reference)
            assert np.isfinite(slope).all()
            np.testing.assert_allclose(slope, tensor.grad.numpy(), atol=1e-6)
    step = np.zeros(TUBE.shape)
    step[4, 9] = 1e-6
    numeric = (loss(probabilities + step, TUBE) - loss(probabilities - step, TUBE)) / 2e-6
    np.testing.assert_allclose(gradient(probabilities, TUBE)[4, 9], numeric, atol=1e-6)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"^soft_centerline_counts: `probabilities` must lie within 0 and 1"):
        soft_centerline_counts(5.0 * TUBE, TUBE)
    with pytest.raises(ValueError, match=r"^soft_centerline_counts: `probabilities` must have the shape \(9, 20, 2\)"):
        soft_centerline_counts(0.5 * TUBE, TUBE.astype(np.uint8), labels=(1, 2))
    with pytest.raises(TypeError, match=r"^soft_skeleton: `image` must hold floats"):
        metrics.soft_skeleton(TUBE)
    with pytest.raises(ValueError, match=r"^centerline_dice: `prediction` must have 2 or 3 axes"):
        centerline_dice(TUBE[0], TUBE[0])


@pytest.mark.parametrize("shape", [(9, 8), (5, 6, 5)])
def test_counts_of_cases_merge_to_those_of_both_apart_in_one_volume(shape):
    rng = np.random.default_rng(8)
    for share in (0.5, 0.7, 0.9, 1.0):
        pairs = rng.random((2, 2, *shape)) < share
        # scikit-image thins a mask of one plane along the first axis in another way.
        pairs[:, :, [0, -1], 0] = True
        apart = np.zeros((1, *shape[1:]), bool)
        whole = [np.concatenate([one, apart, other]) for one, other in zip(*pairs, strict=True)]
        merged = metrics.merge(*(centerline_counts(*pair) for pair in pairs))
        np.testing.assert_array_equal(merged, centerline_counts(*whole))
