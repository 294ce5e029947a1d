"""What the surface of a mask consists of, the convention behind every boundary metric: `surfels`, `voxels` or `solid`.

All axes of a mask are spatial, one to three of them, and `spacing[k]` is the distance between voxel centres along array
axis k in millimetres.
"""

import functools
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional.metrics._kernels import marching_cubes
from mia_functional.morphology.masks import border
from mia_functional.typing import Array, HostArray, Spacing

__all__ = ["Boundary", "Elements", "convention_name", "counted_elements", "solid", "surfels", "voxels"]


class Elements(NamedTuple):
    """The surface of a mask: a grid of uint8 codes, 0 where there is no surface, and the weight of each code."""

    codes: Array
    weights: HostArray


class Boundary(Protocol):
    """A convention of what the surface of a boolean mask is."""

    def __call__(self, mask: Array, *, spacing: Spacing) -> Elements:
        """Return the elements of the surface."""


def convention_name(boundary: Boundary) -> str:
    """Return the name under which results report a boundary convention: that of the function, and its own options.

    Args:
        boundary: A convention, perhaps one whose options `functools.partial` has set.

    Returns:
        For example `surfels`, or `band(width=2.0)`: with other options the numbers are others.

    Example:
        >>> convention_name(surfels), convention_name(functools.partial(voxels))
        ('surfels', 'voxels')
    """
    if isinstance(boundary, functools.partial):
        keywords = [f"{key}={value!r}" for key, value in boundary.keywords.items()]
        options = ", ".join([*map(repr, boundary.args), *keywords])
        return convention_name(boundary.func) + (f"({options})" if options else "")
    # Objects that can be called have no name of their own.
    return str(getattr(boundary, "__name__", type(boundary).__name__))


def counted_elements(elements: Elements, ignored: Array) -> Elements:
    """Return a surface without the elements that touch a voxel that is ignored: what is there is not known.

    Args:
        elements: Codes on the grid of corners, or of voxels.
        ignored: Boolean array on the grid of voxels.
    """
    xp = _array.array_namespace(ignored)
    on_corners = tuple(elements.codes.shape) != tuple(ignored.shape)
    touched = ignored
    for axis in range(ignored.ndim):
        # Along one axis after the other for corners, each of which has 2^n voxels; faces only for voxels.
        source = touched if on_corners else ignored
        edge = xp.zeros_like(source[(*(slice(None),) * axis, slice(0, 1), ...)])
        before, after = xp.concat([edge, source], axis=axis), xp.concat([source, edge], axis=axis)
        if on_corners:
            touched = before | after
            continue
        inner = (*(slice(None),) * axis, slice(0, -1), ...), (*(slice(None),) * axis, slice(1, None), ...)
        touched = touched | before[inner[0]] | after[inner[1]]
    return Elements(elements.codes * xp.astype(~touched, xp.uint8), elements.weights)


@_array.one_node
def surfels(mask: Array, *, spacing: Spacing) -> Elements:
    """Return the surface as surface elements at the corners of the voxels, weighted by their area (marching cubes).

    Every corner is the middle of 2 x 2 x 2 voxels; an element lies where they are neither all inside nor all outside.
    What lies beyond the image counts as outside.

    Args:
        mask: Boolean array of one to three axes.
        spacing: Millimetres between voxel centres along each axis.

    Returns:
        Codes on the grid of corners, one longer than the mask along every axis, and areas in square millimetres
        (contour lengths in millimetres for two axes, 1 per end point for one axis).

    Example:
        >>> import numpy as np
        >>> codes, weights = surfels(np.array([[True]]), spacing=(1.0, 1.0))
        >>> codes.tolist(), float(weights[codes].sum())
        ([[8, 2], [4, 1]], 2.8284271247461903)

    Source:
        S. Nikolov et al., Deep learning to achieve clinically applicable segmentation of head and neck anatomy for
        radiotherapy, 2018, arXiv 1809.04430.
    """
    xp = _array.checked_namespace("surfels", mask=mask)
    full = 2 ** (2**mask.ndim) - 1
    codes: Array = (
        _neighbour_codes_on_host(_array.to_numpy(mask))
        if _array.is_numpy(mask)
        else _array.call_gathered(_neighbour_codes, mask)
    )
    sizes = marching_cubes.surfel_sizes(tuple(spacing))
    # A program of JAX without x64 returns sizes in single precision: so does an eager call.
    weights = sizes if _array.widest_float(xp, mask) == xp.float64 else sizes.astype(np.float32)
    # No surface passes through a neighbourhood that is inside altogether: its code becomes that of the background.
    return Elements(codes * xp.astype(codes != full, xp.uint8), weights)


def _neighbour_codes(mask: Array) -> Array:
    """Return the code of the neighbourhood of every corner, with static shapes."""
    xp = _array.array_namespace(mask)
    codes = xp.astype(mask, xp.uint8)
    for axis in range(mask.ndim):
        # Each gap along the axis joins the code before it with the one after it, which gets the higher bits: codes of
        # one voxel have 1 bit, those of 2, 4 and 8 voxels as many.
        edge = xp.zeros_like(codes[(*(slice(None),) * axis, slice(0, 1), ...)])
        before = xp.concat([edge, codes], axis=axis)
        after = xp.concat([codes, edge], axis=axis)
        codes = before | (after * (1 << (1 << axis)))
    return codes


def _neighbour_codes_on_host(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return what `_neighbour_codes` does, in two buffers and without a copy of the mask per axis."""
    codes = np.zeros(tuple(size + 1 for size in mask.shape), dtype=np.uint8)
    codes[(slice(-1),) * mask.ndim] = mask
    flat, higher = codes.reshape(-1), np.empty(codes.size, dtype=np.uint8)
    for axis, stride in enumerate(codes.strides):
        np.multiply(flat, 1 << (1 << axis), out=higher)
        # A zero ends every line, so that all lines can be shifted by one step as one: nothing runs over into the next.
        higher[stride:] |= flat[:-stride]
        flat, higher = higher, flat
    return flat.reshape(codes.shape)


@_array.one_node
def voxels(mask: Array, *, spacing: Spacing) -> Elements:
    """Return the surface as the border voxels of the mask, all of the same weight: the mask minus its erosion.

    Args:
        mask: Boolean array of one to three axes.
        spacing: Not used; every convention is called with it.

    Returns:
        Codes on the grid of voxels, and the weights False and True.

    Example:
        >>> import numpy as np
        >>> voxels(np.ones((3, 3), dtype=bool), spacing=(1.0, 1.0)).codes.tolist()
        [[1, 1, 1], [1, 0, 1], [1, 1, 1]]

    Agrees with:
        The borders of medpy, MONAI and Metrics Reloaded.
    """
    del spacing
    xp = _array.checked_namespace("voxels", mask=mask)
    return Elements(xp.astype(border(mask), xp.uint8), np.array([False, True]))


@_array.one_node
def solid(mask: Array, *, spacing: Spacing) -> Elements:
    """Return all voxels of the mask, inner ones too, all of the same weight.

    Args:
        mask: Boolean array of one to three axes.
        spacing: Not used; every convention is called with it.

    Returns:
        Codes on the grid of voxels, and the weights False and True.

    Example:
        >>> import numpy as np
        >>> solid(np.ones((1, 3), dtype=bool), spacing=(1.0, 1.0)).codes.tolist()
        [[1, 1, 1]]

    Agrees with:
        The point sets of ITK's Hausdorff filters.
    """
    del spacing
    xp = _array.checked_namespace("solid", mask=mask)
    return Elements(xp.astype(mask, xp.uint8), np.array([False, True]))
