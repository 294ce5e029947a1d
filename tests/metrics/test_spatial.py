"""Volumes, areas, and where structures lie, against NumPy and by hand."""

import math
from functools import partial

import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.metrics import paired_spatial_moments, spatial_moments

RNG = np.random.default_rng(51)
SPACING = (2.5, 1.0, 0.75)


def clouds(shape=(9, 10, 11), spacing=SPACING):
    """Return two masks that overlap in part, and their voxel positions in millimetres."""
    masks = []
    for shift in (0, 2):
        mask = np.zeros(shape, bool)
        inner = tuple(slice(1 + shift, size - 3 + shift) for size in shape)
        mask[inner] = RNG.random(mask[inner].shape) < 0.6
        masks.append(mask)
    return masks, [np.argwhere(mask) * np.array(spacing[: len(shape)]) for mask in masks]


@pytest.mark.parametrize("shape", [(12,), (9, 10), (9, 10, 11)])
def test_moments_are_those_of_the_positions(xp, shape):
    masks, points = clouds(shape)
    spacing = SPACING[: len(shape)]
    value = xp.run(partial(spatial_moments, spacing=spacing), masks[0])
    assert value.count == len(points[0])
    np.testing.assert_allclose(value.mean, points[0].mean(axis=0), rtol=2e-6)
    np.testing.assert_allclose(value.covariance, np.atleast_2d(np.cov(points[0].T, bias=True)), rtol=2e-6, atol=1e-6)


