"""Voxels that are predicted one by one: arrays of them, batches, several places at once."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import indexing
from mia_functional.assembly import (
    Placement,
    Reduction,
    add,
    assemble,
    assemble_subjects,
    finish,
    hann,
    last,
    maximum,
    mean,
    placements,
    start,
    total,
    vote,
    voxelwise,
)

from .cases import Cohort, Table

REDUCTIONS = (mean, last, maximum, total, vote(range(4)))


def name_of(value):
    """Name a reduction in a test's title."""
    return value.name if isinstance(value, Reduction) else None


def values(rng, shape, reduction):
    """Return predictions that disagree: labels for a vote."""
    return rng.integers(0, 4, shape).astype(np.int32) if reduction.name == "vote" else rng.normal(size=shape)


@settings(deadline=None, max_examples=100)
@given(data=st.data(), reduction=st.sampled_from(REDUCTIONS))
def test_a_table_of_voxels_in_any_order_and_repeated_equals_one_by_one(data, reduction):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    every = indexing.starts(indexing.voxels(shape))
    rows = data.draw(st.permutations([*range(len(every)), *data.draw(st.lists(st.integers(0, len(every) - 1)))]))
    table = indexing.patches_at(every[rows], (None,) * len(shape))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    channels = (2,) * data.draw(st.integers(0, 1))
    parts = values(rng, (len(rows), *channels), reduction)
    parts = parts if reduction.name == "vote" else parts.astype(np.float32)
    found = assemble(parts, table, shape, reduction=reduction)
    np.testing.assert_array_equal(found, assemble(list(parts), list(table), shape, reduction=reduction))
    assert found.dtype == parts.dtype


@pytest.mark.sampled(10)
@pytest.mark.parametrize("reduction", REDUCTIONS, ids=name_of)
def test_libraries_agree_on_a_table_of_repeated_voxels(xp, reduction):
    rng = np.random.default_rng(0)
    every = indexing.starts(indexing.voxels((3, 4)))
    table = indexing.patches_at(every[[*rng.permutation(12), 3, 3, 11, 0]], (None, None))
    parts = values(rng, (16, 2), reduction)
    parts = parts if reduction.name == "vote" else parts.astype(np.float32)
    found = xp.run(lambda array: assemble(array, table, (3, 4), reduction=reduction), parts)
    expected = assemble(list(parts), list(table), (3, 4), reduction=reduction)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.sampled(17)
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("reduction", [mean, last, total], ids=name_of)
def test_an_array_of_slices_or_voxels_becomes_the_volume(xp, axis, reduction):
    volume = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype(np.float32)
    slices = np.moveaxis(volume, axis if axis >= 0 else axis - 1, 0)
    for parts, indices in (
        (slices, indexing.slices((3, 4, 5), axis=axis)),
        (volume.reshape(-1, 2), indexing.voxels((3, 4, 5))),
        (volume[np.newaxis], indexing.whole((3, 4, 5))),
        (volume[..., 0].reshape(60), indexing.voxels((3, 4, 5))),
    ):
        found = xp.run(
            lambda array, indices=indices: assemble(array, indices, (3, 4, 5), reduction=reduction), parts.copy()
        )
        np.testing.assert_array_equal(found, volume[..., 0] if parts.ndim == 1 else volume)


@pytest.mark.sampled(10)
@pytest.mark.parametrize("reduction", REDUCTIONS, ids=name_of)
def test_listed_slices_that_follow_each_other_are_taken_together(xp, reduction, monkeypatch):
    monkeypatch.setattr(voxelwise, "_HOST_ELEMENTS", 8)
    monkeypatch.setattr(voxelwise, "_HOST_PLANES", 32)
    shape = (5, 4, 70)
    indices = indexing.slices(shape, axis=(1, 2))
    rng = np.random.default_rng(0)
    parts = [values(rng, [shape[k] for k in range(3) if isinstance(i[k], slice)], reduction) for i in indices]
    parts = [part.astype(np.int32 if reduction.name == "vote" else np.float32) for part in parts]
    found = xp.run(lambda *arrays: assemble(list(arrays), indices, shape, reduction=reduction), *parts)
    expected = assemble(iter(parts), indices, shape, reduction=reduction)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (1,), (2,), (3,), (4,), (2, 5)])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, lambda part: part[..., ::-1], np.asfortranarray])
def test_slices_that_are_taken_together_may_have_any_channels_and_strides(dtype, channels, layout):
    volume = np.random.default_rng(0).integers(0, 200, (4, 3, 9, *channels)).astype(dtype)
    indices = indexing.slices((4, 3, 9), axis=2)
    parts = [layout(volume[index]) for index in indices]
    expected = np.stack(parts, axis=2)
    np.testing.assert_array_equal(assemble(parts, indices, (4, 3, 9), reduction=last), expected)
    np.testing.assert_array_equal(assemble(parts, indices, (4, 3, 9)), expected)


