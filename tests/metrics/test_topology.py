"""Betti numbers and Euler characteristics against homology: ranks of boundary matrices over the field of two."""

import itertools
from functools import partial

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from skimage.measure import euler_number

from mia_functional import metrics
from mia_functional.evaluation import evaluate
from mia_functional.metrics import betti_numbers, euler_characteristic, topology_counts

MASKS = arrays.arrays(bool, arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))


def closed_cells(mask):
    """Return the cells of the union of closed cubes, as points of a grid twice as fine; odd coordinates are open."""
    cells = set()
    for voxel in np.argwhere(mask):
        cells |= {tuple(2 * voxel + 1 + offset) for offset in itertools.product((-1, 0, 1), repeat=mask.ndim)}
    return cells


def dual_cells(mask):
    """Return the cells that have voxels of the mask at all of their corners, for voxels that touch by faces."""
    cells = set()
    for cell in itertools.product(*(range(2 * size - 1) for size in mask.shape)):
        corners = itertools.product(*((c // 2, c // 2 + 1) if c % 2 else (c // 2,) for c in cell))
        if all(mask[corner] for corner in corners):
            cells.add(cell)
    return cells


def rank(columns):
    """Return the rank over the field of two of a matrix, whose columns are integers with a bit for every row."""
    pivots = {}
    for column in columns:
        while column and column.bit_length() in pivots:
            column ^= pivots[column.bit_length()]
        if column:
            pivots[column.bit_length()] = column
    return len(pivots)


def homology(mask, connectivity):
    """Return the three Betti numbers of a mask, and the Euler characteristic by counts of cells."""
    cells = closed_cells(mask) if connectivity == mask.ndim else dual_cells(mask)
    by_dimension = [sorted(c for c in cells if sum(x % 2 for x in c) == d) for d in range(4)]
    ranks = [0] * 5
    for dimension in range(1, 4):
        rows = {cell: 1 << number for number, cell in enumerate(by_dimension[dimension - 1])}
        columns = []
        for cell in by_dimension[dimension]:
            ends = [
                (*cell[:axis], cell[axis] + step, *cell[axis + 1 :])
                for axis in range(mask.ndim)
                if cell[axis] % 2
                for step in (-1, 1)
            ]
            columns.append(sum(rows[end] for end in ends))
        ranks[dimension] = rank(columns)
    betti = [len(by_dimension[d]) - ranks[d] - ranks[d + 1] for d in range(3)]
    return betti, sum((-1) ** d * len(by_dimension[d]) for d in range(4))


def check(mask):
    for connectivity in {1, mask.ndim}:
        betti, euler = homology(mask, connectivity)
        assert betti_numbers(mask, connectivity=connectivity).tolist() == betti
        assert euler_characteristic(mask, connectivity=connectivity) == euler == betti[0] - betti[1] + betti[2]


@settings(max_examples=30, deadline=None)
@given(MASKS)
def test_they_are_those_of_homology(mask):
    check(mask)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(60))
def test_larger_masks_have_those_of_homology(seed):
    rng = np.random.default_rng(seed)
    check(rng.random(rng.integers(4, 8, rng.choice((2, 3)))) < rng.random())


def test_euler_numbers_of_scikit_image():
    """Of one voxel along an axis scikit-image counts nothing in 3-D, so all sides are longer."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        mask = rng.random(rng.integers(2, 9, rng.choice((2, 3)))) < rng.random()
        for connectivity in (1, mask.ndim):
            assert euler_characteristic(mask, connectivity=connectivity) == euler_number(mask, connectivity)


GUDHI = (
    *((3, 0, 0), (1, 3, 9), (3, 0, 0), (1, 0, 0), (6, 0, 0), (1, 0, 2), (1, 0, 0), (1, 1, 10)),
    *((2, 1, 0), (1, 21, 0), (2, 2, 0), (1, 2, 0), (1, 0, 0), (1, 2, 12), (1, 0, 0), (1, 1, 10)),
)
"""Betti numbers of gudhi 3.13.0's `CubicalComplex` with a voxel for each top-dimensional cell, by seed."""


@pytest.mark.parametrize(("seed", "expected"), [*enumerate(GUDHI)])
def test_betti_numbers_of_gudhi(seed, expected):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(3, 9, 3 if seed % 2 else 2))
    assert betti_numbers(rng.random(shape) < rng.choice((0.2, 0.4, 0.6, 0.8))).tolist() == list(expected)


def shell(radius, width):
    """Return a hollow ball."""
    apart = np.linalg.norm(np.indices((11, 11, 11)) - 5, axis=0)
    return (apart <= radius) & (apart > radius - width)


def test_shapes_by_hand(xp):
    torus = np.zeros((5, 7, 7), bool)
    torus[1:4, 1:6, 1:6] = True
    torus[:, 2:5, 2:5] = False
    two = np.zeros((5, 7, 7), bool)
    two[1, 1, 1] = two[2, 2, 2] = True
    few = [(torus, None, [1, 1, 0]), (two, 1, [2, 0, 0])]
    more = [
        (shell(4.5, 1.5), None, [1, 0, 1]),
        (shell(4.5, 1.5) | shell(1, 2), None, [2, 0, 1]),
        (two, None, [1, 0, 0]),
        (~two, 1, [1, 0, 1]),
        (~two, 3, [1, 0, 2]),
        (np.zeros((4, 5), bool), None, [0, 0, 0]),
        (np.ones((4, 5), bool), None, [1, 0, 0]),
        (np.array([1, 1, 0, 1], bool), None, [2, 0, 0]),
    ]
    for mask, connectivity, expected in [*few, *more] if xp.name == "numpy" else few:
        euler = xp.run(partial(euler_characteristic, connectivity=connectivity), mask)
        assert euler == expected[0] - expected[1] + expected[2]
        if xp.name != "jax-jit":
            assert xp.run(partial(betti_numbers, connectivity=connectivity), mask).tolist() == expected


def test_labels_and_voxels_that_do_not_count():
    prediction, reference = np.zeros((2, 5, 6), np.uint8)
    prediction[1:4, 1:4], prediction[2, 2], prediction[0, 5] = 1, 2, 1
    reference[1:4, 1:4] = 1
    counts = topology_counts(prediction, reference, labels=iter((1, 2, (1, 2))))
    assert counts.prediction.tolist() == [[2, 1, 0], [1, 0, 0], [2, 0, 0]]
    assert counts.reference.tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert metrics.betti_error(counts, dimension=1).tolist() == [1, 0, 0]
    assert metrics.euler_error(counts).tolist() == [0, 1, 1]
    mask = np.ones((5, 6), bool)
    mask[0, 5] = False
    known = topology_counts(prediction > 0, reference > 0, mask=mask)
    assert known.prediction.tolist() == known.reference.tolist() == [1, 0, 0]
    table = evaluate(prediction, reference, metrics=["BETTI0", "BETTI1", "BETTI2", "EULER"], labels=(1, 2))
    assert [row.value for row in table] == [1, 1, 0, 0, 1, 0, 0, 1]
    (row,) = evaluate(prediction, reference, metrics=["betti0@connectivity=1"], labels={(1, 2): "all"})
    assert (row.metric, row.value) == ("BETTI0@connectivity=1", 1)


@pytest.mark.parametrize("function", [euler_characteristic, betti_numbers])
def test_connectivities_without_a_rule_for_the_background_are_refused(function):
    mask = np.ones((3, 3, 3), bool)
    for connectivity in (2, 4):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: `connectivity` must be 1 or 3, the"):
            function(mask, connectivity=connectivity)
    with pytest.raises(ValueError, match=rf"^{function.__name__}: `mask` must have 1 or 2 or 3 axes"):
        function(mask[None])
    with pytest.raises(ValueError, match=r"^betti_error: `dimension` must be 0, 1 or 2; got 3"):
        metrics.betti_error(mask, mask, dimension=3)
