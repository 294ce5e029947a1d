"""Counts: against a brute force, on every library, for every route and every kind of bad input."""

import math
from functools import partial

import numpy as np
import pytest

from mia_functional.metrics import ConfusionCounts, confusion_counts, dice, soft_confusion_counts
from mia_functional.metrics._kernels import joint_histogram


def brute(prediction, reference, sets, mask=None):
    """Count with plain Python over the voxels; rows tp, fp, fn, tn."""
    inside = np.ones(prediction.shape, bool) if mask is None else mask
    rows = np.zeros((4, len(sets)), int)
    for p, r, m in zip(prediction.flat, reference.flat, inside.flat, strict=True):
        for column, one in enumerate(sets):
            rows[(0 if r in one else 1) if p in one else (2 if r in one else 3), column] += int(m)
    return rows


def maps(seed, top, shape=(5, 6, 7), dtype=np.uint8):
    """Return a pair of label maps with labels up to `top` that agree on most voxels, and a mask."""
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, top + 1, shape)
    noise = rng.integers(0, top + 1, shape)
    prediction = np.where(rng.random(shape) < 0.7, reference, noise)
    return prediction.astype(dtype), reference.astype(dtype), rng.random(shape) < 0.6


@pytest.mark.sampled(21)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("labels", [(1,), (2, 1), (1, 2, 3), (3, (1, 2), 0, (1, 2, 3)), (1, 2, 99)])
def test_label_counts_equal_brute_force(xp, labels, masked):
    prediction, reference, mask = maps(1, 3)
    sets = [one if isinstance(one, tuple) else (one,) for one in labels]
    if masked:
        counts = xp.run(lambda p, r, m: confusion_counts(p, r, labels=labels, mask=m), prediction, reference, mask)
    else:
        counts = xp.run(partial(confusion_counts, labels=labels), prediction, reference)
    np.testing.assert_array_equal(np.stack(counts), brute(prediction, reference, sets, mask if masked else None))
    assert all(np.issubdtype(field.dtype, np.integer) for field in counts)


@pytest.mark.parametrize(
    ("top", "dtype"),
    [(4, np.uint8), (15, np.uint8), (16, np.uint8), (255, np.uint8), (15, np.int64), (300, np.int16), (300, np.uint16)],
)
def test_every_route_of_the_host_counts_the_same(top, dtype):
    prediction, reference, mask = maps(2, top, dtype=dtype)
    prediction[:2, 0], reference[1:3, 0], mask[:2] = top, top, True
    labels = (0, top, (1, 2), 3, (top, 1))
    sets = [one if isinstance(one, tuple) else (one,) for one in labels]
    counts = confusion_counts(prediction, reference, labels=labels, mask=mask)
    np.testing.assert_array_equal(np.stack(counts), brute(prediction, reference, sets, mask))


def test_large_label_values_are_found():
    values = np.array([0, 2**20 + 5, 2**40, 2**40 + 1])
    reference = values[np.array([0, 1, 2, 3, 3, 2, 1])]
    prediction = values[np.array([0, 1, 2, 2, 3, 2, 0])]
    labels = (2**40, 2**20 + 5, 2**40 + 1, 0)
    counts = confusion_counts(prediction, reference, labels=labels)
    np.testing.assert_array_equal(np.stack(counts), brute(prediction, reference, [(one,) for one in labels]))


def test_many_labels_are_compared_one_by_one(monkeypatch):
    monkeypatch.setattr(joint_histogram, "MOST_COUNTED", 3)
    prediction, reference, _ = maps(3, 9)
    labels = tuple(range(10))
    counts = confusion_counts(prediction, reference, labels=labels)
    np.testing.assert_array_equal(np.stack(counts), brute(prediction, reference, [(one,) for one in labels]))


