"""Label maps: swaps, merges, channels and back, in every library."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mia_functional.transforms import argmax, one_hot, relabel

LABELS = np.random.default_rng(0).integers(0, 5, (4, 5, 6, 1), dtype=np.uint8)


def test_labels_swap_and_merge_at_once(xp):
    found = xp.run(lambda labels: relabel(labels, {1: 2, 2: 1, (3, 4): 0}), LABELS)
    np.testing.assert_array_equal(found, np.array([0, 2, 1, 0, 0], np.uint8)[LABELS])
    assert found.dtype == np.uint8


@pytest.mark.slow
@given(arrays(np.int16, array_shapes(max_dims=3, max_side=4), elements=st.integers(0, 6)), st.permutations(range(7)))
def test_relabelling_with_a_permutation_is_undone_by_its_inverse(labels, order):
    there = relabel(labels, dict(enumerate(order)))
    np.testing.assert_array_equal(there, np.array(order)[labels])
    np.testing.assert_array_equal(relabel(there, {new: old for old, new in enumerate(order)}), labels)


def test_one_hot_and_back(xp):
    values = (0, 3, 1, 4, 2)
    channels = xp.run(lambda labels: one_hot(labels, values), LABELS)
    np.testing.assert_array_equal(channels, (np.array(values) == LABELS).astype(np.float32))
    assert channels.dtype == np.float32
    back = xp.run(lambda scores: argmax(scores, values=values), channels)
    np.testing.assert_array_equal(back, LABELS)
    assert back.dtype == np.uint8


def test_one_hot_merges_and_takes_names(xp):
    found = xp.run(lambda labels: one_hot(labels, {(1, 2): "core", 300: "none"}), LABELS)
    np.testing.assert_array_equal(found[..., :1], (LABELS == 1) | (LABELS == 2))
    assert not found[..., 1].any()


def test_argmax_numbers_the_channels_and_the_first_of_equals_wins(xp):
    scores = np.array([[0.2, 0.2, 0.1], [0.0, 0.1, 0.9]])
    np.testing.assert_array_equal(xp.run(argmax, scores), [[0], [2]])
    assert argmax(scores, values=(0, 1, 256)).dtype == np.int32


def test_booleans_are_labels_too(xp):
    np.testing.assert_array_equal(xp.run(lambda mask: relabel(mask, {1: 4}), LABELS > 2), (LABELS > 2) * 4)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: relabel(LABELS * 1.0, {1: 2}), TypeError, "be an integer label map"),
        (lambda: relabel(LABELS, {1: 256}), ValueError, "labels up to 255"),
        (lambda: relabel(LABELS, {1: 0, (1, 2): 3}), ValueError, "name every old label once"),
        (lambda: relabel(LABELS, {1: -1}), ValueError, "at least 0"),
        (lambda: one_hot(LABELS[..., 0], (0, 1)), ValueError, "one channel as its last axis"),
        (lambda: argmax(np.zeros((2, 3)), values=(1, 2)), ValueError, "have 3 entries"),
    ],
)
def test_bad_input(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
