"""Surfaces of triangles as sources of masks: read from files, and put on the grid of a volume.

The examples write into `folder`, an empty one given as a `pathlib.Path`.
"""

import math
import os
import warnings
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.freesurfer_surface import read_freesurfer_surface
from mia_functional.images.gifti import read_gifti
from mia_functional.images.header import invalid_file
from mia_functional.images.segments import Segment, Segmentation, SegmentRequest
from mia_functional.images.stl import read_stl
from mia_functional.images.winding import inside_surface, open_edges
from mia_functional.typing import HostArray, Spacing

__all__ = ["Surface", "load_no_grid", "load_surface_segments", "read_surface", "surface_mask", "surface_segments"]

_World = Literal["LPS", "RAS"]

_PATIENT_WORLDS = ("LPS", "RAS")

_SURFACE_ENDINGS = (".stl", ".surf.gii", ".gii")
"""What is no part of the name of a segment; names of FreeSurfer's surfaces, such as `lh.pial`, are all name."""

_FARTHEST = 1e7
"""Millimetres from the origin: what is farther is no place of a patient, and sums of it would not be exact."""


class Surface(NamedTuple):
    """A surface of triangles.

    Attributes:
        points: Corners, `(points, 3)`, in millimetres and array order `(z, y, x)`: world coordinates as of `Geometry`.
        triangles: Places of the three corners of each triangle in `points`, `(triangles, 3)`.
    """

    points: HostArray
    triangles: HostArray


@checks.speaking_for("read_surface", "read")
def read_surface(path: str | os.PathLike[str], *, world: _World | None = None, max_bytes: int = 1 << 30) -> Surface:
    """Read (load) a surface: STL, GIfTI, or a surface of FreeSurfer such as `lh.pial`.

    Args:
        path: An STL (`.stl`) or GIfTI (`.gii`) file; any other name is that of a surface of FreeSurfer.
        world: What the axes x, y and z of the coordinates are: `"LPS"` or `"RAS"`. STL files need not say; 3D Slicer
            notes it in the comment. Without either they are taken for LPS, as by 3D Slicer, which a warning says. What
            a file does say has to agree.
        max_bytes: Largest file, and largest surface in bytes of memory.

    Returns:
        Corners in the scanner's coordinates, where a file says how to get there: those of FreeSurfer's surfaces are
        moved by the directions and the centre of the volume that their notes state, also in GIfTI files.

    Warns:
        UserWarning: An STL file names no world and none is given.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, cut off or larger than `max_bytes`, refers to another file, holds no triangles,
            triangles of corners that are not there, or a surface of FreeSurfer that does not state where it lies.

    Example:
        >>> facet = "facet normal 0 0 1 outer loop vertex 1 2 3 vertex 4 2 3 vertex 1 5 3 endloop endfacet"
        >>> _ = (folder / "corner.stl").write_text(os.linesep.join(["solid SPACE=LPS", facet, "endsolid"]))
        >>> read_surface(folder / "corner.stl").points[0].tolist()
        [3.0, 2.0, 1.0]
    """
    file = Path(checks.path_text("read", "path", path))
    checks.one_of("read", "world", world, _PATIENT_WORLDS, optional=True)
    checks.number("read", "max_bytes", max_bytes)
    stated = "RAS"
    if file.name.lower().endswith(".stl"):
        points, triangles, stated = read_stl(file, max_bytes)
    else:
        read = read_gifti if file.name.lower().endswith(".gii") else read_freesurfer_surface
        points, triangles = read(file, max_bytes)
    if stated and world is not None and stated != world:
        checks.invalid_value("read", "world", f"be what {file} states, {stated}", world)
    if not stated and world is None:
        text = "read: STL files that do not name their world are taken for LPS; pass `world`."
        warnings.warn(text, stacklevel=2)
    if triangles.size == 0 or triangles.min() < 0 or triangles.max() >= len(points):
        invalid_file(file, f"its triangles refer to corners that are not among its {len(points)}")
    if not (np.abs(points) <= _FARTHEST).all():
        invalid_file(file, "its corners are not numbers of millimetres")
    if (stated or world) == "RAS":
        points = points * [-1.0, -1.0, 1.0]
    return Surface(np.ascontiguousarray(points[:, ::-1]), triangles)


