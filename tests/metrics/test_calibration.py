"""Bins of probabilities and what follows from them: against definitions in Python, peers' values and identities."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from mia_functional import metrics
from mia_functional.metrics import CalibrationBins, calibration_bins

pytestmark = pytest.mark.sampled(4)

RNG = np.random.default_rng(5)


def scene(seed=0, shape=(4, 5, 6), labels=3, dtype=np.float32):
    """Return probabilities that sum to 1, a label map that follows them roughly, and a mask."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet((1.0, 0.4, 0.7, 0.5)[:labels], shape).astype(dtype)
    reference = (probabilities.cumsum(axis=-1) < rng.random(shape)[..., None]).sum(axis=-1)
    return probabilities, np.minimum(reference, labels - 1).astype(np.int32), rng.random(shape) < 0.7


def brute_force(probabilities, truth, edges, closed):
    """Return (count, positives, sum) of each bin, by a look at every probability and edge."""
    rows = [[0, 0, 0.0] for _ in edges[1:]]
    for p, r in zip(map(float, probabilities), truth, strict=True):
        for k, row in enumerate(rows):
            low, high = edges[k], edges[k + 1]
            inside = low < p <= high or (k == 0 and p <= high)
            if closed == "left":
                inside = low <= p < high or (k == len(rows) - 1 and p >= low)
            if inside:
                rows[k] = [row[0] + 1, row[1] + int(r), row[2] + p]
                break
    return np.array(rows).T


