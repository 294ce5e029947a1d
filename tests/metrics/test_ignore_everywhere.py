"""Voxels that are ignored, in every metric of the table: against brute force on what is left."""

import itertools
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from mia_functional import metrics
from mia_functional.evaluation import evaluate
from mia_functional.metrics import METRICS

SPACING = (2.0, 1.0, 0.5)
ROWS = {row.abbreviation: row for row in METRICS}
OF_IMAGES = [name for name, row in ROWS.items() if row.statistic is metrics.paired_moments]


def scene(seed, shape=(5, 6, 7), share=0.1):
    """Two blobs in the middle and a mask of what is ignored, which reaches beyond the box around them."""
    rng = np.random.default_rng(seed)
    first = np.zeros(shape, bool)
    first[1:-1, 1:-2, 2:-1] = rng.random([n - m for n, m in zip(shape, (2, 3, 3), strict=True)]) < 0.7
    return first, first ^ (rng.random(shape) < 0.15), rng.random(shape) < share


def images(seed, shape=(6, 7, 8)):
    rng = np.random.default_rng(seed)
    return (*rng.normal(100, 20, (2, *shape)).astype(np.float32), rng.random(shape) < 0.2)


def positions(mask):
    return np.argwhere(mask) * SPACING


def band(mask, ignored, width):
    """Return the known voxels of a mask whose centre is near that of a voxel that is known to be outside of it."""
    around = np.pad(~mask & ~ignored, 1, constant_values=True)
    outside = (np.argwhere(around) - 1) * SPACING
    inside = np.argwhere(mask & ~ignored)
    depths = np.linalg.norm((inside * SPACING)[:, None] - outside, axis=-1).min(axis=1, initial=np.inf)
    return {tuple(place) for place, depth in zip(inside, depths, strict=True) if depth <= width + 1e-9}


