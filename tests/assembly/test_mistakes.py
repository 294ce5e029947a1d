"""Assembly: what fills gaps, and arguments that are refused in one sentence, on every library."""

import tracemalloc

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mia_functional import indexing
from mia_functional.assembly import (
    add,
    assemble,
    assemble_planes,
    assemble_subjects,
    finish,
    last,
    maximum,
    mean,
    merge_planes,
    sliding_window,
    start,
    total,
    vote,
)

HALF = [(slice(0, 2),)]
PAIR = [(slice(0, 2),), (slice(1, 3),)]
ONES = np.ones((1, 2))
LIBRARIES = {"numpy": np.asarray, "jax": jnp.asarray, "torch": torch.asarray}


@pytest.fixture(params=LIBRARIES)
def convert(request):
    """Return what makes arrays of a library."""
    return LIBRARIES[request.param]


@pytest.mark.parametrize("indices", [HALF, indexing.patches((2,), (2,))], ids=["listed", "grid"])
@pytest.mark.parametrize("reduction", [last, maximum, vote((0, 7, 255)), mean, total], ids=lambda each: each.name)
def test_a_fill_value_has_to_be_one_of_the_volume(convert, reduction, indices):
    parts = convert(np.full((1, 2), 7, np.uint8))
    found = assemble(parts, indices, (4,), reduction=reduction, fill_value=255)
    assert np.asarray(found).tolist() == [7, 7, 255, 255]
    for fill_value in (-1, 300, 0.5, float("nan")):
        if reduction in (mean, total):
            expected = [7, 7, fill_value, fill_value]
            np.testing.assert_array_equal(
                np.asarray(assemble(parts, indices, (4,), reduction=reduction, fill_value=fill_value)), expected
            )
            continue
        for call in (assemble, lambda *given, **options: list(assemble_planes(*given, **options))):
            with pytest.raises(ValueError, match="`fill_value` must be a whole number within 0 and 255"):
                call(parts, indices, (4,), reduction=reduction, fill_value=fill_value)


def test_a_fill_value_is_looked_at_without_gaps_too(convert):
    grid = indexing.patches((4,), (2,))
    parts = convert(np.ones((2, 2), np.uint8))
    assert np.asarray(assemble(parts, grid, (4,), reduction=last, fill_value=255)).tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="`fill_value` must be a whole number within 0 and 255"):
        assemble(parts, grid, (4,), reduction=last, fill_value=300)


def test_gaps_are_filled_on_every_axis_and_with_channels(xp):
    grid = indexing.patches((7, 8, 9), (2, 3, 2), step=(3, 4, 3), boundary=indexing.drop)
    parts = np.random.default_rng(0).normal(size=(len(grid), 2, 3, 2, 2)).astype(np.float32)
    expected = np.full((7, 8, 9, 2), -5, np.float32)
    for index, part in zip(grid, parts, strict=True):
        expected[index] = part
    for indices in (grid, list(grid)):
        found = xp.run(lambda array, indices=indices: assemble(array, indices, (7, 8, 9), fill_value=-5.0), parts)
        np.testing.assert_array_equal(found, expected)
    planes = list(assemble_planes(parts, grid, (7, 8, 9), fill_value=-5.0))
    np.testing.assert_array_equal(np.stack([plane for _, plane in planes]), expected)


