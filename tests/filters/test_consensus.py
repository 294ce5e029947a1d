"""STAPLE against a loop of expectation and maximisation."""

import numpy as np
import pytest

from mia_functional.filters import staple

TRUTH = np.zeros((8, 9, 10), bool)
TRUTH[2:6, 3:7, 2:8] = True


def raters(seed=0):
    """Return four raters who miss and add different shares of the voxels."""
    rng = np.random.default_rng(seed)
    rows = []
    for missed, added in ((0.02, 0.01), (0.1, 0.01), (0.3, 0.02), (0.05, 0.2)):
        noise = rng.random(TRUTH.shape)
        rows.append(np.where(TRUTH, noise > missed, noise < added))
    return np.stack(rows)


def expectation_maximisation(masks, turns=200):
    """Return probabilities, sensitivities and specificities after many turns."""
    prior = masks.mean()
    sensitivity = specificity = np.full(len(masks), 0.99999)
    for _ in range(turns):
        inside = prior * np.prod([np.where(m, p, 1 - p) for m, p in zip(masks, sensitivity, strict=True)], axis=0)
        outside = (1 - prior) * np.prod(
            [np.where(m, 1 - q, q) for m, q in zip(masks, specificity, strict=True)], axis=0
        )
        weights = inside / (inside + outside)
        sensitivity = np.array([weights[m].sum() for m in masks]) / weights.sum()
        specificity = np.array([(1 - weights)[~m].sum() for m in masks]) / (1 - weights).sum()
    return weights, sensitivity, specificity


def test_it_is_expectation_and_maximisation(xp):
    if xp.name == "jax-jit":
        pytest.skip("runs on the host")
    masks = raters()
    found = xp.run(staple, masks)
    for ours, theirs in zip(found, expectation_maximisation(masks), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert ((found.probabilities > 0.5) == TRUTH).mean() > 0.99


def test_bad_ratings_are_named():
    for ratings, words in (
        (TRUTH[:1, :, :], "have two raters or more on the first axis"),
        (TRUTH[0], "have 3 or 4 axes"),
        (TRUTH & ~TRUTH, "have a voxel of the structure"),
    ):
        with pytest.raises(ValueError, match=f"^staple: `ratings` must {words}"):
            staple(ratings)
    with pytest.raises(ValueError, match=r"^staple: `iterations` must be at least 1"):
        staple(TRUTH, iterations=0)
