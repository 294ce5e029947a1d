"""Surface elements and their distances: against a brute force over all pairs, on every library."""

import itertools
import math
from functools import partial

import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.metrics.boundaries import Elements, solid, surfels, voxels
from mia_functional.metrics.surface import SurfaceDistances, merged_surface_distances, surface_distances

from . import brute_force
from .brute_force import SHAPES, SPACINGS, blobs, surface_pairs

CONVENTIONS = [
    (surfels, brute_force.surfel_elements),
    (voxels, brute_force.voxel_elements),
    (solid, brute_force.solid_elements),
]
NAMES = [boundary.__name__ for boundary, _ in CONVENTIONS]


def sorted_pairs(record):
    """Return the directed lists of (distance, weight) of a record, sorted, without entries of weight zero."""
    forward, backward, *weights = (np.asarray(field).reshape(-1) for field in record)
    return tuple(
        sorted((float(d), float(w)) for d, w in zip(distances, weight, strict=True) if w > 0)
        for distances, weight in zip((forward, backward), weights, strict=True)
    )


def assert_same_pairs(record, expected, tolerance):
    for got, wanted in zip(sorted_pairs(record), expected, strict=True):
        assert len(got) == len(wanted)
        np.testing.assert_allclose(np.array(got).reshape(-1, 2)[:, 0], [d for d, _ in wanted], rtol=tolerance)
        np.testing.assert_allclose(
            sorted(weight for _, weight in got), sorted(weight for _, weight in wanted), rtol=tolerance
        )


@pytest.mark.parametrize(("boundary", "elements"), CONVENTIONS, ids=NAMES)
@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 6)])
def test_distances_equal_brute_force_on_every_library(xp, shape, boundary, elements):
    prediction, reference = blobs(1, shape)
    spacing = SPACINGS[1][: len(shape)]
    record = xp.run(partial(surface_distances, spacing=spacing, boundary=boundary), prediction, reference)
    assert isinstance(record, SurfaceDistances)
    assert_same_pairs(record, surface_pairs(prediction, reference, spacing, elements), 1e-6)


@pytest.mark.sampled(15)
@pytest.mark.parametrize(("boundary", "elements"), CONVENTIONS, ids=NAMES)
@pytest.mark.parametrize(("shape", "spacing"), list(itertools.product(SHAPES, SPACINGS)))
def test_distances_equal_brute_force_for_many_shapes(shape, spacing, boundary, elements):
    spacing = spacing[: len(shape)]
    for seed in range(6):
        prediction, reference = blobs(seed, shape)
        record = surface_distances(prediction, reference, spacing=spacing, boundary=boundary)
        assert_same_pairs(record, surface_pairs(prediction, reference, spacing, elements), 1e-12)


@pytest.mark.parametrize("labels", [(1,), (3, 1), (0, 2), ((1, 3), 2), {2: "two", 9: "nowhere"}])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_labels_equal_the_masks(labels, dtype):
    rng = np.random.default_rng(3)
    maps = [np.pad(rng.integers(0, 4, (4, 5)), ((3, 1), (0, 2))).astype(dtype) for _ in range(2)]
    records = surface_distances(*maps, spacing=(1.0, 2.0), labels=iter(labels) if dtype == np.int16 else labels)
    for record, label in zip(records, labels, strict=True):
        masks = [np.isin(one, label) for one in maps]
        assert sorted_pairs(record) == sorted_pairs(surface_distances(*masks, spacing=(1.0, 2.0)))


def areas_at_distances(distances, weights):
    """Return the sum of the weights at each distance that occurs."""
    areas = {}
    for distance, weight in zip(distances.tolist(), weights.tolist(), strict=True):
        areas[distance] = areas.get(distance, 0.0) + weight
    return areas


@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 6), (40, 42, 44)])
def test_merged_elements_are_the_areas_at_each_distance(shape):
    if len(shape) == 3 and max(shape) > 9:  # near, and too far for the first shells
        prediction, reference = np.zeros(shape, bool), np.zeros(shape, bool)
        prediction[2:9, 2:9, 2:9] = prediction[30:33, 35:37, 40:42] = True
        reference[3:9, 2:10, 2:9] = True
    else:
        prediction, reference = blobs(4, shape)
    spacing = SPACINGS[1][: len(shape)]
    whole = surface_distances(prediction, reference, spacing=spacing)
    merged = merged_surface_distances(prediction, reference, spacing=spacing)
    for field in (0, 1):
        distances, weights = np.asarray(merged[field]), np.asarray(merged[field + 2])
        assert len(set(distances.tolist())) == distances.size
        found = dict(zip(distances.tolist(), weights.tolist(), strict=True))
        assert found == pytest.approx(areas_at_distances(whole[field], whole[field + 2]), rel=1e-14)


@pytest.mark.parametrize("boundary", [voxels, solid])
def test_counted_elements_stay_apart(boundary):
    """Their percentiles are interpolated between one and the next."""
    pair, spacing = blobs(2, (5, 6)), SPACINGS[1][:2]
    whole = surface_distances(*pair, spacing=spacing, boundary=boundary)
    np.testing.assert_equal(merged_surface_distances(*pair, spacing=spacing, boundary=boundary), whole)


