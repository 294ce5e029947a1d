"""Rules that position patches along an axis: by hand, laws, and the rules of other libraries."""

import math
from itertools import pairwise, product

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


def monai_windows(size, patch, step):
    """MONAI's sliding window: as few windows as reach the end, each moved back where it would cross it."""
    count = next(count for count in range(1, size + 1) if (count - 1) * step + patch >= size)
    return [min(place * step, size - patch) for place in range(count)]


def torchio_grid(size, patch, step):
    """TorchIO's grid sampler: every step that fits, and the last position that fits."""
    return sorted({*range(0, size - patch + 1, step), size - patch})


def nnunet_steps(size, patch, step):
    """nnU-Net: the number of windows from the step, then their positions spread evenly and rounded."""
    return np.round(np.linspace(0, size - patch, math.ceil((size - patch) / step) + 1)).astype(int).tolist()


@pytest.mark.parametrize(
    ("rule", "theirs"),
    [(indexing.shift, monai_windows), (indexing.shift, torchio_grid), (indexing.even, nnunet_steps)],
)
def test_starts_equal_those_of_other_libraries(rule, theirs):
    for size in range(1, 25):
        for patch in range(1, size + 1):
            for step in range(1, patch + 1):
                assert [start for start, _ in rule(size, patch, step)] == theirs(size, patch, step)


def test_patches_side_by_side_equal_those_of_pymia_and_of_monais_patch_iterator():
    for size, patch in product(range(1, 30), range(1, 30)):
        complete = [(patch * k, patch * (k + 1)) for k in range(size // patch)]
        every = [(patch * k, patch * (k + 1)) for k in range(-(-size // patch))]
        assert list(indexing.drop(size, patch, patch)) == complete
        assert list(indexing.overhang(size, patch, patch)) == every
        assert list(indexing.clip(size, patch, patch)) == [(start, min(stop, size)) for start, stop in every]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_positions_of_an_axis_ascend(size, patch, step):
    for rule in RULES:
        if patch <= size or rule in (indexing.drop, indexing.clip, indexing.overhang):
            assert all(low < high for (low, _), (high, _) in pairwise(rule(size, patch, step)))
