"""Boundary metrics: against their definitions, scenes measured by hand, laws, empty sets, on every library."""

import math
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from mia_functional.metrics.boundaries import solid, surfels, voxels
from mia_functional.metrics.distance import (
    average_distance,
    average_surface_distance,
    average_symmetric_surface_distance,
    hausdorff_distance,
    mean_average_surface_distance,
)
from mia_functional.metrics.surface import surface_distances
from mia_functional.metrics.surface_agreement import boundary_iou, normalized_surface_dice, surface_overlap

from . import brute_force
from .brute_force import SHAPES, SPACINGS, average, blobs, covering_percentile, linear_percentile, share, surface_pairs

ELEMENTS = {surfels: brute_force.surfel_elements, voxels: brute_force.voxel_elements}
PERCENTILES = {surfels: covering_percentile, voxels: linear_percentile}
PERCENTS = (0, 33.3, 50, 95, 99.9, 100)
TOLERANCES = (0.0, 0.8, 1.0, 2.7)
LABELS = {1: "inner", 2: "outer", (1, 2): "whole"}


def everything(prediction, reference, *, spacing, boundary=surfels):
    """Return all metrics of surface distances, from one record."""
    record = surface_distances(prediction, reference, spacing=spacing, boundary=boundary)
    return (
        hausdorff_distance(record),
        hausdorff_distance(record, percentile=PERCENTS),
        hausdorff_distance(record, percentile=PERCENTS, pooled=True),
        average_symmetric_surface_distance(record),
        mean_average_surface_distance(record),
        average_surface_distance(record),
        average_surface_distance(record, direction="reference_to_prediction"),
        surface_overlap(record, tolerance=TOLERANCES),
        surface_overlap(record, tolerance=1.0, direction="reference_to_prediction"),
        normalized_surface_dice(record, tolerance=TOLERANCES),
    )


def expected(prediction, reference, *, spacing, boundary=surfels):
    """Return what `everything` should, by the definitions."""
    forward, backward = surface_pairs(prediction, reference, spacing, ELEMENTS[boundary])
    both, rule = sorted(forward + backward), PERCENTILES[boundary]
    return (
        max(forward[-1][0], backward[-1][0]),
        [max(rule(forward, p), rule(backward, p)) for p in PERCENTS],
        [rule(both, p) for p in PERCENTS],
        average(both),
        (average(forward) + average(backward)) / 2,
        average(forward),
        average(backward),
        [share(forward, t) for t in TOLERANCES],
        share(backward, 1.0),
        [share(both, t) for t in TOLERANCES],
    )


def assert_close(got, wanted, tolerance=1e-6):
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.sampled(14)
@pytest.mark.parametrize("boundary", [surfels, voxels], ids=["surfels", "voxels"])
@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 6)])
def test_metrics_equal_their_definitions_on_every_library(xp, shape, boundary):
    masks = blobs(2, shape)
    options = {"spacing": SPACINGS[1][: len(shape)], "boundary": boundary}
    assert_close(xp.run(partial(everything, **options), *masks), expected(*masks, **options))


@pytest.mark.slow
@pytest.mark.sampled(10)
@pytest.mark.parametrize("boundary", [surfels, voxels], ids=["surfels", "voxels"])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_metrics_equal_their_definitions_for_many_shapes(shape, spacing, boundary):
    options = {"spacing": spacing[: len(shape)], "boundary": boundary}
    for seed in range(10, 16):
        masks = blobs(seed, shape)
        assert_close(everything(*masks, **options), expected(*masks, **options), 1e-9)


def brute_average_distance(prediction, reference, spacing):
    forward, backward = surface_pairs(prediction, reference, spacing, brute_force.solid_elements)
    return max(average(forward), average(backward))


def brute_boundary_iou(prediction, reference, spacing, width):
    bands = []
    for mask in (prediction, reference):
        padded = np.pad(mask, 1)
        outside = list(zip(*np.nonzero(~padded), strict=True))
        inside = zip(*np.nonzero(padded), strict=True)
        bands.append({voxel for voxel in inside if brute_force.distance(voxel, outside, spacing) <= width + 1e-9})
    return len(bands[0] & bands[1]) / len(bands[0] | bands[1])


