"""Reductions: by hand, votes, and how they print."""

import inspect
import pickle

import numpy as np
import pytest

from mia_functional.assembly import assemble, assemble_planes, last, maximum, mean, merge_planes, start, total, vote

HALF = [(slice(0, 2),)]


def test_total_maximum_and_vote_by_hand(xp):
    parts = np.array([[1, 5, 2], [4, 4, 2], [5, 4, 3]], dtype=np.int32)
    indices = [(slice(0, 3),), (slice(1, 4),), (slice(1, 4),)]

    def reduce(reduction):
        return xp.run(
            lambda array: assemble([array[k, ...] for k in range(3)], indices, (4,), reduction=reduction), parts
        )

    assert reduce(total).tolist() == [1, 5 + 4 + 5, 2 + 4 + 4, 2 + 3]
    assert reduce(maximum).tolist() == [1, 5, 4, 3]
    found = reduce(vote(range(1, 6)))
    assert found.tolist() == [1, 5, 4, 2]
    assert found.dtype == np.int32
    assert reduce(vote((5, 4, 3, 2, 1))).tolist() == [1, 5, 4, 3]


@pytest.mark.slow
def test_votes_are_counted_up_to_a_limit_and_never_wrap():
    parts = np.array([[0, 1, 1]] * 40000 + [[1, 0, 1]] * 3, dtype=np.uint8)
    found = assemble(parts, [(slice(0, 3),)] * len(parts), (3,), reduction=vote((0, 1)))
    assert found.tolist() == [0, 1, 1]
    assert found.dtype == np.uint8


def test_a_vote_is_the_same_record_for_the_same_labels():
    assert vote([0, 1]) is vote((0, 1))
    assert hash(vote((0, 1))) != hash(vote((1, 0)))


@pytest.mark.parametrize(
    ("parts", "labels", "kind", "text"),
    [
        (np.ones(2), (0, 1), TypeError, "assemble: `patches` must hold integer labels; got dtype float64"),
        (np.array([2, 7, 1]), (1,), ValueError, r"`patches` must hold only the labels \(1,\); got \[2, 7\]"),
        (np.array([2], np.uint8), (2, 300), ValueError, "`labels` must be numbers that patches of uint8 can hold"),
        (np.array([2]), (2, 2), ValueError, r"`labels` must be different whole numbers of at most 32 bits; got \(2, 2"),
        (np.array([2]), (), ValueError, "`labels` must be different"),
        (np.array([2]), (2, 2**31), ValueError, "`labels` must be different whole numbers of at most 32 bits"),
        (np.array([2]), 2, TypeError, "`labels` must be a sequence of whole numbers"),
    ],
)
def test_vote_refuses_what_is_no_label(parts, labels, kind, text):
    with pytest.raises(kind, match=text):
        assemble([parts], [(slice(0, len(parts)),)], parts.shape, reduction=vote(labels))


def test_reductions_print_as_their_names_so_that_signatures_can_be_read():
    assert [repr(each) for each in (last, maximum, mean, total, vote((0, 1)))] == [
        *("last", "maximum", "mean", "total", "vote")
    ]
    assert "reduction: mia_functional.assembly.reductions.Reduction = mean," in str(inspect.signature(assemble))


@pytest.mark.parametrize("reduction", [last, maximum, mean, total, vote((0, 1))], ids=repr)
def test_reductions_pickle_and_hash(reduction):
    assert hash(reduction) == hash(reduction)
    assert pickle.loads(pickle.dumps(reduction)).name == reduction.name


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda patch, **options: start(patch, (2,), **options), "start: `patch` must hold"),
        (lambda patch, **options: assemble([patch], HALF, (2,), **options), "assemble: `patches` must hold"),
        (lambda patch, **options: list(assemble_planes([patch], HALF, (2,), **options)), "assemble_planes: `patches`"),
        (lambda patch, **options: merge_planes([patch], **options), "merge_planes: `volumes` must hold"),
    ],
)
@pytest.mark.parametrize("reduction", [maximum, mean, total, vote((0, 1))], ids=repr)
def test_errors_of_reductions_name_the_function_that_was_called(call, text, reduction):
    with pytest.raises(TypeError, match=text):
        call(np.ones(2, dtype=complex), reduction=reduction)
