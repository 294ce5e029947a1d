"""Samples: what a lifted function changes, what it hands on, and what is refused."""

import pickle
from functools import partial

import numpy as np
import pytest

from mia_functional.geometry import Geometry
from mia_functional.transforms import compose, crop_or_pad, flip, mask_outside, on, relabel, rescale, standardize

GRID = Geometry(shape=(4, 6), spacing=(2.0, 1.0))


def sample():
    """Return a small sample with read-only arrays."""
    rng = np.random.default_rng(0)
    result = {
        "images": rng.normal(size=(4, 6, 2)).astype(np.float32),
        "labels": rng.integers(0, 3, (4, 6, 1), dtype=np.uint8),
        "subject": "A",
        "geometry": GRID,
    }
    for name in ("images", "labels"):
        result[name].flags.writeable = False
    return result


def test_only_the_named_categories_change_and_the_sample_stays():
    before = sample()
    after = on("labels", relabel, mapping={1: 2, 2: 1})(before)
    np.testing.assert_array_equal(after["labels"], np.array([0, 2, 1])[before["labels"]])
    assert after["images"] is before["images"]
    assert list(after) == list(before)
    np.testing.assert_array_equal(before["labels"], sample()["labels"])


def test_several_categories_and_the_geometry_go_through_one_function():
    after = on(("images", "labels", "geometry"), crop_or_pad, shape=(2, 8))(sample())
    assert after["images"].shape == (2, 8, 2)
    assert after["labels"].shape == (2, 8, 1)
    assert after["geometry"] == Geometry(shape=(2, 8), spacing=(2.0, 1.0), origin=(2.0, -1.0))


def test_a_sample_without_geometry_stays_without():
    after = on(("images", "geometry"), flip, axes=0)({**sample(), "geometry": None})
    assert after["geometry"] is None
    np.testing.assert_array_equal(after["images"], sample()["images"][::-1])


def test_arguments_come_from_other_categories():
    after = on("images", mask_outside, given={"mask": "labels"}, fill_value=-5)(sample())
    expected = np.where(sample()["labels"] > 0, sample()["images"], -5)
    np.testing.assert_array_equal(after["images"], expected)


@pytest.mark.parametrize("function", [standardize, rescale, partial(crop_or_pad, shape=(4, 4))])
def test_a_function_of_arrays_that_gets_a_sample_says_how_it_becomes_one_of_samples(function):
    with pytest.raises(TypeError, match=r"be an array; `transforms.on\(CATEGORIES, FUNCTION\)` makes .*; got a sample"):
        function({**sample(), "subject": "A"})


def test_compose_applies_in_order_and_pickles():
    both = compose(
        on("images", standardize),
        on("images", partial(rescale, upper=2.0)),
        on(("images", "labels"), flip, axes=(0, 1)),
    )
    copied = pickle.loads(pickle.dumps(both))
    expected = flip(rescale(standardize(sample()["images"]), upper=2.0), (0, 1))
    np.testing.assert_array_equal(copied(sample())["images"], expected)
    assert compose()(GRID) is GRID
    assert compose(lambda x: x + 1, lambda x: x * 2)(3) == 8


@pytest.mark.parametrize("function", [on("image", standardize), on("images", mask_outside, given={"mask": "brain"})])
def test_missing_categories_are_named(function):
    with pytest.raises(ValueError, match=r"on: `categories` must be in the sample \(images, labels, subject, geometry"):
        function(sample())