@pytest.mark.sampled(7)
@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 6)])
def test_metrics_of_voxel_sets_equal_their_definitions_on_every_library(xp, shape):
    masks, spacing = blobs(3, shape), SPACINGS[1][: len(shape)]
    got = xp.run(partial(average_distance, spacing=spacing), *masks)
    np.testing.assert_allclose(got, brute_average_distance(*masks, spacing), rtol=1e-6)
    for width in (0.5, 0.9, 1.7):
        got = xp.run(partial(boundary_iou, spacing=spacing, width=width), *masks)
        if width < min(spacing):
            assert np.isnan(got)
        else:
            np.testing.assert_allclose(got, brute_boundary_iou(*masks, spacing, width), rtol=1e-6)


@pytest.mark.parametrize("width", [1.0, 2.5, 4.0, 6.0])
def test_bands_of_any_width_equal_a_distance_transform(width):
    """Wide bands come from a transform and narrow ones from shifts, so both sides of the limit are looked at."""
    masks, spacing = blobs(5, (24, 17, 20)), (0.9, 1.1, 0.7)
    depths = [ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing) for mask in masks]
    bands = [(depth > 0) & (depth <= width) for depth in depths]
    expected = np.count_nonzero(bands[0] & bands[1]) / np.count_nonzero(bands[0] | bands[1])
    assert float(boundary_iou(*masks, spacing=spacing, width=width)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("labels", [None, (1, 2)])
def test_the_order_of_voxels_in_memory_does_not_matter(labels):
    rng = np.random.default_rng(6)
    maps = [array.astype(np.uint8) for array in rng.integers(0, 2 if labels is None else 3, (2, 9, 8, 7))]
    options = {"spacing": (1.0, 0.8, 2.5), "labels": labels}
    for metric in (hausdorff_distance, normalized_surface_dice, average_distance, boundary_iou):
        expected = metric(*maps, **options)
        for turned in (np.asfortranarray, lambda array: np.repeat(array, 2, axis=1)[:, ::2]):
            np.testing.assert_array_equal(metric(*map(turned, maps), **options), expected)


def square(shift=0):
    mask = np.zeros((11, 14), dtype=bool)
    mask[3:8, 3 + shift : 8 + shift] = True
    return mask


def test_a_square_shifted_by_three():
    """The contours share nothing; the long sides are one apart at most on four of the ten voxels of length."""
    one, other = square(), square(3)
    record = surface_distances(one, other, spacing=(1.0, 1.0))
    assert np.sum(record.prediction_weights) == pytest.approx(4 * 4 + 4 * math.sqrt(0.5))
    assert float(normalized_surface_dice(record, tolerance=1.0)) == pytest.approx(0.5)
    assert float(hausdorff_distance(record)) == 3.0
    assert float(hausdorff_distance(one, other, spacing=(1.0, 2.0))) == 6.0


def test_a_cube_shifted_along_one_axis():
    one = np.zeros((9, 9, 12), dtype=bool)
    one[2:7, 2:7, 2:7] = True
    other = np.roll(one, 2, axis=2)
    spacing = (1.0, 1.0, 1.5)
    for boundary in (surfels, voxels):
        assert float(hausdorff_distance(one, other, spacing=spacing, boundary=boundary)) == 3.0
    assert float(normalized_surface_dice(one, other, spacing=spacing, tolerance=3.0)) == 1.0


def test_two_voxels():
    one, other = np.zeros((2, 4, 6, 8), dtype=bool)
    one[1, 1, 1] = other[1, 4, 5] = True
    record = surface_distances(one, other, spacing=(1.0, 2.0, 3.0), boundary=voxels)
    for metric in (hausdorff_distance, average_symmetric_surface_distance, mean_average_surface_distance):
        assert float(metric(record)) == math.hypot(6, 12)


def test_a_ring_in_a_ring_and_a_disc_in_its_ring():
    y, x = np.mgrid[-10:11, -10:11]
    radius = np.hypot(y, x)
    outer, inner = (radius <= 9) & (radius >= 8), (radius <= 5) & (radius >= 4)
    assert float(hausdorff_distance(outer, inner, spacing=(1.0, 1.0), boundary=voxels)) == pytest.approx(4, abs=0.5)
    disc = radius <= 9
    ring = disc & (radius > 4)
    record = surface_distances(disc, ring, spacing=(1.0, 1.0))
    assert float(average_surface_distance(record)) == 0.0
    assert float(hausdorff_distance(record)) > 3.0


def test_a_mask_that_fills_the_image_has_the_image_edge_as_surface():
    full = np.ones((3, 4), dtype=bool)
    record = surface_distances(full, full, spacing=(1.0, 1.0))
    assert np.sum(record.prediction_weights) == pytest.approx(2 * 2 + 2 * 3 + 4 * math.sqrt(0.5))
    hole = full.copy()
    hole[1, 1] = False
    assert float(hausdorff_distance(full, hole, spacing=(1.0, 1.0), boundary=voxels)) == 1.0


@pytest.mark.sampled(7)
@pytest.mark.parametrize("boundary", [surfels, voxels], ids=["surfels", "voxels"])
def test_empty_structures(xp, boundary):
    full, empty = np.array([[0, 1, 1], [0, 1, 0]], dtype=bool), np.zeros((2, 3), dtype=bool)

    def measure(prediction, reference):
        options = {"spacing": (1.0, 2.0)}
        lengths = everything(prediction, reference, boundary=boundary, **options)[:7]
        return (*lengths, average_distance(prediction, reference, **options)), (
            everything(prediction, reference, boundary=boundary, **options)[9],
            boundary_iou(prediction, reference, **options),
        )

    for pair in ((full, empty), (empty, full)):
        lengths, shares = xp.run(measure, *pair)
        assert all(np.all(np.isposinf(length)) for length in lengths)
        assert all(np.all(share == 0) for share in shares)
    for values in xp.run(measure, empty, empty):
        assert all(np.all(np.isnan(value)) for value in values)


def test_overlap_of_an_empty_surface_is_undefined(xp):
    full, empty = np.array([1, 1, 0], dtype=bool), np.zeros(3, dtype=bool)
    overlap = partial(surface_overlap, spacing=(1.0,))
    assert np.isnan(xp.run(overlap, empty, full))
    assert xp.run(partial(overlap, zero_division=1.0), empty, full) == 1.0
    assert xp.run(overlap, full, empty) == 0.0
    for metric in (normalized_surface_dice, boundary_iou):
        assert xp.run(partial(metric, spacing=(1.0,), zero_division=1.0), empty, empty) == 1.0


def test_labels_are_a_leading_axis_and_equal_the_masks(xp):
    rng = np.random.default_rng(4)
    prediction, reference = rng.integers(0, 4, (2, 6, 7)).astype(np.uint8)
    masks = [(np.isin(prediction, value), np.isin(reference, value)) for value in (1, 2, (1, 2))]
    for metric in (hausdorff_distance, normalized_surface_dice, average_distance, boundary_iou):
        got = xp.run(partial(metric, spacing=(1.0, 2.0), labels=LABELS), prediction, reference)
        np.testing.assert_allclose(got, [metric(*pair, spacing=(1.0, 2.0)) for pair in masks], rtol=1e-6)
    curve = partial(hausdorff_distance, spacing=(1.0, 2.0), labels=LABELS, percentile=[50, 95])
    assert xp.run(curve, prediction, reference).shape == (3, 2)


@st.composite
def scenes(draw):
    """Draw a pair of masks that are not empty, and a spacing."""
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=3, max_side=6))
    size = math.prod(shape)
    pair = []
    for _ in range(2):
        bits = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        bits[draw(st.integers(0, size - 1))] = True
        pair.append(np.array(bits).reshape(shape))
    return (*pair, tuple(draw(st.sampled_from((0.5, 0.9, 1.0, 2.5))) for _ in shape))


