"""Every metric of counts against exact arithmetic, scikit-learn, and brute force over voxels and pairs of voxels."""

import inspect
import itertools
import math
from decimal import Decimal, getcontext
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from mia_functional import metrics
from mia_functional.metrics import METRICS, ConfusionCounts, confusion_counts, soft_confusion_counts

getcontext().prec = 60
NAN = math.nan
COUNTING = [row for row in METRICS if row.statistic is confusion_counts and not row.needs]


def share(part, whole):
    """Return an exact quotient, NaN for 0 / 0."""
    return Fraction(part, whole) if whole else NAN


def both(one, other, combine):
    """Return a combination of two quotients, NaN if either is."""
    return NAN if NAN in (one, other) else combine(one, other)


def squared_root(value):
    """Return the root of a whole number to 50 digits."""
    return Decimal(value).sqrt()


def pairs(number):
    """Return the number of pairs."""
    return number * (number - 1) // 2


def matthews(tp, fp, fn, tn):
    spread = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return float(Decimal(tp * tn - fp * fn) / squared_root(spread)) if spread else NAN


def kappa(tp, fp, fn, tn):
    n = tp + fp + fn + tn
    if not n:
        return NAN
    observed = Fraction(tp + tn, n)
    expected = Fraction((tp + fp) * (tp + fn) + (fn + tn) * (fp + tn), n * n)
    return NAN if expected == 1 else (observed - expected) / (1 - expected)


def consistency(tp, fp, fn, tn):
    n = tp + fp + fn + tn
    if not n:
        return NAN

    def error(stray, common):
        return Fraction(stray * (stray + 2 * common), stray + common) if stray + common else 0

    return min(error(fn, tp) + error(fp, tn), error(fp, tp) + error(fn, tn)) / n


def rand(tp, fp, fn, tn):
    n = tp + fp + fn + tn
    together = sum(map(pairs, (tp, fp, fn, tn)))
    predicted, referenced = pairs(tp + fp) + pairs(fn + tn), pairs(tp + fn) + pairs(fp + tn)
    return share(pairs(n) + 2 * together - predicted - referenced, pairs(n))


def adjusted(tp, fp, fn, tn):
    n = tp + fp + fn + tn
    if not n:
        return NAN
    together = sum(map(pairs, (tp, fp, fn, tn)))
    predicted, referenced = pairs(tp + fp) + pairs(fn + tn), pairs(tp + fn) + pairs(fp + tn)
    if pairs(n) == 0:
        return 1
    expected = Fraction(predicted * referenced, pairs(n))
    most = Fraction(predicted + referenced, 2)
    return 1 if most == expected else (together - expected) / (most - expected)


def entropy(counts):
    """Return the entropy of counts in bits, to 50 digits."""
    n = sum(counts)
    return -sum(Decimal(k) / n * (Decimal(k) / n).ln() for k in counts if k) / Decimal(2).ln()


def information(tp, fp, fn, tn):
    if tp + fp + fn + tn == 0:
        return NAN
    return float(entropy((tp + fp, fn + tn)) + entropy((tp + fn, fp + tn)) - entropy((tp, fp, fn, tn)))


def variation(tp, fp, fn, tn):
    if tp + fp + fn + tn == 0:
        return NAN
    return float(2 * entropy((tp, fp, fn, tn)) - entropy((tp + fp, fn + tn)) - entropy((tp + fn, fp + tn)))


def intraclass(tp, fp, fn, tn):
    n = tp + fp + fn + tn
    if n < 2:
        return NAN
    means = ((tp, Fraction(1)), (fp + fn, Fraction(1, 2)), (tn, Fraction(0)))
    centre = sum(k * value for k, value in means) / n
    between = 2 * sum(k * (value - centre) ** 2 for k, value in means) / (n - 1)
    within = Fraction(fp + fn, 2) / n
    return (between - within) / (between + within) if between + within else NAN


def fuzzy_distance(tp, fp, fn, _):
    if tp:
        return Fraction(fp + fn, 2 * tp)
    return math.inf if fp + fn else NAN