@pytest.mark.sampled(16)
@pytest.mark.parametrize("width", [0.5, 1.0, 2.5, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_bands_of_boundary_iou(xp, seed, width):
    *pair, ignored = scene(seed)
    one, other = (band(mask, ignored, width) for mask in pair)
    found = xp.run(lambda p, r, i: metrics.boundary_iou(p, r, ignore=i, spacing=SPACING, width=width), *pair, ignored)
    np.testing.assert_allclose(found, len(one & other) / len(one | other), rtol=1e-6)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("seed", range(3))
def test_average_distance_of_voxels_that_touch_none(xp, seed):
    *pair, ignored = scene(seed, share=0.04)
    touched = ignored.copy()
    for place in map(tuple, np.argwhere(ignored)):
        for axis, step in itertools.product(range(3), (-1, 1)):
            near = tuple(p + step * (k == axis) for k, p in enumerate(place))
            if all(0 <= p < n for p, n in zip(near, ignored.shape, strict=True)):
                touched[near] = True
    one, other = (positions(mask & ~touched) for mask in pair)
    apart = np.linalg.norm(one[:, None] - other[None], axis=-1)
    expected = max(apart.min(axis=1).mean(), apart.min(axis=0).mean())
    found = xp.run(lambda p, r, i: metrics.average_distance(p, r, ignore=i, spacing=SPACING), *pair, ignored)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_places_and_sizes_are_those_of_the_known_voxels(xp):
    *pair, ignored = scene(4)
    known = [mask & ~ignored for mask in pair]
    maps = [mask.astype(np.int32) for mask in pair]
    counted = ~ignored
    for name in ("centroid_distance", "mahalanobis_distance"):
        metric = getattr(metrics, name)
        expected = metric(*known, spacing=SPACING)
        found = xp.run(lambda p, r, m, metric=metric: metric(p, r, mask=m, spacing=SPACING), *pair, counted)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    centres = [positions(mask).mean(axis=0) for mask in known]
    found = metrics.centroid_distance(*pair, mask=counted, spacing=SPACING)
    np.testing.assert_allclose(found, np.linalg.norm(centres[0] - centres[1]), rtol=1e-12)
    for name, mask in (("prediction_area", known[0]), ("reference_area", known[1])):
        metric = partial(getattr(metrics, name), axis=1, index=2, spacing=SPACING, labels=(1, 0))
        areas = xp.run(lambda p, r, m, metric=metric: metric(p, r, mask=m), *maps, counted)
        background = counted[:, 2].sum() - mask[:, 2].sum()
        np.testing.assert_allclose(areas, [mask[:, 2].sum(), background])  # voxels of 2 mm by 0.5 mm


@pytest.mark.sampled(16)
@pytest.mark.parametrize("name", OF_IMAGES)
def test_errors_and_correlations_are_those_of_the_known_voxels(xp, name):
    prediction, reference, ignored = images(2)
    metric = ROWS[name].function
    expected = metric(prediction[~ignored].astype(float), reference[~ignored].astype(float))
    # What nobody knows is often NaN.
    gone = np.where(ignored, np.nan, prediction)
    found = xp.run(lambda p, r, m: metric(p, r, mask=m), gone, reference, ~ignored)
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    assert np.isnan(xp.run(lambda p, r, m: metric(p, r, mask=m), gone, reference, np.zeros_like(ignored)))


def test_moments_of_cells_with_and_without_voxels_that_count(xp):
    prediction, reference, ignored = images(5)
    mask = ~ignored
    mask[2] = False
    found = xp.run(
        lambda p, r, m: tuple(metrics.paired_moments(p, r, mask=m, axis=(1, 2))), prediction, reference, mask
    )
    found = metrics.PairedMoments(*map(np.asarray, found))
    for cell in range(len(mask)):
        part = [image[cell][mask[cell]] for image in (prediction, reference)]
        one = [field[cell] for field in found]
        whole = metrics.paired_moments(*images(6)[:2])
        if cell == 2:
            assert one[0] == 0
            assert (one[8], one[9]) == (np.inf, -np.inf)
            merged = metrics.merge(whole, metrics.PairedMoments(*one))
            np.testing.assert_array_equal(np.stack(merged), np.stack(whole))
        else:
            np.testing.assert_allclose(one, np.stack(metrics.paired_moments(*part)), rtol=2e-4)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("options", [{}, {"slice_axis": 0}, {"window": metrics.gaussian_window(sigma=0.3)}])
def test_similarity_is_the_mean_over_windows_without_them(xp, options):
    rng = np.random.default_rng(3)
    prediction, reference = rng.normal(300, 1, (2, 8, 11, 13)).astype(np.float32)
    mask = rng.random(prediction.shape) > 0.002
    width = len(options["window"]) if "window" in options else 7
    size = tuple(1 if axis == options.get("slice_axis") else width for axis in range(3))
    metric = partial(metrics.structural_similarity, data_range=4.0, **options)
    values = []
    for place in np.argwhere(sliding_window_view(mask, size).all(axis=(-3, -2, -1))):
        part = tuple(slice(p, p + n) for p, n in zip(place, size, strict=True))
        values.append(float(metric(prediction[part], reference[part])))
    assert 20 < len(values) < np.prod([n - w + 1 for n, w in zip(mask.shape, size, strict=True)])
    gone = np.where(mask, prediction, np.nan)
    found = xp.run(lambda p, r, m: metric(p, r, mask=m), gone, reference, mask)
    np.testing.assert_allclose(found, np.mean(values), atol=2e-5)
    assert np.isnan(xp.run(lambda p, r, m: metric(p, r, mask=m), gone, reference, np.zeros_like(mask)))


def test_the_default_range_of_similarity_is_that_of_the_known_voxels():
    prediction, reference, _ = images(7)
    mask = np.ones(reference.shape, bool)
    mask[0, 0, 0] = False
    reference[0, 0, 0] = 1e6
    limit = float(reference[mask].max())
    options = {"window": 3, "mask": mask}
    assert metrics.structural_similarity(prediction, reference, **options) == pytest.approx(
        float(metrics.structural_similarity(prediction, reference, data_range=limit, **options)), rel=1e-12
    )


@pytest.mark.sampled(16)
@pytest.mark.parametrize("library", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("name", ROWS)
def test_what_is_ignored_bears_on_no_metric(name, library):
    """Whatever stands in the ignored voxels of either array, every value of the table is the same."""
    is_mask = name not in (*OF_IMAGES, "SSIM")
    rng = np.random.default_rng(8)
    shape = (8, 9, 10)
    if is_mask:
        prediction, reference, ignored = scene(8, shape, 0.02)
        others = [rng.random(shape) < 0.5 for _ in range(2)]
        maps = [array.astype(np.uint8) for array in (prediction, reference, *others)]
    else:
        *pair, ignored = images(8, shape)
        ignored &= rng.random(shape) < 0.01
        maps = [*pair, *rng.normal(100, 50, (2, *shape)).astype(np.float32)]
    first, second = (np.where(ignored, other, array) for array, other in zip(maps[:2], maps[2:], strict=True))
    ignored = library(ignored)
    if "calibration" in ROWS[name].groups:
        soft = rng.random(shape).astype(np.float32)
        for labels in (None, (1,)):
            values = [
                evaluate(
                    library(maps[0]), library(r), metrics=[name], labels=labels, ignore=ignored,
                    probabilities=library(p if labels is None else p[..., None]),
                )[0].value
                for p, r in ((soft, maps[1]), (np.where(np.asarray(ignored), np.nan, soft), second))
            ]  # fmt: skip
            assert values[0] == pytest.approx(values[1], rel=1e-5, nan_ok=False)
        return
    for options in ({"labels": (1,)}, {}) if is_mask else ({},):
        values = [
            evaluate(library(p), library(r), metrics=[name], ignore=ignored, spacing=SPACING, **options)[0].value
            for p, r in (maps[:2], (first, second))
        ]
        assert values[0] == pytest.approx(values[1], rel=1e-5, nan_ok=False)


def test_an_element_that_touches_one_outside_of_the_box_around_the_masks():
    """The line ends at a voxel that nobody knows: its end there is no end."""
    reference = np.array([0, 0, 0, 1, 1, 1, 0, 0], np.uint8)
    prediction, ignored = reference.copy(), np.arange(8) == 6
    prediction[4] = 0
    for pair, labels in (((prediction, reference), None), ((prediction, reference), (1,))):
        found = metrics.surface_distances(*pair, spacing=(1.0,), ignore=ignored, boundary=metrics.voxels, labels=labels)
        found = found if labels is None else found[0]
        # Left are the voxels at 3 (and, within the reference, none at 5, which shares a face with 6).
        assert [field.tolist() for field in found] == [[0.0], [0.0], [True], [True]]
        surfels = metrics.surface_distances(*pair, spacing=(1.0,), ignore=ignored, labels=labels)
        surfels = surfels if labels is None else surfels[0]
        assert [len(field) for field in surfels] == [3, 1, 3, 1]


def test_a_function_of_ones_own_is_told():
    prediction, reference, ignored = scene(3)

    def known(p, r, mask):
        return float((p & r & mask).sum())

    def unknown(p, r, ignore):
        return float((p & r & ~ignore).sum())

    rows = evaluate(prediction, reference, metrics=[known, unknown], ignore=ignored)
    assert {row.value for row in rows} == {float((prediction & reference & ~ignored).sum())}
