"""Transforms of TorchIO for samples: they see images and label maps as TorchIO's own, where they lie in the world."""

import inspect
from typing import Any

import numpy as np

from mia_functional._core import checks, optional
from mia_functional.adapters.host_samples import HostSample, lift_host_transform
from mia_functional.geometry import Geometry, describe_differences
from mia_functional.images.conversion import from_itk, to_itk
from mia_functional.transforms import Transform
from mia_functional.transforms.composition import Categories, Function
from mia_functional.typing import HostArray

__all__ = ["lift"]

__dir__ = __all__.copy  # dir() shows what users may touch

_torchio: Any = optional.require("torchio")
_pytorch: Any = optional.require("torch")

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From the world of ITK and DICOM, whose axes run left, back and up, to that of TorchIO: right, front and up."""


def lift(transform: Function, *, images: Categories = "images", labels: Categories = "labels") -> Transform:
    """Lift a transform of TorchIO 1 or 2 to samples of three spatial axes.

    Args:
        transform: From `torchio.transforms`.
        images: One category or several, which are interpolated.
        labels: Categories that are label maps, for TorchIO to take from the nearest voxel; `()` if there are none.

    Returns:
        A function from a sample to a new sample, with arrays in the libraries that they came in. Images of floats keep
        their dtype, those of integers become float32; labels keep theirs. Where the sample has a `geometry`, TorchIO
        sees it, and the new sample has the geometry that TorchIO gives; where it has `rng`, TorchIO's seed is drawn
        from it. A JAX key is split, and the rest of it handed on.

    Raises:
        TypeError: The transform, when a sample comes, returns something else than a `Subject` with all categories.
        ValueError: The sample, when it comes, lacks a category; or images and labels differ in spatial shape, or lie on
            different grids after the transform; or that leaves labels that are not whole, or numbers that the dtype
            does not hold (-1 in uint8, 70000 in float16).
    """
    return lift_host_transform(_apply_torchio, transform, images, labels, (4,))


def _apply_torchio(transform: Function, sample: HostSample, labels: tuple[str, ...], seed: int | None) -> HostSample:
    """Return a sample after a transform of TorchIO."""
    arrays, geometry = sample
    affine = np.eye(4) if geometry is None else _torchio_affine(geometry)
    try:
        after = _transformed(transform, arrays, affine, labels, seed)
    except (RuntimeError, ValueError):
        # `ToCanonical` and `Transpose` refuse int64, `KeepLargestComponent` and `Contour` floats (1.2.1).
        others = {name: other for name in labels if (other := _other_kind(arrays[name])) is not None}
        if not others:
            raise
        after = _transformed(transform, arrays | others, affine, labels, seed)
    # A subject of TorchIO 1 is a dictionary, one of 2 (2.0.0a2) has its images in another.
    if not isinstance(after, _torchio.Subject) or not arrays.keys() <= set(
        after if isinstance(after, dict) else after.images
    ):
        needed = f"return a Subject with {', '.join(arrays)}"
        checks.invalid_kind("lift", "transform", needed, type(after).__name__)
    changed = {name: after[name].data.numpy().T for name in arrays}
    grids = {name: _geometry_from_torchio(after[name].spatial_shape, np.asarray(after[name].affine)) for name in arrays}
    first = next(iter(arrays))
    for name, grid in grids.items():
        if reasons := describe_differences(grid, grids[first]):
            needed = f"leave images and labels on one grid ({name} and {first})"
            checks.invalid_value("lift", "transform", needed, reasons)
    return changed, None if geometry is None else grids[first]


def _transformed(
    transform: Function, arrays: dict[str, HostArray], affine: HostArray, labels: tuple[str, ...], seed: int | None
) -> Any:
    """Return what a transform makes of arrays as images and label maps of TorchIO."""
    # TorchIO's arrays are (channel, x, y, z): ours with all axes reversed.
    kinds = {name: _torchio.LabelMap if name in labels else _torchio.ScalarImage for name in arrays}
    tensors = {name: _pytorch.tensor(np.ascontiguousarray(array.T)) for name, array in arrays.items()}
    # What was `tensor` in TorchIO 1 is `source` in 2, which takes the old name for metadata, and makes an empty image.
    argument = "source" if "source" in inspect.signature(_torchio.ScalarImage).parameters else "tensor"
    images = {name: kinds[name](**{argument: tensors[name]}, affine=affine) for name in arrays}
    subject = _torchio.Subject(**images)
    # TorchIO draws from PyTorch's global numbers; those of the GPUs play no part. They are put back if they were seeded
    # here; else they have to move on, or every sample would get the same draw.
    with _pytorch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            _pytorch.manual_seed(seed)
        return transform(subject)


def _other_kind(labels: HostArray) -> "HostArray | None":
    """Return int64 labels as float64 and labels of floats as int64, where that holds them all; else None."""
    if labels.dtype == np.int32 or not ((abs(labels) <= 2**53) & (labels == np.trunc(labels))).all():
        return None
    return labels.astype(np.int64 if labels.dtype.kind == "f" else np.float64)


def _torchio_affine(geometry: Geometry) -> HostArray:
    """Return a geometry as the matrix of TorchIO, from (x, y, z) voxels to the world."""
    _, spacing, origin, direction = to_itk(geometry)
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(direction, (3, 3)) * spacing
    matrix[:3, 3] = origin
    return _LPS_TO_RAS @ matrix


def _geometry_from_torchio(shape: tuple[int, ...], affine: HostArray) -> Geometry:
    """Return the geometry of a matrix of TorchIO."""
    matrix = _LPS_TO_RAS @ affine
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    direction = (matrix[:3, :3] / spacing).ravel().tolist()
    return from_itk(tuple(shape), spacing.tolist(), matrix[:3, 3].tolist(), direction)