def relative_difference(tp, fp, fn, _):
    if tp + fn:
        return Fraction(abs(fp - fn), tp + fn)
    return math.inf if fp else NAN


ORACLES = {
    "DICE": lambda c: share(2 * c.tp, 2 * c.tp + c.fp + c.fn),
    "JACRD": lambda c: share(c.tp, c.tp + c.fp + c.fn),
    "SNSVTY": lambda c: share(c.tp, c.tp + c.fn),
    "SPCFTY": lambda c: share(c.tn, c.tn + c.fp),
    "FALLOUT": lambda c: share(c.fp, c.fp + c.tn),
    "FNR": lambda c: share(c.fn, c.fn + c.tp),
    "ACURCY": lambda c: share(c.tp + c.tn, c.tp + c.fp + c.fn + c.tn),
    "PRCISON": lambda c: share(c.tp, c.tp + c.fp),
    "NPV": lambda c: share(c.tn, c.tn + c.fn),
    "TP": lambda c: c.tp,
    "FP": lambda c: c.fp,
    "TN": lambda c: c.tn,
    "FN": lambda c: c.fn,
    "FMEASR": lambda c: share(2 * c.tp, 2 * c.tp + c.fp + c.fn),
    "VOLSMTY": lambda c: share(2 * c.tp + c.fp + c.fn - abs(c.fn - c.fp), 2 * c.tp + c.fp + c.fn),
    "BALACC": lambda c: both(share(c.tp, c.tp + c.fn), share(c.tn, c.tn + c.fp), lambda a, b: (a + b) / 2),
    "YOUDEN": lambda c: both(share(c.tp, c.tp + c.fn), share(c.tn, c.tn + c.fp), lambda a, b: a + b - 1),
    "AUC": lambda c: both(share(c.tp, c.tp + c.fn), share(c.fp, c.fp + c.tn), lambda a, b: (a - b + 1) / 2),
    "MCC": lambda c: matthews(*c),
    "KAPPA": lambda c: kappa(*c),
    "GCOERR": lambda c: consistency(*c),
    "RNDIND": lambda c: rand(*c),
    "ADJRIND": lambda c: adjusted(*c),
    "MUTINF": lambda c: information(*c),
    "VARINFO": lambda c: variation(*c),
    "ICCORR": lambda c: intraclass(*c),
    "RVD": lambda c: relative_difference(*c),
    "PROBDST": lambda c: fuzzy_distance(*c),
}

SMALL = np.array(list(itertools.product(range(4), repeat=4))).T
RNG = np.random.default_rng(11)
LARGE = np.array(
    [
        [2**28, 2**27, 2**26, 2**29],
        [2**29 + 1, 1, 0, 2**30],
        [1, 0, 0, 2**30],
        [2**15, 2**15, 2**15, 2**30],
        [0, 0, 0, 2**30],
        *(RNG.integers(1, 2 ** RNG.integers(2, 29, 4)) for _ in range(20)),
    ]
).T
HUGE = np.array(
    [[2**35, 1, 2**34, 2**20], [2**36, 0, 0, 1], [3, 2**35, 2**35, 5], [2**34 + 1, 2**34 - 1, 2**34, 2**34]]
).T


def expected(row, table):
    """Return the exact values of a metric for the columns of a table of counts, as floats."""
    return np.array([float(ORACLES[row.abbreviation](ConfusionCounts(*map(int, column)))) for column in table.T])


def test_every_counting_metric_has_an_oracle():
    assert {row.abbreviation for row in COUNTING} == ORACLES.keys()


@pytest.mark.sampled(42)
@pytest.mark.parametrize("row", COUNTING, ids=lambda row: row.abbreviation)
def test_counts_up_to_three_give_the_exact_value_or_the_documented_undefined_one(xp, row):
    value = xp.run(lambda *counts: row.function(ConfusionCounts(*counts)), *SMALL)
    np.testing.assert_allclose(value, expected(row, SMALL), rtol=2e-6, atol=1e-6)