BOUNDARIES = st.sampled_from((surfels, voxels))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(scene=scenes(), boundary=BOUNDARIES)
def test_pairs_can_be_swapped(scene, boundary):
    one, other, spacing = scene
    values = [everything(*pair, spacing=spacing, boundary=boundary) for pair in ((one, other), (other, one))]
    symmetric = (0, 1, 2, 3, 4, 9)
    assert_close([values[0][k] for k in symmetric], [values[1][k] for k in symmetric], 1e-12)
    np.testing.assert_allclose(values[0][5], values[1][6], rtol=1e-12)
    np.testing.assert_allclose(values[0][8], values[1][7][2], rtol=1e-12)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(scene=scenes(), boundary=BOUNDARIES, data=st.data())
def test_axes_can_be_permuted_and_flipped_with_the_spacing(scene, boundary, data):
    one, other, spacing = scene
    order = data.draw(st.permutations(range(one.ndim)))
    axes = data.draw(st.sets(st.integers(0, one.ndim - 1)))
    moved = [np.flip(mask.transpose(order), tuple(axes)) for mask in (one, other)]
    turned = tuple(spacing[axis] for axis in order)
    wanted = everything(one, other, spacing=spacing, boundary=boundary)
    assert_close(everything(*moved, spacing=turned, boundary=boundary), wanted, 1e-9)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(scene=scenes(), boundary=BOUNDARIES, width=st.integers(1, 3))
