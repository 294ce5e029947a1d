"""Images on another grid and images bent: resampling, affine maps and elastic deformation.

An array is `(*spatial, ...)` with one or more leading spatial axes; channels go along. `interpolation=linear` is for
images and `interpolation=nearest` for labels, of any dtype, which stays: what is interpolated between integers is
rounded, halves to even, and clipped. An array does not say which of both it is: without `interpolation`, floats are
interpolated linearly, and integers and booleans are taken from the nearest voxel. Transforms of samples (`on`,
`randomly`, `resample_to`) decide by the role of a category instead. Everything traces under `jit` with
traced parameters. Coordinates and displacements are in voxels. NaN and infinity spread to what is interpolated from
them, but not with a weight of 0: an image that is resampled to its own grid stays as it is.
"""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.geometry import Geometry, index_to_world, regrid, world_to_index
from mia_functional.transforms import arguments
from mia_functional.transforms.arguments import ArrayOrGeometry, Numbers
from mia_functional.transforms.host_interpolation import has_host_way, interpolate_axes_on_host, interpolate_on_host
from mia_functional.transforms.interpolation import (
    Interpolation,
    interpolate,
    interpolate_axes,
    nearest,
    open_grid,
    restore_values,
    rule_and_values,
)
from mia_functional.transforms.places import Places, coordinates, places_on_host
from mia_functional.transforms.smoothing import gaussian_radii, smooth_gaussian
from mia_functional.typing import Array, HostArray, Shape

__all__ = ["affine", "affine_together", "elastic", "elastic_together", "resample", "resample_onto", "warp"]


def resample(
    array: ArrayOrGeometry,
    scale: Sequence[float],
    *,
    shape: Shape | None = None,
    interpolation: Interpolation | None = None,
    antialias: bool = False,
) -> ArrayOrGeometry:
    """Resample to coarser or finer voxels (zoom, resize); the centre of the image stays where it is.

    `y[i] = x((i - (m - 1) / 2) scale + (n - 1) / 2)` along each axis, from n to m voxels. Where voxels become much
    coarser, details finer than a new voxel turn into patterns that are not there, unless `antialias` averages them.

    Args:
        array: Array `(*spatial, ...)`, or a `Geometry`.
        scale: Old voxels per new voxel along each leading axis: new spacing / old spacing.
        shape: Voxels of the result along these axes; by default the same extent as before, rounded.
        interpolation: `linear`, `nearest` or a function like them; by default linear for floats, else nearest.
        antialias: Smooth first with a Gaussian along the axes that become coarser: a point spread as wide as an old
            voxel becomes as wide as a new one, `sigma = sqrt((scale^2 - 1) / (8 ln 2))` old voxels. What is taken from
            the nearest voxel (labels) is never smoothed.

    Returns:
        Array `(*shape, ...)` of the same dtype, or the geometry of that grid.

    Raises:
        ValueError: A scale is not positive.

    Example:
        >>> resample(np.array([0.0, 2.0, 4.0, 6.0]), (2.0,)).tolist(), resample(np.array([0, 6]), (0.5,)).tolist()
        ([1.0, 5.0], [0, 0, 6, 6])

    Source:
        Cardoso et al. 2015, Scale factor point spread function matching, doi 10.1007/978-3-319-24571-3_81.

    Agrees with:
        `torch.nn.functional.interpolate(align_corners=False)` where the extents agree, and SimpleITK's `Resample`.
    """
    checks.booleans("resample", antialias=antialias)
    checks.require_shape("resample", "array", array)
    steps = checks.float_tuple("resample", "scale", scale)
    if len(steps) > len(array.shape) or not all(0 < step < math.inf for step in steps):
        checks.invalid_value("resample", "scale", "have a positive entry for each spatial axis", steps)
    old = tuple(array.shape[: len(steps)])
    extent = tuple(max(1, round(size / step)) for size, step in zip(old, steps, strict=True))
    new = checks.integer_tuple("resample", "shape", extent if shape is None else shape, length=len(steps), minimum=1)
    # From centre to centre, not from corner to corner: an extent that is rounded is cut on both sides alike.
    starts = [(n - 1) / 2 - (m - 1) / 2 * step for n, m, step in zip(old, new, steps, strict=True)]
    if isinstance(array, Geometry):
        return regrid(array, new, starts, factors=steps)
    _array.checked_namespace("resample", array=array)
    rule, result = rule_and_values("resample", array, interpolation)
    if antialias and rule is not nearest:
        # Widths at half maximum are voxel sizes, 2 sqrt(2 ln 2) sigma, and variances of Gaussians add up.
        widths = [math.sqrt(max(step * step - 1, 0) / (8 * math.log(2))) for step in steps]
        _, result, (sigma,) = arguments.with_parameters("resample", array=result, scale=widths)
        result = smooth_gaussian(result, sigma, gaussian_radii(widths, len(steps)))
    lines = [start + step * np.arange(size) for start, step, size in zip(starts, steps, new, strict=True)]
    if has_host_way(array, rule) and has_host_way(result, rule):
        return interpolate_axes_on_host(array, result, lines, rule)
    return restore_values(interpolate_axes(result, lines, rule), array)