@pytest.mark.parametrize("labels", [(1,), (1, 2, 3, 4), (40, 41, 42)])
def test_chunks_of_any_size_and_memory_order_add_up(monkeypatch, labels):
    prediction, reference, mask = maps(4, 42, shape=(7, 9, 11))
    whole = confusion_counts(prediction, reference, labels=labels, mask=mask)
    np.testing.assert_array_equal(np.stack(whole), brute(prediction, reference, [(one,) for one in labels], mask))
    for chunk in (16, 37, 64):
        monkeypatch.setattr(joint_histogram, "_HISTOGRAM_CHUNK", chunk)
        for p, r in (
            (prediction, reference),
            (np.asfortranarray(prediction), reference),
            (np.asfortranarray(prediction), np.asfortranarray(reference)),
            (np.repeat(prediction, 2, axis=1)[:, ::2], reference[::-1][::-1]),
            (prediction.astype(">i4"), reference.astype("<i2")),
        ):
            np.testing.assert_array_equal(np.stack(confusion_counts(p, r, labels=labels, mask=mask)), np.stack(whole))


def test_the_largest_label_of_a_dtype_is_found_and_larger_ones_are_nowhere(xp):
    prediction, reference = np.array([255, 0, 255], np.uint8), np.array([255, 255, 0], np.uint8)
    counts = xp.run(partial(confusion_counts, labels=(255, 256)), prediction, reference)
    np.testing.assert_array_equal(np.stack(counts), [[1, 0], [1, 0], [1, 0], [0, 3]])


def test_masks_of_zeros_and_ones(xp):
    prediction, reference = np.array([[1, 1, 0], [0, 1, 0]]), np.array([[1, 0, 0], [1, 1, 0]])
    for kind in (bool, np.uint8, np.int32):
        counts = xp.run(confusion_counts, prediction.astype(kind), reference.astype(kind))
        assert [int(field) for field in counts] == [2, 1, 1, 2]
        assert all(field.shape == () for field in counts)


@pytest.mark.sampled(17)
@pytest.mark.parametrize("axis", [(1, 2), (0, 2), 1, -1])
@pytest.mark.parametrize("labels", [None, (1, (1, 2), 3)])
def test_axes_that_are_kept(xp, axis, labels):
    prediction, reference, mask = maps(5, 1 if labels is None else 3, shape=(3, 4, 5))
    counts = xp.run(
        lambda p, r, m: confusion_counts(p, r, labels=labels, axis=axis, mask=m), prediction, reference, mask
    )
    axes = tuple(entry % 3 for entry in (axis if isinstance(axis, tuple) else (axis,)))
    kept = [entry for entry in range(3) if entry not in axes]
    moved = [np.moveaxis(array, kept, range(len(kept))) for array in (prediction, reference, mask)]
    shape = moved[0].shape[: len(kept)]
    for index in np.ndindex(shape):
        one = confusion_counts(moved[0][index], moved[1][index], labels=labels, mask=moved[2][index])
        np.testing.assert_array_equal(np.stack([field[index] for field in counts]), np.stack(one))
    assert counts.tp.shape == shape + (() if labels is None else (3,))


def test_many_small_cells_are_counted_at_once_to_the_same():
    prediction, reference, mask = maps(9, 3, shape=(9, 10, 11))
    counts = confusion_counts(prediction, reference, labels=(1, (2, 3)), axis=1, mask=mask)
    for index in ((0, 0), (8, 10), (4, 5)):
        cell = index[0], slice(None), index[1]
        expected = brute(prediction[cell], reference[cell], [(1,), (2, 3)], mask[cell])
        np.testing.assert_array_equal([field[index] for field in counts], expected)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [(1, 3, 200), (1, 300), (2, (1, 3))])
def test_compiled_counts_take_labels_of_each_dtype(labels):
    import jax

    rng = np.random.default_rng(8)
    prediction = rng.choice(np.array([0, 1, 2, 3, 200], np.uint8), (8, 9))
    reference = rng.choice(np.array([0, 1, 2, 3, 200, 300], np.int32), (8, 9))
    counts = jax.jit(partial(confusion_counts, labels=labels))(prediction, reference)
    sets = [one if isinstance(one, tuple) else (one,) for one in labels]
    np.testing.assert_array_equal(counts, brute(prediction, reference, sets))


