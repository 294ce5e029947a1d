"""Index tuples: hand-computed lists, coverage laws, the rules of other libraries, laziness, random draws."""

import math
import pickle
import re
import sys
import tracemalloc
from functools import partial
from itertools import pairwise, product

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_functional import indexing

RULES = (indexing.drop, indexing.clip, indexing.shift, indexing.even, indexing.overhang)
RNG = np.random.default_rng(0)
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


# The rules of other libraries, in our own words; their packages gave the same lists (benchmarks/assembly.md).


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


def test_starts_are_a_table_of_small_integers_in_the_order_of_the_indices():
    for indices in (
        indexing.patches((7, 8, 9), (3, 4, 5), step=(2, 4, 3)),
        indexing.slices((2, 3, 4), axis=(2, 0)),
        indexing.voxels((2, 3)),
        list(indexing.patches((5, 4), (2, 2), boundary=indexing.overhang)),
    ):
        table = indexing.starts(indices)
        assert table.dtype == np.int32
        expected = [[e.start if isinstance(e, slice) else e for e in index] for index in indices]
        assert table.tolist() == expected


@pytest.mark.parametrize(
    ("indices", "extent"),
    [
        (indexing.patches((7, 8), (3, 4), step=2), (3, 4)),
        (indexing.slices((4, 5, 6), axis=1), (4, None, 6)),
        (indexing.voxels((2, 3)), (None, None)),
    ],
)
def test_patches_at_the_starts_are_the_patches(indices, extent):
    boxes = indexing.patches_at(indexing.starts(indices), extent)
    assert list(boxes) == list(indices)
    assert boxes[-1] == indices[-1]
    assert indexing.starts(boxes) is boxes.corners
    assert not boxes.corners.flags.writeable
    copy = pickle.loads(pickle.dumps(boxes))
    assert list(copy) == list(indices)