def test_slices_with_a_margin_come_back_too():
    volume = np.random.default_rng(0).normal(size=(3, 4))
    parts = np.stack([np.stack([volume[k]] * 3) for k in range(3)])
    np.testing.assert_array_equal(assemble(parts, indexing.slices((3, 4)), (3, 4), margin=((1, 1), 0)), volume)
    table = indexing.patches_at([[0], [1]], (None,))
    found = assemble(np.array([[9, 1, 9], [9, 2, 9]]), table, (2,), margin=1)
    assert found.tolist() == [1, 2]


def test_voxels_of_a_table_leave_gaps_that_are_filled():
    table = indexing.patches_at([[3], [0], [3]], (None,))
    parts = np.array([1.0, 2.0, 4.0])
    assert assemble(parts, table, (5,), fill_value=-1).tolist() == [2, -1, -1, 2.5, -1]
    with pytest.raises(ValueError, match=r"60\.0000% is missing"):
        assemble(parts, table, (5,))


def stepwise(parts, places, shape, reduction, size):
    """Assemble by adding some rows of a table at a time."""
    state = start(parts[0, ...], shape, reduction=reduction)
    for low in range(0, parts.shape[0], size):
        rows = slice(low, min(low + size, parts.shape[0]))
        some = Placement(places.start[rows], tuple(line[rows] for line in places.lines))
        state = add(state, parts[rows, ...], some, reduction=reduction)
    return finish(state, reduction=reduction)


@pytest.mark.sampled(17)
@pytest.mark.parametrize("reduction", REDUCTIONS, ids=name_of)
@pytest.mark.parametrize("size", [7, 60])
def test_several_places_at_once_equal_one_after_the_other(xp, reduction, size):
    shape = (3, 4, 5)
    rng = np.random.default_rng(1)
    for indices, patch in (
        (indexing.voxels(shape), (1, 1, 1)),
        (indexing.patches(shape, (2, 3, 2), step=1), (2, 3, 2)),
        (indexing.slices(shape, axis=1), (3, 1, 5)),
    ):
        parts = values(rng, (len(indices), *patch, 2), reduction)
        parts = parts if reduction.name == "vote" else parts.astype(np.float32)
        (places,) = placements(indices, shape, window=hann)
        found = xp.run(lambda array, places=places: stepwise(array, places, shape, reduction, size), parts)
        expected = stepwise(parts, places, shape, reduction, 1)
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_batches_of_voxels_are_scanned_with_traced_places():
    shape = (4, 5, 6)
    order = np.random.default_rng(0).permutation(120)
    (places,) = placements(indexing.voxels(shape), shape)
    parts = np.random.default_rng(1).normal(size=(120, 1, 1, 1, 3)).astype(np.float32)
    batches = Placement(*(jax.tree.map(lambda column: column[order].reshape(6, 20, *column.shape[1:]), places)))

    @jax.jit
    def run(parts, places):
        state = start(parts[0, 0], shape)
        return finish(jax.lax.scan(lambda state, row: (add(state, *row), None), state, (parts, places))[0])

    found = run(jnp.asarray(parts[order].reshape(6, 20, 1, 1, 1, 3)), batches)
    np.testing.assert_array_equal(found, parts.reshape(*shape, 3))


