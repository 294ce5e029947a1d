"""Incremental assembly: scans with traced positions, donated states, loops in every library."""

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
    placements,
    start,
    total,
    uniform,
)
from mia_functional.extraction import dynamic_patch

from .cases import GRID, PARTS, REDUCTIONS, SHAPE, VOLUME, doubted, row


def scanned(parts, places, reduction):
    """Assemble in one scan."""
    state = start(parts[0], SHAPE, reduction=reduction)
    state, _ = jax.lax.scan(lambda state, row: (add(state, *row, reduction=reduction), None), state, (parts, places))
    return finish(state, reduction=reduction)


@pytest.mark.sampled(6)
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


@pytest.mark.sampled(10)
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


@pytest.mark.slow
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
    ],
)
def test_mistakes_are_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=lambda reduction: reduction.name)
def test_a_patch_may_be_filled_again_as_soon_as_it_was_added(reduction):
    """Without a copy 7 of 20 such volumes held what came into the buffer afterwards (JAX 0.10 on the CPU)."""
    shape = (16, 96, 96)
    (table,) = placements(indexing.patches(shape, shape), shape)
    buffer = np.empty(shape, np.int16 if reduction.name == "vote" else np.float32)
    place = row(table, 0)._replace(start=np.zeros(3, np.int32))
    for _ in range(50):
        buffer[:] = 1
        state = start(jnp.asarray(buffer), shape, reduction=reduction)
        state = add(state, buffer, place, reduction=reduction)
        buffer[:] = 2
        place.start[:] = 9
        assert (np.asarray(finish(state, reduction=reduction)) == 1).all()
        place.start[:] = 0


LINE = (300,)
"""A volume with more voxels than 8 bits count."""


@pytest.mark.sampled(14)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"])
def test_starts_of_every_dtype_are_the_same_places(xp, dtype):
    (table,) = placements(indexing.patches(LINE, (60,), step=24), LINE)
    parts = np.arange(len(table.start), dtype=np.float32)[:, None] * np.ones(60, np.float32)
    expected = finish(
        add(start(parts[0], LINE, reduction=last), parts[3], row(table, 3), reduction=last), reduction=last
    )

    def run(parts, begin):
        place = row(table, 3)._replace(start=begin)
        return finish(
            add(start(parts[0, ...], LINE, reduction=last), parts[3, ...], place, reduction=last), reduction=last
        )

    np.testing.assert_array_equal(xp.run(run, parts, np.array([72], dtype)), expected)
    for outside in (-1, 241) if dtype not in ("uint8", "uint16", "uint32") else (241,):
        if outside > np.iinfo(dtype).max:
            continue
        begin = np.array([outside], dtype)
        if xp.name == "jax-jit":
            found = xp.run(run, parts, begin)
            assert np.flatnonzero(found).tolist() == list(
                range(max(0, min(outside, 240)), max(0, min(outside, 240)) + 60)
            )
        else:
            with pytest.raises(ValueError, match=r"add: `placement` must start within 0 and \(240,\); got \("):
                xp.run(run, parts, begin)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32"])
def test_traced_starts_in_front_of_the_volume_never_count_from_its_end(dtype):
    (table,) = placements(indexing.patches(LINE, (60,), step=24), LINE)
    begins = np.array([[-1], [-60], [5], [100]], dtype)

    def run(begin):
        patch = jnp.ones(60)
        state = start(patch, LINE, reduction=total)
        return finish(add(state, patch, row(table, 3)._replace(start=begin), reduction=total), reduction=total)

    for found, first in zip(jax.jit(jax.vmap(run))(begins), (0, 0, 5, 100), strict=True):
        assert np.flatnonzero(found).tolist() == list(range(first, first + 60))


def test_traced_voxels_outside_of_the_volume_are_left_out():
    (table,) = placements(indexing.voxels((4, 3)), (4, 3))
    places = Placement(np.array([[-1, 0], [0, 1], [3, 2], [9, 0]], np.int8), tuple(line[:4] for line in table.lines))
    values = jnp.arange(1.0, 5.0).reshape(4, 1, 1)
    run = jax.jit(lambda begins: add(jnp.zeros((4, 3)), values, places._replace(start=begins), reduction=total))
    expected = np.zeros((4, 3))
    expected[0, 1], expected[3, 2] = 2, 3
    np.testing.assert_array_equal(run(places.start), expected)
    with pytest.raises(ValueError, match=r"`placement` must start within 0 and \(3, 2\); got \(-1, 0\)"):
        add(np.zeros((4, 3)), np.asarray(values), places, reduction=total)
