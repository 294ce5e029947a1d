"""Pictures: what is drawn lies where the pixels are."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from mia_functional.reporting import plot_overlay

IMAGE = np.random.default_rng(0).random((6, 8))
LABELS = np.zeros((6, 8), dtype=np.uint8)
LABELS[2:4, 3:6] = 1


def test_outlines_follow_the_edges_of_the_pixels_in_millimetres():
    axes = plot_overlay(IMAGE, LABELS * 0, LABELS, labels={1: "liver"}, spacing=(2.0, 0.5))
    (outline,) = (part for part in axes.collections if isinstance(part, LineCollection))
    points = np.concatenate(outline.get_segments())
    assert points.min(axis=0).tolist() == [1.5, 4.0]
    assert points.max(axis=0).tolist() == [3.0, 8.0]
    lengths = [np.abs(end - start).sum() for start, end in outline.get_segments()]
    assert sum(lengths) == pytest.approx(2 * (2 * 2.0) + 2 * (3 * 0.5))
    assert axes.get_xlim() == (0, 4)
    assert axes.get_ylim() == (12, 0)


def test_areas_are_the_predicted_pixels_on_the_axes_given():
    axes = Figure().add_subplot()
    assert plot_overlay(IMAGE, LABELS, LABELS, labels={1: "liver", 2: "none"}, axes=axes) is axes
    _, area, empty = axes.get_images()
    np.testing.assert_array_equal(np.asarray(area.get_array())[..., 3] > 0, LABELS == 1)
    assert not np.asarray(empty.get_array())[..., 3].any()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["liver", "none"]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((IMAGE[None], LABELS, LABELS), "`image` must have 2 axes"),
        ((IMAGE, LABELS[1:], LABELS), "shape of the reference"),
        ((IMAGE[1:], LABELS, LABELS), "`image` must have the shape of the reference"),
    ],
)
def test_mistakes_are_one_sentence(arrays, words):
    with pytest.raises(ValueError, match=words):
        plot_overlay(*arrays, labels={1: "liver"})
