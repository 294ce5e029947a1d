"""Gradients of counting metrics in soft counts are numbers, also where a label is absent and the metric undefined."""

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mia_functional.metrics import METRICS, confusion_counts, paired_moments, reference_mean, soft_confusion_counts

LABELS = np.random.default_rng(0).integers(0, 2, (6, 6)).astype(np.uint8)
"""The labels 2 and 3 are absent."""

CERTAIN = np.stack([label == LABELS for label in range(4)], axis=-1).astype(np.float32)
PAIRS = {
    "one label absent": (np.concatenate([0.9 * CERTAIN[..., :3] + 0.05, CERTAIN[..., 3:]], axis=-1), LABELS),
    "certain": (CERTAIN, LABELS),
    "undecided": (np.full((6, 6, 4), np.float32(0.5)), LABELS),
    "nothing found": (np.zeros((6, 6, 4), np.float32), 0 * LABELS),
    "all found": (np.ones((6, 6, 4), np.float32), 0 * LABELS),
}
ROWS = [row for row in METRICS if row.statistic is confusion_counts]


@pytest.mark.slow
@pytest.mark.sampled(16)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.abbreviation)
@pytest.mark.parametrize("zero_division", [0.0, math.nan])
def test_no_gradient_is_undefined(row, zero_division):
    parameters = inspect.signature(row.function).parameters
    options = {"zero_division": zero_division} if "zero_division" in parameters else {}
    if "spacing" in parameters:
        options["spacing"] = (1.0, 1.0)

    def metric(probabilities, reference):
        return row.function(soft_confusion_counts(probabilities, reference, labels=range(4)), **options)

    gradient = jax.jit(jax.grad(lambda p, r: metric(p, r).sum()))
    for name, (probabilities, reference) in PAIRS.items():
        assert np.isfinite(gradient(jnp.asarray(probabilities), jnp.asarray(reference))).all(), name
        tensor = torch.tensor(probabilities, requires_grad=True)
        metric(tensor, torch.tensor(reference)).sum().backward()
        assert tensor.grad.isfinite().all(), name


@pytest.mark.slow
def test_the_gradient_of_a_mean_is_the_same_for_the_smallest_voxel():
    reference = np.random.default_rng(0).uniform(2, 3, 4000).astype(np.float32)

    def mean(values):
        return reference_mean(paired_moments(values, values))

    tensor = torch.tensor(reference, requires_grad=True)
    mean(tensor).backward()
    for gradient in (jax.grad(mean)(jnp.asarray(reference)), jax.jit(jax.grad(mean))(reference), tensor.grad):
        np.testing.assert_allclose(np.asarray(gradient), 1 / 4000, rtol=1e-5)
