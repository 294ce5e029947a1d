"""Predictions of many subjects: any order, batches, dictionaries, and mistakes."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import indexing
from mia_functional.assembly import (
    assemble,
    assemble_subjects,
    gaussian,
    last,
    maximum,
    mean,
    total,
    vote,
)
from mia_functional.extraction import extract

from .cases import Cohort, Table

COHORT = Cohort()


VOLUMES = {
    name: np.random.default_rng(k).normal(size=(*grid, 2)).astype(np.float32)
    for k, (name, grid) in enumerate(zip(*COHORT, strict=True))
}


TABLE = Table(COHORT, (0, 1, 2), tuple(indexing.patches(grid, (3, 3, 3), step=2) for grid in COHORT.grids))


def listed(table):
    """Return all samples with the part of the volume that they are."""
    return [
        ({"subject": COHORT.subjects[number], "index": index}, extract(VOLUMES[COHORT.subjects[number]], index))
        for number, indices in zip(table.numbers, table.indices, strict=True)
        for index in indices
    ]


def batched(pairs, size):
    """Return pairs of samples and predictions side by side in batches."""
    for low in range(0, len(pairs), size):
        samples, parts = zip(*pairs[low : low + size], strict=True)
        names = tuple(sample["subject"] for sample in samples)
        yield {"subject": names, "index": tuple(s["index"] for s in samples)}, np.stack(parts)


@pytest.mark.parametrize("seed", [None, 0, 1])
@pytest.mark.parametrize("window", [None, gaussian])
def test_every_subject_comes_back_exactly_in_any_order(seed, window):
    pairs = listed(TABLE)
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(pairs))
        pairs = [pairs[k] for k in order]
    options = {} if window is None else {"window": window}
    for predictions in (pairs, batched(pairs, 7)):
        found = dict(assemble_subjects(TABLE, predictions, **options))
        assert found.keys() == VOLUMES.keys()
        for name, volume in found.items():
            np.testing.assert_array_equal(volume, VOLUMES[name])


@pytest.mark.parametrize("reduction", [mean, maximum])
def test_a_shuffled_order_gives_the_same_volumes_where_patches_disagree(reduction):
    rng = np.random.default_rng(0)
    pairs = [(sample, part + rng.normal(size=part.shape).astype(np.float32)) for sample, part in listed(TABLE)]
    shuffled = [pairs[k] for k in rng.permutation(len(pairs))]
    options = {"window": gaussian, "reduction": reduction}
    found, other = (dict(assemble_subjects(TABLE, predictions, **options)) for predictions in (pairs, shuffled))
    for number, name in enumerate(COHORT.subjects):
        parts = [part for sample, part in pairs if sample["subject"] == name]
        expected = assemble(parts, TABLE.indices[number], COHORT.grids[number], **options)
        np.testing.assert_allclose(found[name], expected, rtol=2e-6, atol=2e-6)
        np.testing.assert_allclose(other[name], expected, rtol=2e-6, atol=2e-6)


@pytest.mark.slow
@settings(deadline=None, max_examples=80)
@given(st.data(), st.sampled_from((last, maximum, vote(range(4)), mean, total)))
def test_a_shuffled_order_gives_the_volumes_of_the_order_of_the_samples(data, reduction):
    grids = tuple(data.draw(st.lists(st.tuples(*[st.integers(2, 6)] * 2), min_size=1, max_size=3)))
    cohort = Cohort(tuple("ABC"[: len(grids)]), grids)
    indices = tuple(data.draw(overlapping(grid)) for grid in grids)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    dtype = np.uint8 if reduction.name == "vote" else data.draw(st.sampled_from((np.uint8, np.float32)))
    parts = [[random_part(rng, index, dtype) for index in rows] for rows in indices]
    pairs = [
        ({"subject": name, "index": index}, part)
        for name, rows, predictions in zip(cohort.subjects, indices, parts, strict=True)
        for index, part in zip(rows, predictions, strict=True)
    ]
    table = Table(cohort, tuple(range(len(grids))), indices)
    found = dict(assemble_subjects(table, data.draw(st.permutations(pairs)), reduction=reduction))
    for place, name in enumerate(cohort.subjects):
        expected = assemble(parts[place], indices[place], grids[place], reduction=reduction)
        rounding = 2e-6 if reduction in (mean, total) and dtype == np.float32 else 1e-6 if reduction is mean else 0
        np.testing.assert_allclose(found[name], expected, rtol=rounding, atol=rounding)
        assert found[name].dtype == expected.dtype


def overlapping(shape):
    """Indices that overlap and differ in size, none twice."""
    steps = [st.integers(0, size - 1).flatmap(partial(range_from, size)) for size in shape]
    rows = st.lists(st.tuples(*steps), max_size=6, unique_by=str)
    return rows.map(lambda rows: [*indexing.whole(shape), *(row for row in rows if row not in indexing.whole(shape))])


def range_from(size, low):
    """A plane or a range of an axis that begins there."""
    return st.one_of(st.just(low), st.integers(low + 1, size).map(lambda high: slice(low, high)))


def random_part(rng, index, dtype):
    """Return a prediction that agrees with no other."""
    shape = [entry.stop - entry.start for entry in index if isinstance(entry, slice)]
    return rng.integers(0, 4, shape).astype(dtype) if dtype == np.uint8 else rng.normal(size=shape).astype(dtype)


def test_the_last_of_the_samples_stays_in_every_library(xp):
    shape = (5, 4)
    indices = indexing.patches(shape, (3, 2), step=1)
    order = np.random.default_rng(0).permutation(len(indices))
    parts = np.random.default_rng(1).normal(size=(len(indices), 3, 2, 2)).astype(np.float32)
    table = Table(Cohort(("A",), (shape,)), (0,), (indices,))

    def shuffled(arrays):
        pairs = (({"subject": "A", "index": indices[k]}, arrays[k, ...]) for k in order.tolist())
        ((_, volume),) = assemble_subjects(table, pairs, reduction=last)
        return volume

    np.testing.assert_array_equal(xp.run(shuffled, parts), assemble(parts, indices, shape, reduction=last))


def test_samples_of_one_index_are_taken_in_the_order_of_their_predictions():
    one, two = (slice(0, 2),), (slice(1, 3),)
    table = Table(Cohort(("A",), ((3,),)), (0,), ([one, two, one],))
    pairs = [({"subject": "A", "index": index}, np.full(2, value)) for index, value in ((one, 1), (one, 2), (two, 3))]
    ((_, volume),) = assemble_subjects(table, pairs, reduction=last)
    assert volume.tolist() == [2, 2, 3]
    with pytest.raises(ValueError, match="got one more of 'A'"):
        list(assemble_subjects(table, [*pairs[:2], pairs[0]]))


def test_a_subject_is_there_when_its_last_sample_is_and_no_earlier():
    pairs = listed(TABLE)
    counts = [len(indices) for indices in TABLE.indices]
    order = [*range(counts[0], sum(counts[:2])), *range(sum(counts[:2]), sum(counts)), *range(counts[0])]
    used = []

    def predictions():
        for k in order:
            used.append(k)
            yield pairs[k]

    found = [(name, len(used)) for name, _ in assemble_subjects(TABLE, predictions())]
    assert found == [("B", counts[1]), ("C", counts[1] + counts[2]), ("A", sum(counts))]


def test_only_unfinished_subjects_are_held():
    count = 20
    cohort = Cohort(tuple(f"S{k}" for k in range(count)), ((32, 32, 32),) * count)
    grid = indexing.slices((32, 32, 32))
    table = Table(cohort, tuple(range(count)), (grid,) * count)
    plane = np.ones((32, 32, 4), dtype=np.float32)
    predictions = (({"subject": name, "index": index}, plane) for name in cohort.subjects for index in grid)
    tracemalloc.start()
    for _, volume in assemble_subjects(table, predictions):
        assert (volume == 1).all()
        size = volume.nbytes
        del volume
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * size


def test_dictionaries_of_outputs_become_dictionaries_of_volumes():
    pairs = [(sample, {"image": part, "first": part[..., 0]}) for sample, part in listed(TABLE)]
    for predictions in (pairs, [(sample, part) for sample, part in pairs[::-1]]):
        for name, volumes in assemble_subjects(TABLE, predictions):
            np.testing.assert_array_equal(volumes["image"], VOLUMES[name])
            np.testing.assert_array_equal(volumes["first"], VOLUMES[name][..., 0])
    (sample, _), *_ = pairs
    several = {name: np.stack([part] * 2) for name, part in pairs[0][1].items()}
    batch = {"subject": ("A", "A"), "index": (sample["index"], sample["index"])}
    with pytest.raises(ValueError, match="must hold every sample once; got one more of 'A'"):
        list(assemble_subjects(TABLE, [(batch, several)]))


def test_every_library_and_labels_by_vote(xp):
    if xp.name == "jax-jit":
        return
    labels = {name: (volume[..., 0] > 0).astype(np.int32) + 3 for name, volume in VOLUMES.items()}
    pairs = [
        (sample, xp.asarray(extract(labels[sample["subject"]], sample["index"]))) for sample, _ in listed(TABLE)[::-1]
    ]
    for name, volume in assemble_subjects(TABLE, pairs, reduction=vote((3, 4))):
        assert type(volume) is type(pairs[0][1])
        np.testing.assert_array_equal(np.asarray(volume), labels[name])


def test_a_part_of_the_subjects_and_selected_samples_leave_gaps_that_are_filled():
    table = Table(COHORT, (2, 0), (indexing.slices((4, 4, 4)), indexing.slices((6, 5, 4))), ((1, 3), (0, 5)))
    predictions = [
        ({"subject": name, "index": (k, slice(0, 5), slice(0, 4))}, np.full((5, 4), k, dtype=np.float32))
        for name, k in (("A", 5), ("A", 0))
    ] + [
        ({"subject": "C", "index": (k, slice(0, 4), slice(0, 4))}, np.full((4, 4), k, dtype=np.float32)) for k in (1, 3)
    ]
    found = dict(assemble_subjects(table, predictions, fill_value=-1.0))
    assert list(found) == ["A", "C"]
    assert found["A"][:, 0, 0].tolist() == [0, -1, -1, -1, -1, 5]
    assert found["C"][:, 0, 0].tolist() == [-1, 1, -1, 3]
    with pytest.raises(ValueError, match=r"must cover the volume, or `fill_value` be given; 66\.6667% is missing"):
        list(assemble_subjects(table, predictions))


def test_margins_and_last_and_dtype():
    pairs = [
        (sample, extract(VOLUMES[sample["subject"]], sample["index"], margin=((1, 2), 0, 1)))
        for sample, _ in listed(TABLE)
    ]
    for margin in (((1, 2), 0, 1), np.array([[1, 2], [0, 0], [1, 1]])):
        options = {"margin": margin, "reduction": last, "dtype": np.float64}
        for name, volume in assemble_subjects(TABLE, pairs, **options):
            np.testing.assert_array_equal(volume, VOLUMES[name])
            assert volume.dtype == np.float64


PAIRS = listed(TABLE)


@pytest.mark.parametrize(
    ("predictions", "text"),
    [
        (PAIRS[:1] + PAIRS[:1], r"`predictions` must hold every sample once; got one more of 'A' at \(slice\(0, 3"),
        (PAIRS + PAIRS[:1], "must hold every sample once; got one more of 'A'"),
        ([({"subject": "D", "index": (0,)}, PAIRS[0][1])], "must hold every sample once; got one more of 'D'"),
        ([({"subject": "A", "index": (slice(0, 2),) * 3}, PAIRS[0][1])], "got one more of 'A'"),
        (PAIRS[:-1], "must hold every sample once; got none for 1 of 'C'"),
        ([], "must hold every sample once; got none for 12 of 'A'"),
        ([(PAIRS[0][0], PAIRS[0][1][:2])], r"`predictions` must match their index, \(3, 3, 3\); got \(2, 3, 3, 2\)"),
        (
            [PAIRS[0], (PAIRS[1][0], PAIRS[1][1][..., :1])],
            r"`predictions` must have the channels of the volume, \(2,\); got \(1,\)",
        ),
        ([({"subject": ("A",), "index": (PAIRS[0][0]["index"],)}, np.ones((2, 3)))], "must have one entry per sample"),
        (
            [(PAIRS[0][0], {"a": PAIRS[0][1]}), (PAIRS[1][0], {"b": PAIRS[1][1]})],
            "`predictions` must have the outputs a; got b",
        ),
    ],
)
def test_mistakes_are_one_sentence(predictions, text):
    with pytest.raises(ValueError, match=text):
        list(assemble_subjects(TABLE, predictions))