def test_filling_the_gaps_of_a_grid_needs_little_memory():
    grid = indexing.patches((60, 60, 60), (20, 20, 20), step=25, boundary=indexing.drop)
    parts = [np.ones((20, 20, 20, 2), np.float32)] * len(grid)
    tracemalloc.start()
    found = assemble(parts, grid, (60, 60, 60), fill_value=0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * found.nbytes


class Named:
    """Samples of one subject, as `assemble_subjects` looks at them."""

    def __init__(self, indices, shape):
        self.numbers, self.indices, self.kept = (0,), (indices,), ()
        self.dataset = type("Described", (), {"grids": (shape,), "subjects": ("A",)})


def subjects(*predictions, **options):
    """Assemble predictions of two halves of a subject."""
    return list(assemble_subjects(Named(PAIR, (3,)), predictions, **options))


FIRST, SECOND = ({"subject": "A", "index": index} for index in PAIR)


@pytest.mark.parametrize("reduction", [last, maximum, mean], ids=lambda each: each.name)
@pytest.mark.parametrize(
    "parts",
    [
        (np.ones(2, np.uint8), np.ones(2) * 0.5),
        (np.ones(2) * 1e6, np.ones(2, np.float16)),
        (np.ones(2), torch.ones(2, dtype=torch.float64)),
        (jnp.ones(2), np.ones(2, np.float32)),
    ],
    ids=["kinds", "sizes", "torch", "jax"],
)
def test_patches_are_of_one_library_and_dtype(parts, reduction):
    for call in (
        lambda: assemble(list(parts), PAIR, (3,), reduction=reduction),
        lambda: list(assemble_planes(list(parts), PAIR, (3,), reduction=reduction)),
        lambda: merge_planes(parts, reduction=reduction),
        lambda: subjects((FIRST, parts[0]), (SECOND, parts[1]), reduction=reduction),
    ):
        with pytest.raises(TypeError, match=r"` must be of one library and dtype, .* of .*; got"):
            call()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: assemble(ONES, HALF, (2,), reduction="mean"), "`reduction` must be a Reduction such as"),
        (lambda: assemble(ONES, HALF, (2,), reduction=vote), "`reduction` must be a Reduction such as"),
        (lambda: list(assemble_planes(ONES, HALF, (2,), reduction=None)), "`reduction` must be a Reduction such as"),
        (lambda: merge_planes([ONES], reduction="mean"), "`reduction` must be a Reduction such as"),
        (lambda: start(ONES, (1, 2), reduction="mean"), "`reduction` must be a Reduction such as"),
        (lambda: finish(ONES, reduction="mean"), "`reduction` must be a Reduction such as"),
        (lambda: subjects(reduction=vote), "`reduction` must be a Reduction such as"),
        (lambda: assemble(ONES, HALF, (2,), window="hann"), "`window` must be a function such as `gaussian`"),
        (lambda: subjects(window=3), "`window` must be a function such as `gaussian`"),
        (lambda: sliding_window(abs, np.ones(4), (2,), window="hann"), "`window` must be a function such as `gauss"),
        (lambda: sliding_window("network", np.ones(4), (2,)), "`function` must be a function such as a network"),
        (lambda: sliding_window(lambda part: {"a": part}, np.ones(4), (2,)), "`function` must return an array; got d"),
        (lambda: sliding_window(lambda part: (part,), jnp.ones(4), (2,)), "`function` must return an array; got tuple"),
        (lambda: assemble(None, HALF, (2,)), "`patches` must be an array or arrays one after the other; got None"),
        (lambda: assemble(ONES, None, (2,)), "`indices` must be indices one after the other; got None"),
        (lambda: assemble(ONES, 5, (2,)), "`indices` must be indices one after the other; got 5"),
        (lambda: assemble([3.0], HALF, (2,)), "`patches` must be an array; got float"),
        (lambda: assemble(ONES, [slice(0, 2)], (2,)), "`indices` must hold tuples of integers, and of slices with"),
        (lambda: assemble(ONES, [(slice(None),)], (2,)), "`indices` must hold tuples of integers, and of slices with"),
        (lambda: assemble(ONES, [(...,)], (2,)), "`indices` must hold tuples of integers, and of slices with"),
        (lambda: assemble(ONES, [(slice(0, 2, 2),)], (2,)), "`indices` must hold tuples of integers, and of slices"),
        (lambda: list(assemble_planes(ONES, [slice(0, 2)], (2,))), "`indices` must hold tuples of integers"),
        (
            lambda: add(start(np.ones(2), (2,)), np.ones(2), HALF[0]),
            "`placement` must be a Placement, from",
        ),
        (lambda: subjects(np.ones(2)), "`predictions` must be pairs of a sample, a dictionary, and its prediction"),
        (lambda: subjects(("A", np.ones(2))), "`predictions` must be pairs of a sample"),
    ],
)
def test_wrong_kinds_are_one_sentence(call, text):
    with pytest.raises(TypeError, match=text):
        call()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: assemble(np.ones(()), HALF, (2,)), "`patches` must have an axis for the patches; got a single number"),
        (
            lambda: assemble([np.ones((2, 1)), np.ones((2, 3))], PAIR, (3,)),
            r"assemble: `patches` must have the channels of the volume, \(1,\); got \(3,\)",
        ),
        (
            lambda: list(assemble_planes([np.ones(2)] * 2, PAIR[::-1], (3,))),
            "`indices` must be in order along the first axis; got start 0",
        ),
        (lambda: subjects(({"images": 1}, np.ones(2))), "have a sample with `subject` and `index`, and at least one"),
        (lambda: subjects((FIRST, {})), "and at least one output; got subject, index and 0 outputs"),
        (
            lambda: subjects((FIRST, {"a": np.ones(2), 1: np.ones(2)}), (SECOND, {"a": np.ones(2)})),
            "`predictions` must have the outputs a, 1; got a",
        ),
    ],
)
def test_wrong_values_are_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()