def test_the_table_of_all_voxels_of_a_head_takes_twelve_bytes_an_entry():
    tracemalloc.start()
    table = indexing.starts(indexing.voxels((181, 217, 181)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert table.nbytes == 12 * 181 * 217 * 181
    assert peak < 1.01 * table.nbytes
    assert table[-1].tolist() == [180, 216, 180]


def test_voxels_of_a_head_need_no_memory_that_grows_with_the_volume():
    tracemalloc.start()
    indices = iter(indexing.voxels((181, 217, 181)))
    assert [next(indices) for _ in range(3)] == [(0, 0, 0), (0, 0, 1), (0, 0, 2)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_dilate_widens_each_side_by_its_own_number():
    index = (slice(0, 4), 7, slice(2, 3))
    assert indexing.dilate(index, ((1, 2), 0, (0, 3))) == (slice(-1, 6), 7, slice(2, 6))
    assert indexing.dilate(index, (0, (1, 0), 2)) == (slice(0, 4), slice(6, 8), slice(0, 5))


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


def test_no_patch_is_larger_than_the_volume_unless_the_rule_says_so():
    assert len(indexing.patches((4, 9), (5, 3), boundary=indexing.drop)) == 0
    assert list(indexing.patches((4, 9), (5, 9), boundary=indexing.clip)) == [(slice(0, 4), slice(0, 9))]
    assert list(indexing.patches((4, 9), (5, 9), boundary=indexing.overhang)) == [(slice(0, 5), slice(0, 9))]
    for rule in (indexing.shift, indexing.even, lambda *_: ()):
        with pytest.raises(
            ValueError, match=re.escape("`patch_shape` must fit into the volume, (4, 9), or `boundary`")
        ):
            indexing.patches((4, 9), (5, 3), boundary=rule)


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


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_positions_of_an_axis_ascend(size, patch, step):
    for rule in RULES:
        if patch <= size or rule in (indexing.drop, indexing.clip, indexing.overhang):
            assert all(low < high for (low, _), (high, _) in pairwise(rule(size, patch, step)))


def test_whole_reads_everything():
    (index,) = indexing.whole((2, 3))
    assert np.arange(12).reshape(2, 3, 2)[index].shape == (2, 3, 2)


def at(array, *, patch_shape=(1,), **options):
    """Draw one patch, of one voxel where nothing else is said."""
    return indexing.random_patches_at(RNG, array, patch_shape, count=1, **options)


def test_a_margin_may_be_an_array():
    assert indexing.dilate((slice(0, 1), 7), np.array([1, 2])) == (slice(-1, 2), slice(5, 10))
    assert indexing.dilate((slice(0, 1), 7), np.array([[1, 0], [0, 2]])) == (slice(-1, 1), slice(7, 10))
    assert indexing.dilate((slice(0, 1),), np.int64(1)) == (slice(-1, 2),)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: indexing.patches((4, 4), (5, 2)),
            ValueError,
            "patches: `patch_shape` must fit into the volume, (4, 4)",
        ),
        (lambda: indexing.patches((4, 4), (2,)), ValueError, "`patch_shape` must have 2 entries, one per axis"),
        (lambda: indexing.patches((4,), (2,), step=0), ValueError, "`step` must be at least 1"),
        (lambda: indexing.patches((4,), (2.5,)), TypeError, "`patch_shape` must be a sequence of whole numbers"),
        (lambda: indexing.slices((4,), axis=1), ValueError, "`axis` must lie within -1 and 0; got 1"),
        (lambda: indexing.whole(()), ValueError, "`shape` must have at least one axis"),
        (lambda: indexing.slabs((9, 4), 5, axis=1), ValueError, "slabs: `thickness` must be at most 4, the slices"),
        (lambda: indexing.dilate((slice(0, 1),), -1), ValueError, "`margin` must be at least 0"),
        (lambda: indexing.dilate((slice(0, 1),), (1, 2)), ValueError, "`margin` must be a number or have 1 entries"),
        (lambda: indexing.dilate((slice(0, 1),), ((1, 2, 3),)), ValueError, "`margin` must have 2 entries"),
        (lambda: indexing.dilate((slice(0, 1),), 0.5), ValueError, "`margin` must be a number or have 1 entries"),
        (lambda: indexing.random_patches(0, (4,), (2,), count=1), TypeError, "`rng` must be a numpy.random.Generator"),
        (lambda: indexing.random_patches(RNG, (4,), (5,), count=1), ValueError, "`patch_shape` must fit into"),
        (lambda: at(np.ones((4, 4)), patch_shape=(5, 1)), ValueError, "`patch_shape` must fit into the volume, (4, 4)"),
        (lambda: indexing.random_patches(RNG, (4,), (2,), count=-1), ValueError, "`count` must be at least 0"),
        (lambda: at(np.zeros(4)), ValueError, "`mask_or_weights` must hold a voxel with weight; got none"),
        (lambda: at(np.array([1.0, -1.0, 3.0])), ValueError, "`mask_or_weights` must be finite and not negative"),
        (lambda: at(np.array([1.0, np.nan])), ValueError, "`mask_or_weights` must be finite and not negative"),
        (lambda: at(np.ones((4, 2))), ValueError, "`mask_or_weights` must have 1 axes, or one channel besides"),
        (lambda: at(np.ones(4), shares={2: 1.0}), ValueError, "`shares` must be finite, not negative, and positive"),
        (lambda: at(np.ones(4), shares={1: -1.0}), ValueError, "`shares` must be finite, not negative, and positive"),
        (lambda: indexing.patches_at([[1, 2]], (2,)), ValueError, "`corners` must be a table of 1 columns"),
        (lambda: indexing.patches_at([[1.5]], (2,)), TypeError, "`corners` must be integers"),
        (lambda: indexing.voxels((2,))[2], IndexError, "must lie within -2 and 1; got 2"),
    ],
)
def test_bad_input_is_one_sentence(call, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        call()