@pytest.mark.sampled(42)
@pytest.mark.parametrize("row", COUNTING, ids=lambda row: row.abbreviation)
def test_large_counts_do_not_overflow_or_cancel(xp, row):
    value = xp.run(lambda *counts: row.function(ConfusionCounts(*counts)), *LARGE)
    np.testing.assert_allclose(value, expected(row, LARGE), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("row", COUNTING, ids=lambda row: row.abbreviation)
def test_double_precision_is_exact_up_to_2_to_the_36(row):
    for table in (LARGE, HUGE):
        value = row.function(ConfusionCounts(*table.astype(np.int64)))
        np.testing.assert_allclose(value, expected(row, table), rtol=1e-11, atol=1e-15)


def test_little_information_is_not_lost_in_rounding(xp):
    table = np.array([[180_020, 119_980, 419_980, 280_020]]).T
    value = xp.run(lambda *counts: metrics.mutual_information(ConfusionCounts(*counts)), *table)
    np.testing.assert_allclose(value, information(*map(int, table[:, 0])), rtol=1e-2)


@pytest.mark.parametrize("row", [row for row in COUNTING if row.unit != "bit"], ids=lambda row: row.abbreviation)
def test_python_integers_are_counts(row):
    for column in ([7, 2, 3, 11], [0, 0, 0, 4], [2**35, 1, 2**34, 2**20]):
        value = row.function(ConfusionCounts(*column))
        np.testing.assert_allclose(float(value), expected(row, np.array([column]).T)[0], rtol=1e-11)


@pytest.mark.parametrize("beta", [0.5, 1, 2, 3.7])
def test_f_measure(beta):
    y_true, y_pred = RNG.integers(0, 2, (2, 50))
    value = metrics.f_measure(y_pred, y_true, beta=beta)
    assert math.isclose(value, sklearn_metrics.fbeta_score(y_true, y_pred, beta=beta), rel_tol=1e-12)


@pytest.mark.parametrize("beta", [0, -1, math.inf, math.nan])
def test_bad_beta(beta):
    with pytest.raises(ValueError, match="f_measure: `beta` must be positive"):
        metrics.f_measure(ConfusionCounts(1, 1, 1, 1), beta=beta)


SKLEARN = {
    "dice": sklearn_metrics.f1_score,
    "jaccard": sklearn_metrics.jaccard_score,
    "sensitivity": sklearn_metrics.recall_score,
    "specificity": partial(sklearn_metrics.recall_score, pos_label=0),
    "accuracy": sklearn_metrics.accuracy_score,
    "precision": sklearn_metrics.precision_score,
    "negative_predictive_value": partial(sklearn_metrics.precision_score, pos_label=0),
    "balanced_accuracy": sklearn_metrics.balanced_accuracy_score,
    "youden_index": partial(sklearn_metrics.balanced_accuracy_score, adjusted=True),
    "matthews_correlation": sklearn_metrics.matthews_corrcoef,
    "area_under_curve": sklearn_metrics.roc_auc_score,
    "cohen_kappa": sklearn_metrics.cohen_kappa_score,
    "rand_index": sklearn_metrics.rand_score,
    "adjusted_rand_index": sklearn_metrics.adjusted_rand_score,
    "mutual_information": lambda r, p: sklearn_metrics.mutual_info_score(r, p) / math.log(2),
}


@pytest.mark.parametrize("name", SKLEARN)
def test_scikit_learn_agrees(name):
    for density in (0.1, 0.5, 0.9):
        reference = RNG.random(200) < density
        prediction = np.where(RNG.random(200) < 0.8, reference, RNG.random(200) < 0.5)
        value = getattr(metrics, name)(prediction, reference)
        assert math.isclose(value, SKLEARN[name](reference, prediction), rel_tol=1e-12)


def test_scikit_image_agrees_on_the_variation_of_information():
    from skimage.metrics import variation_of_information

    prediction, reference = RNG.integers(0, 2, (2, 6, 7))
    value = metrics.variation_of_information(prediction, reference)
    assert math.isclose(value, sum(variation_of_information(reference, prediction)), rel_tol=1e-12)


def brute_rand(prediction, reference):
    """Return the share of pairs of voxels that both masks join or both separate."""
    agree = [
        (p == q) == (r == s) for (p, r), (q, s) in itertools.combinations(zip(prediction, reference, strict=True), 2)
    ]
    return sum(agree) / len(agree)


def brute_consistency(prediction, reference):
    """Return the global consistency error from the classes of every voxel: one where the voxel itself is in dispute."""

    def error(one, other):
        total = 0.0
        for index in range(one.size):
            region, beside = one == one[index], other == one[index]
            total += np.sum(region & ~beside) / np.sum(region) if beside[index] else 1
        return total / one.size

    return min(error(prediction, reference), error(reference, prediction))


def brute_intraclass(prediction, reference):
    """Return the one-way intraclass correlation from the analysis of variance of two raters."""
    table = np.stack([prediction, reference], axis=1).astype(float)
    number = len(table)
    between = 2 * np.var(table.mean(axis=1), ddof=1)
    within = np.sum((table - table.mean(axis=1, keepdims=True)) ** 2) / number
    return (between - within) / (between + within)


@pytest.mark.parametrize(
    ("metric", "brute"),
    [
        (metrics.rand_index, brute_rand),
        (metrics.global_consistency_error, brute_consistency),
        (metrics.intraclass_correlation, brute_intraclass),
    ],
)
def test_brute_force_over_voxels_and_their_pairs(metric, brute):
    for density in np.linspace(0.1, 0.9, 9):
        prediction, reference = RNG.random((2, 12)) < density
        prediction[:3], reference[1:4] = True, False
        assert math.isclose(metric(prediction, reference), brute(prediction, reference), abs_tol=1e-12)


def test_intraclass_correlation_of_images_is_that_of_their_moments(xp):
    prediction, reference = RNG.normal(5, 2, (2, 40))
    value = xp.run(lambda p, r: metrics.intraclass_correlation(metrics.paired_moments(p, r)), prediction, reference)
    np.testing.assert_allclose(value, brute_intraclass(prediction, reference), rtol=2e-6, atol=2e-6)
    masks = RNG.integers(0, 2, (2, 40))
    value = metrics.intraclass_correlation(metrics.paired_moments(*masks))
    np.testing.assert_allclose(value, metrics.intraclass_correlation(*masks), rtol=1e-12)


@pytest.mark.parametrize("row", COUNTING, ids=lambda row: row.abbreviation)
def test_pair_and_counts_labels_and_axes_give_the_same(row):
    prediction, reference = RNG.integers(0, 4, (2, 3, 4, 5))
    labels = {1: "one", (2, 3): "more"}
    value = row.function(prediction, reference, labels=labels, axis=(1, 2))
    np.testing.assert_array_equal(
        value, row.function(confusion_counts(prediction, reference, labels=labels, axis=(1, 2)))
    )
    assert value.shape == (3, 2)
    single = row.function(prediction=prediction[1] > 1, reference=reference[1] > 1)
    np.testing.assert_allclose(single, value[1, 1], rtol=1e-12)


def test_zero_division_replaces_what_is_undefined():
    wrapped = [row for row in COUNTING if "zero_division" in (inspect.unwrap(row.function).__kwdefaults__ or {})]
    assert wrapped
    some = ConfusionCounts(*SMALL[:, 1:])
    for row in wrapped:
        plain, filled = row.function(some), row.function(some, zero_division=-7.0)
        np.testing.assert_array_equal(filled, np.where(np.isnan(plain), -7.0, plain))
        assert np.isnan(plain).any() == (row.abbreviation != "ACURCY")


def test_probabilities_give_fuzzy_metrics():
    fuzzy, reference = RNG.random((4, 5)), RNG.random((4, 5)) < 0.5
    counts = soft_confusion_counts(fuzzy, reference)
    distance = np.sum(np.abs(fuzzy - reference)) / (2 * np.sum(fuzzy * reference))
    assert math.isclose(metrics.probabilistic_distance(counts), distance, rel_tol=1e-12)


def test_a_metric_of_float_images_is_refused():
    with pytest.raises(TypeError, match="threshold or cast first"):
        metrics.dice(np.ones(3), np.ones(3))
