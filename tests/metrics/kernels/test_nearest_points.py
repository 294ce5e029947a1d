"""The nearest of many points: every way against a distance transform of the whole grid, and the choice of ways."""

from functools import partial

import numpy as np
import pytest
from scipy import ndimage

from mia_functional._array import host_blocks
from mia_functional.metrics._kernels import nearest_points
from mia_functional.metrics.distance import average_distance
from mia_functional.metrics.surface import surface_distances

from ..brute_force import ANISOTROPIC, SPACINGS, smooth_mask


def exact(points, targets, spacing):
    """Return the distances of flat points by a transform of the whole grid."""
    return ndimage.distance_transform_edt(~targets, sampling=spacing).reshape(-1)[points]


def ball(shape, centre, radius, spacing=(1.0, 1.0, 1.0)):
    axes = np.ogrid[tuple(slice(size) for size in shape)]
    return sum((s * (axis - c)) ** 2 for s, axis, c in zip(spacing, axes, centre, strict=True)) <= radius**2


def scene(name):
    """Return two masks whose distances are found in different ways."""
    shape = (60, 62, 64)
    if name == "near":
        return smooth_mask(1, shape), smooth_mask(1, shape) & smooth_mask(2, shape, 0.9)
    if name == "few far":
        one = smooth_mask(3, shape)
        one[:, :, 40:] = False
        other = one.copy()
        other[30:32, 30:32, 46:48] = True
        return one, other
    if name == "far":
        return ball(shape, (12, 12, 12), 9), ball(shape, (46, 48, 50), 9)
    one = np.zeros(shape, dtype=bool)
    one[::20, ::20, ::20] = True
    return one, ball(shape, (30, 30, 30), 25)


@pytest.mark.parametrize("name", ["near", "few far", "far", "sparse"])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_points_near_and_far_find_the_nearest_target(name, spacing):
    one, other = scene(name)
    targets = nearest_points.pad_for_search(one, spacing)
    points = np.flatnonzero(nearest_points.pad_for_search(other, spacing))
    np.testing.assert_allclose(
        nearest_points.nearest_distances(points, targets, spacing), exact(points, targets, spacing), rtol=1e-14
    )


@pytest.mark.parametrize("name", ["near", "few far", "far"])
@pytest.mark.parametrize("find", [surface_distances, average_distance])
def test_two_threads_find_what_one_does(monkeypatch, name, find):
    found = []
    for large in (0, 2**60):
        monkeypatch.setattr(host_blocks, "_WORTH_A_THREAD", large)
        found.append(find(*scene(name), spacing=ANISOTROPIC))
    np.testing.assert_equal(*found)


def test_what_fails_in_either_thread_fails(monkeypatch):
    monkeypatch.setattr(host_blocks, "_WORTH_A_THREAD", 0)
    masks = (np.ones(3),), (np.zeros(3),)
    for wrong in (0, 1):
        with pytest.raises(ArithmeticError, match=f"mask {wrong}"):
            nearest_points.map_pair(partial(fail_if, wrong), *masks)


def fail_if(value, mask):
    if mask[0] == value:
        raise ArithmeticError(f"mask {value}")


def grids(shape, spacing):
    """Return sparse targets, and more points, of a padded grid."""
    rng = np.random.default_rng(5)
    targets = nearest_points.pad_for_search(rng.random(shape) < 0.02, spacing)
    return np.flatnonzero(nearest_points.pad_for_search(rng.random(shape) < 0.1, spacing)), targets


def transform(points, targets, spacing):
    reach = nearest_points._shells(spacing, nearest_points._NEAR[targets.ndim]).reach
    return nearest_points._transform(points, targets, spacing, reach)


def search(points, targets, spacing):
    near = nearest_points._shells(spacing, nearest_points._NEAR[targets.ndim])
    ranks, missed, _ = nearest_points._search(points, targets, near)
    return lengths_found(near, ranks, missed)


def lengths_found(table, ranks, missed):
    distances = table.lengths.take(ranks)
    distances[missed] = np.inf
    return distances


def search_in_blocks(points, targets, spacing):
    near = nearest_points._shells(spacing, nearest_points._NEAR[targets.ndim])
    return nearest_points._search_in_blocks(points, targets, near)[0]


WAYS = [search, search_in_blocks, nearest_points._query_all, nearest_points._query_tree, transform]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", [(70,), (40, 30), (20, 24, 26)])
def test_each_way_is_exact(monkeypatch, way, shape):
    # However many there are to look at: a tree would be asked instead.
    monkeypatch.setattr(nearest_points, "_PAIR", 0.0)
    for spacing in (SPACINGS[0][: len(shape)], ANISOTROPIC[: len(shape)]):
        points, targets = grids(shape, spacing)
        found, wanted = way(points, targets, spacing), exact(points, targets, spacing)
        reached = np.isfinite(found)
        assert reached.mean() > 0.7
        np.testing.assert_allclose(found[reached], wanted[reached], rtol=1e-14)


@pytest.mark.parametrize("shape", [(70,), (40, 30), (20, 24, 26)])
def test_a_search_skips_the_lengths_that_were_tried_before(shape):
    spacing = ANISOTROPIC[: len(shape)]
    points, targets = grids(shape, spacing)
    close, near = (
        nearest_points._shells(spacing, counts[len(shape)]) for counts in (nearest_points._CLOSE, nearest_points._NEAR)
    )
    np.testing.assert_array_equal(near.lengths[: len(close.lengths)], close.lengths)
    ranks, missed, _ = nearest_points._search(points, targets, close)
    ranks[missed], rest, _ = nearest_points._search(points[missed], targets, near, skip=len(close.lengths))
    assert missed.size
    np.testing.assert_array_equal(lengths_found(near, ranks, missed[rest]), search(points, targets, spacing))


# A search that ends after a few voxels, so that points are left which it would reach.
SHORT = {"_GROW": 1e9, "_SWEEP": 1e12, "_FAR": nearest_points._NEAR}


@pytest.mark.parametrize(
    ("name", "rates", "ways"),
    [
        ("near", {}, set()),
        ("far", {}, {"_query_tree"}),
        ("far", {"_QUERY": 1e9}, {"_transform"}),
        ("few far", {"_GROW": 1e9, "_SWEEP": 1e12}, set()),
        ("few far", {"_GROW": 0.0}, {"_query_tree"}),
        ("few far", SHORT, {"_query_all"}),
        ("few far", {**SHORT, "_FEW_FAR": 0}, {"_query_tree"}),
        ("few far", {**SHORT, "_PAIR": 1e99}, {"_query_all", "_query_tree"}),
    ],
)
def test_the_cheapest_way_is_taken_and_finds_the_same(monkeypatch, name, rates, ways):
    """The rates of the cost model choose the way; the distances do not depend on it."""
    taken = set()

    def spy(way, inner):
        def call(*arguments):
            taken.add(way)
            return inner(*arguments)

        return call

    one, other = scene(name)
    spacing = (1.0, 1.0, 1.0)
    targets = nearest_points.pad_for_search(one, spacing)
    points = np.flatnonzero(nearest_points.pad_for_search(other, spacing))
    wanted = nearest_points.nearest_distances(points, targets, spacing)
    for way in ("_transform", "_query_all", "_query_tree"):
        monkeypatch.setattr(nearest_points, way, spy(way, getattr(nearest_points, way)))
    for rate, value in rates.items():
        monkeypatch.setattr(nearest_points, rate, value)
    np.testing.assert_array_equal(nearest_points.nearest_distances(points, targets, spacing), wanted)
    assert taken == ways
