"""Random patches: anywhere, around masks, weights and labels."""

import re
import tracemalloc
from functools import partial

import h5py
import numpy as np
import pytest

from mia_functional import indexing

RULES = (indexing.drop, indexing.clip, indexing.shift, indexing.even, indexing.overhang)


def test_random_patches_lie_inside_and_reach_every_position():
    boxes = indexing.random_patches(np.random.default_rng(1), (5, 4), (3, 4), count=200)
    assert len(boxes) == 200
    assert {(rows.start, columns.start) for rows, columns in boxes} == {(0, 0), (1, 0), (2, 0)}
    counts = np.bincount(indexing.starts(boxes)[:, 0])
    assert counts.min() > 40
    again = indexing.random_patches(np.random.default_rng(1), (5, 4), (3, 4), count=200)
    assert list(again) == list(boxes)


@pytest.mark.parametrize("rule", RULES)
def test_random_patches_are_those_of_the_grid_of_every_position(rule):
    """So a patch larger than the volume is cut, reaches over or is refused as in a regular grid."""
    for shape, patch in (((5, 4), (3, 4)), ((5, 4), (7, 2)), ((3, 2), (3, 5))):
        draws = [
            partial(indexing.random_patches, np.random.default_rng(0), shape),
            partial(indexing.random_patches_at, np.random.default_rng(0), np.ones(shape)),
        ]
        fits = rule in (indexing.clip, indexing.overhang) or all(np.less_equal(patch, shape))
        for draw in draws:
            if fits:
                found = {str(index) for index in draw(patch, count=200, boundary=rule)}
                assert found == {str(index) for index in indexing.patches(shape, patch, step=1, boundary=rule)}
            else:
                with pytest.raises(ValueError, match=re.escape(f"fit into the volume, {shape}, or `boundary` be")):
                    draw(patch, count=200, boundary=rule)


def test_weights_decide_how_often_a_voxel_is_the_centre():
    weights = np.array([[0.0, 1.0, 0.0], [3.0, 0.0, 6.0]])
    boxes = indexing.random_patches_at(np.random.default_rng(0), weights, (1, 1), count=20_000)
    found = np.zeros((2, 3))
    np.add.at(found, tuple(indexing.starts(boxes).T), 1)
    np.testing.assert_allclose(found / 20_000, weights / 10, atol=0.015)
    assert (found[weights == 0] == 0).all()


def test_patches_around_a_mask_hold_their_voxel_in_the_middle_or_at_the_border():
    mask = np.zeros((9, 8, 7), dtype=bool)
    mask[4, 4, 3] = mask[0, 7, 6] = True
    boxes = indexing.random_patches_at(np.random.default_rng(3), mask, (3, 4, 5), count=40)
    assert {tuple(corner) for corner in indexing.starts(boxes).tolist()} == {(3, 2, 1), (0, 4, 2)}
    for index in boxes:
        assert mask[index].any()


def test_shares_balance_the_labels_however_rare_they_are():
    labels = np.zeros((20, 30, 10), dtype=np.uint8)
    labels[3:9] = 1
    labels[5, 6, 7] = 2
    boxes = indexing.random_patches_at(
        np.random.default_rng(0), labels[..., np.newaxis], (1, 1, 1), count=4000, shares={0: 1, 1: 1, 2: 2, 9: 5}
    )
    found = np.bincount([int(labels[index].item()) for index in boxes]) / 4000
    np.testing.assert_allclose(found, [0.25, 0.25, 0.5], atol=0.03)
    ones = indexing.starts(boxes)[[labels[index].item() == 1 for index in boxes]]
    assert set(ones[:, 0].tolist()) == set(range(3, 9))


def test_the_same_draw_from_every_library_and_from_a_file(xp, tmp_path):
    if xp.name == "jax-jit":
        return
    weights = np.random.default_rng(5).random((6, 7, 8)).astype(np.float32)
    expected = indexing.starts(indexing.random_patches_at(np.random.default_rng(2), weights, (2, 2, 2), count=30))
    assert len({tuple(corner) for corner in expected.tolist()}) > 20
    found = indexing.random_patches_at(np.random.default_rng(2), xp.asarray(weights), (2, 2, 2), count=30)
    np.testing.assert_array_equal(indexing.starts(found), expected)
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["weights"] = weights
        found = indexing.random_patches_at(np.random.default_rng(2), file["weights"], (2, 2, 2), count=30)
    np.testing.assert_array_equal(indexing.starts(found), expected)


def test_drawing_from_a_volume_makes_no_copy_of_it():
    weights = np.ones((64, 64, 64), dtype=np.float32)
    # The first call imports, which takes memory, too.
    for is_measured in (False, True):
        if is_measured:
            tracemalloc.start()
        indexing.random_patches_at(np.random.default_rng(0), weights, (8, 8, 8), count=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < weights.nbytes / 8


def test_a_line_is_drawn_from_too_and_no_patches_are_no_error():
    boxes = indexing.random_patches_at(np.random.default_rng(0), np.array([0, 0, 1, 0, 0]), (3,), count=5)
    assert [index[0] for index in boxes] == [slice(1, 4)] * 5
    assert len(indexing.random_patches(np.random.default_rng(0), (5,), (2,), count=0)) == 0
    assert len(indexing.random_patches_at(np.random.default_rng(0), np.ones(5), (2,), count=0)) == 0