def resample_onto(
    array: Array,
    geometry: Geometry,
    onto: Geometry,
    *,
    interpolation: Interpolation | None = None,
    fill_value: float = 0,
) -> Array:
    """Resample an image onto the grid of another one, each voxel from the same point of the world.

    Nothing is smoothed: where voxels become much coarser, `resample` to about their size first, with `antialias`.

    Args:
        array: Array `(*spatial, ...)`.
        geometry: Where the array lies.
        onto: The grid of the result.
        interpolation: `linear`, `nearest` or a function like them; by default linear for floats, else nearest.
        fill_value: Value of what lies outside of the array; its dtype has to hold it.

    Returns:
        Array `(*onto.shape, ...)` of the same dtype.

    Raises:
        ValueError: The shapes of array and geometry differ, or the grids have different numbers of axes.

    Example:
        >>> old, new = Geometry(shape=(3,), spacing=(1.0,)), Geometry(shape=(2,), spacing=(1.0,), origin=(0.5,))
        >>> resample_onto(np.array([0.0, 2.0, 4.0]), old, new).tolist()
        [1.0, 3.0]

    Agrees with:
        SimpleITK's `Resample`.
    """
    for name, grid in (("geometry", geometry), ("onto", onto)):
        checks.require_instance("resample_onto", name, grid, Geometry, "a Geometry")
    xp, size = _array.checked_namespace("resample_onto", array=array), len(geometry.shape)
    if tuple(array.shape[:size]) != geometry.shape or len(onto.shape) != size:
        checks.invalid_value("resample_onto", "array", f"have the shape {geometry.shape}", tuple(array.shape))
    # The map between two grids is affine: the images of the first voxel and of a step along each axis define it.
    origin = world_to_index(geometry, onto.origin)
    units = [[float(axis == other) for other in range(size)] for axis in range(size)]
    ends = [world_to_index(geometry, index_to_world(onto, unit)) for unit in units]
    matrix = [[end[row] - origin[row] for end in ends] for row in range(size)]
    dtype = _array.accumulator_dtype(array)
    model = _array.zeros(xp, (), dtype, array)
    sums: list[tuple[Array | None, ...]] = []
    for steps, first in zip(matrix, origin, strict=True):
        # What each axis of the new grid adds is computed in float64, so that single precision rounds it only once.
        terms = [step * np.arange(length) for step, length in zip(steps, onto.shape, strict=True)]
        magnitudes = list(map(abs, steps))
        terms[magnitudes.index(max(magnitudes))] += first
        lines = open_grid(terms, size, model)
        # Between grids that are not turned, coordinates along an axis stay a line: nothing is added to all voxels.
        present = [step != 0 or axis == 0 for axis, step in enumerate(steps)]
        sums.append(tuple(line if is_present else None for line, is_present in zip(lines, present, strict=True)))
    places = Places(onto.shape, dtype, tuple(sums))
    (result,) = _values_at("resample_onto", [array], places, [interpolation], [fill_value])
    return result


def warp(
    array: Array, coordinates: Array, *, interpolation: Interpolation | None = None, fill_value: float = 0
) -> Array:
    """Take every voxel from given coordinates: `y[i] = x(coordinates[i])`.

    Args:
        array: Array `(*spatial, ...)` of d spatial axes.
        coordinates: Array `(d, *shape)`: for every voxel of the result where it comes from in `array`, in voxels.
        interpolation: `linear`, `nearest` or a function like them; by default linear for floats, else nearest.
        fill_value: Value of what lies outside of the array; its dtype has to hold it.

    Returns:
        Array `(*shape, ...)` of the same dtype.

    Raises:
        ValueError: The shape of `coordinates` does not fit, or one of them is NaN (traced ones cannot be looked at, and
            NaN is outside).

    Example:
        >>> warp(np.array([0.0, 10.0, 20.0]), np.array([[0.5, 2.0, 7.0]]), fill_value=-1.0).tolist()
        [5.0, 20.0, -1.0]

    Agrees with:
        `scipy.ndimage.map_coordinates(order=1)` inside of the image.
    """
    _, array, (points,) = arguments.with_parameters("warp", array=array, coordinates=coordinates)
    if points.ndim < 2 or not 1 <= points.shape[0] <= array.ndim:
        checks.invalid_value("warp", "coordinates", "have the shape (spatial axes, *shape)", tuple(points.shape))
    # Infinity is allowed, it is outside; NaN is a mistake.
    arguments.require_valid(
        "warp", "coordinates", coordinates, points, lambda number: abs(number) >= 0, needed="hold numbers", actual="NaN"
    )
    places = Places(tuple(points.shape[1:]), points.dtype, field=points)
    (result,) = _values_at("warp", [array], places, [interpolation], [fill_value])
    return result