def test_background_around_changes_nothing(scene, boundary, width):
    one, other, spacing = scene
    padded = [np.pad(mask, (width, 0)) for mask in (one, other)]
    wanted = everything(one, other, spacing=spacing, boundary=boundary)
    assert_close(everything(*padded, spacing=spacing, boundary=boundary), wanted, 1e-12)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(scene=scenes(), boundary=BOUNDARIES, factor=st.sampled_from((0.1, 0.3, 7.0)))
def test_distances_scale_with_the_spacing(scene, boundary, factor):
    one, other, spacing = scene
    scaled = tuple(factor * step for step in spacing)
    small, large = (surface_distances(one, other, spacing=s, boundary=boundary) for s in (spacing, scaled))
    for metric in (hausdorff_distance, average_symmetric_surface_distance):
        np.testing.assert_allclose(metric(large), factor * metric(small), rtol=1e-12)
    shares = [normalized_surface_dice(small, tolerance=1.8), normalized_surface_dice(large, tolerance=1.8 * factor)]
    np.testing.assert_allclose(*shares, rtol=1e-12)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(scene=scenes(), boundary=BOUNDARIES)
def test_percentiles_and_tolerances_rise_and_averages_lie_below_the_maximum(scene, boundary):
    one, other, spacing = scene
    record = surface_distances(one, other, spacing=spacing, boundary=boundary)
    for pooled in (False, True):
        curve = hausdorff_distance(record, percentile=range(0, 101, 5), pooled=pooled)
        assert np.all(np.diff(curve) >= 0)
    assert curve[-1] == hausdorff_distance(record)
    assert average_symmetric_surface_distance(record) <= curve[-1] * (1 + 1e-12)
    assert np.all(np.diff(normalized_surface_dice(record, tolerance=np.arange(0, 9, 0.5).tolist())) >= -1e-12)
    same = surface_distances(one, one, spacing=spacing, boundary=boundary)
    assert hausdorff_distance(same) == average_symmetric_surface_distance(same) == 0.0
    assert normalized_surface_dice(same, tolerance=0.0) == 1.0


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(scene=scenes(), boundary=st.sampled_from((surfels, voxels, solid)), data=st.data())
def test_the_triangle_inequality_holds_for_the_maximum(scene, boundary, data):
    one, other, spacing = scene
    bits = data.draw(arrays.arrays(np.bool_, one.shape))
    bits.flat[0] = True
    sides = [
        hausdorff_distance(*pair, spacing=spacing, boundary=boundary)
        for pair in ((one, other), (other, bits), (one, bits))
    ]
    assert sides[2] <= (sides[0] + sides[1]) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("metric", "options", "words"),
    [
        (hausdorff_distance, {"percentile": 101}, "`percentile` must lie within 0 and 100; got 101"),
        (hausdorff_distance, {"percentile": (50, -1)}, "`percentile`"),
        (hausdorff_distance, {"percentile": math.nan}, "`percentile`"),
        (average_surface_distance, {"direction": "backwards"}, "`direction` must be one of"),
        (surface_overlap, {"direction": ""}, "`direction`"),
        (surface_overlap, {"tolerance": -1.0}, "`tolerance` must be finite and not negative"),
        (normalized_surface_dice, {"tolerance": (1.0, math.inf)}, "`tolerance`"),
        (boundary_iou, {"width": 0.0}, "`width` must be positive"),
    ],
)
def test_bad_options(metric, options, words):
    mask = np.ones((2, 2), dtype=bool)
    with pytest.raises(ValueError, match=words):
        metric(mask, mask, spacing=(1.0, 1.0), **options)


@pytest.mark.parametrize("library", [np, jnp])
def test_distances_scale_with_the_voxels(library):
    """In single precision, too, the areas of a mesh of picometres are no zeros."""
    balls = [library.asarray(((np.indices((9, 9, 9)) - 4 - shift) ** 2).sum(axis=0) < 9) for shift in (0, 1)]
    found = []
    for unit in (1.0, 1e-9):
        distances = surface_distances(*balls, spacing=(3 * unit, unit, unit))
        found.append((
            float(hausdorff_distance(distances)) / unit,
            float(average_symmetric_surface_distance(distances)) / unit,
            float(normalized_surface_dice(distances, tolerance=1.2 * unit)),
        ))  # fmt: skip
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    assert 0.1 < found[0][2] < 0.99