@pytest.mark.slow
@pytest.mark.parametrize("length", [255, 256, 300, 40_000])
def test_long_axes_do_not_overflow_small_integers(length):
    import jax

    full = np.ones((length, 2), bool)
    for axis in (0, (0, 1), 1):
        counts = jax.jit(partial(confusion_counts, axis=axis))(full, full)
        np.testing.assert_array_equal(counts.tp, full.sum(axis=axis))
        np.testing.assert_array_equal(counts.tn, 0 * full.sum(axis=axis))


def test_soft_counts_of_a_mask_are_its_counts(xp):
    prediction, reference, mask = maps(6, 3)
    labels = (1, (2, 3))
    hard = confusion_counts(prediction, reference, labels=labels, mask=mask)
    channels = np.stack([prediction == 1, prediction >= 2], axis=-1).astype(np.float32)
    soft = xp.run(lambda p, r, m: soft_confusion_counts(p, r, labels=labels, mask=m), channels, reference, mask)
    np.testing.assert_allclose(np.stack(soft), np.stack(hard), rtol=1e-6)
    one = xp.run(partial(soft_confusion_counts, axis=(1, 2)), channels[..., 0], (reference == 1))
    expected = confusion_counts(prediction == 1, reference == 1, axis=(1, 2))
    np.testing.assert_allclose(np.stack(one), np.stack(expected), rtol=1e-6)


@pytest.mark.slow
def test_soft_dice_has_the_gradient_of_finite_differences():
    import jax
    import torch

    rng = np.random.default_rng(7)
    probabilities, reference = rng.random((4, 5)), rng.random((4, 5)) < 0.4

    def loss(p, r):
        return 1 - dice(soft_confusion_counts(p, r))

    step = 1e-6
    numeric = np.zeros_like(probabilities)
    for index in np.ndindex(probabilities.shape):
        shift = np.zeros_like(probabilities)
        shift[index] = step
        numeric[index] = (loss(probabilities + shift, reference) - loss(probabilities - shift, reference)) / (2 * step)
    tensor = torch.tensor(probabilities, requires_grad=True)
    loss(tensor, torch.tensor(reference)).backward()
    np.testing.assert_allclose(tensor.grad.numpy(), numeric, atol=1e-8)
    gradient = jax.jit(jax.grad(loss))(jax.numpy.asarray(probabilities, dtype="float32"), reference)
    np.testing.assert_allclose(gradient, numeric, atol=1e-6)
    empty = jax.grad(lambda p: dice(soft_confusion_counts(p, np.zeros((4, 5), bool)), zero_division=1))
    np.testing.assert_array_equal(empty(jax.numpy.zeros((4, 5))), 0)


MASK = np.array([[True, False], [True, True]])


@pytest.mark.parametrize(
    ("prediction", "reference", "options", "error", "words"),
    [
        (MASK, np.ones((1, 2), bool), {}, ValueError, r"`prediction` must have the shape of the reference, \(1, 2\)"),
        (MASK, np.ones((2, 2, 1), bool), {}, ValueError, "shape"),
        (np.zeros((0, 2), bool), np.zeros((0, 2), bool), {}, ValueError, "at least one axis and one element"),
        (np.zeros((), bool), np.zeros((), bool), {}, ValueError, "at least one axis"),
        (MASK.astype(float), MASK, {}, TypeError, "threshold or cast first"),
        (MASK, MASK.astype(np.float16), {}, TypeError, "`reference`"),
        (MASK.astype(complex), MASK, {}, TypeError, "`prediction`"),
        (MASK * np.uint8(255), MASK, {}, ValueError, "contains 255; pass `labels`"),
        (MASK, MASK.astype(int) * -1, {}, ValueError, "contains -1"),
        (MASK.astype(float), MASK, {"labels": (1,)}, TypeError, "integer label map"),
        (MASK.astype(int) * -3, MASK.astype(int), {"labels": (1,)}, ValueError, "the label -3"),
        ([[True]], MASK, {}, TypeError, "`prediction` must be an array; got list"),
        (MASK, MASK, {"labels": ()}, ValueError, "labels"),
        (MASK, MASK, {"labels": (1, 1)}, ValueError, "labels"),
        (MASK, MASK, {"labels": "liver"}, TypeError, "labels"),
        (MASK, MASK, {"labels": (1.5,)}, TypeError, "labels"),
        (MASK, MASK, {"axis": 2}, ValueError, "axis"),
        (MASK, MASK, {"axis": (0, -2)}, ValueError, "axis"),
        (MASK, MASK, {"axis": ()}, ValueError, "axis"),
        (MASK, MASK, {"axis": 0.5}, TypeError, "axis"),
        (MASK, MASK, {"mask": np.ones(2, bool)}, ValueError, "`mask` must have the shape"),
        (MASK, MASK, {"mask": np.ones((1, 2), bool)}, ValueError, "`mask` must have the shape"),
        (MASK, MASK, {"mask": np.ones((2, 2))}, TypeError, "`mask`"),
    ],
)
def test_bad_input(prediction, reference, options, error, words):
    with pytest.raises(error, match=words):
        confusion_counts(prediction, reference, **options)


