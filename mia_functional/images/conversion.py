"""Geometries and volumes to and from ITK.

ITK writes sizes, points and matrices in the order `(x, y, z)`, everything else in this package in array order
`(z, y, x)`. The reversal happens in this module and nowhere else. World coordinates keep ITK's signs (x to the
patient's left, y to the back, z to the head: LPS); only their order is reversed.
"""

from collections.abc import Sequence
from itertools import chain
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.itk_globals import ItkImage, ItkReader, simpleitk
from mia_functional.typing import Array, HostArray

__all__ = [
    "DTYPES_BY_PIXEL_TYPE",
    "ItkGrid",
    "from_itk",
    "from_simpleitk",
    "image_memory",
    "itk_grid",
    "to_itk",
    "to_simpleitk",
]

DTYPES_BY_PIXEL_TYPE = {f"{bits}-bit float": f"float{bits}" for bits in (32, 64)} | {
    f"{bits}-bit {un}signed integer": f"{un[:1]}int{bits}" for bits in (8, 16, 32, 64) for un in ("", "un")
}
"""The element types that every format holds: NumPy's name by SimpleITK's `GetPixelIDValueAsString`."""


class ItkGrid(NamedTuple):
    """A voxel grid as ITK writes it, in the order `(x, y, z)`; the direction is a matrix row by row."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]


def to_itk(geometry: Geometry) -> ItkGrid:
    """Return a geometry in ITK's order: size, spacing, origin and the flat direction matrix.

    Args:
        geometry: A voxel grid in array order.

    Returns:
        The same grid in the order `(x, y, z)`; spacing and origin in millimetres.

    Example:
        >>> to_itk(Geometry(shape=(2, 3), spacing=(4.0, 5.0), origin=(6.0, 7.0), direction=((0, 1), (-1, 0))))
        ItkGrid(size=(3, 2), spacing=(5.0, 4.0), origin=(7.0, 6.0), direction=(0.0, -1.0, 1.0, 0.0))
    """
    checks.require_instance("to_itk", "geometry", geometry, Geometry, "a geometry")
    # Rows are world axes and columns array axes; both are reversed.
    rows = (row[::-1] for row in geometry.direction[::-1])
    return ItkGrid(geometry.shape[::-1], geometry.spacing[::-1], geometry.origin[::-1], tuple(chain(*rows)))


@checks.speaking_for("from_itk", "Geometry")
def from_itk(
    size: Sequence[int], spacing: Sequence[float], origin: Sequence[float], direction: Sequence[float]
) -> Geometry:
    """Return the geometry of a grid that is given in ITK's order `(x, y, z)`, the inverse of `to_itk`.

    Args:
        size: Voxels along x, y, z.
        spacing: Millimetres along x, y, z.
        origin: World coordinates of voxel 0 in millimetres.
        direction: The direction matrix, row by row.

    Returns:
        The same grid in array order.

    Raises:
        ValueError: An entry is missing, not finite or not positive, or the direction is singular.

    Example:
        >>> from_itk((3, 2), (5.0, 4.0), (7.0, 6.0), (0.0, -1.0, 1.0, 0.0)).direction
        ((0.0, 1.0), (-1.0, 0.0))
    """
    shape = checks.integer_tuple("from_itk", "size", size, minimum=1)[::-1]
    # ITK negates axes and leaves -0.0 behind; adding 0.0 makes it 0.0, so that equal grids print alike.
    spacing, origin, flat = (
        tuple(entry + 0.0 for entry in checks.float_tuple("from_itk", name, value))[::-1]
        for name, value in (("spacing", spacing), ("origin", origin), ("direction", direction))
    )
    ndim = len(shape)
    if len(flat) != ndim**2:
        checks.invalid_value("from_itk", "direction", f"have {ndim**2} entries", len(flat))
    rows = tuple(flat[start : start + ndim] for start in range(0, ndim**2, ndim))
    return Geometry(shape=shape, spacing=spacing, origin=origin, direction=rows)


@checks.speaking_for("from_simpleitk", "from_itk")
def from_simpleitk(image: ItkImage) -> tuple[HostArray, Geometry]:
    """Return the voxels and the geometry of a SimpleITK image.

    Args:
        image: A `SimpleITK.Image` of 2 to 4 axes with integer or floating pixels.

    Returns:
        A NumPy array of shape `(*spatial,)`, or `(*spatial, channels)` for a vector image, with the dtype of the image,
        and the geometry of the spatial axes.

    Raises:
        TypeError: The argument is not such an image.
        ValueError: Its geometry is not that of a scanner (see `Geometry`).

    Example:
        >>> import SimpleITK as sitk
        >>> array, geometry = from_simpleitk(sitk.Image([4, 3, 2], sitk.sitkInt16))
        >>> array.shape, array.dtype.name, geometry.spacing
        ((2, 3, 4), 'int16', (1.0, 1.0, 1.0))
    """
    if not isinstance(image, simpleitk().Image):
        checks.invalid_kind("from_simpleitk", "image", "be a SimpleITK image", type(image).__name__)
    if image.GetDimension() not in (2, 3, 4):
        checks.invalid_kind("from_simpleitk", "image", "have 2, 3 or 4 axes", image.GetDimension())
    array = image_memory(image)
    if array.dtype.name not in DTYPES_BY_PIXEL_TYPE.values():
        checks.invalid_kind("from_simpleitk", "image", "hold integers or floats", image.GetPixelIDTypeAsString())
    return array.copy(), from_itk(*itk_grid(image))


def to_simpleitk(array: Array, geometry: Geometry) -> ItkImage:
    """Return a SimpleITK image with the voxels of `array` on the grid `geometry`.

    Args:
        array: Shape `(*spatial,)` or `(*spatial, channels)`, any library; integers of 8 to 64 bits, float32 or float64.
            Booleans become uint8. A single channel is dropped, as files do not distinguish one from none.
        geometry: The grid of the 2 to 4 spatial axes.

    Returns:
        A `SimpleITK.Image`, a vector image where there are channels.

    Raises:
        TypeError: `array` is not an array, or has a dtype that image files do not hold (float16, complex, text), or
            `geometry` is none.
        ValueError: The shape of `array` is not that of `geometry`, with or without channels.

    Example:
        >>> to_simpleitk(np.zeros((2, 3, 4)), Geometry(shape=(2, 3, 4), spacing=(3.0, 1.0, 1.0))).GetSpacing()
        (1.0, 1.0, 3.0)
    """
    _array.checked_namespace("to_simpleitk", array=array)
    checks.require_instance("to_simpleitk", "geometry", geometry, Geometry, "a geometry")
    checks.dimensions("to_simpleitk", "geometry", geometry.shape, (2, 3, 4))
    shape, spatial = tuple(array.shape), geometry.shape
    if shape[: len(spatial)] != spatial or len(shape) > len(spatial) + 1 or 0 in shape:
        checks.invalid_value("to_simpleitk", "array", f"have the shape of the geometry, {spatial}", f"shape {shape}")
    # Dtypes of NumPy and JAX have a name; those of PyTorch print as `torch.int16`.
    kind = getattr(array.dtype, "name", str(array.dtype).rsplit(".", maxsplit=1)[-1])
    if kind not in {*DTYPES_BY_PIXEL_TYPE.values(), "bool"}:
        checks.invalid_kind("to_simpleitk", "array", "hold integers, float32, float64 or booleans", kind)
    voxels = _array.to_numpy(array)
    # SimpleITK takes the bytes of an array as they are: a foreign byte order would become other numbers.
    voxels = voxels.astype(np.uint8 if kind == "bool" else voxels.dtype.newbyteorder("="), copy=False)
    single = shape[len(spatial) :] in ((), (1,))
    image = simpleitk().GetImageFromArray(voxels.reshape(spatial) if single else voxels, isVector=not single)
    _, spacing, origin, direction = to_itk(geometry)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image


def itk_grid(image: ItkImage | ItkReader) -> ItkGrid:
    """Return the grid of a SimpleITK image, or of the file whose header a reader has seen."""
    return ItkGrid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def image_memory(image: ItkImage) -> HostArray:
    """Return the memory of a SimpleITK image as a writeable array that keeps the image alive.

    SimpleITK's own view is read-only, and valid only as long as somebody else keeps the image (as of 2.5).
    """
    view = simpleitk().GetArrayViewFromImage(image)
    address, _ = view.__array_interface__["data"]
    interface = {**view.__array_interface__, "data": (address, False)}
    # NumPy keeps the object that offers an array interface as the base of the array, and with it the image.
    return np.asarray(SimpleNamespace(__array_interface__=interface, owner=image))
