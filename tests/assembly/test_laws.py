"""Laws of assembly: what was extracted comes back exactly, constants stay constant, libraries agree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import indexing
from mia_functional.assembly import (
    assemble,
    hann,
    last,
    maximum,
    mean,
    total,
    vote,
)
from mia_functional.extraction import extract, reflect

from .cases import COVERING, WINDOWS, indices_of, loose, shapes


def there_and_back(volume, indices, shape, **options):
    """Extract all parts of a volume and assemble them again."""
    return assemble((extract(volume, index) for index in indices), indices, shape, **options)


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(st.data(), shapes, st.sampled_from((mean, last, maximum)), st.sampled_from(WINDOWS), st.integers(0, 2))
def test_extract_then_assemble_is_exactly_the_identity(data, shape, reduction, window, channels):
    indices = data.draw(indices_of(shape))
    dtype = data.draw(st.sampled_from((np.float16, np.float32, np.float64)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    volume = rng.normal(size=shape + (channels,) * (channels > 0)).astype(dtype)
    volume.flags.writeable = False
    found = there_and_back(volume, indices, shape, reduction=reduction, window=window)
    np.testing.assert_array_equal(found, volume)
    assert found.dtype == dtype


@settings(deadline=None, max_examples=60)
@given(
    st.data(),
    shapes,
    st.sampled_from((mean, last, maximum, vote(range(120)))),
    st.sampled_from((np.uint8, np.int16, np.int32)),
)
def test_integers_come_back_exactly_too(data, shape, reduction, dtype):
    indices = data.draw(indices_of(shape))
    volume = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 120, shape).astype(dtype)
    found = there_and_back(volume, indices, shape, reduction=reduction)
    np.testing.assert_array_equal(found, volume)
    assert found.dtype == (np.float32 if reduction is mean else dtype)


@pytest.mark.sampled(4)
@settings(loose, max_examples=12)
@given(data=st.data())
def test_the_identity_is_exact_in_every_library(xp, data):
    shape = data.draw(st.lists(st.integers(2, 5), min_size=1, max_size=4).map(tuple))
    patch = tuple(data.draw(st.integers((size + 1) // 2, size)) for size in shape)
    rule = data.draw(st.sampled_from(COVERING))
    indices = indexing.patches(shape, patch, step=tuple((size + 1) // 2 for size in patch), boundary=rule)
    reduction = data.draw(st.sampled_from((mean, last, maximum)))
    window = data.draw(st.sampled_from(WINDOWS))
    volume = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(*shape, 2)).astype(np.float32)
    found = xp.run(lambda array: there_and_back(array, indices, shape, reduction=reduction, window=window), volume)
    np.testing.assert_array_equal(found, volume)


@pytest.mark.sampled(4)
@settings(loose, max_examples=10)
@given(data=st.data())
def test_libraries_agree_where_patches_do_not(xp, data):
    shape = (6, 5)
    rule = data.draw(st.sampled_from(COVERING))
    indices = indexing.patches(shape, (3, 4), step=data.draw(st.integers(1, 3)), boundary=rule)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    parts = [rng.normal(size=[s.stop - s.start for s in index] + [2]).astype(np.float32) for index in indices]
    reduction = data.draw(st.sampled_from((mean, last, maximum, total)))
    window = data.draw(st.sampled_from(WINDOWS))
    found = xp.run(lambda *arrays: assemble(arrays, indices, shape, reduction=reduction, window=window), *parts)
    np.testing.assert_allclose(found, by_hand(parts, indices, shape, reduction, window), rtol=2e-6, atol=2e-6)


def by_hand(parts, indices, shape, reduction, window):
    """Assemble voxel by voxel, in double precision, from the definition."""
    volume = np.zeros((*shape, parts[0].shape[-1]))
    for voxel in np.ndindex(shape):
        values, weights = [], []
        for part, index in zip(parts, indices, strict=True):
            inner = [place - s.start for place, s in zip(voxel, index, strict=True)]
            sizes = [s.stop - s.start for s in index]
            if all(0 <= place < size for place, size in zip(inner, sizes, strict=True)):
                values.append(part[tuple(inner)].astype(np.float64))
                weights.append(np.prod([window(size)[place] for place, size in zip(inner, sizes, strict=True)]))
        volume[voxel] = {
            "mean": lambda v, w: np.average(v, axis=0, weights=w),
            "total": lambda v, _: np.sum(v, axis=0),
            "maximum": lambda v, _: np.max(v, axis=0),
            "last": lambda v, _: v[-1],
        }[reduction.name](values, weights)
    return volume


@settings(deadline=None, max_examples=60)
@given(st.data(), shapes, st.sampled_from(WINDOWS))
def test_any_list_of_indices_gives_the_weighted_mean(data, shape, window):
    shape = shape[:2]
    indices = data.draw(indices_of(shape))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    spans = [[e if isinstance(e, slice) else slice(e, e + 1) for e in index] for index in indices]
    parts = [rng.normal(size=[s.stop - s.start for s in span] + [1]) for span in spans]
    given_parts = [
        part.reshape([s.stop - s.start for s in index if isinstance(s, slice)] + [1])
        for part, index in zip(parts, indices, strict=True)
    ]
    found = assemble(given_parts, indices, shape, window=window)
    np.testing.assert_allclose(found, by_hand(parts, spans, shape, mean, window), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", [mean, last, maximum, vote((112, 113))], ids=lambda reduction: reduction.name)
@pytest.mark.parametrize("rule", COVERING)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float32, np.float64])
def test_constant_in_constant_out_with_patches_larger_than_the_volume_too(reduction, rule, window, dtype):
    if reduction.name == "vote" and not np.issubdtype(dtype, np.integer):
        return
    for shape, patch in (((7, 6), (3, 4)), ((3, 8), (5, 3)), ((2, 2), (3, 5))):
        if any(p > s for p, s in zip(patch, shape, strict=True)) and rule not in (indexing.clip, indexing.overhang):
            continue
        indices = indexing.patches(shape, patch, step=2, boundary=rule)
        parts = (np.full([s.stop - s.start for s in index], 113, dtype=dtype) for index in indices)
        found = assemble(parts, indices, shape, reduction=reduction, window=window)
        assert (found == 113).all()
        assert found.shape == shape


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.data(), st.lists(st.integers(3, 8), min_size=1, max_size=3).map(tuple))
def test_margins_are_cut_before_anything_is_added(data, shape):
    indices = data.draw(indices_of(shape))
    volume = np.random.default_rng(0).normal(size=(*shape, 2))
    margin = tuple(
        data.draw(st.one_of(st.integers(0, 2), st.tuples(st.integers(0, 2), st.integers(0, 2)))) for _ in shape
    )
    parts = (extract(volume, index, margin=margin, pad_mode=reflect) for index in indices)
    np.testing.assert_array_equal(assemble(parts, indices, shape, margin=margin), volume)


@pytest.mark.slow
@pytest.mark.parametrize("reduction", [mean, total, maximum, last], ids=lambda reduction: reduction.name)
def test_gradients_in_torch_are_those_of_jax(reduction):
    grid = indexing.patches((6, 5), (3, 3), step=2)
    parts = np.random.default_rng(0).normal(size=(len(grid), 3, 3)).astype(np.float32)

    def loss(array):
        return (assemble(array, grid, (6, 5), reduction=reduction, window=hann) ** 2).sum()

    tensor = torch.tensor(parts, requires_grad=True)
    loss(tensor).backward()
    np.testing.assert_allclose(tensor.grad.numpy(), jax.grad(loss)(jnp.asarray(parts)), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "ones", [lambda s: jnp.ones(s, dtype=jnp.bfloat16), lambda s: torch.ones(s, dtype=torch.bfloat16)]
)
def test_bfloat16_is_summed_in_float32(ones):
    indices = [*indexing.patches((3,), (3,))] * 400
    parts = [ones(3) * (1 + k % 2 * 2.0**-7) for k in range(400)]
    found = assemble(parts, indices, (3,), dtype=jnp.float32 if isinstance(parts[0], jnp.ndarray) else torch.float32)
    np.testing.assert_allclose(np.asarray(found), 1 + 2.0**-8, rtol=1e-6)
    assert assemble(parts, indices, (3,)).dtype == parts[0].dtype
    summed = assemble(parts, indices, (3,), reduction=total, dtype=found.dtype)
    np.testing.assert_allclose(np.asarray(summed), 400 * (1 + 2.0**-8))