def affine(
    array: ArrayOrGeometry,
    matrix: Numbers,
    offset: Numbers,
    *,
    interpolation: Interpolation | None = None,
    fill_value: float = 0,
) -> ArrayOrGeometry:
    """Rotate, scale, shear and move the content of an image about its centre; the grid stays (affine map).

    `y[i] = x(c + matrix @ (i - c) + offset)` with c the centre of the image: the map is from the result to the source.

    Args:
        array: Array `(*spatial, ...)` of d spatial axes; or a `Geometry`, which is handed on, as the grid stays.
        matrix: Floats `(d, d)`, in voxels; may be traced.
        offset: Floats `(d,)`, in voxels; may be traced.
        interpolation: `linear`, `nearest` or a function like them; by default linear for floats, else nearest.
        fill_value: Value of what lies outside of the array; its dtype has to hold it.

    Returns:
        Array of the same shape and dtype, or the geometry.

    Raises:
        ValueError: The shapes of matrix and offset do not fit, or they are not finite (traced ones cannot be looked
            at).

    Example:
        >>> affine(np.array([1.0, 2.0, 3.0]), [[-1.0]], [0.0]).tolist()
        [3.0, 2.0, 1.0]

    Agrees with:
        SimpleITK's `Resample` with an `AffineTransform`.
    """
    if isinstance(array, Geometry):
        _require_entries("affine", "offset", arguments.as_numbers("affine", "offset", offset, None).shape, array)
        return array
    (result,) = affine_together([array], matrix, offset, interpolation=[interpolation], fill_value=[fill_value])
    return result


def affine_together(
    arrays: Sequence[Array],
    matrix: Numbers,
    offset: Numbers,
    *,
    interpolation: Sequence[Interpolation | None],
    fill_value: Sequence[float],
) -> Sequence[Array]:
    """Return arrays of one spatial shape and one dtype of sums after an affine map, with one computation of places."""
    given = [arguments.with_parameters("affine", array=array, matrix=matrix, offset=offset) for array in arrays]
    xp, array, (columns, shift) = given[0]
    size = shift.shape[0] if shift.ndim == 1 else 0
    if not 1 <= size <= array.ndim:
        checks.invalid_value("affine", "offset", "have one entry per spatial axis", tuple(shift.shape))
    arguments.require_parameter_shape("affine", "matrix", columns, (size, size))
    arguments.require_finite("affine", "matrix", matrix, columns)
    arguments.require_finite("affine", "offset", offset, shift)
    shape = tuple(array.shape[:size])
    centre = _array.asarray_like(_array.from_numbers([(length - 1) / 2 for length in shape], array), columns)
    start = centre + shift - xp.sum(columns * centre[None, :], axis=1)
    grid = open_grid(map(np.arange, shape), size, columns)
    sums = [[columns[row, axis] * line for axis, line in enumerate(grid)] for row in range(size)]
    terms = tuple((start[row] + first, *others) for row, (first, *others) in enumerate(sums))
    return _values_at(
        "affine", [entry for _, entry, _ in given], Places(shape, columns.dtype, terms), interpolation, fill_value
    )


