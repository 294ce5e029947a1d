"""Blocks and points of arrays: read and written alike in every library, a few planes at a time on the host."""

import numpy as np
import pytest

from mia_functional import _array
from mia_functional._array import updates


def test_blocks_are_read_and_written_alike(xp):
    array = np.arange(60.0, dtype=np.float32).reshape(5, 4, 3)

    def run(array):
        block = _array.take_block(array, (1, 2), (3, 2))
        own = _array.array_namespace(array).asarray(array, copy=True)
        own = _array.set_block(own, (0, 1), block * 2)
        return block, _array.update_block(own, (2, 0), lambda block, other: block + other, block)

    block, updated = xp.run(run, array)
    expected = array.copy()
    expected[0:3, 1:3] = array[1:4, 2:4] * 2
    expected[2:5, 0:2] += array[1:4, 2:4]
    np.testing.assert_array_equal(block, array[1:4, 2:4])
    np.testing.assert_array_equal(updated, expected)


@pytest.mark.parametrize("cached", [1, 7, 30, 1000])
def test_pieces_on_the_host_cover_the_block_once(monkeypatch, cached):
    monkeypatch.setattr(updates, "_PIECE_ELEMENTS", cached)
    array = np.zeros((6, 5, 4))
    weights = np.arange(5.0).reshape(1, 5, 1)
    _array.update_block(array, (1, 0), lambda block, ones, weights: block + ones * weights, np.ones((4, 5, 4)), weights)
    expected = np.zeros((6, 5, 4))
    expected[1:5] += weights
    np.testing.assert_array_equal(array, expected)


def test_points_are_updated_at_once(xp):
    points = np.array([[0, 1], [2, 0], [1, 1]])

    def run(array):
        own = _array.array_namespace(array).asarray(array, copy=True)
        return _array.update_points(own, points, lambda entries: entries + 10)

    array = np.arange(12.0, dtype=np.float32).reshape(3, 2, 2)
    expected = array.copy()
    expected[tuple(points.T)] += 10
    np.testing.assert_array_equal(xp.run(run, array), expected)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_voxels_are_joined_with_all_channels_as_one(dtype, channels):
    parts = [np.random.default_rng(seed).integers(0, 9, (3, 2, channels)).astype(dtype) for seed in range(3)]
    parts.append(parts[0][..., ::-1])
    for arrays in (parts[:3], parts):
        joined = _array.concat(arrays, 1)
        assert joined.dtype == dtype
        np.testing.assert_array_equal(joined, np.concatenate(arrays, 1))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("size", [7, 300, 70_000])
def test_traced_positions_of_every_dtype_are_moved_inside(dtype, size):
    import jax

    limits = np.iinfo(dtype)
    numbers = [n for n in (-(2**31), -200, -6, -1, 0, 3, 100, 250, 290, 60_000, 2**32 - 1) if limits.min <= n]
    values = np.array([n for n in numbers if n <= limits.max] + [limits.max], dtype)
    found = jax.jit(jax.vmap(lambda number: _array.clamp(number, size)))(values)
    assert found.tolist() == [min(max(n, 0), size) for n in values.tolist()]
    found = jax.jit(jax.vmap(lambda number: _array.limit(number, size)))(values)
    assert found.tolist() == [min(max(n, -size), size) for n in values.tolist()]
    found = jax.jit(jax.vmap(lambda number: _array.remainder(number, size)))(values)
    assert found.tolist() == [n % size for n in values.tolist()]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32"])
def test_points_outside_of_an_array_are_left_out_and_never_count_from_the_end(dtype):
    import jax

    points = np.array([[-1, 0], [1, 1], [-100, 1], [0, -2], [3, 0], [2, 0]], dtype)
    expected = np.zeros((3, 2), np.float32)
    expected[[1, 2], [1, 0]] = 5
    found = jax.jit(lambda array, points: _array.update_points(array, points, lambda entries: entries + 5))(
        np.zeros((3, 2), np.float32), points
    )
    np.testing.assert_array_equal(found, expected)
