"""Voxels that are ignored are neither error nor boundary: against brute force, on every library, eager and compiled."""

import itertools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.evaluation import evaluate, evaluate_many
from mia_functional.evaluation.case_values import Case

SPACING = (2.0, 1.0, 0.5)


def scene(seed, shape=(5, 6, 7)):
    """Two masks and a mask of what is ignored."""
    rng = np.random.default_rng(seed)
    first = rng.random(shape) < 0.4
    return first, np.where(rng.random(shape) < 0.2, ~first, first), rng.random(shape) < 0.1


def brute_force(prediction, reference, ignored, boundary):
    """Return distances and weights of the elements that touch no ignored voxel, all pairs of elements compared."""
    points, weights = [], []
    for mask in (prediction, reference):
        codes, table = (np.asarray(field) for field in boundary(mask, spacing=SPACING))
        kept = []
        for place in map(tuple, np.argwhere(codes)):
            if codes.shape == mask.shape:
                steps = [
                    (0,) * mask.ndim,
                    *(tuple(s * (k == axis) for k in range(mask.ndim)) for axis in range(mask.ndim) for s in (-1, 1)),
                ]
            else:
                steps = itertools.product((-1, 0), repeat=mask.ndim)
            near = [tuple(np.add(place, step)) for step in steps]
            inside = [p for p in near if all(0 <= c < n for c, n in zip(p, mask.shape, strict=True))]
            if not any(ignored[p] for p in inside):
                kept.append(place)
        points.append(np.array(kept).reshape(-1, mask.ndim) * SPACING)
        weights.append(np.array([table[codes[place]] for place in kept]))
    every = np.sqrt(((points[0][:, None] - points[1][None]) ** 2).sum(axis=-1))
    return every.min(axis=1, initial=np.inf), every.min(axis=0, initial=np.inf), *weights


def compact(record):
    """Return the sorted pairs of distance and weight of both directions."""
    fields = [np.asarray(field, dtype=np.float64).ravel() for field in record]
    sides = [np.stack([fields[k][fields[k + 2] > 0], fields[k + 2][fields[k + 2] > 0]]) for k in (0, 1)]
    return [side[:, np.lexsort(side)] for side in sides]


def assert_same(found, right, tolerance=1e-6):
    for one, other in zip(compact(found), compact(right), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("boundary", [metrics.surfels, metrics.voxels, metrics.solid])
@pytest.mark.parametrize("seed", range(4))
def test_elements_that_touch_what_is_ignored_are_left_out(xp, boundary, seed):
    prediction, reference, ignored = scene(seed)
    expected = brute_force(prediction, reference, ignored, boundary)
    masks = [xp.asarray(mask) for mask in (prediction, reference, ignored)]
    found = metrics.surface_distances(*masks[:2], ignore=masks[2], spacing=SPACING, boundary=boundary)
    assert_same(found, expected, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "host"])
def test_a_program_gives_the_same(method):
    prediction, reference, ignored = scene(7)

    @jax.jit
    def program(*masks):
        return metrics.surface_distances(*masks[:2], ignore=masks[2], spacing=SPACING, method=method)

    assert_same(
        program(*map(jnp.asarray, (prediction, reference, ignored))), brute_force(*scene(7), metrics.surfels), 1e-5
    )


def test_nothing_ignored_is_as_without_and_all_ignored_is_undefined():
    prediction, reference, _ = scene(1)
    nothing, everything = np.zeros_like(prediction), np.ones_like(prediction)
    for labels, pair in (
        (None, (prediction, reference)),
        ((1, 2), (prediction + np.uint8(1), reference + np.uint8(1))),
    ):
        plain = metrics.surface_distances(*pair, spacing=SPACING, labels=labels)
        same = metrics.surface_distances(*pair, spacing=SPACING, labels=labels, ignore=nothing)
        for one, other in zip(*((plain, same) if labels else ((plain,), (same,))), strict=True):
            for field, expected in zip(one, other, strict=True):
                np.testing.assert_array_equal(field, expected)
        values = metrics.hausdorff_distance(*pair, spacing=SPACING, labels=labels, ignore=everything)
        assert np.isnan(values).all()


def test_metrics_by_hand_where_a_corner_of_the_reference_is_not_known():
    """The prediction is 2 voxels too long at one end, which is not known, and right everywhere else."""
    reference = np.zeros((1, 12), np.uint8)
    reference[0, 2:6] = 1
    prediction = reference.copy()
    prediction[0, 6:8] = 1
    unknown = reference.copy()
    unknown[0, 6:9] = 255
    options = {"metrics": ["DICE", "HDRFDST", "FP"], "labels": {1: "line"}, "spacing": (1.0, 1.0)}
    plain = {row.metric: row.value for row in evaluate(prediction, reference, **options)}
    assert plain == {"DICE": pytest.approx(0.8), "HDRFDST": pytest.approx(2.0), "FP": 2}
    for library in (np.asarray, jnp.asarray):
        given = {
            row.metric: row.value for row in evaluate(library(prediction), library(unknown), ignore=255, **options)
        }
        assert given == {"DICE": 1, "HDRFDST": 0, "FP": 0}
    for ignore in ((255, 254), unknown == 255):
        rows = evaluate(prediction, unknown if isinstance(ignore, tuple) else reference, ignore=ignore, **options)
        assert [row.value for row in rows] == [1, 0, 0]
    # Without labels, what is ignored is no value of a mask.
    rows = evaluate(prediction, unknown, metrics=["DICE", "HDRFDST"], spacing=(1.0, 1.0), ignore=255)
    assert [row.value for row in rows] == [1, 0]
    rows = evaluate(prediction[..., None], unknown[..., None], metrics=["DICE", "HD"], channels={0: "line"},
                    spacing=(1.0, 1.0), ignore=255)  # fmt: skip
    assert [row.value for row in rows] == [1, 0]
    gone = np.where(unknown == 1, 255, unknown)
    rows = evaluate_many([Case("A", prediction, gone, (1.0, 1.0))], metrics=["DICE"], labels=(1,), ignore=255)
    assert (rows[0].status, rows[0].reason) == ("undefined", "empty in the prediction and the reference")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (
            {"metrics": [operator.eq]},
            ValueError,
            "`ignore` must not be given for eq, which has no parameter `mask` or `ignore`",
        ),
        ({"metrics": ["DICE"], "ignore": 0.5}, TypeError, "`ignore` must be a label, several, or a mask; got 0.5"),
        (
            {"metrics": ["DICE"], "ignore": np.zeros((2, 2), bool)},
            ValueError,
            "`ignore` must have the shape of the ref",
        ),
    ],
)
def test_mistakes_are_one_sentence(options, error, words):
    array = np.eye(3, dtype=np.uint8)
    with pytest.raises(error, match=f"^evaluate: {words}"):
        evaluate(array, array, **{"ignore": 255, "spacing": (1.0, 1.0), **options})