def test_long_lines_of_voxels_are_counted_in_full():
    """More voxels than a byte can count, along every axis in turn."""
    for axis in range(3):
        mask = np.zeros([600 if axis == one else 2 for one in range(3)], dtype=bool)
        np.moveaxis(mask, axis, 0)[: 255 * 2 + 7, :, 0] = True
        moments = spatial_moments(mask, spacing=(1.0, 1.0, 1.0))
        assert float(moments.count) == 2 * 517
        points = np.argwhere(mask)
        np.testing.assert_allclose(moments.mean, points.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(moments.covariance, np.cov(points.T, bias=True), rtol=1e-12)


def test_an_empty_mask_has_zero_moments(xp):
    value = xp.run(partial(spatial_moments, spacing=SPACING), np.zeros((2, 3, 4), bool))
    assert value.count == 0
    assert not value.mean.any()
    assert not value.covariance.any()


def mahalanobis(one, other):
    """Return the distance with pooled sample covariance from positions."""
    pooled = (len(one) * np.cov(one.T) + len(other) * np.cov(other.T)) / (len(one) + len(other))
    apart = one.mean(axis=0) - other.mean(axis=0)
    return math.sqrt(apart @ np.linalg.solve(np.atleast_2d(pooled), apart))


@pytest.mark.parametrize("shape", [(12,), (9, 10), (9, 10, 11)])
def test_distances_of_clouds(xp, shape):
    masks, points = clouds(shape)
    spacing = SPACING[: len(shape)]
    value = xp.run(partial(metrics.mahalanobis_distance, spacing=spacing), *masks)
    np.testing.assert_allclose(value, mahalanobis(*points), rtol=2e-6)
    value = xp.run(partial(metrics.centroid_distance, spacing=spacing), *masks)
    np.testing.assert_allclose(value, np.linalg.norm(points[0].mean(axis=0) - points[1].mean(axis=0)), rtol=2e-6)


def test_labels_give_one_entry_each(xp):
    prediction, reference = RNG.integers(0, 4, (2, 6, 7, 8))
    labels = {2: "two", (1, 3): "odd", 9: "absent"}
    value = xp.run(
        lambda *pair: paired_spatial_moments(*pair, spacing=SPACING, labels=iter(labels)), prediction, reference
    )
    for side, array in zip(value, (prediction, reference), strict=True):
        for row, label in enumerate(labels):
            one = spatial_moments(np.isin(array, label), spacing=SPACING)
            for field, expected in zip(side, one, strict=True):
                np.testing.assert_allclose(field[row], expected, rtol=2e-6, atol=1e-6)
    distance = xp.run(partial(metrics.centroid_distance, spacing=SPACING, labels=labels), prediction, reference)
    assert distance.shape == (3,)
    assert np.isnan(distance[2])


def test_distances_do_not_change_with_the_spacing_and_with_it():
    (one, other), _ = clouds()
    first = metrics.mahalanobis_distance(one, other, spacing=(1, 1, 1))
    assert math.isclose(first, metrics.mahalanobis_distance(one, other, spacing=(7, 0.1, 2)), rel_tol=1e-9)
    near = metrics.centroid_distance(one, other, spacing=(1, 1, 1))
    assert math.isclose(3 * near, metrics.centroid_distance(one, other, spacing=(3, 3, 3)), rel_tol=1e-12)


def test_empty_flat_and_single_are_documented(xp):
    full, empty, single, flat = (np.zeros((5, 6, 7), bool) for _ in range(4))
    full[1:4, 2:5, 3:6] = True
    single[2, 2, 2] = True
    flat[2] = True
    tilted = np.indices((5, 6, 7)).sum(axis=0) == 8
    for name in ("mahalanobis_distance", "centroid_distance"):
        metric = partial(getattr(metrics, name), spacing=(1.0, 1.0, 1.0))
        assert xp.run(metric, full, empty) == math.inf
        assert xp.run(metric, empty, full) == math.inf
        assert np.isnan(xp.run(metric, empty, empty))
    metric = partial(metrics.mahalanobis_distance, spacing=(1.0, 1.0, 1.0))
    for pair in ((single, full), (flat, flat), (flat, single), (tilted, tilted)):
        assert np.isnan(xp.run(metric, *pair))
    assert np.isfinite(xp.run(metric, flat, full))
    assert xp.run(partial(metrics.centroid_distance, spacing=(1.0, 1.0, 1.0)), single, flat) == pytest.approx(1.118034)


def test_volumes(xp):
    prediction, reference = RNG.integers(0, 3, (2, 4, 5, 6))
    labels = (2, (1, 2))
    voxel = math.prod(SPACING)
    expected = [(prediction == 2).sum() * voxel, (prediction > 0).sum() * voxel]
    np.testing.assert_allclose(
        xp.run(partial(metrics.volume, spacing=SPACING, labels=labels), prediction), expected, rtol=2e-6
    )
    pair = xp.run(partial(metrics.prediction_volume, spacing=SPACING, labels=labels), prediction, reference)
    np.testing.assert_allclose(pair, expected, rtol=2e-6)
    other = xp.run(partial(metrics.reference_volume, spacing=SPACING), prediction > 1, reference > 1)
    np.testing.assert_allclose(other, (reference > 1).sum() * voxel, rtol=2e-6)
    assert other.shape == ()


def test_areas(xp):
    prediction, reference = RNG.integers(0, 3, (2, 4, 5, 6))
    for axis, face in ((0, 0.75), (1, 2.5 * 0.75), (-1, 2.5)):
        for index in (None, 0, -1):
            place = prediction.shape[axis] // 2 if index is None else index
            ones = (np.take(prediction, place, axis=axis) == 1).sum() * face
            value = xp.run(partial(metrics.area, spacing=SPACING, labels=(1,), axis=axis, index=index), prediction)
            np.testing.assert_allclose(value, [ones], rtol=2e-6)
            options = {"spacing": SPACING, "labels": (1,), "axis": axis, "index": index}
            np.testing.assert_allclose(
                xp.run(partial(metrics.prediction_area, **options), prediction, reference), [ones], rtol=2e-6
            )
            other = (np.take(reference, place, axis=axis) == 1).sum() * face
            np.testing.assert_allclose(
                xp.run(partial(metrics.reference_area, **options), prediction, reference), [other], rtol=2e-6
            )
    plane = xp.run(partial(metrics.area, spacing=(2.0, 3.0)), prediction[0] > 0)
    np.testing.assert_allclose(plane, (prediction[0] > 0).sum() * 6)


MASK = np.ones((2, 3, 4), bool)


@pytest.mark.parametrize("metric", [metrics.volume, metrics.area, spatial_moments], ids=lambda metric: metric.__name__)
@pytest.mark.parametrize(
    ("mask", "spacing", "error", "words"),
    [
        (MASK, (1, 1), ValueError, "`spacing` must have 3 entries, one per axis; got"),
        (MASK, (1, 0, 1), ValueError, "`spacing` must lie within .* got 0.0 on axis 1"),
        (MASK, (1, 1, math.nan), ValueError, "got nan on axis 2"),
        (MASK, (1, 1, 1e7), ValueError, "axis 2"),
        (MASK, 1.0, TypeError, "`spacing` must be a sequence of numbers"),
        (MASK.astype(float), (1, 1, 1), TypeError, "`mask` must be a boolean mask"),
        (MASK * np.uint8(7), (1, 1, 1), ValueError, "`mask` contains 7; pass `labels`"),
        ([[1]], (1, 1), TypeError, "`mask` must be an array; got list"),
    ],
)
def test_bad_masks(metric, mask, spacing, error, words):
    with pytest.raises(error, match=words):
        metric(mask, spacing=spacing)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"axis": 3}, ValueError), ({"index": 2}, ValueError), ({"index": -3}, ValueError), ({"index": 0.5}, TypeError)],
)
def test_bad_slices(options, error):
    with pytest.raises(error, match=r"area: `(axis|index)`"):
        metrics.area(MASK, spacing=(1, 1, 1), **options)


def test_bad_dimensions_and_pairs():
    with pytest.raises(ValueError, match="have 2 or 3 axes"):
        metrics.area(np.ones(3, bool), spacing=(1,))
    with pytest.raises(ValueError, match="have 1 or 2 or 3 axes"):
        spatial_moments(np.ones((1, 1, 1, 1), bool), spacing=(1, 1, 1, 1))
    with pytest.raises(ValueError, match="have the shape of the reference"):
        metrics.prediction_area(MASK, MASK[:1], spacing=(1, 1, 1))
    with pytest.raises(ValueError, match="have the shape of the reference"):
        paired_spatial_moments(MASK, MASK[:1], spacing=(1, 1, 1))
    with pytest.raises(ValueError, match="prediction_volume: `spacing`"):
        metrics.prediction_volume(MASK, MASK, spacing=(1, -1, 1))