def elastic(
    array: ArrayOrGeometry, control: Array, *, interpolation: Interpolation | None = None, fill_value: float = 0
) -> ArrayOrGeometry:
    """Bend an image smoothly (elastic deformation): every voxel comes from a displaced point.

    `y[i] = x(i + u(i))`, with u the uniform cubic B-spline of the control points. The outermost points lie one cell
    beyond the edges of the image, so m points along an axis make m - 3 cells from its first edge to its last.

    Args:
        array: Array `(*spatial, ...)` of d spatial axes; or a `Geometry`, which is handed on, as the grid stays.
        control: Displacements of the control points along each axis in voxels, `(d, *points)` with at least 4 points
            along each axis; may be traced.
        interpolation: `linear`, `nearest` or a function like them; by default linear for floats, else nearest.
        fill_value: Value of what lies outside of the array; its dtype has to hold it.

    Returns:
        Array of the same shape and dtype, or the geometry.

    Raises:
        ValueError: The shape of `control` does not fit, or it is not finite (if traced, it cannot be looked at).

    Example:
        >>> elastic(np.array([1.0, 2.0, 3.0]), np.ones((1, 4)), fill_value=-1.0).tolist()
        [2.0, 3.0, -1.0]

    Source:
        Rueckert et al. 1999, Nonrigid registration using free-form deformations, doi 10.1109/42.796284.

    Agrees with:
        SimpleITK's `Resample` with a `BSplineTransform`.
    """
    if isinstance(array, Geometry):
        _require_entries("elastic", "control", tuple(control.shape[:1]), array)
        return array
    (result,) = elastic_together([array], control, interpolation=[interpolation], fill_value=[fill_value])
    return result


def elastic_together(
    arrays: Sequence[Array],
    control: Array,
    *,
    interpolation: Sequence[Interpolation | None],
    fill_value: Sequence[float],
) -> Sequence[Array]:
    """Return arrays of one spatial shape and one dtype of sums, bent by one computation of places."""
    given = [arguments.with_parameters("elastic", array=array, control=control) for array in arrays]
    xp, array, (field,) = given[0]
    size = field.ndim - 1
    if not 1 <= size <= array.ndim or field.shape[0] != size or any(extent < 4 for extent in field.shape[1:]):
        needed = "have the shape (spatial axes, *points), with at least 4 points along each"
        checks.invalid_value("elastic", "control", needed, tuple(field.shape))
    arguments.require_finite("elastic", "control", control, field)
    shape = tuple(array.shape[:size])
    # The spline is a product over the axes: each contraction takes the first axis of points and puts its voxels last.
    weights = [
        xp.astype(_array.from_numpy(_spline_weights(length, points), xp, field), field.dtype, copy=False)
        for length, points in zip(shape, field.shape[1:], strict=True)
    ]
    for counts in weights[:-1]:
        field = xp.tensordot(field, counts, axes=((1,), (1,)))
    grid = open_grid(map(np.arange, shape), size, field)
    terms = tuple(tuple(line if axis == row else None for axis, line in enumerate(grid)) for row in range(size))
    places = Places(shape, field.dtype, terms, field, weights[-1])
    return _values_at("elastic", [entry for _, entry, _ in given], places, interpolation, fill_value)


def _require_entries(function: str, argument: str, shape: Shape, geometry: Geometry) -> None:
    """Raise unless a parameter has an entry for each axis of a geometry."""
    if shape != (len(geometry.shape),):
        needed = f"have one entry for each of the {len(geometry.shape)} axes of the geometry"
        checks.invalid_value(function, argument, needed, shape)


def _values_at(
    function: str,
    arrays: Sequence[Array],
    places: Places,
    interpolations: Sequence[Interpolation | None],
    fill_values: Sequence[float],
) -> Sequence[Array]:
    """Return the values of arrays `(*spatial, ...)` at places, and fill values outside, each in its dtype."""
    own = places_on_host(places) if all(map(has_host_way, arrays, interpolations)) else None
    if own is not None:
        return interpolate_on_host(function, arrays, own, interpolations, fill_values)
    points, results = coordinates(places), []
    for array, interpolation, fill_value in zip(arrays, interpolations, fill_values, strict=True):
        rule, values = rule_and_values(function, array, interpolation)
        _array.check_fits_dtype(function, "fill_value", fill_value, array)
        result = _array.call_gathered(partial(interpolate, rule, fill_value), values, *points)
        results.append(restore_values(result, array))
    return results


def _spline_weights(length: int, points: int) -> HostArray:
    """Return how much each control point of a uniform cubic B-spline counts at each voxel, `(length, points)`.

    Example:
        >>> _spline_weights(1, 4).round(3).tolist()
        [[0.021, 0.479, 0.479, 0.021]]
    """
    # The domain begins and ends half a voxel beyond the outermost centres, as that of ITK's `BSplineTransform`, and m
    # points make m - 3 cells in it: within a cell exactly four basis functions differ from 0.
    cells = _array.whole_number(points - 3)
    position = (np.arange(length) + 0.5) / _array.whole_number(length) * cells
    cell = np.minimum(np.floor(position).astype(int), cells - 1)
    t = position - cell
    pieces = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    weights = np.zeros((length, points))
    for step, piece in enumerate(pieces):
        weights[np.arange(length), cell + step] = piece / 6
    return weights
