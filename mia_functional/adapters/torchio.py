"""Transforms of TorchIO for samples: they see images and label maps as TorchIO's own, in their place in the world."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mia_functional import _check, _optional
from mia_functional.geometry import Geometry
from mia_functional.images import from_itk, to_itk
from mia_functional.transforms import Sample, Transform
from mia_functional.transforms.composition import present

torch: Any = _optional.require("torch")
torchio: Any = _optional.require("torchio")

LOCK = threading.Lock()
"""TorchIO draws from PyTorch's global numbers: one thread at a time, so that draws do not depend on the others."""


def lift(
    transform: Callable[[Any], Any], *, images: tuple[str, ...] = ("images",), labels: tuple[str, ...] = ("labels",)
) -> Transform:
    """Lift a transform of TorchIO to samples of three spatial axes.

    Args:
        transform: From `torchio.transforms`.
        images: Categories that are interpolated.
        labels: Categories that are label maps, for TorchIO to take from the nearest voxel.

    Returns:
        A function from a sample to a new sample. Where the sample has a `geometry`, TorchIO sees it, and the new
        sample has the geometry that TorchIO gives; where it has `rng`, TorchIO's seed is drawn from it.
    """
    _check.call("lift", "transform", transform, "`torchio.RandomAffine()`")
    return partial(_apply, transform, images, labels)


def _apply(transform: Callable[[Any], Any], images: tuple[str, ...], labels: tuple[str, ...], sample: Sample) -> Sample:
    """Return the sample after a transform of TorchIO."""
    present("lift", sample, (*images, *labels))
    geometry = sample.get("geometry")
    affine = np.eye(4) if geometry is None else _to_affine(geometry)
    for name in (*images, *labels):
        _check.dimensions("lift", name, sample[name].shape, (4,))
    kinds = {**dict.fromkeys(images, torchio.ScalarImage), **dict.fromkeys(labels, torchio.LabelMap)}
    subject = torchio.Subject(
        {
            name: kind(tensor=torch.tensor(np.ascontiguousarray(sample[name].T)), affine=affine)
            for name, kind in kinds.items()
        }
    )
    with LOCK, torch.random.fork_rng(devices=[]):
        if "rng" in sample:
            torch.manual_seed(int(sample["rng"].integers(2**31)))
        after = transform(subject)
    arrays = {name: np.ascontiguousarray(after[name].data.numpy().T) for name in kinds}
    changed: Sample = {name: array.astype(sample[name].dtype, copy=False) for name, array in arrays.items()}
    if geometry is not None:
        first = after[next(iter(kinds))]
        changed["geometry"] = _from_affine(first.spatial_shape, first.affine)
    return {**sample, **changed}


def _to_affine(geometry: Geometry) -> Any:
    """Return a geometry as the matrix of TorchIO: from (x, y, z) voxels to world axes that run right, front, up."""
    _, spacing, origin, direction = to_itk(geometry)
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(direction, (3, 3)) * spacing
    matrix[:3, 3] = origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix


def _from_affine(shape: tuple[int, ...], affine: Any) -> Geometry:
    """Return the geometry of a matrix of TorchIO."""
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    direction = (matrix[:3, :3] / spacing).ravel().tolist()
    return from_itk(tuple(shape), spacing.tolist(), matrix[:3, 3].tolist(), direction)
