"""Index tuples: hand-computed lists, coverage laws, laziness."""

import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_functional import indexing

RULES = (indexing.drop, indexing.clip, indexing.shift, indexing.even, indexing.overhang)
grids = st.tuples(st.integers(1, 30), st.integers(1, 12), st.integers(1, 12))


def visits(size, steps):
    """Return how often each voxel of an axis is visited."""
    count = np.zeros(size, dtype=int)
    for start, stop in steps:
        count[max(start, 0) : stop] += 1
    return count


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (indexing.drop, [(0, 4), (3, 7), (6, 10)]),
        (indexing.clip, [(0, 4), (3, 7), (6, 10), (9, 11)]),
        (indexing.shift, [(0, 4), (3, 7), (6, 10), (7, 11)]),
        (indexing.even, [(0, 4), (2, 6), (5, 9), (7, 11)]),
        (indexing.overhang, [(0, 4), (3, 7), (6, 10), (9, 13)]),
    ],
)
def test_rules_on_eleven_voxels_by_hand(rule, expected):
    assert list(rule(11, 4, 3)) == expected


@given(grids)
def test_every_rule_but_drop_covers_the_axis_when_steps_do_not_jump(grid):
    size, patch, step = grid
    step = min(step, patch)
    for rule in RULES[1:]:
        if patch <= size or rule in (indexing.clip, indexing.overhang):
            assert visits(size, rule(size, patch, step)).min() >= 1


@given(grids)
def test_patches_are_whole_and_inside_as_the_rules_promise(grid):
    size, patch, step = grid
    for rule in (indexing.drop, indexing.shift, indexing.even):
        if patch <= size:
            steps = rule(size, patch, step)
            assert all(stop - start == patch and start >= 0 and stop <= size for start, stop in steps)
            assert len(set(steps)) == len(steps)


@given(grids)
def test_every_patch_touches_the_image(grid):
    size, patch, step = grid
    for rule in RULES:
        if patch <= size or rule in (indexing.clip, indexing.overhang):
            assert all(0 <= start < size and start < stop for start, stop in rule(size, patch, step))


@given(grids)
def test_even_steps_are_at_most_the_step_asked_for(grid):
    size, patch, step = grid
    if patch <= size:
        starts = [start for start, _ in indexing.even(size, patch, step)]
        assert max(np.diff(starts), default=0) <= step


def test_slices_of_three_axes_are_all_planes_in_order():
    found = list(indexing.slices((2, 3, 4), axis=(0, 1, 2)))
    assert len(found) == 9
    assert found[0] == (0, slice(0, 3), slice(0, 4))
    assert found[2] == (slice(0, 2), 0, slice(0, 4))
    assert found[-1] == (slice(0, 2), slice(0, 3), 3)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from((indexing.clip, indexing.overhang)),
)
def test_positions_agree_with_iteration(shape, patch, step, rule):
    indices = indexing.patches(tuple(shape), (patch,) * len(shape), step=step, boundary=rule)
    listed = list(indices)
    assert len(indices) == len(listed)
    assert [indices[position] for position in range(len(indices))] == listed
    assert indices[-1] == listed[-1]


def test_voxels_of_a_whole_head_are_lazy_and_small():
    indices = indexing.voxels((181, 217, 181))
    assert next(iter(indices)) == (0, 0, 0)
    assert indices[len(indices) - 1] == (180, 216, 180)
    assert len(pickle.dumps(indices)) < 300
    assert sys.getsizeof(indices.grids) < 200


def test_indices_are_hashable_and_picklable():
    indices = indexing.slabs((7, 8), 3, axis=1, step=2)
    assert pickle.loads(pickle.dumps(indices)) == indices
    assert hash(indices) == hash(indexing.slabs((7, 8), 3, axis=1, step=2))
    assert [index[1] for index in indices] == [slice(0, 3), slice(2, 5), slice(4, 7), slice(5, 8)]


def test_whole_reads_everything():
    (index,) = indexing.whole((2, 3))
    assert np.arange(12).reshape(2, 3, 2)[index].shape == (2, 3, 2)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: indexing.patches((4, 4), (5, 2)), ValueError, "`patch_shape` must fit into the image, 4 voxels"),
        (lambda: indexing.patches((4, 4), (2,)), ValueError, "`patch_shape` must have 2 entries, one per axis"),
        (lambda: indexing.patches((4,), (2,), step=0), ValueError, "`step` must be at least 1"),
        (lambda: indexing.patches((4,), (2.5,)), TypeError, "`patch_shape` must be a sequence of whole numbers"),
        (lambda: indexing.slices((4,), axis=1), ValueError, "`axis` must lie within -1 and 0; got 1"),
        (lambda: indexing.whole(()), ValueError, "`shape` must have at least one axis"),
        (lambda: indexing.slabs((4, 4), 5), ValueError, "must fit into the image"),
        (lambda: indexing.dilate((slice(0, 1),), -1), ValueError, "`margin` must be at least 0"),
        (lambda: indexing.voxels((2,))[2], IndexError, "must lie within -2 and 1; got 2"),
    ],
)
def test_bad_input_is_one_sentence(call, kind, text):
    with pytest.raises(kind, match=text.replace("(", r"\(")):
        call()
