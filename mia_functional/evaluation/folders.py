"""Two folders of images, predictions and references, evaluated file by file."""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from mia_functional import images
from mia_functional._core import checks
from mia_functional.discovery import discover
from mia_functional.evaluation.cases import Case, Gap, Request, evaluate_each, request
from mia_functional.evaluation.results import Results
from mia_functional.geometry import describe_differences
from mia_functional.metrics import Metric, soft_confusion_counts
from mia_functional.transforms.alignment import align_onto, alignment_between
from mia_functional.typing import Affine, Align, Label, Labels, Progress, Spacing

__all__ = ["evaluate_folders"]

_EVERY_IMAGE = "{subject}.*"
"""The pattern of a folder that is given without one: every file, its name up to the first point being the subject."""

_ALIGNED = {"reorient": "axes turned onto the reference", "resample": "resampled onto the reference"}
"""What was done to a prediction, in words."""


class _FilePair(NamedTuple):
    """The files of one subject; None where one is missing."""

    subject: str
    prediction: str | None
    reference: str | None
    method: str = ""


def evaluate_folders(
    predictions: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
    references: str | os.PathLike[str],
    *,
    metrics: Sequence[str | Metric],
    labels: Labels | Iterable[Label] | None = None,
    affine: Affine = None,
    spacing: Spacing | None = None,
    align: Align = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Results:
    """Evaluate (score, benchmark) all predictions in a folder, or in one per method, against the references in another.

    The spacing is that of the reference; a prediction has to lie on its grid, or is brought there (`align`). A subject
    that cannot be evaluated, or has no prediction, does not stop the others: it has a row for every label and metric
    with the status `failed` or `missing` and the reason. One without a reference is `failed`.

    Args:
        predictions: A folder, in which the subject is the name of a file up to its first point, or a path with
            `{subject}` where the identifier stands: `"results/{subject}_seg.nii.gz"`. All that `images.read` reads, a
            folder with a DICOM series for each subject among it: `"series/{subject}"`. Of several methods a mapping
            from their names to such folders; of one, its name is that of the folder.
        references: Likewise. It says which subjects there are.
        metrics: As in `evaluate`.
        labels: As in `evaluate`.
        affine: Which pose counts of NIfTI files that state two, as in `images.read`; without it their subjects fail.
        spacing: What files do not state, as in `images.read`: of DICOM series, one folder each, and of `.npy` files.
            All files have this spacing; a file that states another fails.
        align: What is done about a prediction that does not lie on the grid of its reference (by 0.01 voxels, see
            `geometry.same_geometry`): nothing, the subject fails; `"reorient"`, its axes are flipped and permuted if
            that suffices, and values stay what they are; `"resample"`, others are resampled, too: masks and label maps
            from the nearest voxel, images (if all metrics are of images) linearly, and 0 outside of the prediction.
        executor: Evaluates subjects in parallel, in any pool of `concurrent.futures`; files are read there.
        progress: Called with pairs done, pairs in all and the subject just done.

    Returns:
        One table with the rows of all methods in their order, of each those of all subjects, sorted by identifier.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: A folder has no such files, a subject has two, or a metric is unknown.

    Example:
        >>> import numpy as np
        >>> from mia_functional.geometry import Geometry
        >>> images.write(folder / "A.mha", np.eye(3, dtype=np.uint8), Geometry(shape=(3, 3), spacing=(1.0, 1.0)))
        >>> evaluate_folders(folder, folder, metrics=["DICE"], labels=(1,))[0].value
        1.0
    """
    asked = request("evaluate_folders", metrics, labels)
    checks.one_of("evaluate_folders", "affine", affine, ("sform", "qform"), optional=True)
    if spacing is not None:
        checks.spacing("evaluate_folders", spacing, None)
    checks.one_of("evaluate_folders", "align", align, ("reorient", "resample"), optional=True)
    methods = predictions if isinstance(predictions, Mapping) else {_folder_of(predictions).name: predictions}
    if not methods or not all(isinstance(name, str) and name for name in methods):
        checks.invalid_value("evaluate_folders", "predictions", "name at least one method", list(methods))
    found = {method: _files_by_subject("predictions", location) for method, location in methods.items()}
    referenced = _files_by_subject("references", references)
    pairs = []
    for method, predicted in found.items():
        # References come first, since they say which subjects there are; predictions without one fail at the end.
        pairs += [
            _FilePair(name, predicted.get(name), referenced.get(name), method)
            for name in dict.fromkeys([*referenced, *predicted])
        ]
    load = partial(_read_pair, labels=_compares_labels(asked), affine=affine, spacing=spacing, align=align)
    return evaluate_each(asked, pairs, load, executor=executor, progress=progress)


def _compares_labels(asked: Request) -> bool:
    """Return whether label maps or masks are compared, and not images or probabilities."""
    statistics = [(row, getattr(row.statistic, "func", row.statistic)) for row in asked.metrics]
    return asked.names is not None or any(
        "segmentation" in row.groups and statistic is not soft_confusion_counts for row, statistic in statistics
    )


def _folder_of(location: str | os.PathLike[str]) -> Path:
    """Return a folder, or of a pattern the folder that it begins with."""
    return Path(*takewhile(lambda name: not set(name) & set("{*?"), Path(location).parts))


def _files_by_subject(argument: str, location: str | os.PathLike[str]) -> dict[str, str]:
    """Return the file of every subject in a folder, or of those that match a pattern of paths."""
    root = _folder_of(location)
    pattern = "/".join(Path(location).parts[len(root.parts) :]) or _EVERY_IMAGE
    if not root.is_dir():
        raise FileNotFoundError(f"evaluate_folders: `{argument}` must be a folder; got {root}.")
    with checks.speaking_for("evaluate_folders", "discover", root=argument, patterns=argument):
        subjects = discover(root, {argument: {"file": pattern}})
    return {subject.name: str(subject.entries[0].path) for subject in subjects}


def _read_pair(pair: _FilePair, *, labels: bool, affine: Affine, spacing: Spacing | None, align: Align) -> Case | Gap:
    """Return the images of a subject on the grid of the reference, or which of them is not there."""
    if pair.prediction is None:
        return Gap(pair.subject, "missing", "there is no prediction", pair.method)
    if pair.reference is None:
        return Gap(pair.subject, "failed", "there is no reference", pair.method)
    read = images.read_labels if labels else images.read
    with checks.speaking_for("evaluate_folders", read.__name__, path="predictions"):
        prediction, predicted_grid = read(pair.prediction, affine=affine, spacing=spacing)
    with checks.speaking_for("evaluate_folders", read.__name__, path="references"):
        reference, grid = read(pair.reference, affine=affine, spacing=spacing)
    # Along a fourth axis there may be time or channels, which mean different things to labels.
    if labels and len(grid.shape) > 3:
        needed = f"be label maps of two or three axes, frame by frame or channel by channel ({pair.reference})"
        checks.invalid_value("evaluate_folders", "references", needed, f"shape {grid.shape}")
    needed = f"lie on the grid of the reference, {pair.reference}"
    inner = ("align_onto", "reorient_onto", "resample_onto")
    with checks.speaking_for("evaluate_folders", *inner, geometry="predictions"):
        prediction = align_onto(prediction, predicted_grid, grid, align=align, is_image=not labels, requirement=needed)
    way = alignment_between(predicted_grid, grid)
    aligned = f"{_ALIGNED[way]}: {describe_differences(predicted_grid, grid)}" if way else ""
    return Case(pair.subject, prediction, reference, grid.spacing, pair.method, aligned)
