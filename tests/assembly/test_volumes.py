"""Assembly: extract then assemble is the identity; overlaps, gaps and mistakes by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import indexing
from mia_functional.assembly import assemble, assemble_planes, gaussian, hann, last, mean, uniform
from mia_functional.extraction import extract

COVERING = (indexing.clip, indexing.shift, indexing.even, indexing.overhang)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(3, 8), min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(COVERING),
    st.sampled_from((mean, last)),
    st.integers(0, 2),
)
def test_extract_then_assemble_is_the_identity(shape, patch, step, rule, reduction, channels):
    step = min(step, patch)
    extra = (channels,) if channels else ()
    volume = np.arange(np.prod((*shape, *extra)), dtype=np.float32).reshape(*shape, *extra)
    indices = indexing.patches(tuple(shape), (patch,) * len(shape), step=step, boundary=rule)
    parts = (extract(volume, index) for index in indices)
    found = assemble(parts, indices, tuple(shape), reduction=reduction)
    np.testing.assert_allclose(found, volume, rtol=1e-6)
    assert found.dtype == volume.dtype
    if reduction is last:
        np.testing.assert_array_equal(found, volume)


@pytest.mark.parametrize("reduction", [mean, last], ids=lambda reduction: reduction.name)
def test_identity_on_every_library(xp, reduction):
    volume = np.random.default_rng(0).integers(0, 100, (5, 6, 7, 2)).astype(np.float32)
    indices = indexing.patches((5, 6, 7), (3, 4, 5), step=2)

    def there_and_back(array):
        parts = [extract(array, index) for index in indices]
        return assemble(parts, indices, (5, 6, 7), reduction=reduction)

    np.testing.assert_allclose(xp.run(there_and_back, volume), volume, rtol=1e-6)


def test_overlap_by_hand_and_any_index_list_gives_the_same():
    parts = np.array([[2.0, 4.0], [8.0, 6.0]])
    indices = [(slice(0, 2),), (slice(1, 3),)]
    assert assemble(parts, indices, (3,)).tolist() == [2.0, 6.0, 6.0]
    assert assemble(parts, indices, (3,), reduction=last).tolist() == [2.0, 8.0, 6.0]
    grid = indexing.patches((3,), (2,), step=1)
    assert assemble(parts, grid, (3,)).tolist() == [2.0, 6.0, 6.0]


def test_a_window_weighs_and_a_constant_stays_constant():
    def triangle(size):
        return 1.0 + np.minimum(np.arange(size), np.arange(size)[::-1])

    parts = np.array([[1.0, 1.0, 1.0], [4.0, 4.0, 4.0]])
    grid = indexing.patches((4,), (3,), step=1)
    found = assemble(parts, grid, (4,), window=triangle)
    np.testing.assert_allclose(found, [1.0, (2 * 1 + 1 * 4) / 3, (1 * 1 + 2 * 4) / 3, 4.0])
    shape = (7, 9)
    for rule in COVERING:
        indices = indexing.patches(shape, (4, 5), step=3, boundary=rule)
        ones = (np.ones([s.stop - s.start for s in index], dtype=np.float32) for index in indices)
        np.testing.assert_allclose(assemble(ones, indices, shape, window=triangle), 1.0, atol=1e-6)


def test_slices_of_one_axis_come_back_and_three_planes_average():
    volume = np.random.default_rng(1).random((3, 4, 5))
    for axis in range(3):
        indices = indexing.slices(volume.shape, axis=axis)
        np.testing.assert_array_equal(
            assemble([volume[index] for index in indices], indices, volume.shape, reduction=last), volume
        )
    indices = indexing.slices(volume.shape, axis=(0, 1, 2))
    offsets = [0.0] * 3 + [3.0] * 4 + [6.0] * 5
    parts = [volume[index] + offset for index, offset in zip(indices, offsets, strict=True)]
    np.testing.assert_allclose(assemble(parts, indices, volume.shape), volume + 3.0)


def test_gaps_are_an_error_that_states_the_fraction_or_are_filled():
    grid = indexing.patches((5, 4), (2, 2), boundary=indexing.drop)
    parts = [np.ones((2, 2))] * len(grid)
    for indices in (grid, list(grid)):
        with pytest.raises(ValueError, match=r"20\.0000% is missing"):
            assemble(parts, indices, (5, 4))
        found = assemble(parts, indices, (5, 4), fill_value=-1)
        assert (found[:4] == 1).all()
        assert (found[4] == -1).all()


def test_filled_voxels_hold_the_value_where_other_axes_overlap():
    grid = indexing.patches((5, 4), (2, 2), step=(2, 1), boundary=indexing.drop)
    found = assemble([np.ones((2, 2))] * len(grid), grid, (5, 4), fill_value=-1)
    assert (found[:4] == 1).all()
    assert (found[4] == -1).all()


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(4, 9), st.integers(4, 9)),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(COVERING),
    st.sampled_from((uniform, hann, gaussian)),
    st.sampled_from((np.float16, np.float32, np.float64)),
)
def test_a_constant_stays_constant_for_every_window_step_rule_and_dtype(shape, patch, step, rule, window, dtype):
    indices = indexing.patches(shape, (patch, patch), step=min(step, patch), boundary=rule)
    ones = (np.ones([s.stop - s.start for s in index], dtype=dtype) for index in indices)
    found = assemble(ones, indices, shape, window=window)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, 1.0, atol=1e-6)


def test_dtypes_are_kept_and_small_ones_are_summed_in_float32():
    grid = indexing.patches((3,), (3,), step=1)
    many = [*grid] * 2000
    half = [np.full(3, 3001, dtype=np.float16)] * 2000
    found = assemble(half, many, (3,))
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, np.float16(3001))
    labels = np.array([[250, 251, 252]], dtype=np.uint8)
    assert assemble(labels, grid, (3,), reduction=last).dtype == np.uint8
    assert assemble(labels, grid, (3,)).dtype == np.float32


def test_inputs_stay_as_they_are():
    parts = np.ones((2, 2))
    parts.flags.writeable = False
    grid = indexing.patches((3,), (2,), step=1)
    assert assemble(parts, grid, (3,)).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: assemble([np.ones(3)], [(slice(0, 2),)], (2,)),
            r"`patches` must match their index, \(2,\); got \(3,\)",
        ),
        (lambda: assemble([np.ones(2)], [(slice(0, 2),)] * 2, (2,)), "got fewer patches"),
        (lambda: assemble([np.ones(2)] * 2, [(slice(0, 2),)], (2,)), "got fewer indices"),
        (lambda: assemble([], [], (2,)), "hold at least one patch"),
        (lambda: assemble([np.ones(2)], [(slice(0, 2),)], (2, 2)), "`indices` must have 2 entries"),
    ],
)
def test_mistakes_are_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("asarray", [np.asarray, jnp.asarray])
def test_a_margin_may_be_an_array(asarray):
    volume = np.arange(48.0, dtype=np.float32).reshape(6, 8)
    grid = indexing.patches((6, 8), (3, 4))
    for margin in (np.array([1, 2]), np.array([0, 0]), np.array([[1, 0], [0, 2]]), np.array(2), [1, 2]):
        parts = [asarray(extract(volume, index, margin=margin)) for index in grid]
        np.testing.assert_array_equal(assemble(parts, grid, (6, 8), margin=margin), volume)
        stacked = asarray(np.stack([np.asarray(part) for part in parts]))
        np.testing.assert_array_equal(assemble(stacked, grid, (6, 8), margin=margin), volume)
        planes = [plane for _, plane in assemble_planes(parts, grid, (6, 8), margin=margin)]
        np.testing.assert_array_equal(np.stack(planes), volume)
    with pytest.raises(ValueError, match="assemble: `margin` must be a number or have 2 entries"):
        assemble(parts, grid, (6, 8), margin=np.array([1, 2, 3]))


def test_slices_of_indices_are_refused_as_extraction_refuses_them():
    for entry in (slice(6, 2), slice(2, -1), slice(-1, -3)):
        with pytest.raises(ValueError, match="assemble: `indices` must hold slices that count from the first voxel"):
            assemble([np.ones(3)], [(entry,)], (8,))
    for entry in (slice(0, 6, 2), slice(-3, None), slice(None, -2)):
        with pytest.raises(TypeError, match=r"assemble: `indices` must hold tuples .* with a start and a stop"):
            assemble([np.ones(3)], [(entry,)], (8,))
    narrow = (slice(np.uint8(250), np.uint8(255)), np.uint8(255))
    found = assemble([np.ones(5)], [narrow], (300, 256), fill_value=0)
    assert np.argwhere(found).tolist() == [[row, 255] for row in range(250, 255)]
