"""Derivatives are those of central differences in double precision, in both modes of JAX and PyTorch.

`derivatives.py` says what is differentiable by what, `kinks.py` has the arguments at which something is not.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.autograd import forward_ad

from mia_functional import metrics

from .cases import CASES
from .derivatives import CALLS, KINKS, NOT_DIFFERENTIABLE, Call, of_soft_counts, volumes
from .kinks import AT_KINKS
from .public_names import ON_HOST

ALL = {f"{name} {call.label}": call for name, calls in CALLS.items() for call in calls}
STEP = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # PyTorch's own, of its forward mode


def draw(call: Call, seed: int = 0) -> tuple[Any, ...]:
    return call.draw(np.random.default_rng(seed))


def floats(arrays):
    """Return the numbers of the arrays that are differentiated by."""
    return tuple(number for number, array in enumerate(arrays) if array.dtype.kind == "f")


def directions(arrays):
    rng = np.random.default_rng(1)
    return [rng.normal(size=array.shape).astype(array.dtype) for array in arrays]


def entries(call: Callable[..., Any], arrays, asarray):
    """Return a function of the arrays of floats, which returns all results in one row."""
    chosen = floats(arrays)

    def row(*values):
        every = dict(zip(chosen, values, strict=True))
        result = call(*(every.get(number, asarray(array)) for number, array in enumerate(arrays)))
        leaves = [leaf.reshape(-1) for leaf in (result if isinstance(result, tuple) else (result,))]
        return jnp.concatenate(leaves) if asarray is jnp.asarray else torch.concatenate(leaves)

    return row


def total(call, arrays, asarray):
    """Return a function of the arrays of floats to the sum of all results, each with a weight of its own."""
    row = entries(call, arrays, asarray)

    def weigh(*values):
        results = row(*values)
        weights = np.sin(np.arange(1.0, len(results) + 1)).astype(arrays[floats(arrays)[0]].dtype)
        # Not a matrix product, whose factors have to be of one dtype: counts of float32 give float64 in PyTorch.
        return (results * asarray(weights)).sum()

    return weigh


def by_differences(function: Callable[..., Any], arrays) -> list[Any]:
    """Return the derivatives of a function of float arrays by each of their entries, from central differences."""
    slopes = [np.zeros_like(array) for array in arrays]
    for slope, array in zip(slopes, arrays, strict=True):
        for place in np.ndindex(array.shape):
            before = array[place]
            array[place] = before + STEP
            high = function(*arrays)
            array[place] = before - STEP
            slope[place] = (high - function(*arrays)) / (2 * STEP)
            array[place] = before
    return slopes


def in_one_row(result):
    """Return all numbers of a result of NumPy."""
    return np.concatenate([np.reshape(leaf, -1) for leaf in (result if isinstance(result, tuple) else (result,))])


def of_numpy(call, arrays):
    """Return the derivatives of the weighted sum of results by central differences of what NumPy computes."""
    chosen = floats(arrays)
    own = [np.array(array) for array in arrays]

    def weigh(*_):
        row = in_one_row(call(*own))
        return row @ np.sin(np.arange(1.0, len(row) + 1))

    return by_differences(weigh, [own[number] for number in chosen])


def assert_close(found, right, rtol=1e-4):
    """Raise unless arrays are equal, but for the rounding errors of differences."""
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol / 1000 * (1 + np.abs(other).max(initial=0)))


def in_jax(function, arrays, way):
    """Return derivatives in JAX by all arrays, or along directions if they are of one number."""
    values = tuple(map(jnp.asarray, arrays))
    numbers = tuple(range(len(values)))
    gradient = jax.grad(function, numbers)
    if way == "reverse":
        return gradient(*values)
    if way == "compiled":
        return jax.jit(gradient)(*values)
    if way == "forward":
        return [jax.jvp(function, values, tuple(map(jnp.asarray, directions(arrays))))[1]]
    if way == "every direction":
        return jax.jit(jax.jacfwd(function, numbers))(*values)
    batch = [jnp.stack([value, value * 1.0]) for value in values]
    first, second = zip(*jax.jit(jax.vmap(gradient))(*batch), strict=True)
    assert_close(first, second)
    return first


def in_torch(function, arrays, way):
    """Return derivatives in PyTorch by all arrays, or along directions if they are of one number."""
    values = tuple(torch.asarray(np.array(array)) for array in arrays)
    tangents = tuple(map(torch.asarray, directions(arrays)))
    if way == "reverse":
        leaves = [value.requires_grad_() for value in values]
        gradients = torch.autograd.grad(function(*leaves), leaves, allow_unused=True, materialize_grads=True)
        return [gradient.numpy() for gradient in gradients]
    if way == "forward":
        with forward_ad.dual_level():
            result = function(*map(forward_ad.make_dual, values, tangents))
            tangent = forward_ad.unpack_dual(result).tangent
            return [np.zeros(()) if tangent is None else tangent.numpy()]
    if way == "func jvp":
        return [torch.func.jvp(function, values, tangents)[1].numpy()]
    return [jacobian.numpy() for jacobian in torch.func.jacrev(function, tuple(range(len(values))))(*values)]


WAYS = {
    **{
        f"jax {way}": (in_jax, jnp.asarray, way)
        for way in ("reverse", "compiled", "forward", "every direction", "batch")
    },
    **{f"torch {way}": (in_torch, torch.asarray, way) for way in ("reverse", "forward", "func jvp", "func jacrev")},
}


def derive(call, arrays, way):
    """Return derivatives of a call in one of the ways."""
    derive_in, asarray, mode = WAYS[way]
    with jax.enable_x64(new_val=arrays[floats(arrays)[0]].dtype == np.float64):
        found = derive_in(total(call, arrays, asarray), [arrays[number] for number in floats(arrays)], mode)
        return [np.asarray(one) for one in found]


def along(slopes, arrays):
    """Return derivatives along directions from those by all entries."""
    chosen = [arrays[number] for number in floats(arrays)]
    return [sum(np.sum(slope * one) for slope, one in zip(slopes, directions(chosen), strict=True))]


def test_every_function_of_arrays_is_differentiable_or_there_is_a_reason():
    assert CALLS.keys() | NOT_DIFFERENTIABLE.keys() == CASES.keys() | ON_HOST.keys()
    assert not CALLS.keys() & NOT_DIFFERENTIABLE.keys()
    assert CALLS.keys() >= KINKS.keys()


@pytest.mark.slow
@pytest.mark.sampled(12)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ALL)
def test_derivatives_are_those_of_central_differences(name, way):
    call, arrays = ALL[name].call, draw(ALL[name])
    right, found = of_numpy(call, arrays), derive(call, arrays, way)
    assert_close(
        found, right if len(found) == len(right) and found[0].shape == right[0].shape else along(right, arrays)
    )


@pytest.mark.slow
@pytest.mark.sampled(6)
@pytest.mark.parametrize("way", ["jax compiled", "torch reverse"])
@pytest.mark.parametrize("name", ALL)
def test_single_precision_has_the_derivatives_of_double_precision(name, way):
    call, arrays = ALL[name].call, draw(ALL[name])
    narrow = [array.astype(np.float32) if array.dtype == np.float64 else array for array in arrays]
    wide = [array.astype(np.float64) if array.dtype == np.float32 else array for array in narrow]
    for found, right in zip(derive(call, narrow, way), derive(call, wide, way), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-3 * np.abs(right).max(initial=0))


OF_IMAGES = [name for name, call in ALL.items() if call.by.startswith(("image", "volumes", "patches"))]


@pytest.mark.slow
@pytest.mark.sampled(6)
@pytest.mark.parametrize("scale", [1e-20, 1e20])
@pytest.mark.parametrize("way", ["jax compiled", "torch reverse"])
@pytest.mark.parametrize("name", OF_IMAGES)
def test_derivatives_are_finite_at_every_scale_at_which_values_are(name, way, scale):
    call, drawn = ALL[name].call, draw(ALL[name])
    # Images, fields of noise and patches have one shape, in which parameters never are.
    scales = [np.float32(scale if array.shape == drawn[0].shape else 1) for array in drawn]
    arrays = [array * s if array.dtype == np.float64 else array for array, s in zip(drawn, scales, strict=True)]
    arrays = [array.astype(np.float32) if array.dtype == np.float64 else array for array in arrays]
    value = total(call, arrays, jnp.asarray)(*(jnp.asarray(arrays[number]) for number in floats(arrays)))
    if not np.isfinite(value):
        pytest.skip("has no finite value")
    for found in derive(call, arrays, way):
        assert np.isfinite(found).all()


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", AT_KINKS)
def test_derivatives_at_kinks_are_numbers_and_those_of_the_other_library(name):
    call, arrays = AT_KINKS[name]
    by_jax, by_torch = (derive(call, arrays, way) for way in ("jax reverse", "torch reverse"))
    for one, other in zip(by_jax, by_torch, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9 * (1 + np.abs(one).max(initial=0)))
    tangents = derive(call, arrays, "jax forward") + derive(call, arrays, "torch forward")
    # In the forward mode, a value that is undefined has an undefined tangent.
    if np.isfinite(in_one_row(call(*arrays))).all():
        np.testing.assert_allclose(tangents, along(by_jax, arrays)[0], rtol=1e-6, atol=1e-9)


SOFT_LOSSES = ("dice", "jaccard", "f_measure", "generalized_dice", "matthews_correlation", "cohen_kappa", "accuracy")
IMAGE_LOSSES = (
    *("mean_squared_error", "root_mean_squared_error", "normalized_mean_squared_error", "peak_signal_noise_ratio"),
    *("pearson_correlation", "concordance_correlation", "r_squared"),
)


def losses():
    """Return losses of a prediction by name, and where it is drawn."""
    rng = np.random.default_rng(0)
    reference, labels = volumes(rng)[1], rng.integers(0, 3, (4, 3, 3))
    for name in SOFT_LOSSES:
        yield name, lambda p, name=name: of_soft_counts(getattr(metrics, name), p, labels).sum(), (4, 3, 3, 3)
    for name in IMAGE_LOSSES:
        yield name, lambda p, name=name: getattr(metrics, name)(p, reference), (4, 3, 3)
    yield "structural_similarity", lambda p: metrics.structural_similarity(p, reference, window=3), (4, 3, 3)


LOSSES = {name: rest for name, *rest in losses()}


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize("library", ["jax", "torch"])
@pytest.mark.parametrize("name", LOSSES)
def test_second_derivatives_are_those_of_central_differences(name, library):
    loss, shape = LOSSES[name]
    rng = np.random.default_rng(2)
    values, tangent = rng.uniform(0.1, 0.9, shape), rng.normal(size=shape)

    with jax.enable_x64(new_val=True):
        gradient = jax.jit(jax.grad(loss)) if library == "jax" else torch.func.grad(loss)
        asarray, jvp = (jnp.asarray, jax.jvp) if library == "jax" else (torch.asarray, torch.func.jvp)
        high, low = (np.asarray(gradient(asarray(values + step * tangent))) for step in (STEP, -STEP))
        found = jvp(gradient, (asarray(values),), (asarray(tangent),))[1]
    assert_close([np.asarray(found)], [(high - low) / (2 * STEP)])
