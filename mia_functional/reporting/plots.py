"""Pictures of results: every function draws on Matplotlib axes and returns them."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional.typing import Array, HostArray, Spacing

__all__ = ["plot_overlay"]

_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2")
"""Colours that can be told apart with any colour vision (Okabe and Ito 2008), bright enough for a grey image."""


def plot_overlay(
    image: Array,
    prediction: Array,
    reference: Array,
    *,
    labels: Mapping[int, str],
    spacing: Spacing = (1.0, 1.0),
    axes: Any = None,
) -> Any:
    """Draw one slice: the image in grey, the predicted labels as transparent areas, the reference as outlines.

    Args:
        image: Slice `(y, x)`, any real dtype.
        prediction: Label map of the same shape.
        reference: Label map of the same shape.
        labels: Label values and names, for colours and legend.
        spacing: Millimetres between pixel centres, `(y, x)`.
        axes: Matplotlib axes to draw on; those of a new figure by default.

    Returns:
        The axes.

    Raises:
        ImportError: Matplotlib is not installed; the text names the extra.
        ValueError: The slice is not 2-D, or the shapes differ.

    Example:
        >>> slice_ = np.zeros((8, 8), dtype=np.uint8)
        >>> slice_[2:5, 2:5] = 1
        >>> plot_overlay(slice_, slice_, slice_, labels={1: "liver"}).get_legend().get_texts()[0].get_text()
        'liver'
    """
    for argument, array in (("image", image), ("prediction", prediction), ("reference", reference)):
        checks.no_hidden_elements("plot_overlay", argument, array)
    grey, predicted, referenced = (_array.to_numpy(array) for array in (image, prediction, reference))
    checks.dimensions("plot_overlay", "image", grey.shape, (2,))
    checks.same_shape("plot_overlay", "prediction", predicted.shape, referenced.shape)
    checks.same_shape("plot_overlay", "image", grey.shape, referenced.shape)
    high, wide = checks.spacing("plot_overlay", spacing, 2)
    if axes is None:
        # Not by `pyplot`, which keeps every figure alive until it is closed and wants a display.
        figure = optional.require("matplotlib.figure").Figure(figsize=(7.5, 5.5), dpi=120, layout="constrained")
        axes = figure.add_subplot()
    # Left, right, bottom and top in millimetres: rows count downwards, as radiologists look at slices.
    extent = (0.0, grey.shape[1] * wide, grey.shape[0] * high, 0.0)
    # A few bright vessels or a metal implant would leave the rest of the picture black.
    low, top = np.percentile(grey.astype(np.float64), (1, 99.5))
    axes.imshow(grey, cmap="gray", vmin=low, vmax=max(top, low + 1e-12), extent=extent, interpolation="nearest")
    to_rgba = optional.require("matplotlib.colors").to_rgba
    for (label, name), colour in zip(labels.items(), cycle(_COLOURS), strict=False):
        layer = np.zeros((*grey.shape, 4))
        layer[predicted == label] = to_rgba(colour, 0.45)
        axes.imshow(layer, extent=extent, interpolation="nearest")
        axes.add_collection(_outline(referenced == label, colour, (high, wide)))
        axes.plot([], [], color=colour, linewidth=4, label=name)
    axes.set(xlabel="x [mm]", ylabel="y [mm]", xlim=extent[:2], ylim=extent[2:])
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, title="area: prediction\nline: reference")
    return axes


def _outline(mask: HostArray, colour: str, spacing: tuple[float, float]) -> Any:
    """Return the outline of a mask along the edges of its pixels as a Matplotlib collection, in millimetres."""
    # A pixel's edge is where the mask changes; with a border of zeros it changes at the edges of the slice as well.
    padded = np.pad(mask, 1).astype(np.int8)
    rows, columns = (np.argwhere(np.diff(padded, axis=axis)) for axis in (0, 1))
    lines = [((x - 1, y), (x, y)) for y, x in rows] + [((x, y - 1), (x, y)) for y, x in columns]
    millimetres = [np.array(line) * spacing[::-1] for line in lines]
    return optional.require("matplotlib.collections").LineCollection(millimetres, colors=colour, linewidths=1.4)
