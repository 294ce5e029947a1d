"""Overlays of volumes: every plane is right side up, through the worst point, with what is right and wrong apart."""

import itertools

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure

from mia_functional import transforms
from mia_functional.geometry import Geometry
from mia_functional.reporting import plot_overlay
from mia_functional.reporting.figures import distinct_colours
from mia_functional.reporting.overlays import worst_point

# Axes run to the head, to the back and to the left.
GRID = Geometry(shape=(6, 8, 10), spacing=(3.0, 2.0, 1.0))
HEAD_FRONT_RIGHT = np.zeros(GRID.shape, np.uint8)
HEAD_FRONT_RIGHT[5, 0, 0] = 1
POINT = (5, 0, 0)


def area(axes):
    """Return where on the axes, in fractions of them from left and bottom, the area of the first label is."""
    layer = axes.get_images()[1]
    rows, columns = np.nonzero(np.asarray(layer.get_array())[..., 3])
    left, right, bottom, top = layer.get_extent()
    height, width = np.asarray(layer.get_array()).shape[:2]
    x = left + (right - left) * (columns.mean() + 0.5) / width
    y = top + (bottom - top) * (rows.mean() + 0.5) / height
    inverse = axes.transData + axes.transAxes.inverted()
    return tuple(inverse.transform((x, y)).tolist())


@pytest.mark.sampled(6)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("reverse", [(), (0,), (1, 2), (0, 1, 2)])
def test_every_plane_is_right_side_up_for_any_order_of_axes(order, reverse):
    grid = transforms.flip(transforms.permute(GRID, order), reverse)
    stored = transforms.flip(transforms.permute(HEAD_FRONT_RIGHT, order), reverse)
    point = tuple(int(part[0]) for part in np.nonzero(stored))
    axial, coronal, sagittal = plot_overlay(stored, stored, stored, labels={1: "x"}, geometry=grid, point=point)
    x, y = area(axial)
    assert x < 0.1  # the patient's right is on the left
    assert y > 0.8  # the front is on top
    x, y = area(coronal)
    assert x < 0.1
    assert y > 0.8  # the head is on top
    x, y = area(sagittal)
    assert x < 0.1  # the front is on the left
    assert y > 0.8
    assert [sorted(axes.get_xlim()) for axes in (axial, coronal, sagittal)] == [[0, 10], [0, 10], [0, 16]]
    assert [sorted(axes.get_ylim()) for axes in (axial, coronal, sagittal)] == [[0, 16], [0, 18], [0, 18]]
    sides = ["".join(text.get_text() for text in axes.texts) for axes in (axial, coronal, sagittal)]
    assert sides == ["RLAP", "RLSI", "APSI"]
    assert [axes.get_title() for axes in (axial, coronal, sagittal)] == [
        f"{name}, axis {order.index(k)} at {point[order.index(k)]}"
        for k, name in enumerate(("axial", "coronal", "sagittal"))
    ]


def test_the_cross_lies_on_the_middle_of_the_voxel():
    axial, coronal, _ = plot_overlay(None, HEAD_FRONT_RIGHT, HEAD_FRONT_RIGHT, labels={1: "x"}, geometry=GRID)
    assert [float(line.get_ydata()[0]) for line in axial.lines[:1]] == [1.0]
    assert float(axial.lines[1].get_xdata()[0]) == 0.5
    assert float(coronal.lines[0].get_ydata()[0]) == 16.5


def test_without_a_spacing_there_are_no_millimetres():
    axes = plot_overlay(HEAD_FRONT_RIGHT[0], HEAD_FRONT_RIGHT[0], HEAD_FRONT_RIGHT[0], labels={1: "x"})
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x [voxels]", "y [voxels]")
    parts = plot_overlay(HEAD_FRONT_RIGHT, HEAD_FRONT_RIGHT, HEAD_FRONT_RIGHT, labels={1: "x"}, point=POINT)
    assert [part.get_xlabel() for part in parts] == ["axis 2 [voxels]", "axis 2 [voxels]", "axis 1 [voxels]"]
    assert [part.get_title() for part in parts] == ["axis 0 at 5", "axis 1 at 0", "axis 2 at 0"]
    parts = plot_overlay(
        HEAD_FRONT_RIGHT, HEAD_FRONT_RIGHT, HEAD_FRONT_RIGHT, labels={1: "x"}, spacing=(3.0, 2.0, 1.0), point=POINT
    )
    assert parts[1].get_xlabel() == "axis 2 [mm]"
    assert parts[1].get_ylim() == (18, 0)