def surface_mask(surface: Surface, geometry: Geometry) -> HostArray:
    """Return which voxels of a grid are inside of a closed surface.

    A voxel is inside if the winding number of its centre is not 0: shells within each other are hollow where they are
    turned inside out, and one body where they are not. A centre that lies on the surface is inside if the surface ends
    there towards lower indices, so that bodies which touch share no voxel.

    Args:
        surface: As from `read_surface`; parts beyond the grid are cut off.
        geometry: A grid of three axes.

    Returns:
        An array of booleans of the shape of the grid.

    Raises:
        TypeError: The arguments are of other kinds.
        ValueError: The surface is not closed, or its triangles are not all turned the same way round; or the grid has
            two or four axes.

    Example:
        >>> corners = np.array([(0, 0, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9)], float)
        >>> faces = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
        >>> int(surface_mask(Surface(corners, faces), Geometry(shape=(9, 9, 9), spacing=(1.0, 1.0, 1.0))).sum())
        165

    Source: Jacobson, A., Kavan, L., Sorkine-Hornung, O.: Robust inside-outside segmentation using generalized winding
        numbers. ACM Transactions on Graphics 32(4), 2013. doi:10.1145/2461912.2461916.
    """
    checks.require_instance("surface_mask", "surface", surface, Surface, "a surface")
    checks.require_instance("surface_mask", "geometry", geometry, Geometry, "a geometry")
    checks.dimensions("surface_mask", "geometry", geometry.shape, (3,))
    if fault := _closing_fault(surface):
        checks.invalid_value("surface_mask", "surface", "be closed, and turned one way round", f"one of which {fault}")
    steps = np.array(geometry.direction) * geometry.spacing
    indices = np.linalg.solve(steps, (surface.points - geometry.origin).T).T
    depth, height, width = geometry.shape
    return inside_surface(indices, surface.triangles, (depth, height, width))


def _closing_fault(surface: Surface) -> str:
    """Return why winding numbers of a surface are no whole numbers; an empty text if they are."""
    count, turned = open_edges(surface.triangles, len(surface.points))
    if not count:
        return ""
    return f"{count} edges {'join triangles that are turned different ways round' if turned else 'are open'}"


def load_no_grid(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Raise, as a surface is no image."""
    del max_bytes, spacing
    return invalid_file(
        path, "it is a surface, which has no grid; `read_segmentation(path, reference=...)` gives it one"
    )


def surface_segments(path: Path) -> tuple[Segment, ...]:
    """Return the only segment of a surface, named as its file is."""
    ending = next((ending for ending in _SURFACE_ENDINGS if path.name.lower().endswith(ending)), "")
    return (Segment(label=1, name=path.name.removesuffix(path.name[len(path.name) - len(ending) :])),)


def load_surface_segments(path: Path, request: SegmentRequest) -> Segmentation:
    """Return what is inside of a surface as a segmentation, on the grid that is asked for."""
    if request.reference is None:
        invalid_file(path, "it is a surface, which has no grid; pass `reference`")
    geometry = request.reference.geometry
    if (nbytes := math.prod(geometry.shape)) > request.max_bytes:
        invalid_file(path, f"the mask takes {nbytes} bytes, and `max_bytes` is {request.max_bytes}")
    if len(geometry.shape) != 3:
        invalid_file(path, f"a surface is put on a grid of three axes, and `reference` has {len(geometry.shape)}")
    surface = read_surface(path, max_bytes=request.max_bytes)
    if fault := _closing_fault(surface):
        invalid_file(path, f"it has no inside: {fault}")
    mask = surface_mask(surface, geometry).view(np.uint8)
    return Segmentation(mask[..., None] if request.channels else mask, surface_segments(path), geometry)
