"""Pictures of results: every function draws on Matplotlib axes and returns them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional.typing import Array, Spacing

COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2")
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
        axes: Matplotlib axes to draw on; a new figure's where left out.

    Returns:
        The axes.

    Raises:
        ImportError: Matplotlib is not installed; the text names the extra.
        ValueError: An array is not 2-D, or the shapes differ.

    Example:
        >>> slice_ = np.zeros((8, 8), dtype=np.uint8)
        >>> slice_[2:5, 2:5] = 1
        >>> plot_overlay(slice_, slice_, slice_, labels={1: "liver"}).get_legend().get_texts()[0].get_text()
        'liver'
    """
    grey, predicted, referenced = (_array.to_numpy(array) for array in (image, prediction, reference))
    checks.dimensions("plot_overlay", "image", grey.shape, (2,))
    checks.same_shape("plot_overlay", predicted.shape, referenced.shape)
    if grey.shape != referenced.shape:
        checks.invalid_value(
            "plot_overlay", "image", f"have the shape of the reference, {referenced.shape}", grey.shape
        )
    high, wide = checks.spacing("plot_overlay", spacing, 2)
    axes = _new_axes() if axes is None else axes
    extent = (0.0, grey.shape[1] * wide, grey.shape[0] * high, 0.0)
    low, top = np.percentile(grey, (1, 99.5))
    axes.imshow(grey, cmap="gray", vmin=low, vmax=max(top, low + 1e-12), extent=extent, interpolation="nearest")
    for (label, name), colour in zip(labels.items(), _colours(len(labels)), strict=True):
        _area(axes, predicted == label, colour, extent)
        _outline(axes, referenced == label, colour, (high, wide))
        axes.plot([], [], color=colour, linewidth=4, label=name)
    axes.set(xlabel="x [mm]", ylabel="y [mm]", xlim=extent[:2], ylim=extent[2:])
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, title="area: prediction\nline: reference")
    return axes


def _new_axes() -> Any:
    """Return the axes of a new figure that no window manager keeps alive."""
    figure = optional.require("matplotlib.figure").Figure(figsize=(7.5, 5.5), dpi=120, layout="constrained")
    return figure.add_subplot()


def _colours(count: int) -> list[str]:
    """Return as many colours, from the start again where there are too few."""
    return [COLOURS[number % len(COLOURS)] for number in range(count)]


def _area(axes: Any, mask: Any, colour: str, extent: tuple[float, ...]) -> None:
    """Fill a mask with a transparent colour."""
    colours = optional.require("matplotlib.colors")
    layer = np.zeros((*mask.shape, 4))
    layer[mask] = colours.to_rgba(colour, 0.45)
    axes.imshow(layer, extent=extent, interpolation="nearest")


def _outline(axes: Any, mask: Any, colour: str, spacing: tuple[float, float]) -> None:
    """Draw the outline of a mask along the edges of its pixels."""
    collections = optional.require("matplotlib.collections")
    padded = np.pad(mask, 1).astype(np.int8)
    rows, columns = (np.argwhere(np.diff(padded, axis=axis)) for axis in (0, 1))
    step = np.array(spacing)[::-1]
    lines = [((x - 1, y), (x, y)) for y, x in rows] + [((x, y - 1), (x, y)) for y, x in columns]
    scaled = [(np.array(start) * step, np.array(end) * step) for start, end in lines]
    axes.add_collection(collections.LineCollection(scaled, colors=colour, linewidths=1.4))
