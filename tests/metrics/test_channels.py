"""Structures that overlap: what is computed of every channel is what is computed of its mask alone."""

import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.metrics import by_channel

RNG = np.random.default_rng(4)
PREDICTION = RNG.random((7, 6, 5, 3)) < 0.3
REFERENCE = RNG.random((7, 6, 5, 3)) < 0.3
PREDICTION[..., 1] |= PREDICTION[..., 0]  # one structure within another
SPACING = (1.0, 2.0, 0.5)


def alone(function, **options):
    """Return the values of every channel, one after the other."""
    return [float(function(PREDICTION[..., c], REFERENCE[..., c], **options)) for c in range(3)]


def test_metrics_have_a_last_axis_of_channels(xp):
    for function in (metrics.dice, metrics.volume_similarity):
        found = xp.run(lambda p, r, f=function: by_channel(f, p, r), PREDICTION, REFERENCE)
        np.testing.assert_allclose(found, alone(function), rtol=1e-6)
    kept = xp.run(lambda p, r: by_channel(metrics.dice, p, r, axis=(1, 2)), PREDICTION, REFERENCE)
    assert kept.shape == (7, 3)
    both, sizes = ((PREDICTION & REFERENCE).sum((1, 2)), (PREDICTION.sum((1, 2)) + REFERENCE.sum((1, 2))))
    np.testing.assert_allclose(kept, 2 * both / sizes, rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (metrics.hausdorff_distance, {"spacing": SPACING}),
        (metrics.normalized_surface_dice, {"spacing": SPACING, "tolerance": 1.0}),
        (metrics.lesion_f1, {"spacing": SPACING}),
        (metrics.betti_error, {}),
        (metrics.centroid_distance, {"spacing": SPACING}),
        (metrics.hausdorff_distance, {"spacing": SPACING, "ignore": RNG.random((7, 6, 5)) < 0.1}),
    ],
)
def test_every_kind_of_metric_takes_channels(function, options):
    np.testing.assert_array_equal(by_channel(function, PREDICTION, REFERENCE, **options), alone(function, **options))


def test_statistics_are_records_by_channel():
    surfaces = by_channel(metrics.surface_distances, PREDICTION, REFERENCE, spacing=SPACING)
    values = [float(value) for value in metrics.hausdorff_distance(surfaces)]
    assert values == alone(metrics.hausdorff_distance, spacing=SPACING)
    counts = by_channel(metrics.confusion_counts, PREDICTION, REFERENCE)
    assert [int(one.tp) for one in counts] == (PREDICTION & REFERENCE).sum((0, 1, 2)).tolist()
    soft = by_channel(metrics.calibration_bins, PREDICTION * 0.75, REFERENCE, bins=4)
    assert [int(one.counts[2]) for one in soft] == PREDICTION.sum((0, 1, 2)).tolist()


def test_what_has_no_channels_is_refused():
    with pytest.raises(ValueError, match=r"^by_channel: `prediction` must have channels behind other axes"):
        by_channel(metrics.dice, PREDICTION[0, 0, 0], REFERENCE[0, 0, 0])
    with pytest.raises(ValueError, match=r"^by_channel: `prediction` must have the shape"):
        by_channel(metrics.dice, PREDICTION[..., 0], REFERENCE)
    with pytest.raises(TypeError, match=r"^by_channel: `function` must be"):
        by_channel("dice", PREDICTION, REFERENCE)
