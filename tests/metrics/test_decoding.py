"""Dice-optimal masks: against all masks by exact expectations, the best threshold of all, and rankseg's sizes."""

import math

import numpy as np
import pytest

from mia_functional.metrics import dice_optimal_mask, dice_optimal_threshold

pytestmark = pytest.mark.sampled(3)


def expected_dice(p, mask, empty=0.0):
    """Return the exact expectation of Dice over all references of independent voxels."""
    chances = np.array(np.meshgrid(*[[0, 1]] * p.size, indexing="ij")).reshape(p.size, -1) == 1
    weights = np.where(chances, p[:, None], 1 - p[:, None]).prod(axis=0)
    sizes = mask.sum() + chances.sum(axis=0)
    dice = np.where(sizes == 0, empty, 2 * (chances & mask[:, None]).sum(axis=0) / np.maximum(sizes, 1))
    return (dice * weights).sum()


def all_masks(size):
    """Yield all masks of a size."""
    return ((np.arange(2**size)[:, None] >> np.arange(size)) & 1) == 1


def test_of_all_masks_it_is_the_best_or_nearly_as_good():
    rng, shares, halves = np.random.default_rng(0), [], []
    for _ in range(60):
        p = rng.beta(*rng.choice([0.3, 0.7, 1, 2], 2), size=rng.integers(2, 7))
        best = max(expected_dice(p, mask) for mask in all_masks(p.size))
        shares.append(expected_dice(p, dice_optimal_mask(p)) / best)
        halves.append(expected_dice(p, p > 0.5) / best)
    # Of 2000: 0.994 on average and 0.86 at least, the best itself in 80 %, and 0.80 at a threshold of 0.5.
    assert np.mean(shares) > 0.985
    assert np.min(shares) > 0.85
    assert np.mean(halves) < 0.9


def objective(p, threshold):
    """Return the quotient of expectations of a mask."""
    return 2 * p[p > threshold].sum() / ((p > threshold).sum() + 1 + p.sum())


def test_no_other_threshold_is_better(xp):
    rng = np.random.default_rng(3)
    for shape, concentration in (((7,), (1, 1)), ((4, 5, 6), (0.2, 1.5)), ((9, 8, 7), (0.05, 2))):
        p = rng.beta(*concentration, size=shape).astype(np.float32)
        mask = xp.run(dice_optimal_mask, p)
        exact = p.astype(np.float64)
        best = max(objective(exact, threshold) for threshold in (0.0, *np.unique(exact)))
        found = 2 * exact[mask].sum() / (mask.sum() + 1 + exact.sum())
        assert found == pytest.approx(best, rel=1e-6)
        assert (mask == (p > p[~mask].max(initial=0))).all()
        assert (mask >= (p > 0.5)).all()


@pytest.mark.parametrize(
    ("size", "a", "b", "chosen"),
    [(6, 1, 1, 4), (9, 0.5, 1, 5), (12, 0.3, 0.6, 7), (30, 0.3, 1.2, 9), (200, 0.2, 1.5, 25), (1000, 0.1, 2, 72)],
)
def test_rankseg_chooses_as_many_voxels(size, a, b, chosen):
    rng = np.random.default_rng(7)
    for own in ((6, 1, 1), (9, 0.5, 1), (12, 0.3, 0.6), (30, 0.3, 1.2), (200, 0.2, 1.5), (1000, 0.1, 2)):
        p = rng.beta(*own[1:], size=own[0]).round(3)
        if own == (size, a, b):
            # rankseg 0.0.8, rankseg_rma(metric="dice", output_mode="multilabel", smooth=0, pruning_prob=0); its refined
            # normal approximation (rankdice_ba, solver="TRNA") chooses 3, 5, 7, 9, 25 and 72.
            assert dice_optimal_mask(p).sum() == chosen


def test_planes_have_the_threshold_of_the_volume():
    rng = np.random.default_rng(4)
    for dtype in (np.float32, np.float64):
        p = rng.beta(0.1, 1, size=(12, 9, 8)).astype(dtype)
        for planes in (p, [*p], [p[:5], p[5:]]):
            assert (dice_optimal_mask(p) == (p > dice_optimal_threshold(planes))).all()


def test_an_empty_mask_where_it_is_better(xp):
    p = np.array([0.1, 0.2, 0.05], np.float32)
    for value, expected in ((math.nan, True), (0.0, True), (1.0, False)):
        mask = xp.run(lambda p, v=value: dice_optimal_mask(p, zero_division=v), p)
        assert mask.any() == expected
        assert (dice_optimal_threshold([p], zero_division=value) < 1) == expected
    sure = np.array([1.0, 0.1, 0.0], np.float32)
    assert xp.run(lambda p: dice_optimal_mask(p, zero_division=1), sure).tolist() == [True, False, False]
    assert not xp.run(dice_optimal_mask, 0 * sure).any()


def test_what_is_outside_of_a_mask_is_left_out(xp):
    p = np.array([0.9, 0.8, 0.4, 0.35, 0.3, 0.9, 0.9], np.float32)
    inside = np.array([1, 1, 1, 1, 1, 0, 0])
    mask = xp.run(lambda p, m: dice_optimal_mask(p, mask=m), p, inside)
    assert mask.tolist() == [*dice_optimal_mask(p[:5]).tolist(), False, False]


P = np.array([0.5, 0.25])
WRONG = [
    (
        lambda: dice_optimal_mask(np.array([3.0, -1])),
        ValueError,
        "dice_optimal_mask: `probabilities` must lie within 0",
    ),
    (lambda: dice_optimal_mask(P * np.nan), ValueError, "dice_optimal_mask: `probabilities` must lie within 0"),
    (lambda: dice_optimal_mask(np.array([1, 0])), TypeError, "dice_optimal_mask: `probabilities` must hold floats"),
    (lambda: dice_optimal_mask(P, zero_division=2), ValueError, "dice_optimal_mask: `zero_division` must lie within"),
    (
        lambda: dice_optimal_threshold(iter([P])),
        TypeError,
        "dice_optimal_threshold: `planes` must be gone over several",
    ),
    (lambda: dice_optimal_threshold([]), ValueError, "dice_optimal_threshold: `planes` must hold at least one"),
    (lambda: dice_optimal_threshold([9 * P]), ValueError, "dice_optimal_threshold: `planes` must lie within 0 and 1"),
    (lambda: dice_optimal_threshold([0.5]), TypeError, "dice_optimal_threshold: `planes` must be an array"),
]


@pytest.mark.parametrize(("call", "kind", "words"), WRONG)
def test_what_is_wrong_is_one_sentence(call, kind, words):
    with pytest.raises(kind, match=f"^{words}"):
        call()


def test_planes_of_a_program_are_refused():
    import jax

    with pytest.raises(TypeError, match=r"^dice_optimal_threshold: `planes` must be arrays outside of programs"):
        jax.jit(lambda plane: dice_optimal_threshold([plane]))(P)
