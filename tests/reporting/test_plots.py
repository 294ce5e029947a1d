"""Pictures: what is drawn lies where the pixels are."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mia_functional.analysis import rank
from mia_functional.evaluation import Results, select_rows
from mia_functional.metrics import calibration_bins, expected_calibration_error
from mia_functional.reporting import (
    plot_bland_altman,
    plot_box,
    plot_curves,
    plot_overlay,
    plot_ranking,
    plot_reliability,
)
from mia_functional.reporting.figures import distinct_colours, picture_bytes

from .results import TABLE, row

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
        ((IMAGE[None, None], LABELS, LABELS), "`image` must have 2 or 3 axes"),
        ((IMAGE, LABELS[1:], LABELS), "shape of the reference"),
        ((IMAGE[1:], LABELS, LABELS), "`image` must have the shape of the reference"),
    ],
)
def test_mistakes_are_one_sentence(arrays, words):
    with pytest.raises(ValueError, match=words):
        plot_overlay(*arrays, labels={1: "liver"})


def test_pixels_without_a_spacing_are_no_millimetres():
    axes = plot_overlay(IMAGE, LABELS, LABELS, labels={1: "liver"})
    assert (axes.get_xlim(), axes.get_xlabel()) == ((0, 8), "x [voxels]")


METHODS = Results(rows=tuple(
    row(f"S{k}", label, "HDRFDST95", value, unit="mm", method=method, status=status)
    for method, shift in (("a", 0.0), ("b", 1.0))
    for label in ("liver", "tumour")
    for k, (value, status) in enumerate([
        (1.0 + shift, "ok"), (2.0 + shift, "ok"), (4.0 + shift, "ok"), (math.inf, "ok"), (math.nan, "missing"),
    ])
))  # fmt: skip


def test_boxes_have_medians_quartiles_points_and_counts():
    axes = plot_box(METHODS)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["liver", "tumour"]
    assert axes.get_ylabel() == "HDRFDST95 [mm]"
    assert [text.get_text() for text in axes.texts] == ["3/5"] * 4
    (first, *_) = axes.patches
    corners = first.get_path().vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == (1.5, 3.0)
    assert corners[:, 0].mean() < 0  # the first method stands on the left
    points = [line.get_ydata().tolist() for line in axes.lines if line.get_marker() == "."]
    assert points == [[1, 2, 4], [1, 2, 4], [2, 3, 5], [2, 3, 5]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    one = plot_box(select_rows(METHODS, method="b"))
    assert one.get_legend() is None
    empty = Results(rows=(row("A", "x", "DICE", math.nan),))
    assert plot_box(empty).texts[0].get_text() == "0/1"


def test_a_box_needs_one_metric():
    with pytest.raises(ValueError, match="plot_box: `metric` must name one of the metrics of the results; got DICE"):
        plot_box(TABLE)
    assert plot_box(TABLE, metric="hd95").get_ylabel() == "HDRFDST95 [mm]"


def test_bland_altman_draws_differences_over_means():
    prediction, reference = np.array([10.0, 12.0, 17.0, math.nan]), np.array([8.0, 12.0, 16.0, 1.0])
    axes = plot_bland_altman(prediction, reference, quantity="volume", unit="ml")
    points, *lines = axes.lines
    assert points.get_xdata().tolist() == [9, 12, 16.5]
    assert points.get_ydata().tolist() == [2, 0, 1]
    np.testing.assert_allclose([line.get_ydata()[0] for line in lines], [1, 1 - 1.96, 1 + 1.96])
    assert axes.get_title() == "volume, n = 3, 1 of 4 left out"
    with pytest.raises(ValueError, match="`prediction` must have the shape of the reference"):
        plot_bland_altman([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="finite pair"):
        plot_bland_altman([math.nan], [1.0])


def test_limits_are_written_as_the_axis_is():
    """Volumes of livers in cubic millimetres: no powers of ten, no numbers over each other."""
    reference = np.linspace(1.1e6, 1.9e6, 9)
    axes = plot_bland_altman(reference + 1e4 * np.arange(-3, 6), reference, quantity="volume", unit="mm\u00b3")
    spread = 1.96 * np.std(1e4 * np.arange(9), ddof=1)
    written = [text.get_text().split("\n ")[1] for text in axes.texts]
    assert written == ["10000", f"{10000 - spread:.0f}".replace("-", "\u2212"), f"{10000 + spread:.0f}"]
    axes.figure.canvas.draw()
    assert "1600000" in [text.get_text() for text in axes.get_xticklabels()]
    assert not axes.xaxis.get_offset_text().get_text()
    ends = [text.get_window_extent() for text in axes.get_xticklabels()]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(ends))
    fine = plot_bland_altman([0.105, 0.21, 0.302], [0.1, 0.2, 0.3])
    assert fine.texts[0].get_text() == " mean\n 0.0057"
    vast = plot_bland_altman([2.5e12, 3e12], [2e12, 3e12])
    assert vast.texts[0].get_text() == " mean\n 2.5e+11"


def test_a_method_has_the_same_colour_in_every_picture():
    """The order in the table decides, whoever is best, and whoever lacks a metric."""
    values = {"a": (0.5, 0.6, 0.4), "b": (0.9, 0.8, 0.95), "c": (0.7, 0.75, 0.6)}
    rows = [row(f"S{k}", "x", "DICE", v, method=m) for m, column in values.items() for k, v in enumerate(column)]
    rows += [row(f"S{k}", "x", "JACRD", v, method=m) for m in "bc" for k, v in enumerate(values[m])]
    results = Results(rows=tuple(rows))
    expected = dict(zip("abc", distinct_colours(3), strict=True))
    for ranking in rank(results, bootstraps=20):
        assert ranking.methods == ("a", "b", "c")
        order = [entry.method for entry in ranking.ranks]
        assert order == (["b", "c", "a"] if ranking.metric == "DICE" else ["b", "c"])
        axes = plot_ranking(ranking)
        assert [to_hex(part.get_facecolor()[0]) for part in axes.collections] == [expected[name] for name in order]
        box = plot_box(results, metric=ranking.metric)
        lines = {line.get_label(): to_hex(line.get_color()) for line in box.lines if line.get_linewidth() == 6}
        assert lines == {name: expected[name] for name in sorted(order)}
    # A ranking that was made without a table has colours in its own order.
    alone = plot_ranking(dataclasses.replace(rank(results, bootstraps=20)[0], methods=()))
    assert to_hex(alone.collections[0].get_facecolor()[0]) == expected["a"]


def test_rankings_have_dots_by_share_and_methods_from_the_best():
    (first, _) = rank(METHODS, bootstraps=200, rng=np.random.default_rng(1))
    axes = plot_ranking(first)
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == [f"{entry.method} (n = 5, 1 infinite, 1 missing)" for entry in first.ranks]
    dots = {}
    for part in axes.collections:
        for (x, y), size in zip(part.get_offsets().tolist(), part.get_sizes(), strict=True):
            dots[y, x] = size
    expected = {
        (float(k), rank_): pytest.approx(500 * share)
        for k, entry in enumerate(first.ranks)
        for rank_, share in entry.frequencies
    }
    assert dots == expected
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    with pytest.raises(TypeError, match="plot_ranking: `ranking` must be a ranking"):
        plot_ranking(METHODS)


def test_titles_of_rankings_are_whole_whatever_is_beside_the_axes():
    """Names of methods and counts may be as long as the figure is wide."""
    names = ("a network with a name of 36 letters ", "b")
    rows = [row(f"s{k}", "liver", "DICE", (k + m) / 9, method=name) for m, name in enumerate(names) for k in range(4)]
    axes = plot_ranking(rank(Results(rows=tuple(rows)), bootstraps=100)[0])
    axes.figure.canvas.draw()
    title = next(text for text in axes.get_children() if "Kendall's tau 1.00" in getattr(text, "get_text", str)())
    extent = title.get_window_extent()
    assert 0 <= extent.x0 < extent.x1 <= axes.figure.bbox.width


def test_reliability_is_the_share_of_what_is_true_in_each_bin():
    prediction, reference = np.array([[0.05, 0.1, 0.6], [0.7, 1.0, 0.0]]), np.array([[0, 1, 1], [0, 1, 0]])
    axes = plot_reliability(prediction, reference, bins=2)
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[0.05, 1 / 3], [2.3 / 3, 2 / 3]])
    error = (abs(0.05 - 1 / 3) + abs(2.3 / 3 - 2 / 3)) / 2
    assert axes.get_title() == f"expected calibration error {error:.3f}, n = 6"
    assert [bar.get_height() for bar in axes.patches] == [0.125, 0.125]
    with pytest.raises(ValueError, match="`prediction` must have values between 0 and 1; got values from -1"):
        plot_reliability([-1.0], [0])


def test_bins_of_a_record_are_drawn_as_they_are():
    probabilities, truth = np.array([0.125, 0.25, 0.5, 0.875]), np.array([0, 1, 1, 1])
    record = calibration_bins(probabilities, truth, bins=(0, 0.25, 1))
    axes = plot_reliability(record)
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[0.1875, 0.5], [0.6875, 1.0]])
    assert axes.get_title() == f"expected calibration error {float(expected_calibration_error(record)):.3f}, n = 4"
    assert [bar.get_height() for bar in axes.patches] == [0.125, 0.125]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.95 * 0.25, 0.95 * 0.75])
    named = plot_reliability(prediction=probabilities, reference=truth, bins=4)
    assert named.get_title().endswith("n = 4")
    with pytest.raises(TypeError, match="plot_reliability: `reference` must not be given with bins"):
        plot_reliability(record, truth)
    with pytest.raises(TypeError, match="plot_reliability: `reference` must be given once; got 0 of it"):
        plot_reliability(probabilities)
    two = calibration_bins(np.stack([probabilities] * 2, axis=-1), truth, labels=(0, 1))
    with pytest.raises(ValueError, match="plot_reliability: `prediction` must be bins of one label"):
        plot_reliability(two)


def test_curves_share_colours_across_parts_and_leave_gaps():
    axes = plot_curves({"train/loss": [3.0, 2.0], "val/loss": [4.0, math.inf], "val/DICE": [0.1, 0.2]})
    first, second, third = axes.lines
    assert first.get_color() == second.get_color() != third.get_color()
    assert first.get_linestyle() != second.get_linestyle() == third.get_linestyle()
    assert second.get_xdata().tolist() == [1, 2]
    np.testing.assert_array_equal(second.get_ydata(), [4, math.nan])
    with pytest.raises(ValueError, match="at least one name"):
        plot_curves({})
    with pytest.raises(TypeError, match="plot_curves: `curves` must map names to values"):
        plot_curves([0.5])


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_picture_gives_the_same_bytes(kind):
    one, other = (picture_bytes(plot_box(METHODS), kind=kind) for _ in range(2))
    assert one == other
