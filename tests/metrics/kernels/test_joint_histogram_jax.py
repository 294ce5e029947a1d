"""Counts of many labels in compiled programs: joint codes in chunks against plain masks, in loops and batches."""

from functools import partial

import jax
import numpy as np
import pytest

from mia_functional.metrics import confusion_counts, confusion_matrix, merge

pytestmark = pytest.mark.slow

SHAPE = (43, 41, 41)
LABELS = (3, (1, 7), 0, 99)


def maps(dtype, seed=0, shape=SHAPE):
    """Return a pair of label maps with labels in and outside of `LABELS`, and a mask."""
    rng = np.random.default_rng(seed)
    values = np.array([0, 1, 2, 3, 7, 99, 100, 127])
    values = np.concatenate([values, [-1, -128]]) if np.issubdtype(dtype, np.signedinteger) else values
    return *rng.choice(values, (2, *shape)).astype(dtype), rng.random(shape) < 0.6


def by_masks(prediction, reference, inside):
    """Return the counts and the matrix of `LABELS` from their masks."""
    masks = [[np.isin(array, one) & inside for one in LABELS] for array in (prediction, reference)]
    matrix = np.array([[np.sum(p & r) for r in masks[1]] for p in masks[0]])
    tp = np.diag(matrix)
    fp, fn = (np.array([part.sum() for part in parts]) - tp for parts in masks)
    return np.stack([tp, fp, fn, inside.sum() - tp - fp - fn]), matrix


def counts_of(prediction, reference, mask=None):
    """Return the counts of `LABELS` as one array."""
    return jax.numpy.stack(confusion_counts(prediction, reference, labels=LABELS, mask=mask))


def is_counted_by_codes(function, *arrays):
    """Tell whether a program adds to places instead of comparing with every label."""
    return "scatter" in jax.jit(function).lower(*arrays).as_text()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32])
@pytest.mark.parametrize("masked", [False, True])
def test_chunks_and_what_is_left_of_them(dtype, masked):
    prediction, reference, mask = maps(dtype)
    inside = mask if masked else np.ones_like(mask)
    counts, matrix = by_masks(prediction, reference, inside)
    given = {"mask": mask} if masked else {}
    np.testing.assert_array_equal(jax.jit(counts_of)(prediction, reference, *given.values()), counts)
    found = jax.jit(partial(confusion_matrix, labels=LABELS))(prediction, reference, **given)
    np.testing.assert_array_equal(found.counts, matrix)
    assert found.outside == inside.sum() - matrix.sum()
    assert is_counted_by_codes(counts_of, prediction, reference)


@pytest.mark.parametrize("shape", [(1,), (2**16,), (2, 2**15), (2**16 + 1,)])
def test_sizes_next_to_a_chunk(shape):
    prediction, reference, mask = maps(np.uint8, shape=shape)
    expected, _ = by_masks(prediction, reference, mask)
    np.testing.assert_array_equal(jax.jit(counts_of)(prediction, reference, mask), expected)


def test_batches_loops_and_programs_in_programs():
    first, second, masks = (np.stack(parts) for parts in zip(*(maps(np.uint8, seed) for seed in range(3)), strict=True))
    expected = np.stack([by_masks(*one)[0] for one in zip(first, second, masks, strict=True)])
    np.testing.assert_array_equal(jax.jit(jax.vmap(counts_of))(first, second, masks), expected)
    same = jax.vmap(counts_of, in_axes=(0, None, None))(first, second[0], masks[0])
    np.testing.assert_array_equal(same, [by_masks(one, second[0], masks[0])[0] for one in first])
    _, scanned = jax.jit(lambda *rows: jax.lax.scan(lambda _, row: (None, counts_of(*row)), None, rows))(
        first, second, masks
    )
    np.testing.assert_array_equal(scanned, expected)
    nested = jax.jit(lambda *arrays: jax.jit(counts_of)(arrays[0] + 0, *arrays[1:]))
    np.testing.assert_array_equal(nested(first[0], second[0], masks[0]), expected[0])


def test_labels_beyond_the_dtype_or_the_table_and_sets_that_overlap():
    prediction, reference, mask = maps(np.uint8)
    for labels, by_codes in (((1, 2, 3, 300), True), ((1, 2, 3, 2**21), False), ((1, 2, (1, 2)), False)):
        function = partial(confusion_counts, labels=labels)
        expected = function(prediction, reference, mask=mask)
        np.testing.assert_array_equal(jax.jit(function)(prediction, reference, mask=mask), expected)
        assert is_counted_by_codes(function, prediction, reference) == by_codes


def test_parts_are_merged_to_the_whole():
    prediction, reference, _ = maps(np.int32)
    count = jax.jit(partial(confusion_counts, labels=LABELS))
    whole = merge(*(count(prediction[part], reference[part]) for part in (slice(0, 20), slice(20, 43))))
    np.testing.assert_array_equal(whole, count(prediction, reference))
