"""Assembly inside compiled loops: scans with traced positions, donated buffers, sliding windows."""

import gc
import weakref
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mia_functional import indexing
from mia_functional.assembly import (
    Placement,
    add,
    assemble,
    finish,
    gaussian,
    hann,
    last,
    maximum,
    mean,
    placements,
    sliding_window,
    start,
    total,
    uniform,
)
from mia_functional.extraction import dynamic_patch, extract

SHAPE = (7, 8, 6)
GRID = indexing.patches(SHAPE, (3, 4, 3), step=(2, 3, 2))
VOLUME = np.random.default_rng(0).normal(size=(*SHAPE, 2)).astype(np.float32)
REDUCTIONS = (mean, last, maximum, total)


def doubted(patch, seed):
    """Return a patch with noise, so that overlapping ones disagree."""
    return patch + np.random.default_rng(seed).normal(size=patch.shape).astype(np.float32)


PARTS = np.stack([doubted(extract(VOLUME, index), seed) for seed, index in enumerate(GRID)])


def scanned(parts, places, reduction):
    """Assemble in one scan."""
    state = start(parts[0], SHAPE, reduction=reduction)
    state, _ = jax.lax.scan(lambda state, row: (add(state, *row, reduction=reduction), None), state, (parts, places))
    return finish(state, reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=lambda reduction: reduction.name)
@pytest.mark.parametrize("window", [uniform, hann, gaussian])
def test_a_compiled_scan_equals_assemble(reduction, window):
    (places,) = placements(GRID, SHAPE, window=window)
    found = jax.jit(scanned, static_argnums=2)(jnp.asarray(PARTS), places, reduction)
    expected = assemble(PARTS, GRID, SHAPE, reduction=reduction, window=window)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("window", [uniform, hann, gaussian])
def test_a_compiled_scan_of_what_was_extracted_is_exactly_the_identity(window):
    (places,) = placements(GRID, SHAPE, window=window)

    @jax.jit
    def there_and_back(volume, places):
        def step(state, place):
            return add(state, dynamic_patch(volume, place.start, (3, 4, 3)), place), None

        state = start(volume[:3, :4, :3], SHAPE)
        return finish(jax.lax.scan(step, state, places)[0])

    np.testing.assert_array_equal(there_and_back(jnp.asarray(VOLUME), places), VOLUME)


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=lambda reduction: reduction.name)
def test_a_donated_state_is_reused(reduction):
    (places,) = placements(GRID, SHAPE)
    bring = jax.jit(add, donate_argnums=0, static_argnames="reduction")
    state = start(jnp.asarray(PARTS[0]), SHAPE, reduction=reduction)
    compiled = bring.lower(state, PARTS[0], row(places, 0), reduction=reduction).compile()
    assert compiled.memory_analysis().alias_size_in_bytes == state.nbytes
    for k, part in enumerate(PARTS):
        before = state
        state = bring(state, jnp.asarray(part), row(places, k), reduction=reduction)
        assert before.is_deleted()
    expected = assemble(PARTS, GRID, SHAPE, reduction=reduction)
    np.testing.assert_allclose(finish(state, reduction=reduction), expected, rtol=2e-6, atol=2e-6)


def row(places, k):
    """Return one row of a table of places."""
    return Placement(places.start[k], tuple(line[k] for line in places.lines))


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=lambda reduction: reduction.name)
def test_a_loop_of_your_own_equals_assemble_in_every_library(xp, reduction):
    (places,) = placements(GRID, SHAPE, window=hann)

    def loop(parts):
        state = start(parts[0, ...], SHAPE, reduction=reduction)
        for k in range(len(GRID)):
            state = add(state, parts[k, ...], row(places, k), reduction=reduction)
        return finish(state, reduction=reduction)

    expected = assemble(PARTS, GRID, SHAPE, reduction=reduction, window=hann)
    np.testing.assert_allclose(xp.run(loop, PARTS), expected, rtol=2e-6, atol=2e-6)


