"""Functions of single numbers: values of NumPy, and derivatives that are numbers, the same in JAX and PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mia_functional import _array

FUNCTIONS = {
    "ratio": (lambda a: _array.ratio(a * 0 + 1, a, zero_division=7.0), [7.0, 0.25, -1.0], [0.0, -0.0625, -1.0]),
    "power": (lambda a: _array.power(a**2, a * 0 + 0.5), [0.0, 4.0, 1.0], [0.0, 1.0, -1.0]),
    "root": (lambda a: _array.root(a**2), [0.0, 4.0, 1.0], [0.0, 1.0, -1.0]),
    "hypot": (lambda a: _array.hypot(a, a * 0), [0.0, 4.0, 1.0], [0.0, 1.0, -1.0]),
    "absolute": (_array.absolute, [0.0, 4.0, 1.0], [0.0, 1.0, -1.0]),
    "clip_to": (lambda a: _array.clip_to(a, -1.0, 2.0), [0.0, 2.0, -1.0], [1.0, 0.0, 1.0]),
    "clip_rounding": (lambda a: _array.clip_rounding(a, -1.0, 2.0), [0.0, 2.0, -1.0], [1.0, 1.0, 1.0]),
}
"""Functions, what they make of 0, 4 and -1, and their derivatives there."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(xp, name):
    function, right, _ = FUNCTIONS[name]
    np.testing.assert_array_equal(xp.run(function, np.array([0.0, 4.0, -1.0])), right)
    assert name == "ratio" or np.isnan(xp.run(function, np.array([np.nan]))).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # PyTorch's own, of its forward mode
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name):
    function, _, right = FUNCTIONS[name]
    array = jnp.asarray([0.0, 4.0, -1.0])
    ways = [
        jax.grad(lambda a: function(a).sum())(array),
        jax.jit(jax.grad(lambda a: function(a).sum()))(array),
        jax.jvp(function, (array,), (jnp.ones(3),))[1],
        torch.func.grad(lambda a: function(a).sum())(torch.tensor([0.0, 4.0, -1.0])),
        torch.func.jvp(function, (torch.tensor([0.0, 4.0, -1.0]),), (torch.ones(3),))[1],
    ]
    for found in ways:
        np.testing.assert_allclose(found, right, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_lengths_have_derivatives_at_every_scale(scale):
    sides = (3 * scale, 4 * scale)
    by_jax = jax.jit(jax.grad(_array.hypot, (0, 1)))(*sides)
    by_torch = torch.func.grad(_array.hypot, (0, 1))(*map(torch.tensor, sides))
    np.testing.assert_allclose([by_jax, by_torch], [[0.6, 0.8]] * 2, rtol=1e-6)


def test_what_rounding_leads_beyond_a_limit_becomes_the_limit(xp):
    beyond = np.nextafter(np.float32([1, -1]), np.float32([2, -2]))
    assert xp.run(lambda a: _array.clip_rounding(a, -1.0, 1.0), beyond).tolist() == [1.0, -1.0]


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_numbers_are_moved_into_a_range_and_what_is_not_a_number_stays(xp, dtype):
    numbers = np.array([-3, 0, 2, 9, 1], dtype)
    if dtype == "float32":
        numbers[[0, 4]] = -np.inf, np.nan
    found = xp.run(lambda array: _array.clip_to(array, 0, 3), numbers)
    assert found.dtype == numbers.dtype
    np.testing.assert_array_equal(found, [0, 0, 2, 3, numbers[4]])
