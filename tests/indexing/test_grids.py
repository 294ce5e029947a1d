"""Index tuples: hand-computed lists, laziness, tables of corners, margins, and mistakes."""

import pickle
import re
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_functional import indexing

RNG = np.random.default_rng(0)


def test_slices_of_three_axes_are_all_planes_in_order():
    found = list(indexing.slices((2, 3, 4), axis=(0, 1, 2)))
    assert len(found) == 9
    assert found[0] == (0, slice(0, 3), slice(0, 4))
    assert found[2] == (slice(0, 2), 0, slice(0, 4))
    assert found[-1] == (slice(0, 2), slice(0, 3), 3)


@pytest.mark.slow
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


def test_no_patch_is_larger_than_the_volume_unless_the_rule_says_so():
    assert len(indexing.patches((4, 9), (5, 3), boundary=indexing.drop)) == 0
    assert list(indexing.patches((4, 9), (5, 9), boundary=indexing.clip)) == [(slice(0, 4), slice(0, 9))]
    assert list(indexing.patches((4, 9), (5, 9), boundary=indexing.overhang)) == [(slice(0, 5), slice(0, 9))]
    for rule in (indexing.shift, indexing.even, lambda *_: ()):
        with pytest.raises(
            ValueError, match=re.escape("`patch_shape` must fit into the volume, (4, 9), or `boundary`")
        ):
            indexing.patches((4, 9), (5, 3), boundary=rule)


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


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_narrow_integers_are_widened_before_a_margin_is_added(dtype):
    low, high = np.array([1, 100], dtype)
    assert indexing.dilate((slice(low, high), high, low), (3, 200, 0)) == (slice(-2, 103), slice(-100, 301), 1)
    plane, slab = indexing.dilate((low, slice(low, high)), 0)
    assert type(plane) is type(slab.start) is type(slab.stop) is int


@pytest.mark.parametrize("entry", [slice(6, 2), slice(None, -2), slice(-3, None), slice(2, -1), slice(-1, -3)])
@pytest.mark.parametrize("margin", [0, 3])
def test_slices_that_run_backwards_or_count_from_the_end_are_refused(entry, margin):
    needed = "hold slices that count from the first voxel and do not stop before they start"
    with pytest.raises(ValueError, match=f"dilate: `index` must {needed}; got slice"):
        indexing.dilate((entry,), margin)


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**40])
def test_corners_that_32_bits_do_not_hold_are_refused(number):
    with pytest.raises(ValueError, match=rf"patches_at: `corners` must lie within -2147483648 and .*; got {number}"):
        indexing.patches_at([[3, number]], (2, 2))
    with pytest.raises(ValueError, match=rf"starts: `indices` must lie within .*; got {number}"):
        indexing.starts([(slice(number, number + 2), 3)])
    assert indexing.starts([]).shape == (0,)
    corners = np.array([[200, 2**31 - 1]], np.uint32)
    assert indexing.starts(indexing.patches_at(corners, (2, 2))).tolist() == corners.tolist()
