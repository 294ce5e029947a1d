"""Borders and boxes: against SciPy and against their definitions, on every library; wrong arguments."""

import math

import numpy as np
import pytest
from scipy import ndimage

from mia_functional.morphology import (
    border,
    bounding_box,
    connected_components,
    distance_transform,
    largest_components,
)

from .test_euclidean import SHAPES, noise


@pytest.mark.sampled(17)
@pytest.mark.parametrize("shape", SHAPES)
def test_borders_are_the_mask_without_its_erosion(xp, shape):
    mask = noise(5, shape, 0.8)
    np.testing.assert_array_equal(xp.run(border, mask), mask & ~ndimage.binary_erosion(mask))


def test_boxes_are_the_smallest_around_a_mask(xp):
    mask = np.zeros((6, 7, 8), dtype=bool)
    mask[2, 3:5, 1] = mask[4, 6, 7] = True
    assert bounding_box(xp.asarray(mask)) == (slice(2, 5), slice(3, 7), slice(1, 8))
    assert bounding_box(np.asfortranarray(mask)) == (slice(2, 5), slice(3, 7), slice(1, 8))
    assert bounding_box(mask[::-1].transpose(1, 2, 0)[:, ::-1])[0] == slice(3, 7)
    assert bounding_box(xp.asarray(np.zeros((2, 3), dtype=bool))) == (slice(0, 0), slice(0, 0))


MASK = np.ones((2, 3), dtype=bool)


@pytest.mark.parametrize(
    ("function", "mask", "options", "error", "words"),
    [
        (distance_transform, MASK, {"spacing": (1.0,)}, ValueError, "`spacing` must have 2 entries, one per axis; got"),
        (distance_transform, MASK, {"spacing": (1.0, 0.0)}, ValueError, "`spacing` must lie within"),
        (distance_transform, MASK, {"spacing": (1.0, math.nan)}, ValueError, "`spacing`"),
        (distance_transform, MASK, {"spacing": (1, 1), "cap": 0.0}, ValueError, "`cap` must be positive; got 0.0"),
        (distance_transform, MASK, {"spacing": (1, 1), "cap": math.nan}, ValueError, "`cap`"),
        (
            distance_transform,
            MASK,
            {"spacing": (1, 1), "method": "gpu"},
            ValueError,
            "`method` must be one of auto, host",
        ),
        (distance_transform, MASK.astype(float), {"spacing": (1, 1)}, TypeError, "threshold or cast first"),
        (distance_transform, MASK * 255, {"spacing": (1, 1)}, ValueError, "contains 255"),
        (distance_transform, [[True]], {"spacing": (1, 1)}, TypeError, "must be an array; got list"),
        (border, np.ones((1, 1, 1, 1), bool), {}, ValueError, "`mask` must have 1 or 2 or 3 axes"),
        (bounding_box, np.ones((0, 2), bool), {}, ValueError, "at least one axis and one element"),
        (connected_components, MASK, {"connectivity": 3}, ValueError, "`connectivity` must be at most 2"),
        (connected_components, MASK, {"connectivity": 0}, ValueError, "`connectivity` must be at least 1"),
        (largest_components, MASK, {"count": 0}, ValueError, "`count` must be at least 1"),
        (largest_components, MASK, {"count": 1.5}, TypeError, "`count` must be a whole number"),
        (largest_components, [[True]], {}, TypeError, "largest_components: `mask` must be an array; got list"),
        (connected_components, [[True]], {}, TypeError, "connected_components: `mask` must be an array; got list"),
    ],
)
def test_bad_input(function, mask, options, error, words):
    with pytest.raises(error, match=words):
        function(mask, **options)


def test_inputs_are_not_changed():
    mask = noise(7, (5, 6))
    copy = mask.copy()
    distance_transform(mask, spacing=(1.0, 1.0), cap=1.0)
    border(mask)
    largest_components(mask)
    np.testing.assert_array_equal(mask, copy)