@pytest.mark.sampled(12)
@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("bins", [1, 7, 15, 49])
def test_edges_belong_to_the_bin_that_the_convention_says(xp, bins, closed):
    rng = np.random.default_rng(bins)
    inner = (np.arange(bins + 1) / bins).astype(np.float32)
    around = [np.nextafter(inner, np.float32(end)) for end in (0, 1)]
    probabilities = np.concatenate([inner, *around, rng.random(60, dtype=np.float32)])
    truth = rng.random(len(probabilities)) < probabilities
    record = xp.run(partial(calibration_bins, bins=bins, closed=closed), probabilities, truth)
    counts, positives, sums = brute_force(probabilities, truth, inner.astype(float), closed)
    np.testing.assert_array_equal(record.counts, counts)
    np.testing.assert_array_equal(record.positives, positives)
    np.testing.assert_allclose(record.probability, sums, rtol=1e-6)
    np.testing.assert_allclose(record.edges, inner, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_a_probability_of_any_precision_lies_on_the_edge_that_is_written_alike(dtype):
    probabilities = (np.arange(31) / 30).astype(dtype)
    for closed, first in (("right", [4, 3, 3, 3, 3, 3, 3, 3, 3, 3]), ("left", [3, 3, 3, 3, 3, 3, 3, 3, 3, 4])):
        record = calibration_bins(probabilities, np.zeros(31, bool), bins=10, closed=closed)
        assert record.counts.tolist() == first


def test_bins_of_labels_in_a_mask_are_those_of_each_label_alone(xp):
    probabilities, reference, mask = scene()
    labels = (0, (1, 2), 2)
    record = xp.run(lambda p, r, m: calibration_bins(p, r, labels=labels, mask=m), probabilities, reference, mask)
    for row, label in enumerate(labels):
        p, truth = probabilities[mask][:, row].astype(float), np.isin(reference, label)[mask]
        counts, positives, sums = brute_force(p, truth, np.arange(16).astype(np.float32) / np.float32(15), "right")
        np.testing.assert_array_equal(record.counts[row], counts)
        np.testing.assert_array_equal(record.positives[row], positives)
        np.testing.assert_allclose(record.probability[row], sums, rtol=1e-5)
        np.testing.assert_allclose(record.squared_error[row], ((p - truth) ** 2).sum(), rtol=1e-5)
        chance = np.where(truth, p, 1 - p)
        np.testing.assert_allclose(record.log_loss[row], -np.log(np.maximum(chance, 2.0**-23)).sum(), rtol=1e-5)


def test_top_labels_are_the_largest_probabilities(xp):
    probabilities, reference, mask = scene(1)
    options = {"labels": (0, 1, 2), "top_label": True, "bins": 8}
    record = xp.run(lambda p, r, m: calibration_bins(p, r, mask=m, **options), probabilities, reference, mask)
    p, truth = probabilities[mask].astype(float), reference[mask]
    counts, positives, sums = brute_force(p.max(axis=1), p.argmax(axis=1) == truth, np.arange(9) / 8, "right")
    np.testing.assert_array_equal(record.counts, counts)
    np.testing.assert_array_equal(record.positives, positives)
    np.testing.assert_allclose(record.probability, sums, rtol=1e-5)
    np.testing.assert_allclose(record.squared_error, ((p - np.eye(3)[truth]) ** 2).sum(), rtol=1e-5)
    chance = p[np.arange(len(p)), truth]
    np.testing.assert_allclose(record.log_loss, -np.log(np.maximum(chance, 2.0**-23)).sum(), rtol=1e-5)


@pytest.mark.parametrize("closed", ["right", "left"])
def test_bins_by_mass_hold_equally_many(xp, closed):
    probabilities, reference, mask = scene(2)
    options = {"labels": (0, 1, 2), "by": "mass", "bins": 7, "closed": closed}
    record = xp.run(lambda p, r, m: calibration_bins(p, r, mask=m, **options), probabilities, reference, mask)
    assert np.ptp(record.counts, axis=1).max() <= 1
    assert (record.counts.sum(axis=1) == mask.sum()).all()
    for row in range(3):
        p = np.sort(probabilities[mask][:, row])
        sizes = np.append(0, record.counts[row].cumsum())
        sums = [p[low:high].sum() for low, high in pairwise(sizes)]
        np.testing.assert_allclose(record.probability[row], sums, rtol=1e-5)
    # The edges of one record make bins of another that can be merged with it.
    again = xp.run(
        lambda p, r, m: calibration_bins(p, r, labels=(0, 1, 2), mask=m, bins=record.edges, closed=closed),
        probabilities, reference, mask,
    )  # fmt: skip
    np.testing.assert_array_equal(again.counts, record.counts)


def test_equal_probabilities_stay_together():
    record = calibration_bins(np.full(9, 0.25), np.arange(9) < 3, by="mass", bins=3)
    assert sorted(record.counts.tolist()) == [0, 0, 9]
    assert float(metrics.expected_calibration_error(record)) == pytest.approx(1 / 3 - 0.25)


def errors_of(rows):
    """Return ECE, MCE, ACE and RMSCE of (count, positives, sum) by bin."""
    gaps = [(n, abs(r - s) / n) for n, r, s in np.transpose(rows) if n]
    total = sum(n for n, _ in gaps)
    return (
        sum(n * gap for n, gap in gaps) / total,
        max(gap for _, gap in gaps),
        sum(gap for _, gap in gaps) / len(gaps),
        (sum(n * gap * gap for n, gap in gaps) / total) ** 0.5,
    )


NAMES = ("expected", "maximum", "average", "root_mean_square")
ERRORS = [getattr(metrics, f"{name}_calibration_error") for name in NAMES]


def test_errors_are_their_definitions(xp):
    probabilities, reference, mask = scene(3)
    for function, position in zip(ERRORS, range(4), strict=True):
        found = xp.run(
            lambda p, r, m, function=function: function(p, r, labels=(0, 1, 2), mask=m, bins=6),
            probabilities, reference, mask,
        )  # fmt: skip
        for row in range(3):
            rows = brute_force(probabilities[mask][:, row], reference[mask] == row, np.arange(7) / 6, "right")
            np.testing.assert_allclose(found[row], errors_of(rows)[position], rtol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_scikit_learn_has_the_same_scores(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(300) < 0.4
    probabilities = np.clip(0.6 * truth + rng.normal(0.2, 0.2, 300), 0.001, 0.999)
    close = partial(np.testing.assert_allclose, rtol=1e-9)
    close(metrics.brier_score(probabilities, truth), brier_score_loss(truth, probabilities))
    close(metrics.negative_log_likelihood(probabilities, truth), log_loss(truth, probabilities))
    curve = metrics.reliability_curve(calibration_bins(probabilities, truth, bins=10))
    frequency, mean = calibration_curve(truth, probabilities, n_bins=10)
    kept = curve.counts > 0
    close(curve.frequency[kept], frequency)
    close(curve.probability[kept], mean)
    classes = rng.dirichlet(np.ones(4), 300)
    labels = rng.integers(0, 4, 300)
    record = calibration_bins(classes, labels, labels=range(4), top_label=True)
    close(metrics.negative_log_likelihood(record), log_loss(labels, classes))
    close(metrics.brier_score(record), brier_score_loss(labels, classes, scale_by_half=False))


TORCHMETRICS = {
    "binary": [
        (0.2684618364633017, 0.6720400196955225, 0.32523653399183844),
        (0.24132226147035213, 0.5710338751948012, 0.2902604488741529),
        (0.34552505137302336, 0.7860683709762971, 0.4231611914292474),
    ],
    "top": [
        (0.25829005241394043, 0.5336498618125916, 0.2986396849155426),
        (0.25690948963165283, 0.9072199463844299, 0.2898764908313751),
        (0.23685778677463531, 0.5278512239456177, 0.27585285902023315),
    ],
}
"""What `calibration_error` of torchmetrics 1.9.0 gives for `peer_scene(seed)`, seeds 0 to 2: l1, max and l2."""


def peer_scene(seed):
    """Return probabilities of a mask, whether it is so, probabilities of four classes, and classes."""
    rng = np.random.default_rng(seed)
    return rng.random(200), rng.random(200) < 0.5, rng.dirichlet(np.ones(4), 200), rng.integers(0, 4, 200)


@pytest.mark.parametrize("seed", range(3))
def test_torchmetrics_has_the_same_errors(seed):
    probabilities, truth, classes, labels = peer_scene(seed)
    binary = calibration_bins(probabilities, truth, closed="left")
    top = calibration_bins(classes, labels, labels=range(4), top_label=True, closed="left")
    for record, kind in ((binary, "binary"), (top, "top")):
        found = [float(ERRORS[position](record)) for position in (0, 1, 3)]
        np.testing.assert_allclose(found, TORCHMETRICS[kind][seed], atol=1e-6)


def test_a_score_is_the_sum_of_its_parts(xp):
    probabilities, reference, _ = scene(4)
    parts = xp.run(
        lambda p, r: metrics.brier_decomposition(calibration_bins(p, r, labels=(0, 1, 2), bins=5)),
        probabilities, reference,
    )  # fmt: skip
    reliability, resolution, uncertainty, within = parts
    score = metrics.brier_score(probabilities, reference, labels=(0, 1, 2))
    np.testing.assert_allclose(reliability - resolution + uncertainty + within, score, rtol=1e-5)
    for row in range(3):
        truth, p = reference == row, probabilities[..., row].astype(float)
        n, r, s = brute_force(p.ravel(), truth.ravel(), np.arange(6) / 5, "right")
        np.testing.assert_allclose(reliability[row], (n * (s / n - r / n) ** 2).sum() / n.sum(), rtol=1e-5)
        np.testing.assert_allclose(resolution[row], (n * (r / n - truth.mean()) ** 2).sum() / n.sum(), rtol=1e-5)
        np.testing.assert_allclose(uncertainty[row], truth.mean() * (1 - truth.mean()), rtol=1e-6)


def test_probabilities_of_two_values_have_nothing_within_bins():
    truth = RNG.random(500) < 0.3
    parts = metrics.brier_decomposition(calibration_bins(np.where(RNG.random(500) < 0.5, 0.25, 0.75), truth, bins=2))
    assert abs(float(parts.within_bins)) < 1e-12


def test_the_loss_has_a_floor_unless_it_is_zero(xp):
    probabilities, truth = np.array([0.0, 1.0, 1.0, 0.25], np.float32), np.array([1, 1, 0, 1])
    losses = [xp.run(partial(metrics.negative_log_likelihood, floor=f), probabilities, truth) for f in (2.0**-23, 0.0)]
    np.testing.assert_allclose(losses[0], (2 * 23 * np.log(2) + np.log(4)) / 4, rtol=1e-6)
    assert losses[1] == np.inf
    few = metrics.negative_log_likelihood(np.full(100, 1e-30), np.ones(100, bool), floor=1e-40)
    np.testing.assert_allclose(few, 30 * np.log(10), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.sampled(2)
def test_nothing_is_undefined(xp):
    probabilities, reference, mask = scene(6)
    for function in (*ERRORS, metrics.brier_score, metrics.negative_log_likelihood):
        for value in (np.nan, 0.5):
            call = partial(function, labels=(0, 1), zero_division=value)
            arrays = probabilities[..., :2], reference, np.zeros_like(mask)
            found = xp.run(lambda p, r, m, call=call: call(p, r, mask=m), *arrays)
            np.testing.assert_array_equal(found, [value, value])


def test_channels_in_front_and_other_orders_of_memory_give_the_same():
    probabilities, reference, mask = scene(7, (9, 40, 50))
    expected = calibration_bins(probabilities, reference, labels=(0, 1, 2), mask=mask)
    front = np.moveaxis(np.ascontiguousarray(np.moveaxis(probabilities, -1, 0)), 0, -1)
    for p in (front, np.asfortranarray(probabilities)):
        for field, right in zip(
            calibration_bins(p, np.asfortranarray(reference), labels=(0, 1, 2), mask=mask), expected, strict=True
        ):
            np.testing.assert_allclose(field, right, rtol=1e-12)


def test_bins_of_other_edges_are_not_merged():
    bins = [calibration_bins(np.array([0.5]), np.array([1]), bins=number) for number in (2, 3)]
    moved = calibration_bins(np.array([0.5]), np.array([1]), bins=(0, 0.25, 1))
    for other in (bins[1], moved):
        with pytest.raises(ValueError, match="merge: `others` must have the edges of the first"):
            metrics.merge(bins[0], other)
    assert metrics.identity(moved).edges.tolist() == [0, 0.25, 1]


@pytest.mark.slow
def test_gradients_push_towards_calibration():
    import jax

    truth = np.arange(8) < 6
    probabilities = np.full(8, 0.6, np.float32)
    slope = jax.grad(lambda p: metrics.expected_calibration_error(p, truth, bins=3))(probabilities)
    np.testing.assert_allclose(slope, np.full(8, -1 / 8), rtol=1e-6)
    slope = jax.grad(lambda p: metrics.brier_score(p, truth))(probabilities)
    np.testing.assert_allclose(slope, 2 * (0.6 - truth) / 8, rtol=1e-5)


P, R = np.array([0.5, 0.25]), np.array([1, 0])
WRONG = [
    (lambda: calibration_bins(np.array([3.0, -1]), R), ValueError, "`probabilities` must lie within 0 and 1"),
    (lambda: calibration_bins(np.array([np.nan, 0]), R), ValueError, "`probabilities` must lie within 0 and 1"),
    (lambda: calibration_bins(R, R), TypeError, "`probabilities` must hold floats"),
    (lambda: calibration_bins(P, P), TypeError, "`reference` must be a boolean mask"),
    (lambda: calibration_bins(P[:1], R), ValueError, "`probabilities` must have the shape"),
    (lambda: calibration_bins(P, R, labels=(0, 1)), ValueError, r"`probabilities` must have the shape \(2, 2\)"),
    (lambda: calibration_bins(P, R, bins=0), ValueError, "`bins` must be at least 1"),
    (lambda: calibration_bins(P, R, bins=(0, 2)), ValueError, "`bins` must be a number of bins, or edges"),
    (lambda: calibration_bins(P, R, bins=(0, 0.6, 0.5, 1)), ValueError, "`bins` must be a number of bins, or edges"),
    (lambda: calibration_bins(P, R, bins="3"), TypeError, "`bins` must be"),
    (lambda: calibration_bins(P, R, by="size"), ValueError, "`by` must be one of width, mass"),
    (lambda: calibration_bins(P, R, by="mass", bins=(0, 1)), ValueError, "`bins` must be a number with by"),
    (lambda: calibration_bins(P, R, closed="both"), ValueError, "`closed` must be one of right, left"),
    (lambda: calibration_bins(P, R, floor=1), ValueError, "`floor` must lie within 0 and 1"),
    (lambda: calibration_bins(P, R, top_label=True), ValueError, "`top_label` must be given with `labels`"),
    (
        lambda: calibration_bins(np.eye(2), R, labels=(0, (0, 1)), top_label=True),
        ValueError,
        "`labels` must put no label into two classes",
    ),
    (
        lambda: calibration_bins(np.eye(2), R, labels=(0, 2), top_label=True),
        ValueError,
        "`labels` must name every label that occurs",
    ),
]


@pytest.mark.parametrize(("call", "kind", "words"), WRONG)
def test_what_is_wrong_is_one_sentence(call, kind, words):
    with pytest.raises(kind, match=f"^calibration_bins: {words}"):
        call()


def test_other_records_are_no_bins():
    for function in (metrics.brier_decomposition, metrics.reliability_curve):
        with pytest.raises(TypeError, match=f"^{function.__name__}: `record` must be CalibrationBins; got"):
            function((1, 2))
    assert isinstance(calibration_bins(P, R), CalibrationBins)
