"""The files of a pair, read and put onto the grid of the reference: a case to evaluate."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

import mia_functional as mia
from mia_functional import images
from mia_functional._core import checks
from mia_functional.evaluation.case_values import Case, Gap
from mia_functional.evaluation.file_pairs import FilePair
from mia_functional.evaluation.probability_files import read_probabilities
from mia_functional.evaluation.requests import Request
from mia_functional.geometry import Geometry, describe_differences, differences
from mia_functional.images.labels import label_map
from mia_functional.typing import Affine, Align, HostArray, Role, Spacing

__all__ = ["ReadFile", "ReadPair", "read_label_channels", "read_pair"]

ReadFile: TypeAlias = Callable[[str], tuple[HostArray, Geometry]]
"""From a path to voxels and where they lie, as `images.read`."""

ReadPair: TypeAlias = Callable[..., tuple[tuple[HostArray, Geometry], tuple[HostArray, Geometry]]]
"""From two paths, and what reads an image, to voxels of both and where they lie."""

_ALIGNED = {"reorient": "axes turned onto the reference", "resample": "resampled onto the reference"}
"""What was done to a prediction, in words."""


def read_label_channels(path: str, *, affine: Affine, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return masks that a file holds as channels, as whole numbers."""
    array, geometry = images.read_channels(path, affine=affine, spacing=spacing)
    if array.ndim == len(geometry.shape):
        checks.invalid_value("read_channels", "path", "name an image with channels", f"one without, {path}")
    layers = [label_map(array[..., position], geometry, Path(path)) for position in range(array.shape[-1])]
    return np.stack(layers, axis=-1), geometry


def _onto_reference(
    prediction: HostArray, predicted_grid: Geometry, grid: Geometry, *, align: Align, is_label_map: bool, path: str
) -> tuple[HostArray, str]:
    """Return a prediction on another grid, that of the reference at `path`, and in words what was done."""
    # Most pairs lie on one grid, and the room of transforms takes a tenth of the time that workers need to begin: so it
    # is imported here.
    alignment = mia.transforms.alignment
    role: Role = "labels" if is_label_map else "image"
    with checks.speaking_for(
        "evaluate_folders", "align_onto", "reorient_onto", "resample_onto", geometry="predictions"
    ):
        requirement = f"lie on the grid of the reference, {path}"
        moved = alignment.align_onto(prediction, predicted_grid, grid, align=align, role=role, requirement=requirement)
    way = alignment.alignment_between(predicted_grid, grid)
    return moved, f"{_ALIGNED[way]}: {describe_differences(predicted_grid, grid)}" if way else ""


def read_pair(
    asked: Request,
    pair: FilePair,
    *,
    load: ReadFile,
    read_maps: ReadPair | None,
    is_label_map: bool,
    align: Align,
    read_channels: ReadFile,
) -> Case | Gap:
    """Return the images of a subject on the grid of the reference, or which of them is not there."""
    if pair.prediction is None:
        return Gap(pair.subject, "missing", "there is no prediction", pair.method)
    inner = ("read", "read_labels", "read_channels", "label_map")
    if read_maps is not None:
        (prediction, predicted_grid), (reference, grid) = read_maps(pair.prediction, str(pair.reference), load=load)
    else:
        with checks.speaking_for("evaluate_folders", *inner, path="predictions"):
            prediction, predicted_grid = load(pair.prediction)
        with checks.speaking_for("evaluate_folders", *inner, path="references"):
            reference, grid = load(str(pair.reference))
    # Along a fourth axis there may be time or channels, which mean different things to labels.
    if is_label_map and len(grid.shape) > 3:
        needed = f"be label maps of two or three axes, frame by frame or channel by channel ({pair.reference})"
        checks.invalid_value("evaluate_folders", "references", needed, f"shape {grid.shape}")
    aligned = ""
    if differences(predicted_grid, grid):
        prediction, aligned = _onto_reference(
            prediction, predicted_grid, grid, align=align, is_label_map=is_label_map, path=str(pair.reference)
        )
    case = Case(pair.subject, prediction, reference, grid.spacing, pair.method, aligned)
    if pair.probabilities is None:
        return case
    with checks.speaking_for("evaluate_folders", *inner, path="probabilities"):
        soft = read_probabilities(
            asked, pair.probabilities, read_channels=read_channels, predicted_grid=predicted_grid, grid=grid,
            align=align,
        )  # fmt: skip
    return case._replace(probabilities=soft)
