"""Percentiles of weighted distances: counted ones against NumPy, areas against their definition, on every library."""

import math
from functools import partial

import numpy as np
import pytest

from mia_functional.metrics._kernels.weighted_percentiles import distance_percentiles

PERCENTS = (0, 5, 33.3, 50, 95, 99.9, 100)


def by_definition(distances, areas, percent):
    """Return the smallest distance that covers a share of the area."""
    order = np.argsort(distances)
    covered, whole = 0.0, math.fsum(areas)
    for distance, area in zip(distances[order], areas[order], strict=True):
        covered += area
        if area and covered >= percent / 100 * whole * (1 - 1e-9):
            return distance
    raise AssertionError("the cumulative area reaches the whole")


@pytest.mark.sampled(14)
@pytest.mark.parametrize("size", [1, 2, 21, 1000])
def test_counted_distances_are_interpolated_as_by_numpy(xp, size):
    rng = np.random.default_rng(size)
    distances, counted = np.round(rng.gamma(2.0, 2.0, size), 1), rng.random(size) < 0.7
    counted[0] = True
    got = xp.run(partial(distance_percentiles, percents=PERCENTS), distances, counted)
    np.testing.assert_allclose(got, np.percentile(distances[counted], PERCENTS), rtol=1e-6)


@pytest.mark.sampled(14)
@pytest.mark.parametrize("size", [1, 2, 21, 1000])
def test_areas_give_the_distance_that_covers_the_share(xp, size):
    rng = np.random.default_rng(size)
    distances, areas = np.round(rng.gamma(2.0, 2.0, size), 1), rng.choice([0.0, 0.5, 1.25], size)
    areas[0] = 1.25
    got = xp.run(partial(distance_percentiles, percents=PERCENTS), distances, areas)
    np.testing.assert_allclose(got, [by_definition(distances, areas, percent) for percent in PERCENTS], rtol=1e-6)


def test_a_share_on_the_edge_of_a_tie_does_not_depend_on_the_order_of_the_sum(xp):
    """Half of the area lies at one distance and half at another: a tenth is not a binary fraction."""
    areas = np.full(20, 0.1)
    distances = np.repeat([1.0, 9.0], 10)
    for order in (np.arange(20), np.arange(20)[::-1].copy(), np.random.default_rng(0).permutation(20)):
        got = xp.run(partial(distance_percentiles, percents=(50, 55)), distances[order], areas)
        assert np.asarray(got).tolist() == [1.0, 9.0]


def test_infinite_distances_stay_infinite(xp):
    far = np.full(5, np.inf)
    for weights in (np.ones(5, dtype=bool), np.ones(5)):
        assert np.all(np.isposinf(xp.run(partial(distance_percentiles, percents=(0, 37.5, 100)), far, weights)))


@pytest.mark.slow
@pytest.mark.sampled(8)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("wide", [False, True])
def test_the_ends_are_the_smallest_and_largest_distance_of_what_has_weight(xp, kind, wide):
    """Nothing else answers: no nearer or farther grid point off the surface, be it at 0, 1e30 or inf."""
    rng = np.random.default_rng(0)
    count = 20000 if wide else 30
    distances, areas = (5 + 20 * rng.random(count)).astype(kind), rng.random(count).astype(kind) + kind(0.1)
    off = rng.random(count) < 0.4
    off[:3] = True
    distances[:4], distances[4] = (0, 1e30, np.inf, 4), 27
    off[3:5], areas[off] = False, 0
    areas[3] = 1e-9
    got = xp.run(partial(distance_percentiles, percents=(0, 1e-7, 100)), distances, areas)
    np.testing.assert_allclose(got, [4, np.partition(distances[~off], 1)[1], 27], rtol=1e-6)
    counted = xp.run(partial(distance_percentiles, percents=(0, 50, 100)), distances, ~off)
    np.testing.assert_allclose(counted, np.percentile(distances[~off].astype(np.float64), (0, 50, 100)), rtol=1e-6)


def test_one_element_has_all_percentiles(xp):
    for weights in (np.array([0, 1e-12, 0], np.float32), np.array([False, True, False])):
        got = xp.run(partial(distance_percentiles, percents=(0, 50, 100)), np.float32([1, 2, 3]), weights)
        np.testing.assert_array_equal(got, [2, 2, 2])