def test_a_reduction_of_your_own_with_several_states_takes_several_places():
    def begin(patch, shape):
        return total.start(patch, shape), total.start(patch, shape)

    def bring(state, patch, place):
        return total.add(state[0], patch, place), total.add(state[1], patch**2, place)

    spread = Reduction(name="variance", start=begin, add=bring, finish=lambda state: state[1] - state[0] ** 2)
    (places,) = placements(indexing.voxels((2, 2)), (2, 2))
    parts = np.array([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1)
    state = add(start(parts[0], (2, 2), reduction=spread), parts, places, reduction=spread)
    assert state[1].tolist() == [[1, 4], [9, 16]]


SHAPES = ((4, 3, 5), (3, 3, 3), (2, 4, 4))


COHORT = Cohort(("A", "B", "C"), SHAPES)


VOXELS = Table(COHORT, (0, 1, 2), tuple(indexing.voxels(shape) for shape in SHAPES))


VOLUMES = {
    name: np.random.default_rng(k).normal(size=(*shape, 2)).astype(np.float32)
    for k, (name, shape) in enumerate(zip(*COHORT, strict=True))
}


def batched(pairs, size):
    """Return pairs of a subject's name with an index side by side in batches, with what is there."""
    for low in range(0, len(pairs), size):
        names, indices = zip(*pairs[low : low + size], strict=True)
        yield {"subject": names, "index": indices}, np.stack([VOLUMES[n][i] for n, i in pairs[low : low + size]])


PAIRS = [(name, index) for name, indices in zip(COHORT.subjects, VOXELS.indices, strict=True) for index in indices]


@pytest.mark.sampled(11)
@pytest.mark.parametrize("reduction", [mean, last, maximum], ids=name_of)
@pytest.mark.parametrize("size", [13, 200])
def test_voxels_of_several_subjects_come_back_in_any_order(xp, reduction, size):
    if xp.name == "jax-jit":
        return
    pairs = [PAIRS[k] for k in np.random.default_rng(size).permutation(len(PAIRS))]
    predictions = ((batch, {"a": xp.asarray(parts)}) for batch, parts in batched(pairs, size))
    found = dict(assemble_subjects(VOXELS, predictions, reduction=reduction))
    assert found.keys() == VOLUMES.keys()
    for name, volumes in found.items():
        assert type(volumes["a"]) is type(xp.asarray(np.ones(1)))
        np.testing.assert_array_equal(np.asarray(volumes["a"]), VOLUMES[name])


def test_a_subject_of_voxels_is_there_when_its_last_one_is():
    used = []

    def predictions():
        for batch, parts in batched(PAIRS, 9):
            used.extend(batch["index"])
            yield batch, parts

    found = [(name, len(used)) for name, _ in assemble_subjects(VOXELS, predictions())]
    assert found == [("A", 63), ("B", 90), ("C", 119)]


def test_one_voxel_at_a_time_and_a_table_with_repetitions_and_selected_ones():
    table = indexing.patches_at([[0], [2], [0], [1]], (None,))
    samples = Table(Cohort(("A",), ((3,),)), (0,), (table,))
    rows = [(0, 1.0), (2, 5.0), (0, 3.0), (1, 4.0)]
    predictions = [({"subject": "A", "index": (place,)}, np.array(value)) for place, value in rows]
    ((_, found),) = assemble_subjects(samples, predictions)
    assert found.tolist() == [2, 4, 5]
    batch = [({"subject": ("A",) * 4, "index": tuple((k,) for k, _ in rows)}, np.array([v for _, v in rows]))]
    for given_predictions in (predictions, batch):
        ((_, found),) = assemble_subjects(samples, given_predictions, reduction=last)
        assert found.tolist() == [3, 4, 5]
    some = samples._replace(kept=((1, 2),))
    ((_, found),) = assemble_subjects(some, predictions[1:3], fill_value=-1)
    assert found.tolist() == [3, -1, 5]


@pytest.mark.parametrize(
    ("indices", "text"),
    [
        ([(0, 0, 0), (0, 0, 0)], r"got one more of 'A' at \(0, 0, 0\)"),
        ([(0, 0, 0), (0, 9, 0)], r"got one more of 'A' at \(0, 9, 0\)"),
        ([(0, 0, 0), (-1, 0, 0)], r"got one more of 'A' at \(-1, 0, 0\)"),
        ([(0, 0, 0), (0, 0)], r"got one more of 'A' at \(0, 0\)"),
        ([(0, 0, 0), (slice(0, 1), 0, 0)], r"got one more of 'A' at \(slice"),
        ([(0, 0, 0), (0, 0, 1)], "got none for 58 of 'A'"),
    ],
)
def test_voxels_that_belong_to_no_sample_are_refused(indices, text):
    predictions = [({"subject": ("A",) * 2, "index": tuple(indices)}, np.ones((2, 2)))]
    with pytest.raises(ValueError, match=f"must hold every sample once; {text}"):
        list(assemble_subjects(VOXELS, predictions))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: assemble(np.ones(2), indexing.patches_at([[0]], (None,)), (1,)),
            "`patches` must be as many as `indices`, 1",
        ),
        (lambda: assemble(np.ones(0), indexing.patches_at([[0]], (None,)), (1,)), "`patches` must be as many"),
        (
            lambda: assemble(np.ones(1), indexing.patches_at([[0, 0]], (None,) * 2), (1,)),
            "`indices` must have 1 entries",
        ),
        (
            lambda: assemble(np.ones(2), indexing.patches_at([[0], [5]], (None,)), (3,)),
            r"`indices` must touch the volume, \(3,\); got \(5,\)",
        ),
        (lambda: assemble(np.ones((4, 2)), indexing.slices((3, 2)), (3, 2)), "got fewer indices"),
        (lambda: assemble(np.ones((3, 3)), indexing.slices((3, 2)), (3, 2)), r"must match their index, \(2,\)"),
        (
            lambda: add(start(np.ones((1, 2)), (3,)), np.ones((3, 1, 1)), *placements(indexing.voxels((3,)), (3,))),
            r"`patch` must have the channels of the volume, \(2,\); got \(1,\)",
        ),
        (
            lambda: add(start(np.ones(1), (3,)), np.ones((2, 1)), *placements(indexing.voxels((3,)), (3,))),
            r"`patch` must match its placement, \(3, 1\); got \(2, 1\)",
        ),
    ],
)
def test_mistakes_are_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.slow
def test_voxels_of_a_subject_need_no_memory_for_each_sample():
    shape = (40, 40, 40)
    table = Table(Cohort(("A",), (shape,)), (0,), (indexing.voxels(shape),))
    plane = np.ones(1600, dtype=np.float32)
    voxelwise = tuple(indexing.voxels(shape[1:]))
    predictions = (
        ({"subject": ("A",) * 1600, "index": tuple((k, *voxel) for voxel in voxelwise)}, plane) for k in range(40)
    )
    tracemalloc.start()
    ((_, volume),) = assemble_subjects(table, predictions)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (volume == 1).all()
    assert peak < 12 * volume.nbytes