@pytest.mark.parametrize("empty", ["prediction", "reference", "both"])
def test_merged_elements_of_empty_masks(empty):
    masks = {"prediction": np.ones((2, 3), bool), "reference": np.ones((2, 3), bool)}
    for name in masks if empty == "both" else (empty,):
        masks[name][:] = False
    forward, backward, own, others = merged_surface_distances(**masks, spacing=(1.0, 2.0))
    length = surface_distances(np.ones((2, 3), bool), np.ones((2, 3), bool), spacing=(1.0, 2.0)).reference_weights.sum()
    for name, distances, weights in (("prediction", forward, own), ("reference", backward, others)):
        is_empty = empty in (name, "both")
        assert distances.tolist() == ([] if is_empty else [math.inf])
        assert weights.tolist() == ([] if is_empty else [pytest.approx(length, rel=1e-14)])


def weighted_voxels(mask, *, spacing, weights, factor=1):
    """A convention of a user: border voxels with other weights, or other codes."""
    return Elements(voxels(mask, spacing=spacing).codes * factor, weights)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.float16, np.float32])
def test_areas_of_any_dtype_add_up_beyond_its_range(dtype):
    prediction = np.zeros((24, 24, 24), bool)
    prediction[2:20, 2:20, 2:20] = True
    boundary = partial(weighted_voxels, weights=np.array([0, 40], dtype))
    options = {"spacing": (1.0, 1.0, 1.0), "boundary": boundary}
    pair = prediction, np.roll(prediction, 2, axis=0)
    whole = surface_distances(*pair, **options)
    assert np.asarray(merged_surface_distances(*pair, **options)[2]).sum() == 40 * whole.prediction_weights.size > 65535
    counted = surface_distances(*pair, spacing=(1.0, 1.0, 1.0), boundary=voxels)
    for metric in (metrics.average_symmetric_surface_distance, metrics.normalized_surface_dice):
        expected = pytest.approx(float(metric(counted)), rel=1e-14)
        assert [float(metric(whole)), float(metric(*pair, **options))] == [expected] * 2
    assert float(metrics.hausdorff_distance(whole, percentile=95)) == 2
    assert float(metrics.hausdorff_distance(*pair, **options, percentile=95)) == 2


@pytest.mark.parametrize("measure", [surface_distances, merged_surface_distances])
def test_a_code_without_a_weight_is_an_error(measure):
    boundary = partial(weighted_voxels, weights=np.array([0.0, 1.0]), factor=3)
    with pytest.raises(IndexError, match="index 3 is out of bounds"):
        measure(MASK, MASK, spacing=(1.0, 1.0), boundary=boundary)


MASK = np.ones((2, 3), dtype=bool)


@pytest.mark.parametrize(
    ("prediction", "reference", "options", "error", "words"),
    [
        (MASK, MASK[:1], {"spacing": (1, 1)}, ValueError, r"shape of the reference, \(1, 3\)"),
        (MASK, MASK.astype(float), {"spacing": (1, 1)}, TypeError, "threshold or cast first"),
        (MASK, MASK * 2, {"spacing": (1, 1)}, ValueError, "contains 2; pass `labels`"),
        (MASK, MASK, {"spacing": (1, 1, 1)}, ValueError, "`spacing` must have 2 entries, one per axis; got"),
        (MASK, MASK, {"spacing": (1, -1)}, ValueError, "`spacing` must lie within"),
        (MASK, MASK, {"spacing": (1, math.inf)}, ValueError, "`spacing`"),
        (MASK, MASK, {"spacing": None}, TypeError, "`spacing` must be a sequence of numbers"),
        (MASK, MASK, {"spacing": (1, 1), "method": "cuda"}, ValueError, "`method` must be one of auto, host"),
        (MASK * 1, MASK * -1, {"spacing": (1, 1), "labels": (1,)}, ValueError, "the label -1"),
        (MASK * 1, MASK * 1, {"spacing": (1, 1), "labels": ()}, ValueError, "labels"),
        (MASK * 1, MASK[:1] * 1, {"spacing": (1, 1), "labels": (1,)}, ValueError, "shape of the reference"),
        (MASK[:0] * 1, MASK[:0] * 1, {"spacing": (1, 1), "labels": (1,)}, ValueError, "one element"),
        (np.array(1), np.array(1), {"spacing": (), "labels": (1,)}, ValueError, "at least one axis"),
        (np.ones((1,) * 4, bool), np.ones((1,) * 4, bool), {"spacing": (1,) * 4}, ValueError, "1 or 2 or 3 axes"),
        ([[True]], MASK, {"spacing": (1, 1)}, TypeError, "must be an array; got list"),
    ],
)
def test_bad_input(prediction, reference, options, error, words):
    with pytest.raises(error, match=words):
        surface_distances(prediction, reference, **options)


def test_static_facts_are_checked_in_a_program():
    import jax

    for options, words in (
        ({"spacing": (1.0,)}, "must have 2 entries, one per axis"),
        ({"spacing": (1.0, 0.0)}, "`spacing`"),
    ):
        with pytest.raises(ValueError, match=words):
            jax.jit(partial(surface_distances, **options))(MASK, MASK)