def test_placements_are_starts_and_small_lines():
    (places,) = placements(GRID, SHAPE, window=gaussian)
    np.testing.assert_array_equal(places.start, indexing.starts(GRID))
    assert [line.shape for line in places.lines] == [(len(GRID), 2, 3), (len(GRID), 2, 4), (len(GRID), 2, 3)]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("shape", "patch", "step", "rule", "channels"),
    [
        ((9,), (4,), 2, indexing.shift, (2,)),
        ((9, 7), (4, 3), 2, indexing.shift, ()),
        ((7, 9, 6), (3, 4, 3), 2, indexing.even, (2, 3)),
        ((11, 5, 5), (2, 3, 5), 1, indexing.shift, (1,)),
        ((5, 4, 3, 4), (3, 2, 3, 2), 2, indexing.shift, (2,)),
    ],
)
@pytest.mark.parametrize(
    ("reduction", "window"),
    [(mean, uniform), (mean, hann), (mean, gaussian), (last, uniform), (total, uniform), (maximum, uniform)],
)
def test_one_jax_array_of_patches_equals_a_list_of_them(
    shape, patch, step, rule, channels, reduction, window, compiled
):
    indices = indexing.patches(shape, patch, step=step, boundary=rule)
    parts = np.random.default_rng(0).normal(size=(len(indices), *patch, *channels)).astype(np.float32)

    def run(array):
        return assemble(array, indices, shape, reduction=reduction, window=window)

    expected = assemble(list(parts), indices, shape, reduction=reduction, window=window)
    found = (jax.jit(run) if compiled else run)(jnp.asarray(parts))
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
    volume = np.random.default_rng(1).normal(size=(*shape, *channels)).astype(np.float32)
    same = np.stack([volume[index] for index in indices])
    if reduction is not total:
        np.testing.assert_array_equal((jax.jit(run) if compiled else run)(jnp.asarray(same)), volume)


def test_one_jax_array_keeps_its_dtype_and_what_is_no_grid_goes_the_general_way():
    grid = indexing.patches((6, 4), (3, 2), step=2)
    for dtype, found in ((jnp.float16, jnp.float16), (jnp.bfloat16, jnp.bfloat16), (jnp.uint8, jnp.float32)):
        volume = assemble(jnp.full((len(grid), 3, 2), 113, dtype=dtype), grid, (6, 4), window=gaussian)
        assert (volume == 113).all()
        assert volume.dtype == found
    gaps = indexing.patches((5, 4), (2, 2), boundary=indexing.drop)
    assert (assemble(jnp.ones((4, 2, 2)), gaps, (5, 4), fill_value=-1)[4] == -1).all()
    over = indexing.patches((5, 4), (2, 2), boundary=indexing.overhang)
    assert (assemble(jnp.ones((6, 2, 2)), over, (5, 4)) == 1).all()
    with pytest.raises(ValueError, match="is missing"):
        assemble(jnp.ones((4, 2, 2)), gaps, (5, 4))
    with pytest.raises(ValueError, match=r"`patches` must match their index, \(2, 2\); got \(3, 2\)"):
        assemble(jnp.ones((6, 3, 2)), over, (5, 4))


def test_the_mean_of_an_array_has_the_gradient_of_its_weights():
    grid = indexing.patches((5, 4), (3, 2), step=2)
    parts = jnp.asarray(np.random.default_rng(0).normal(size=(len(grid), 3, 2)).astype(np.float32))
    factors = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    found = jax.grad(lambda array: (assemble(array, grid, (5, 4), window=hann) * factors).sum())(parts)
    expected = jax.grad(lambda array: (assemble(list(array), grid, (5, 4), window=hann) * factors).sum())(parts)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_the_mean_of_an_array_needs_memory_for_the_volume_and_some_planes():
    shape, patch = (64, 40, 40), (32, 20, 20)
    grid = indexing.patches(shape, patch, step=16)
    parts = jnp.ones((len(grid), *patch, 4))
    compiled = jax.jit(lambda array: assemble(array, grid, shape, window=gaussian)).lower(parts).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 0.15 * 64 * 40 * 40 * 4 * 4


@pytest.mark.parametrize("window", [uniform, hann, gaussian])
@pytest.mark.parametrize("batch_size", [1, 20])
def test_a_sliding_window_equals_extract_network_assemble(xp, window, batch_size):
    def network(batch):
        return batch[..., :1] * 2.0 - batch[..., 1:] ** 2 + batch[:, :1, :1, :1, :1]

    found = xp.run(
        lambda volume: sliding_window(network, volume, (3, 4, 3), step=(2, 3, 2), window=window, batch_size=batch_size),
        VOLUME,
    )
    parts = [network(extract(VOLUME, index)[np.newaxis])[0] for index in GRID]
    np.testing.assert_allclose(found, assemble(parts, GRID, SHAPE, window=window), rtol=2e-6, atol=5e-6)


