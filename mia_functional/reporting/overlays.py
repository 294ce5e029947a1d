"""Predictions and references over an image: a slice, or three planes of a volume, right side up."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from mia_functional import _array, morphology
from mia_functional._core import checks, optional
from mia_functional.geometry import Geometry, orientation
from mia_functional.reporting.figures import distinct_colours, literal, new_axes
from mia_functional.typing import Array, HostArray, Label, Spacing

__all__ = ["plot_overlay", "worst_point"]

_Style: TypeAlias = Literal["outlines", "errors"]

_ERRORS = {
    "in both": "#009e73", "only in the prediction": "#d55e00", "only in the reference": "#56b4e9",
    "another label": "#f0e442",
}  # fmt: skip
"""What a voxel may be, and its colour."""

_LINES = ("solid", "dashed", "dotted", "dashdot")
"""Outlines of the first seven labels, of the next seven, and so on."""

_MANY = 24
"""More labels than this, and the legend has only those in the picture."""

# Names of planes, and what lies left, right, on top and at the bottom, as radiologists look at them.
_PLANES = (("axial", "RLAP"), ("coronal", "RLSI"), ("sagittal", "APSI"))


class _Plane(NamedTuple):
    """What is drawn on one of the axes.

    Attributes:
        title: Which plane it is; empty for a slice.
        image: Pixels `(rows, columns)`.
        prediction: Labels.
        reference: Labels.
        spacing: Size of a pixel, `(rows, columns)`.
        upwards: Whether the first row is at the bottom.
        sides: What lies left, right, on top and at the bottom; empty where it is not known.
        cross: Row and column of the point through which the planes go; none for a slice.
        names: Names of the axes: columns and rows.
    """

    title: str
    image: HostArray
    prediction: HostArray
    reference: HostArray
    spacing: tuple[float, float]
    upwards: bool
    sides: str
    cross: tuple[float, float] | None
    names: tuple[str, str]


def plot_overlay(
    image: Array | None, prediction: Array, reference: Array, *, labels: Mapping[Any, str],
    spacing: Spacing | None = None, geometry: Geometry | None = None, point: Sequence[int] | None = None,
    style: _Style = "outlines", opacity: float | None = None, axes: Any = None,
) -> Any:  # fmt: skip
    """Draw a slice, or three planes of a volume: the image in grey, the labels over it.

    The planes of a volume go through one point, by default the worst: the middle of the thickest error. With a
    `geometry` they are the axial, coronal and sagittal one, as radiologists look at them, whatever the order and the
    direction of the array's axes: the patient's right is on the left, front or head on top. Without, they are the
    planes of the array, rows downwards.

    Args:
        image: Slice `(y, x)` or volume `(z, y, x)`, any real dtype; None for a black one, over which areas have the
            very colours of the legend.
        prediction: Label map of the same shape.
        reference: Label map of the same shape.
        labels: Label values, or tuples of those that are merged, and names, for colours and legend.
        spacing: Millimetres between pixel centres, in array order; without this and a geometry, axes count voxels.
        geometry: Where a volume lies in the patient.
        point: Index of a voxel in array order.
        style: `"outlines"`: predicted labels as areas, those of the reference as outlines. `"errors"`: what is true and
            what is false, one colour for each.
        opacity: Of the areas, from 0 to 1; by default 0.45, and 1 for errors without an image.
        axes: Matplotlib axes to draw on, of a volume a sequence of three; those of a new figure by default.

    Returns:
        The axes; of a volume a tuple of three.

    Raises:
        ImportError: Matplotlib is not installed; the text names the extra.
        ValueError: The arrays have neither two nor three axes, the shapes differ, or an argument does not fit.

    Example:
        >>> slice_ = np.zeros((8, 8), dtype=np.uint8)
        >>> slice_[2:5, 2:5] = 1
        >>> plot_overlay(slice_, slice_, slice_, labels={1: "liver"}).get_legend().get_texts()[0].get_text()
        'liver'
        >>> volume = np.stack([slice_] * 4)
        >>> [part.get_title() for part in plot_overlay(volume, volume, volume, labels={1: "liver"}, point=(1, 2, 3))]
        ['axis 0 at 1', 'axis 1 at 2', 'axis 2 at 3']
    """
    arrays = _checked_arrays(image, prediction, reference)
    shape = arrays[2].shape
    checks.one_of("plot_overlay", "style", style, ("outlines", "errors"))
    if opacity is None:
        # Outlines must be seen over areas of their colour; under errors there is nothing without an image.
        opacity = 1.0 if image is None and style == "errors" else 0.45
    if not 0 <= checks.number("plot_overlay", "opacity", opacity) <= 1:
        checks.invalid_value("plot_overlay", "opacity", "lie between 0 and 1", opacity)
    if geometry is not None:
        checks.require_instance("plot_overlay", "geometry", geometry, Geometry, "a geometry")
        checks.same_shape("plot_overlay", "geometry", geometry.shape, shape)
        spacing = geometry.spacing
    sizes = (1.0,) * len(shape) if spacing is None else checks.spacing("plot_overlay", spacing, len(shape))
    if point is not None:
        point = checks.integer_tuple("plot_overlay", "point", point, length=len(shape), minimum=0)
        if any(entry >= size for entry, size in zip(point, shape, strict=True)):
            checks.invalid_value("plot_overlay", "point", f"lie in the volume of shape {shape}", point)
    if len(shape) == 2:
        planes = [_Plane(
            title="", image=arrays[0], prediction=arrays[1], reference=arrays[2], spacing=(sizes[0], sizes[1]),
            upwards=False, sides="", cross=None, names=("x", "y"),
        )]  # fmt: skip
        chosen = new_axes(size=(7.5, 5.5)) if axes is None else [axes]
    else:
        point = point or worst_point(*arrays[1:], labels=tuple(labels), spacing=sizes)
        planes = _planes(arrays, sizes, point, geometry)
        chosen = new_axes(size=(13.5, 4.6), columns=3) if axes is None else list(axes)
        if len(chosen) != 3:
            checks.invalid_value("plot_overlay", "axes", "be three, one per plane of a volume", len(chosen))
    unit = "voxels" if spacing is None else "mm"
    limits = _grey_limits(arrays[0])
    for part, plane in zip(chosen, planes, strict=True):
        _draw_plane(part, plane, labels, style, opacity, unit, limits)
    _draw_legend(chosen[-1], planes, labels, style, opacity, is_black=image is None)
    return chosen[0] if len(shape) == 2 else tuple(chosen)


def _checked_arrays(image: Array | None, prediction: Array, reference: Array) -> tuple[HostArray, HostArray, HostArray]:
    """Return image, prediction and reference as NumPy arrays of one shape."""
    for argument, array in (("image", image), ("prediction", prediction), ("reference", reference)):
        if array is not None:
            checks.no_hidden_elements("plot_overlay", argument, array)
    predicted, referenced = _array.to_numpy(prediction), _array.to_numpy(reference)
    grey = np.zeros(referenced.shape, np.uint8) if image is None else _array.to_numpy(image)
    checks.dimensions("plot_overlay", "image", grey.shape, (2, 3))
    checks.same_shape("plot_overlay", "prediction", predicted.shape, referenced.shape)
    checks.same_shape("plot_overlay", "image", grey.shape, referenced.shape)
    checks.not_empty("plot_overlay", "reference", referenced.shape)
    return grey, predicted, referenced


def worst_point(
    prediction: HostArray, reference: HostArray, *, labels: Sequence[Label], spacing: Spacing
) -> tuple[int, ...]:
    """Return the voxel in the middle of the thickest error; without any, of the thickest structure or the volume.

    Args:
        prediction: Label map.
        reference: Label map of the same shape.
        labels: The labels that count.
        spacing: Millimetres between voxel centres.

    Example:
        >>> reference = np.zeros((5, 7), dtype=np.uint8)
        >>> reference[1:4, 1:4] = 1
        >>> worst_point(reference * 0, reference, labels=(1,), spacing=(1.0, 1.0))
        (2, 2)
    """
    wrong = np.zeros(reference.shape, dtype=bool)
    present = np.zeros(reference.shape, dtype=bool)
    for label in labels:
        predicted, referenced = np.isin(prediction, label), np.isin(reference, label)
        wrong |= predicted != referenced
        present |= predicted | referenced
    mask = wrong if wrong.any() else present
    if not mask.any():
        return tuple(size // 2 for size in reference.shape)
    box = morphology.bounding_box(mask)
    # One voxel of background around: what lies at the edge of the volume is no thicker for that.
    padded = np.pad(mask[box], 1)
    depth = _array.to_numpy(morphology.distance_transform(~padded, spacing=spacing))
    # Thin errors are equally thick all over: of those places, the one in their middle.
    deepest = np.argwhere(depth == depth.max())
    middle = deepest[np.argmin(((deepest - deepest.mean(axis=0)) ** 2).sum(axis=1))]
    return tuple(int(entry) - 1 + part.start for entry, part in zip(middle, box, strict=True))


def _planes(
    arrays: Sequence[HostArray], spacing: Spacing, point: Sequence[int], geometry: Geometry | None
) -> list[_Plane]:
    """Return the three planes through a point; with a geometry, turned as radiologists look at them."""
    order, reverse = ((0, 1, 2), ()) if geometry is None else orientation(geometry)
    # From here on, axes run to the head, to the back and to the left, if the geometry is known.
    turned = [np.flip(np.transpose(array, order), reverse) for array in arrays]
    steps = [spacing[axis] for axis in order]
    centre = [turned[0].shape[k] - 1 - point[axis] if k in reverse else point[axis] for k, axis in enumerate(order)]
    planes = []
    for k, (name, sides) in enumerate(_PLANES):
        rows, columns = (axis for axis in range(3) if axis != k)
        cross = ((centre[rows] + 0.5) * steps[rows], (centre[columns] + 0.5) * steps[columns])
        image, predicted, referenced = (np.take(array, centre[k], axis=k) for array in turned)
        title = f"axis {k} at {point[k]}" if geometry is None else f"{name}, axis {order[k]} at {point[order[k]]}"
        planes.append(_Plane(
            title=title, image=image, prediction=predicted, reference=referenced, spacing=(steps[rows], steps[columns]),
            upwards=geometry is not None and k > 0, sides="" if geometry is None else sides, cross=cross,
            names=(f"axis {columns}", f"axis {rows}") if geometry is None else ("zyx"[columns], "zyx"[rows]),
        ))  # fmt: skip
    return planes


def _grey_limits(image: HostArray) -> tuple[float, float]:
    """Return the values that are black and white."""
    values = image.astype(np.float64)
    values = values[np.isfinite(values)]
    # A few bright vessels or a metal implant would leave the rest of the picture black.
    low, top = np.percentile(values, (1, 99.5)) if values.size else (0.0, 0.0)
    return float(low), max(float(top), float(low) + 1e-12)


def _draw_plane(
    axes: Any, plane: _Plane, labels: Mapping[Any, str], style: _Style, opacity: float, unit: str,
    limits: tuple[float, float],
) -> None:  # fmt: skip
    """Draw one plane on axes."""
    rows, columns = plane.image.shape
    high, wide = plane.spacing
    # Left, right, bottom and top: rows count downwards, unless the axes are turned round.
    extent = (0.0, columns * wide, rows * high, 0.0)
    axes.imshow(plane.image, cmap="gray", vmin=limits[0], vmax=limits[1], extent=extent, interpolation="nearest")
    to_rgba = optional.require("matplotlib.colors").to_rgba
    masks = _error_masks(plane, tuple(labels)) if style == "errors" else [np.isin(plane.prediction, k) for k in labels]
    colours = list(_ERRORS.values()) if style == "errors" else distinct_colours(len(labels))
    for mask, colour in zip(masks, colours, strict=True):
        layer = np.zeros((*plane.image.shape, 4))
        layer[mask] = to_rgba(colour, opacity)
        axes.imshow(layer, extent=extent, interpolation="nearest")
    if style == "outlines":
        for number, (label, colour) in enumerate(zip(labels, colours, strict=True)):
            mask = np.isin(plane.reference, label)
            axes.add_collection(_outline(mask, colour, plane.spacing, _LINES[number // 7 % 4]))
    if plane.cross is not None:
        axes.axhline(plane.cross[0], color="white", linewidth=0.5, alpha=0.6)
        axes.axvline(plane.cross[1], color="white", linewidth=0.5, alpha=0.6)
    across, down = plane.names
    axes.set(xlabel=f"{across} [{unit}]", ylabel=f"{down} [{unit}]", title=plane.title)
    axes.set(xlim=extent[:2], ylim=extent[:1:-1] if plane.upwards else extent[2:])
    for side, (x, y) in zip(plane.sides, ((0.04, 0.5), (0.96, 0.5), (0.5, 0.95), (0.5, 0.05)), strict=False):
        box = {"facecolor": "black", "alpha": 0.6, "pad": 1.5, "linewidth": 0}
        axes.text(x, y, side, color="white", transform=axes.transAxes, ha="center", va="center", bbox=box)


def _error_masks(plane: _Plane, labels: Sequence[Label]) -> list[HostArray]:
    """Return where a plane is right, and where it is wrong in which way: in the order of the legend."""
    predicted, referenced, same = (np.zeros(plane.reference.shape, dtype=bool) for _ in range(3))
    for label in labels:
        one, other = np.isin(plane.prediction, label), np.isin(plane.reference, label)
        predicted |= one
        referenced |= other
        same |= one & other
    return [same, predicted & ~referenced, referenced & ~predicted, predicted & referenced & ~same]


def _draw_legend(
    axes: Any, planes: Sequence[_Plane], labels: Mapping[Any, str], style: _Style, opacity: float, *, is_black: bool
) -> None:
    """Draw the legend outside of the picture."""
    to_rgb = optional.require("matplotlib.colors").to_rgb
    patch, line = optional.require("matplotlib.patches").Patch, optional.require("matplotlib.lines").Line2D
    entries: list[Any] = []
    if style == "errors":
        # Of a single label there is no other one.
        names = list(_ERRORS)[: 4 if len(labels) > 1 else 3]
        for name in names:
            # Over grey, areas have no one colour; over black they have, and a legend on white must not be lighter.
            shade = {"facecolor": [opacity * part for part in to_rgb(_ERRORS[name])]}
            entries.append(patch(
                label=name, **(shade if is_black else {"facecolor": _ERRORS[name], "alpha": max(opacity, 0.6)})
            ))  # fmt: skip
    else:
        colours = distinct_colours(len(labels))
        maps = [values for plane in planes for values in (plane.prediction, plane.reference)]
        for number, ((label, name), colour) in enumerate(zip(labels.items(), colours, strict=True)):
            if len(labels) <= _MANY or any(np.isin(values, label).any() for values in maps):
                dashes = _LINES[number // 7 % 4]
                if is_black:
                    area = [opacity * part for part in to_rgb(colour)]
                    entries.append(
                        patch(facecolor=area, edgecolor=colour, linewidth=1.4, linestyle=dashes, label=literal(name))
                    )
                    continue
                line_style = {"linewidth": 4 if number < 7 else 2, "linestyle": dashes}
                entries.append(line([], [], color=colour, label=literal(name), **line_style))
    title = None if style == "errors" else "area: prediction\nline: reference"
    axes.legend(
        handles=entries, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, title=title,
        ncols=math.ceil(len(entries) / _MANY) or 1,
    )  # fmt: skip


def _outline(mask: HostArray, colour: str, spacing: tuple[float, float], line: str) -> Any:
    """Return the outline of a mask along the edges of its pixels as a Matplotlib collection, in millimetres."""
    # A pixel's edge is where the mask changes; with a border of zeros it changes at the edges of the slice as well.
    padded = np.pad(mask, 1).astype(np.int8)
    rows, columns = (np.argwhere(np.diff(padded, axis=axis)) for axis in (0, 1))
    lines = [((x - 1, y), (x, y)) for y, x in rows] + [((x, y - 1), (x, y)) for y, x in columns]
    millimetres = [np.array(entry) * spacing[::-1] for entry in lines]
    collection = optional.require("matplotlib.collections").LineCollection
    return collection(millimetres, colors=colour, linewidths=1.4, linestyles=line)