def test_the_worst_point_is_in_the_middle_of_the_thickest_error():
    reference, prediction = np.zeros((2, 12, 14, 16), np.uint8)
    reference[2:9, 2:9, 2:9] = 1
    prediction[2:9, 2:9, 2:8] = 1  # one plane thick
    prediction[9:12, 11:14, 11:14] = 2  # three voxels thick, in the corner
    assert worst_point(prediction, reference, labels=(1, 2), spacing=(1.0, 1.0, 1.0)) == (10, 12, 12)
    assert worst_point(prediction, reference, labels=(1,), spacing=(1.0, 1.0, 1.0))[2] == 8
    assert worst_point(reference, reference, labels=(1,), spacing=(1.0, 1.0, 1.0)) == (5, 5, 5)
    assert worst_point(reference, reference, labels=(3,), spacing=(1.0, 1.0, 1.0)) == (6, 7, 8)
    # Three thin voxels are thinner than two thick ones.
    error = np.zeros((9, 20), np.uint8)
    error[3:6, 2:5], error[3:6, 10:15] = 1, 1
    assert worst_point(error, 0 * error, labels=(1,), spacing=(10.0, 1.0))[1] == 12


def test_errors_are_told_apart():
    reference = np.array([[1, 1, 0, 0, 2]])
    prediction = np.array([[1, 0, 1, 0, 1]])
    axes = plot_overlay(None, prediction, reference, labels={1: "a", 2: "b"}, style="errors", opacity=0.25)
    layers = [np.asarray(image.get_array())[0, :, 3] for image in axes.get_images()[1:]]
    assert [layer.tolist() for layer in layers] == [
        [0.25, 0, 0, 0, 0], [0, 0, 0.25, 0, 0], [0, 0.25, 0, 0, 0], [0, 0, 0, 0, 0.25],
    ]  # fmt: skip
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["in both", "only in the prediction", "only in the reference", "another label"]
    assert not [part for part in axes.collections if isinstance(part, LineCollection)]
    merged = plot_overlay(None, prediction, reference, labels={(1, 2): "all"}, style="errors")
    assert np.asarray(merged.get_images()[1].get_array())[0, :, 3].astype(bool).tolist() == [1, 0, 0, 0, 1]


@pytest.mark.parametrize("style", ["outlines", "errors"])
@pytest.mark.parametrize("opacity", [None, 0.3])
def test_without_an_image_areas_have_the_colours_of_the_legend(style, opacity):
    reference = np.array([[1, 1, 1, 0, 2, 2]] * 4)
    prediction = np.array([[1, 1, 0, 0, 2, 1]] * 4)
    axes = plot_overlay(None, prediction, reference, labels={1: "a", 2: "b"}, style=style, opacity=opacity)
    legend = {
        text.get_text(): np.array(handle.get_facecolor())
        for text, handle in zip(axes.get_legend().get_texts(), axes.get_legend().legend_handles, strict=True)
    }
    shown = np.zeros((4, 6, 3))
    for image in axes.get_images()[1:]:
        layer = np.asarray(image.get_array())
        shown = layer[..., :3] * layer[..., 3:] + shown * (1 - layer[..., 3:])
    places = {"in both": 0, "only in the reference": 2, "another label": 5} if style == "errors" else {"a": 0, "b": 4}
    for name, column in places.items():
        assert legend[name][3] == 1
        np.testing.assert_allclose(legend[name][:3], shown[0, column], atol=1e-12)
    if style == "errors" and opacity is None:
        assert legend["in both"].tolist() == list(to_rgba("#009e73"))
    if style == "outlines":
        first = axes.get_legend().get_patches()[0]
        assert first.get_edgecolor() == to_rgba(distinct_colours(1)[0])


def test_any_number_of_labels_is_told_apart():
    colours = np.array([to_rgb(colour) for colour in distinct_colours(60)])
    distances = np.linalg.norm(colours[:, None] - colours, axis=-1) + np.eye(60)
    assert distances.min() > 0.05
    labels = {k: f"L{k}" for k in range(1, 41)}
    image = np.zeros((4, 4), np.uint8)
    image[0, :3] = 1, 9, 40
    axes = plot_overlay(None, image, image, labels=labels)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["L1", "L9", "L40"]
    lines = {part.get_linestyle()[0][1] is None for part in axes.collections}
    assert lines == {True, False}


def test_the_picture_is_drawn_on_the_axes_given():
    figure = Figure()
    axes = figure.subplots(1, 3)
    found = plot_overlay(None, HEAD_FRONT_RIGHT, HEAD_FRONT_RIGHT, labels={1: "x"}, axes=axes)
    assert found == tuple(axes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axes": [None]}, "`axes` must be three"),
        ({"point": (0, 0)}, "`point` must have 3 entries"),
        ({"point": (6, 0, 0)}, "`point` must lie in the volume"),
        ({"opacity": 2}, "`opacity` must lie between 0 and 1"),
        ({"style": "lines"}, "`style` must be one of outlines, errors"),
        ({"spacing": (1.0, 1.0)}, "`spacing` must have 3 entries"),
        ({"geometry": Geometry(shape=(2, 2, 2), spacing=(1.0,) * 3)}, "`geometry` must have the shape"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        plot_overlay(None, HEAD_FRONT_RIGHT, HEAD_FRONT_RIGHT, labels={1: "x"}, **options)
