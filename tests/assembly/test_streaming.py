"""Planes one by one, and volumes of several planes merged."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import indexing
from mia_functional.assembly import (
    assemble,
    assemble_planes,
    gaussian,
    last,
    maximum,
    mean,
    merge_planes,
    total,
    vote,
)
from mia_functional.extraction import extract

from .cases import COVERING, WINDOWS, loose, shapes


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.data(), shapes, st.sampled_from((mean, last, maximum, total)), st.sampled_from(WINDOWS))
def test_planes_one_by_one_are_those_of_the_volume(data, shape, reduction, window):
    patch = tuple(data.draw(st.integers(1, size)) for size in shape)
    step = tuple(data.draw(st.integers(1, size)) for size in patch)
    rule = data.draw(st.sampled_from(COVERING))
    grid = indexing.patches(shape, patch, step=step, boundary=rule)
    indices = data.draw(st.sampled_from((grid, list(grid), indexing.slices(shape, axis=0))))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    volume = rng.normal(size=(*shape, 2)).astype(np.float32)
    parts = [extract(volume, index) + rng.normal(size=2).astype(np.float32) for index in indices]
    options = {"reduction": reduction, "window": window}
    planes = list(assemble_planes(iter(parts), indices, shape, **options))
    assert [position for position, _ in planes] == list(range(shape[0]))
    found = np.stack([plane for _, plane in planes])
    np.testing.assert_array_equal(found, assemble(parts, indices, shape, **options))
    assert found.dtype == np.float32


@pytest.mark.sampled(4)
@settings(loose, max_examples=10)
@given(data=st.data())
def test_planes_of_labels_by_vote_are_those_of_the_volume_and_of_counting(xp, data):
    shape = (5, 6)
    indices = indexing.patches(shape, (3, 4), step=data.draw(st.integers(1, 3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    parts = rng.integers(2, 6, (len(indices), 3, 4)).astype(np.int32)
    reduction = vote(data.draw(st.permutations(range(2, 6))))

    def by_planes(arrays):
        rows = (arrays[k, ...] for k in range(arrays.shape[0]))
        return tuple(plane for _, plane in assemble_planes(rows, indices, shape, reduction=reduction))

    planes = np.stack(xp.run(by_planes, parts))
    np.testing.assert_array_equal(planes, xp.run(lambda a: assemble(a, indices, shape, reduction=reduction), parts))
    ballots = np.zeros((*shape, 6))
    for part, index in zip(parts, indices, strict=True):
        np.add.at(ballots, (*np.mgrid[index], part), 1)
    assert (np.take_along_axis(ballots, planes[..., np.newaxis], axis=-1)[..., 0] == ballots.max(axis=-1)).all()


def test_planes_merge_to_their_mean_and_agreement_is_exact(xp):
    volume = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    assert (xp.run(lambda v: merge_planes([v, v, v]), volume) == volume).all()
    found = xp.run(lambda v: merge_planes([v, v + 3, v + 6]), volume)
    np.testing.assert_allclose(found, volume + 3, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(xp.run(lambda v: merge_planes([v, -v], reduction=maximum), volume), abs(volume))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: merge_planes([]), "`volumes` must hold at least one volume"),
        (lambda: merge_planes([np.ones(2), np.ones(3)]), r"`volumes` must have one shape, \(2,\); got \(3,\)"),
        (
            lambda: list(assemble_planes([np.ones(2)] * 3, [(slice(k, k + 2),) for k in (0, 2, 0)], (4,))),
            "`indices` must be in order along the first axis; got start 0",
        ),
        (lambda: list(assemble_planes([], indexing.slices((2, 2)), (2, 2))), "got fewer patches"),
        (lambda: list(assemble_planes([], [], (2, 2), fill_value=0)), "hold at least one patch"),
    ],
)
def test_mistakes_with_planes_are_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_planes_without_a_patch_are_filled_or_missed():
    indices = [(slice(1, 2), slice(0, 2)), (slice(3, 4), slice(0, 1))]
    parts = [np.ones((1, 2)), np.full((1, 1), 2.0)]
    found = np.stack([plane for _, plane in assemble_planes(parts, indices, (5, 2), fill_value=-1)])
    assert found.tolist() == [[-1, -1], [1, 1], [-1, -1], [2, -1], [-1, -1]]
    with pytest.raises(ValueError, match=r"100\.0000% is missing"):
        list(assemble_planes(parts, indices, (5, 2)))


@pytest.mark.slow
def test_planes_never_hold_the_whole_volume():
    def peak_bytes(depth):
        shape = (depth, 40, 40)
        grid = indexing.patches(shape, (12, 20, 20), step=6)
        patches = (np.ones((12, 20, 20, 8), dtype=np.float32) for _ in grid)
        labels = np.zeros(shape, dtype=np.uint8)
        tracemalloc.start()
        for position, plane in assemble_planes(patches, grid, shape, window=gaussian):
            labels[position] = plane.argmax(axis=-1)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(12)  # what is imported and cached at the first use does not count
    assert peak_bytes(480) < 0.1 * 480 * 40 * 40 * 8 * 4