@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 6, 3), (2, 3, 2, 3)])
def test_a_sliding_window_that_changes_nothing_is_the_identity_and_may_be_larger_than_the_volume(xp, shape):
    volume = np.random.default_rng(1).normal(size=(*shape, 2)).astype(np.float32)
    found = xp.run(lambda array: sliding_window(lambda batch: batch, array, (3,) * len(shape), window=hann), volume)
    np.testing.assert_array_equal(found, volume)


@pytest.mark.parametrize(
    ("shape", "patch", "step"),
    [((9,), (4,), (2,)), ((9, 8), (4, 3), (2, 1)), ((9, 8, 7), (4, 3, 4), (3, 2, 3)), ((5, 6, 5, 4), (3, 3, 2, 2), 1)],
)
@pytest.mark.parametrize("batch_size", [2, 3, 7])
def test_batches_that_reach_into_the_next_layer_of_patches_keep_their_order(shape, patch, step, batch_size):
    volume = np.random.default_rng(2).normal(size=shape).astype(np.float32)

    def network(batch, stack):
        corner = batch[(slice(None), *(slice(1),) * len(shape))]
        return stack([batch - 3 * corner, corner + 0 * batch], axis=-1)

    options = {"step": step, "window": gaussian, "batch_size": batch_size}
    expected = sliding_window(partial(network, stack=np.stack), volume, patch, **options)
    found = sliding_window(partial(network, stack=jnp.stack), jnp.asarray(volume), patch, **options)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-5)


def test_the_gradient_of_a_sliding_window_is_that_of_assemble():
    volume = jnp.asarray(VOLUME)

    def slid(volume):
        return (sliding_window(jnp.sin, volume, (3, 4, 3), step=(2, 3, 2), window=hann, batch_size=3) ** 2).sum()

    def assembled(volume):
        return (assemble([jnp.sin(volume[index]) for index in GRID], GRID, SHAPE, window=hann) ** 2).sum()

    np.testing.assert_allclose(jax.grad(slid)(volume), jax.grad(assembled)(volume), rtol=2e-5, atol=1e-5)


def test_a_sliding_window_keeps_single_precision_where_double_is_allowed():
    with jax.enable_x64(new_val=True):
        volume = jnp.asarray(VOLUME)
        found = sliding_window(jnp.sin, volume, (3, 4, 3), step=(2, 3, 2), window=hann, batch_size=3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.sin(VOLUME), rtol=2e-6, atol=1e-6)


def test_a_sliding_window_keeps_dtypes_and_sees_batches():
    sizes = []

    def count(batch):
        sizes.append(batch.shape[0])
        return (batch > 0).astype(np.uint8)

    found = sliding_window(count, np.ones((9, 2)), (3, 2), step=2, batch_size=3)
    assert sizes == [3, 1]
    assert found.dtype == np.float32
    assert (found == 1).all()
    assert sliding_window(lambda batch: batch.astype(np.float16), np.ones(4), (2,)).dtype == np.float16


def test_a_sliding_window_in_jax_is_one_program_with_the_network_once():
    calls = []

    def network(batch):
        calls.append(batch.shape)
        return batch * 2

    volume = jnp.asarray(VOLUME)
    run = jax.jit(lambda volume: sliding_window(network, volume, (3, 4, 3), step=(2, 3, 2), batch_size=3))
    np.testing.assert_array_equal(run(volume), VOLUME * 2)
    assert len(calls) <= 3
    text = run.lower(volume).as_text()
    assert "while" in text


def test_a_network_that_is_compiled_already_is_compiled_into_a_loop_once_and_not_kept():
    calls = []

    @jax.jit
    def network(batch):
        calls.append(batch.shape)
        return batch * 2

    volume = jnp.asarray(VOLUME)
    slide = partial(sliding_window, network, patch_shape=(3, 4, 3), step=(2, 3, 2), batch_size=5)
    np.testing.assert_array_equal(slide(volume), VOLUME * 2)
    traced = len(calls)
    np.testing.assert_array_equal(slide(volume + 1), (VOLUME + 1) * 2)
    np.testing.assert_allclose(slide(volume, window=hann), VOLUME * 2)
    assert len(calls) == traced
    assert (slide(volume[:5]) == VOLUME[:5] * 2).all()
    alive = weakref.ref(network)
    del network, slide
    gc.collect()
    assert alive() is None


