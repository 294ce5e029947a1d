"""The confusion matrix and the metrics of several classes against scikit-learn and hand-computed values."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from mia_functional import metrics
from mia_functional.metrics import ConfusionMatrix, confusion_counts, confusion_matrix, expected_cost, weighted_kappa

RNG = np.random.default_rng(21)
REFERENCE = RNG.integers(0, 5, (4, 6, 7))
PREDICTION = np.where(RNG.random(REFERENCE.shape) < 0.6, REFERENCE, RNG.integers(0, 5, REFERENCE.shape))
LABELS = (0, 1, 2, 3, 4)


@pytest.mark.parametrize("masked", [False, True])
def test_matrix_is_scikit_learns_transposed(xp, masked):
    inside = RNG.random(REFERENCE.shape) < 0.5
    if masked:
        matrix = xp.run(lambda p, r, m: confusion_matrix(p, r, labels=LABELS, mask=m), PREDICTION, REFERENCE, inside)
        expected = sklearn_metrics.confusion_matrix(REFERENCE[inside], PREDICTION[inside])
    else:
        matrix = xp.run(lambda p, r: confusion_matrix(p, r, labels=LABELS), PREDICTION, REFERENCE)
        expected = sklearn_metrics.confusion_matrix(REFERENCE.ravel(), PREDICTION.ravel())
    np.testing.assert_array_equal(matrix.counts, expected.T)
    assert matrix.outside == 0


def test_labels_are_merged_and_ordered_and_axes_kept(xp):
    labels = ((3, 4), 0, (2, 1))
    matrix = xp.run(lambda p, r: confusion_matrix(p, r, labels=labels, axis=(0, 2)), PREDICTION, REFERENCE)
    position = np.array([1, 2, 2, 0, 0])
    for row in range(6):
        pair = position[REFERENCE[:, row].ravel()], position[PREDICTION[:, row].ravel()]
        np.testing.assert_array_equal(matrix.counts[row], sklearn_metrics.confusion_matrix(*pair).T)
    assert matrix.counts.shape == (6, 3, 3)
    assert matrix.outside.shape == (6,)


@pytest.mark.slow
def test_a_label_outside_of_the_classes_is_refused_or_makes_the_metrics_nan_under_jit():
    import jax

    with pytest.raises(ValueError, match="name every label that occurs"):
        confusion_matrix(PREDICTION, REFERENCE, labels=(0, 1, 2))
    matrix = jax.jit(lambda p, r: confusion_matrix(p, r, labels=(0, 1, 2)))(PREDICTION, REFERENCE)
    inside = (PREDICTION < 3) & (REFERENCE < 3)
    assert int(matrix.outside) == PREDICTION.size - inside.sum()
    for metric in (
        weighted_kappa,
        expected_cost,
        metrics.cohen_kappa,
        metrics.balanced_accuracy,
        metrics.matthews_correlation,
    ):
        assert math.isnan(metric(matrix))


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ((0, 1, (1, 2)), ValueError, "no label into two classes"),
        ((), ValueError, "labels"),
        ((0.5,), TypeError, "labels"),
    ],
)
def test_bad_classes(labels, error, words):
    with pytest.raises(error, match=words):
        confusion_matrix(PREDICTION, REFERENCE, labels=labels)


def test_scikit_learn_agrees_on_several_classes(xp):
    p, r = PREDICTION.ravel(), REFERENCE.ravel()
    expected = {
        "cohen_kappa": sklearn_metrics.cohen_kappa_score(r, p),
        "matthews_correlation": sklearn_metrics.matthews_corrcoef(r, p),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(r, p),
    }
    for name, value in expected.items():
        metric = getattr(metrics, name)
        ours = xp.run(lambda a, b, metric=metric: metric(confusion_matrix(a, b, labels=LABELS)), PREDICTION, REFERENCE)
        np.testing.assert_allclose(ours, value, rtol=2e-6)
    for power, kind in ((1, "linear"), (2, "quadratic")):
        ours = xp.run(lambda a, b, power=power: weighted_kappa(a, b, labels=LABELS, power=power), PREDICTION, REFERENCE)
        np.testing.assert_allclose(ours, sklearn_metrics.cohen_kappa_score(r, p, weights=kind), rtol=2e-6)
    cost = xp.run(lambda a, b: expected_cost(a, b, labels=LABELS), PREDICTION, REFERENCE)
    np.testing.assert_allclose(cost, np.mean(p != r), rtol=2e-6)


@pytest.mark.parametrize("name", ["cohen_kappa", "matthews_correlation", "balanced_accuracy"])
def test_two_classes_are_a_mask_and_its_background(name):
    metric = getattr(metrics, name)
    for density in (0.05, 0.5, 1.0):
        prediction, reference = RNG.random((2, 60)) < density
        matrix = confusion_matrix(prediction.astype(int), reference.astype(int), labels=(0, 1))
        np.testing.assert_allclose(metric(matrix), metric(prediction, reference), rtol=1e-12)
        undefined = (metric(*given, zero_division=3.0) for given in ((matrix,), (prediction, reference)))
        np.testing.assert_allclose(*undefined, rtol=1e-12)


def test_classes_that_are_missing_are_undefined():
    matrix = ConfusionMatrix(np.array([[3, 1, 0], [0, 2, 0], [0, 1, 0]]), np.array(0))
    assert math.isnan(metrics.balanced_accuracy(matrix))
    single = ConfusionMatrix(np.array([[9, 0], [0, 0]]), np.array(0))
    for metric in (metrics.cohen_kappa, metrics.matthews_correlation, weighted_kappa):
        assert math.isnan(metric(single))
        assert metric(single, zero_division=1.0) == 1


def test_expected_cost_with_prices():
    matrix = ConfusionMatrix(np.array([[5, 1], [2, 2]]), np.array(0))
    costs = ((0, 10), (1, 0))
    assert math.isclose(expected_cost(matrix, costs=costs), (10 * 1 + 1 * 2) / 10)
    assert math.isclose(expected_cost(matrix, costs=costs, normalized=True), 1.2 / min(10 * 0.3, 1 * 0.7))
    assert math.isnan(expected_cost(ConfusionMatrix(np.array([[5, 0], [1, 0]]), np.array(0)), normalized=True))
    batch = ConfusionMatrix(np.stack([matrix.counts, matrix.counts.T]), np.zeros(2, int))
    np.testing.assert_allclose(expected_cost(batch, costs=costs), [1.2, 2.1])
    for wrong in (((0, 1),), ((0, math.inf), (1, 0))):
        with pytest.raises(ValueError, match="`costs` must be 2 x 2 finite numbers"):
            expected_cost(matrix, costs=wrong)
    with pytest.raises(ValueError, match="`costs` must be one of inverse_prior; got"):
        expected_cost(matrix, costs="prior")


@pytest.mark.sampled(4)
def test_expected_cost_with_inverse_priors(xp):
    """Each class counts the same: one minus the balanced accuracy, or that over its best constant, 1 - 1 / C."""

    def costs(prediction, reference):
        matrix = confusion_matrix(prediction, reference, labels=LABELS)
        plain = expected_cost(matrix, costs="inverse_prior")
        return plain, expected_cost(matrix, costs="inverse_prior", normalized=True), metrics.balanced_accuracy(matrix)

    plain, normalized, accuracy = xp.run(costs, PREDICTION, REFERENCE)
    np.testing.assert_allclose(plain, 1 - accuracy, rtol=1e-5)
    np.testing.assert_allclose(normalized, plain / (1 - 1 / len(LABELS)), rtol=1e-5)
    absent = ConfusionMatrix(np.array([[5, 0], [1, 0]]), np.array(0))
    assert math.isnan(expected_cost(absent, costs="inverse_prior"))


@pytest.mark.parametrize("power", [0, -1, math.inf, math.nan])
def test_bad_power(power):
    with pytest.raises(ValueError, match="weighted_kappa: `power`"):
        weighted_kappa(PREDICTION, REFERENCE, labels=LABELS, power=power)
    if power != 0:
        with pytest.raises(ValueError, match="generalized_dice: `power`"):
            metrics.generalized_dice(PREDICTION, REFERENCE, labels=LABELS, power=power)


def test_large_matrices_do_not_overflow(xp):
    table = np.array([[2**29, 2**28, 7], [2**27, 2**28, 2**20], [1, 3, 5]], dtype=np.int64)
    exact = [[int(entry) for entry in row] for row in table]
    whole = sum(map(sum, exact))
    rows, columns = [sum(row) for row in exact], [sum(column) for column in zip(*exact, strict=True)]
    trace = sum(exact[k][k] for k in range(3))
    chance = sum(p * r for p, r in zip(rows, columns, strict=True))
    kappa = (whole * trace - chance) / (whole**2 - chance)
    spread = (whole**2 - sum(p * p for p in rows)) * (whole**2 - sum(r * r for r in columns))
    spread = (whole * trace - chance) / math.sqrt(spread)
    for metric, value in ((metrics.cohen_kappa, kappa), (metrics.matthews_correlation, spread)):
        ours = xp.run(lambda m, lost, metric=metric: metric(ConfusionMatrix(m, lost)), table, np.array(0))
        np.testing.assert_allclose(ours, value, rtol=1e-6)


def test_generalized_dice_by_hand(xp):
    prediction, reference = np.array([1, 1, 2, 2, 2, 0]), np.array([1, 2, 2, 2, 2, 0])

    def exact(power):
        weights = [1 / 1**power, 1 / 4**power]
        return 2 * (weights[0] * 1 + weights[1] * 3) / (weights[0] * 3 + weights[1] * 7)

    for power in (0, 1, 2):
        value = xp.run(
            lambda p, r, power=power: metrics.generalized_dice(p, r, labels=(1, 2), power=power), prediction, reference
        )
        np.testing.assert_allclose(value, exact(power), rtol=2e-6)
    absent = metrics.generalized_dice(np.array([3, 1, 2]), np.array([1, 1, 2]), labels=(1, 2, 3))
    assert math.isclose(absent, 2 * (1 / 4 + 1) / (3 / 4 + 2 + 1))
    # What is predicted where nothing is has no overlap, whatever the weights.
    for power in (0, 1, 2):
        nothing = xp.run(
            lambda p, r, power=power: metrics.generalized_dice(p, r, labels=(1, 2), power=power),
            prediction,
            0 * reference,
        )
        assert nothing == 0
    empty = confusion_counts(np.array([0, 3]), np.array([0, 0]), labels=(1, 2))
    assert math.isnan(metrics.generalized_dice(empty))
    assert metrics.generalized_dice(empty, zero_division=0.0) == 0
    with pytest.raises(ValueError, match="last axis of labels"):
        metrics.generalized_dice(np.array([True]), np.array([True]))


@pytest.mark.slow
def test_generalized_dice_is_a_loss_with_a_gradient():
    import jax

    reference = RNG.integers(0, 3, (5, 6))
    shares = RNG.random((5, 6, 2)).astype(np.float32)

    def loss(p):
        return 1 - metrics.generalized_dice(metrics.soft_confusion_counts(p, reference, labels=(1, 2)))

    gradient = jax.grad(loss)(jax.numpy.asarray(shares))
    step = np.zeros_like(shares, dtype=float)
    step[2, 3, 1] = 1e-6
    numeric = (loss(shares + step) - loss(shares - step)) / 2e-6
    np.testing.assert_allclose(gradient[2, 3, 1], numeric, atol=1e-6)
