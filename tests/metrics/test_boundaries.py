"""Boundary conventions: their names in results, and those of users."""

import dataclasses
from functools import partial

import numpy as np
import pytest

from mia_functional import evaluation, metrics
from mia_functional.metrics.boundaries import Elements, convention_name, solid, surfels, voxels
from mia_functional.metrics.surface import surface_distances


def sparse(mask, *, spacing, step=2):
    """Elements at every other voxel, of weight 2."""
    del spacing
    codes = mask.astype(np.uint8)
    codes[..., ::step] = 0
    return Elements(codes, np.array([0.0, 2.0]))


class Sparse:
    """A convention that is an object."""

    def __call__(self, mask, *, spacing):
        return sparse(mask, spacing=spacing)


def test_a_convention_of_ones_own():
    one = np.array([[True, True, True, True, False]])
    record = surface_distances(one, np.roll(one, 1, axis=1), spacing=(1.0, 3.0), boundary=sparse)
    for distances, weights in ((record[0], record[2]), (record[1], record[3])):
        assert (distances.tolist(), weights.tolist()) == ([0.0, 0.0], [2.0, 2.0])


@pytest.mark.parametrize(
    ("boundary", "name"),
    [
        (surfels, "surfels"),
        (voxels, "voxels"),
        (solid, "solid"),
        (partial(surfels), "surfels"),
        (partial(partial(sparse, step=3)), "sparse(step=3)"),
        (Sparse(), "Sparse"),
    ],
)
def test_results_name_their_convention(boundary, name):
    assert convention_name(boundary) == name
    row = metrics.find("HD95")
    statistic = partial(row.statistic, boundary=boundary)
    mask = np.ones((3, 4), dtype=bool)
    (result,) = evaluation.evaluate(
        mask, mask, metrics=[dataclasses.replace(row, statistic=statistic)], spacing=(1.0, 1.0)
    )
    assert result.convention == name


@pytest.mark.slow
def test_sizes_of_surfels_are_of_one_dtype_eager_and_compiled():
    import jax

    mask = np.zeros((4, 4, 4), bool)
    mask[1:3, 1:3, 1:3] = True
    call = partial(surfels, spacing=(1.0, 2.0, 0.5))
    eager, compiled = call(jax.numpy.asarray(mask)), jax.jit(call)(mask)
    assert eager.weights.dtype == compiled.weights.dtype == np.float32
    np.testing.assert_array_equal(eager.weights, compiled.weights)
    np.testing.assert_allclose(eager.weights, call(mask).weights, rtol=1e-6)
