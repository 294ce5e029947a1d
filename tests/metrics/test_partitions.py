"""Partitions into more than two classes: peers, exact sums, and tables in which one class is nearly all."""

import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from skimage.metrics import variation_of_information
from sklearn.metrics import adjusted_rand_score, mutual_info_score, rand_score

from mia_functional import metrics
from mia_functional.metrics import ConfusionMatrix, confusion_matrix

pytestmark = pytest.mark.sampled(4)

RNG = np.random.default_rng(2026)
PEERS = {
    "rand_index": rand_score,
    "adjusted_rand_index": adjusted_rand_score,
    "mutual_information": lambda r, p: mutual_info_score(r, p) / math.log(2),
    "variation_of_information": lambda r, p: sum(variation_of_information(r, p)),
}


@pytest.mark.parametrize("name", PEERS)
def test_label_maps_of_peers(name):
    metric, peer = getattr(metrics, name), PEERS[name]
    for classes in (2, 3, 5):
        for noise in (0.0, 0.2, 1.0):
            reference = RNG.integers(0, classes, 300)
            prediction = np.where(RNG.random(300) < noise, RNG.integers(0, classes, 300), reference)
            matrix = confusion_matrix(prediction, reference, labels=range(classes))
            np.testing.assert_allclose(metric(matrix), peer(reference, prediction), rtol=1e-9, atol=1e-12)
            if classes == 2:
                counts = metrics.confusion_counts(prediction, reference)
                np.testing.assert_allclose(metric(matrix), metric(counts), rtol=1e-9, atol=1e-12)


def exact_rand(cells):
    """Return the Rand index and the adjusted one of a table of whole numbers, with the pairs of Hubert and Arabie."""
    pairs = np.vectorize(lambda number: math.comb(number, 2), otypes=[object])
    table = np.array(cells, dtype=object)
    total, same = math.comb(int(table.sum()), 2), int(pairs(table).sum())
    rows, columns = (int(pairs(table.sum(axis=axis)).sum()) for axis in (1, 0))
    expected = Fraction(rows * columns, total)
    return (
        float(Fraction(total + 2 * same - rows - columns, total)),
        float((same - expected) / (Fraction(rows + columns, 2) - expected)),
    )


TABLES = {
    "nearly all background": [[134_000_000, 2_000, 700], [900, 150_000, 30], [40, 77, 60_000]],
    "nearly independent": [[90_000_001, 900_000, 90_000], [900_000, 9_000, 900], [90_000, 900, 91]],
    "a class missed": [[1_000_000, 500, 20], [3, 70_000, 0], [0, 0, 0]],
}


@pytest.mark.parametrize("cells", TABLES.values(), ids=TABLES)
def test_large_tables_in_the_floats_of_every_library(xp, cells):
    table, outside = np.array(cells, np.int32), np.array(0, np.int32)
    rand, adjusted = exact_rand(cells)
    shares = np.array(cells) / np.sum(cells)
    expected = shares.sum(axis=1, keepdims=True) * shares.sum(axis=0)
    inside = shares > 0
    information = math.fsum(shares[inside] * np.log2(shares[inside] / expected[inside]))
    entropies = [-math.fsum(p * math.log2(p) for p in shares.sum(axis=axis) if p > 0) for axis in (0, 1)]
    values = {
        "rand_index": rand,
        "adjusted_rand_index": adjusted,
        "mutual_information": information,
        "variation_of_information": sum(entropies) - 2 * information,
    }
    for name, value in values.items():
        metric = getattr(metrics, name)
        found = xp.run(lambda m, o, metric=metric: metric(ConfusionMatrix(m, o)), table, outside)
        # That of nearly independent partitions is a difference of what is nearly equal, beside what may reach 1.
        np.testing.assert_allclose(found, value, rtol=2e-5, atol=1e-8 if name == "adjusted_rand_index" else 1e-9)


def test_tables_without_pairs(xp):
    tables = np.zeros((3, 3, 3), np.int32)
    tables[1, 1, 1], tables[2, 0, 0] = 1, 9
    for name, expected in (
        ("rand_index", [np.nan, np.nan, 1]),
        ("adjusted_rand_index", [np.nan, 1, 1]),
        ("mutual_information", [np.nan, 0, 0]),
        ("variation_of_information", [np.nan, 0, 0]),
    ):
        metric = getattr(metrics, name)
        found = xp.run(lambda m, o, metric=metric: metric(ConfusionMatrix(m, o)), tables, np.zeros(3, np.int32))
        np.testing.assert_array_equal(found, expected)
        outside = xp.run(lambda m, o, metric=metric: metric(ConfusionMatrix(m, o)), tables, np.ones(3, np.int32))
        assert np.isnan(outside).all()


def test_matrices_of_planes_and_merged_ones():
    prediction, reference = RNG.integers(0, 3, (2, 4, 6, 5))
    matrix = partial(confusion_matrix, labels=(0, 1, 2))
    planes = metrics.rand_index(matrix(prediction, reference, axis=(1, 2)))
    np.testing.assert_allclose(
        planes, [rand_score(r.ravel(), p.ravel()) for p, r in zip(prediction, reference, strict=True)]
    )
    halves = metrics.merge(matrix(prediction[:2], reference[:2]), matrix(prediction[2:], reference[2:]))
    np.testing.assert_allclose(
        metrics.adjusted_rand_index(halves), adjusted_rand_score(reference.ravel(), prediction.ravel()), atol=1e-12
    )