def test_a_network_that_is_not_compiled_may_change_between_calls():
    weights = {"factor": 2.0}

    def network(batch):
        return batch * weights["factor"]

    volume = jnp.asarray(VOLUME)
    np.testing.assert_array_equal(sliding_window(network, volume, (3, 4, 3)), VOLUME * 2)
    weights["factor"] = 3.0
    np.testing.assert_array_equal(sliding_window(network, volume, (3, 4, 3)), VOLUME * 3)


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=lambda reduction: reduction.name)
def test_slices_in_three_planes_are_scanned_one_table_after_the_other(reduction):
    indices = indexing.slices(SHAPE, axis=(0, 1, 2))
    parts = [doubted(VOLUME[index], seed) for seed, index in enumerate(indices)]
    tables = placements(indices, SHAPE, window=hann)
    ends = np.cumsum((0, *SHAPE))
    planes = tuple(
        np.stack([np.expand_dims(part, axis) for part in parts[ends[axis] : ends[axis + 1]]]) for axis in range(3)
    )

    @jax.jit
    def run(planes):
        state = start(planes[0][0], SHAPE, reduction=reduction)
        for table in zip(planes, tables, strict=True):
            state, _ = jax.lax.scan(lambda state, row: (add(state, *row, reduction=reduction), None), state, table)
        return finish(state, reduction=reduction)

    expected = assemble(parts, indices, SHAPE, reduction=reduction, window=hann)
    np.testing.assert_allclose(run(planes), expected, rtol=2e-6, atol=2e-6)


def test_assembly_under_vmap_is_that_of_each(recwarn):
    (places,) = placements(GRID, SHAPE, window=hann)

    def assembled(parts):
        state = start(parts[0], SHAPE)
        for number in range(len(GRID)):
            state = add(state, parts[number], row(places, number))
        return finish(state)

    pair = jnp.stack([jnp.asarray(PARTS), 2 * jnp.asarray(PARTS)])
    found = jax.vmap(assembled)(pair)
    np.testing.assert_allclose(found[0], assembled(pair[0]), rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(found[1], 2 * found[0], rtol=2e-6)
    assert [str(warning.message) for warning in recwarn] == []


def test_a_sliding_window_may_not_change_the_volume_through_its_patches():
    def careless(batch):
        batch += 1
        return batch

    volume = np.zeros((4, 4))
    assert (sliding_window(careless, volume, (2, 2)) == 1).all()
    assert (volume == 0).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: placements(GRID, (7, 8)), "`indices` must be grids of equal patches inside of"),
        (lambda: placements([(slice(0, 3),)], (3,)), "must be grids of equal patches"),
        (
            lambda: placements(indexing.patches((5,), (2,), boundary=indexing.overhang), (5,)),
            "must be grids of equal patches",
        ),
        (
            lambda: placements(indexing.patches((5,), (2,), boundary=indexing.clip), (5,)),
            "must be grids of equal patches",
        ),
        (lambda: placements(indexing.patches((5,), (2,), step=3), (6,)), r"33\.3333% is missing"),
        (lambda: start(np.ones((2, 9)), (3, 3)), r"`patch` must fit into the volume, \(3, 3\); got \(2, 9\)"),
        (
            lambda: add(start(PARTS[0], SHAPE), PARTS[0][:2], row(placements(GRID, SHAPE)[0], 0)),
            r"`patch` must match its placement, \(3, 4, 3\)",
        ),
        (
            lambda: add(start(PARTS[0], SHAPE), PARTS[0][..., :1], row(placements(GRID, SHAPE)[0], 0)),
            r"`patch` must have the channels of the volume, \(2,\); got \(1,\)",
        ),
        (lambda: sliding_window(lambda b: b[:, 1:], np.ones(5), (3,)), r"`function` must return predictions \(1, 3\)"),
        (lambda: sliding_window(lambda b: b, np.ones(5), (3, 3)), "`patch_shape` must have at most 1 entries"),
        (
            lambda: sliding_window(lambda b: b, np.ones(9), (3,), step=4),
            r"`step` must be at most the patch, \(3,\); got 4",
        ),
        (lambda: sliding_window(lambda b: b, np.ones(9), (3,), batch_size=0), "`batch_size` must be at least 1"),
    ],
)
def test_mistakes_are_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()
