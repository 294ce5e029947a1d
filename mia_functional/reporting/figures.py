"""What the pictures share: figures without a display, colours that can be told apart, pictures as bytes."""

import colorsys
import io
from typing import Any

from mia_functional._core import optional

__all__ = ["distinct_colours", "literal", "new_axes", "picture_bytes"]

_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2")
"""Colours that can be told apart with any colour vision (Okabe and Ito 2008), bright enough for a grey image."""

_GOLDEN = 0.6180339887498949
"""Fractions of multiples of this fall as far as possible from all before."""


def distinct_colours(count: int) -> list[str]:
    """Return colours that differ, for any number of structures: seven for any colour vision first.

    Example:
        >>> distinct_colours(2), len(set(distinct_colours(117)))
        (['#e69f00', '#56b4e9'], 117)
    """
    colours = list(_COLOURS[:count])
    for number in range(count - len(colours)):
        # Hues alone run out: their brightness and saturation take turns.
        value, saturation = (1.0, 0.7, 0.85)[number % 3], (0.55, 1.0)[number // 3 % 2]
        rgb = colorsys.hsv_to_rgb(number * _GOLDEN % 1, saturation, value)
        colours.append("#" + "".join(f"{round(255 * part):02x}" for part in rgb))
    return colours


def literal(text: str) -> str:
    """Return what Matplotlib shows as a text: between dollars it would set formulas, and hide names with a first `_`.

    Example:
        >>> literal("_net"), len(literal("$x$"))
        (' _net', 5)
    """
    return " " * text.startswith("_") + text.replace("$", r"\$")


def new_axes(*, size: tuple[float, float], columns: int = 1) -> list[Any]:
    """Return axes side by side on a new figure of some inches."""
    # Not by `pyplot`, which keeps every figure alive until it is closed and wants a display.
    figure = optional.require("matplotlib.figure").Figure(figsize=size, dpi=120, layout="constrained")
    return list(figure.subplots(1, columns, squeeze=False)[0])


def picture_bytes(axes: Any, *, kind: str) -> bytes:
    """Return the figure of some axes as `"png"` or `"svg"`; the same picture gives the same bytes."""
    stream = io.BytesIO()
    # Of themselves, SVG files hold the time and random names.
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with optional.require("matplotlib").rc_context({"svg.hashsalt": "mia_functional"}):
        axes.figure.savefig(stream, format=kind, metadata=metadata)
    return stream.getvalue()
