"""Predicates on samples, on every array library."""

import pickle
from functools import partial

import numpy as np
import pytest

from mia_functional import selection

IMAGES = {
    "zeros": np.zeros((3, 4, 2), np.float32),
    "ones": np.ones((3, 4, 2), np.float32),
    "channels differ": np.stack([np.zeros((3, 4)), np.ones((3, 4))], axis=-1).astype(np.float32),
    "one voxel": np.eye(12, dtype=np.float32)[0].reshape(3, 4, 1),
    "ramp": np.arange(24, dtype=np.float32).reshape(3, 4, 2),
    "negative": -np.ones((3, 4, 2), np.float32),
}
EXPECTED = {
    "zeros": (False, False, False),
    "ones": (False, True, True),
    "channels differ": (False, True, False),
    "one voxel": (True, True, False),
    "ramp": (True, True, True),
    "negative": (False, False, False),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_are_chosen(xp, name):
    if xp.name == "jax-jit":
        pytest.skip("a choice cannot be made inside a compiled function")
    sample = {"images": xp.asarray(IMAGES[name])}
    found = (
        selection.non_constant(sample),
        selection.non_black(sample),
        selection.above_percentile(sample, value=0.5, percentile=49),
    )
    assert found == EXPECTED[name]


@pytest.mark.parametrize(
    ("labels", "at_least", "expected"), [([0, 0], 1, False), ([0, 3], 1, True), ([0, 3], 2, False)]
)
def test_foreground_is_counted(labels, at_least, expected):
    assert selection.has_foreground({"labels": np.array(labels)}, at_least=at_least) is expected
    mask = {"mask": np.array(labels)}
    assert selection.has_foreground(mask, category="mask", at_least=at_least) is expected


def test_predicates_are_joined_and_travel():
    both = selection.all_of(selection.of_subjects(["A"]), partial(selection.non_black, black=2), selection.non_constant)
    for predicate in (both, pickle.loads(pickle.dumps(both))):
        bright = np.array([[1.0], [3.0]])
        assert predicate({"subject": "A", "images": bright})
        assert not predicate({"subject": "B", "images": bright})
        assert not predicate({"subject": "A", "images": bright - 2})
        assert not predicate({"subject": "A", "images": bright * 0 + 3})
    assert not both({"subject": "B"})
    assert selection.all_of()({})


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="non_black: `sample` must hold images; got subject"):
        selection.non_black({"subject": "A"})
    with pytest.raises(ValueError, match="lie within 0 and 100; got 101"):
        selection.above_percentile({"images": np.ones(3)}, value=1, percentile=101)


def test_half_precision_has_a_largest_value():
    image = np.linspace(0, 1, 200000).astype(np.float16)
    assert selection.above_percentile({"images": image}, value=0.99, percentile=100)
