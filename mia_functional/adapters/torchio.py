"""Transforms of TorchIO for samples: they see images and label maps as TorchIO's own, in their place in the world."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mia_functional._core import checks, optional
from mia_functional.adapters.host_samples import from_host, on_host, seed
from mia_functional.geometry import Geometry
from mia_functional.images.conversion import from_itk, to_itk
from mia_functional.transforms import Sample, Transform
from mia_functional.transforms.composition import present

torch: Any = optional.require("torch")
torchio: Any = optional.require("torchio")

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
        A function from a sample to a new sample, with arrays in the libraries that they came in. Images of floats keep
        their dtype, those of integers become float32; labels keep theirs. Where the sample has a `geometry`, TorchIO
        sees it, and the new sample has the geometry that TorchIO gives; where it has `rng`, TorchIO's seed is drawn
        from it. A JAX key is split, and the rest of it handed on.

    Raises:
        ValueError: The sample, when it comes, lacks a category, or images and labels differ in spatial shape.
    """
    checks.require_callable("lift", "transform", transform, "`torchio.RandomAffine()`")
    return partial(_apply, transform, images, labels)


def _apply(transform: Callable[[Any], Any], images: tuple[str, ...], labels: tuple[str, ...], sample: Sample) -> Sample:
    """Return the sample after a transform of TorchIO."""
    present("lift", sample, (*images, *labels))
    geometry = sample.get("geometry")
    affine = np.eye(4) if geometry is None else _to_affine(geometry)
    given = on_host("lift", sample, images, labels, (4,))
    subject = torchio.Subject(
        {
            name: (torchio.LabelMap if name in labels else torchio.ScalarImage)(
                tensor=torch.tensor(np.ascontiguousarray(array.T)), affine=affine
            )
            for name, array in given.items()
        }
    )
    number, left = (None, {}) if sample.get("rng") is None else seed("lift", sample["rng"])
    with LOCK, torch.random.fork_rng(devices=[]):
        if number is not None:
            torch.manual_seed(number)
        after = transform(subject)
    arrays = {name: after[name].data.numpy().T for name in given}
    changed: Sample = {**from_host(arrays, sample, labels), **left}
    if geometry is not None:
        first = after[next(iter(given))]
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