def test_two_libraries_and_a_sitk_image_are_refused():
    import jax.numpy as jnp
    import SimpleITK
    import torch

    with pytest.raises(TypeError, match="one array library"):
        confusion_counts(jnp.asarray(MASK), torch.asarray(MASK))
    with pytest.raises(
        TypeError,
        match=r"`prediction` must be an array of NumPy, .*: pass what `mia.images.from_simpleitk` makes of it; got",
    ):
        confusion_counts(SimpleITK.GetImageFromArray(MASK.astype(np.uint8)), MASK)
    beside = confusion_counts(torch.asarray(MASK), MASK)
    assert isinstance(beside.tp, torch.Tensor)
    assert int(beside.tp) == 3


def test_more_voxels_than_the_integers_can_count_are_refused():
    import jax

    huge = jax.ShapeDtypeStruct((2**11, 2**11, 2**9), bool)
    with pytest.raises(ValueError, match="at most 2147483647 voxels"):
        jax.eval_shape(confusion_counts, huge, huge)


@pytest.mark.parametrize(
    ("probabilities", "error"), [(MASK, TypeError), (np.ones((2, 3)), ValueError), ([0.5], TypeError)]
)
def test_bad_probabilities(probabilities, error):
    with pytest.raises(error, match="`probabilities`"):
        soft_confusion_counts(probabilities, MASK)


def test_logits_are_no_probabilities(xp):
    logits, reference, inside = np.array([5.0, -3.0, 0.5], np.float32), np.array([1, 0, 1]), np.array([0, 0, 1])
    if xp.name != "jax-jit":
        with pytest.raises(
            ValueError, match=r"^soft_confusion_counts: `probabilities` must lie within 0 and 1 \(logits"
        ):
            xp.run(soft_confusion_counts, logits, reference)
    # Where they do not count, they may be anything.
    counts = xp.run(lambda p, r, m: soft_confusion_counts(p, r, mask=m), logits, reference, inside)
    np.testing.assert_array_equal(np.stack(counts), [0.5, 0, 0.5, 0])
    # Softmax and averages of patches end beside 1.
    beside = np.nextafter(np.ones(2, np.float32), np.float32(2))
    np.testing.assert_allclose(xp.run(soft_confusion_counts, beside, reference[1:]).tp, 1, rtol=1e-6)


def test_python_numbers_are_counts():
    assert math.isclose(dice(ConfusionCounts(3, 1, 2, 10)), 6 / 9)


def test_inputs_are_not_changed():
    prediction, reference, mask = maps(8, 3)
    copies = prediction.copy(), reference.copy(), mask.copy()
    confusion_counts(prediction, reference, labels=(1, 2, 3), mask=mask)
    for array, copy in zip((prediction, reference, mask), copies, strict=True):
        np.testing.assert_array_equal(array, copy)
