"""Two folders of images, predictions and references, evaluated file by file."""

import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mia_functional import images
from mia_functional._core import checks, ordered_map
from mia_functional.dataset import discover
from mia_functional.evaluation.cases import Case, Names, evaluate_case, label_names, resolve, subject_of
from mia_functional.evaluation.results import Failure, Results, concatenate
from mia_functional.geometry import differences
from mia_functional.metrics import Metric
from mia_functional.typing import Label, Labels, Progress

EVERY_IMAGE = "{subject}.*"
"""The pattern of a folder that is given without one: every file, its name up to the first point being the subject."""


class Pair(NamedTuple):
    """The files of one subject; None where one is missing."""

    subject: str
    prediction: str | None
    reference: str | None


def evaluate_folders(
    predictions: str | os.PathLike[str],
    references: str | os.PathLike[str],
    *,
    metrics: Sequence[str | Metric],
    labels: Labels | Iterable[Label] | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Results:
    """Evaluate (score, benchmark) all predictions in a folder against the references in another.

    The spacing is that of the reference; a prediction has to lie on its grid. A subject that cannot be evaluated, or
    has no prediction, does not stop the others: it is listed in `failures`.

    Args:
        predictions: A folder, in which the subject is the name of a file up to its first point, or a path with
            `{subject}` where the identifier stands: `"results/{subject}_seg.nii.gz"`. NIfTI, MetaImage or NRRD.
        references: Likewise. It says which subjects there are.
        metrics: As in `evaluate`.
        labels: As in `evaluate`.
        executor: Evaluates subjects in parallel, in any pool of `concurrent.futures`; files are read there.
        progress: Called with subjects done, subjects in all and the subject just done.

    Returns:
        One table with the rows of all subjects, sorted by identifier.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: A folder has no such files, a subject has two, or a metric is unknown.

    Example:
        >>> import numpy as np, tempfile
        >>> from mia_functional.geometry import Geometry
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     images.write(f"{folder}/A.mha", np.eye(3, dtype=np.uint8), Geometry(shape=(3, 3), spacing=(1.0, 1.0)))
        ...     evaluate_folders(folder, folder, metrics=["DICE"], labels=(1,))[0].value
        1.0
    """
    run = partial(_evaluate_pair, metrics=resolve(metrics), names=label_names(labels))
    pairs = _pairs(_files("predictions", predictions), _files("references", references))
    tables = []
    for done, table in enumerate(ordered_map.map_ordered(run, pairs, executor=executor), start=1):
        tables.append(table)
        if progress is not None:
            progress(done, len(pairs), subject_of(table))
    return concatenate(tables)


def _files(argument: str, place: str | os.PathLike[str]) -> dict[str, str]:
    """Return the file of every subject in a folder, or of a pattern of paths."""
    path = Path(place)
    parts = path.parts
    first = next((number for number, part in enumerate(parts) if re.search(r"[{*?]", part)), len(parts))
    pattern = "/".join(parts[first:]) or EVERY_IMAGE
    if not Path(*parts[:first]).is_dir():
        raise FileNotFoundError(f"evaluate: `{argument}` must be a folder; got {Path(*parts[:first])}.")
    subjects = discover(Path(*parts[:first]), {argument: {"file": pattern}})
    return {subject.name: str(subject.entries[0].path) for subject in subjects}


def _pairs(predictions: dict[str, str], references: dict[str, str]) -> list[Pair]:
    """Return the files of every subject, those of predictions without a reference at the end."""
    names = [*references, *(name for name in predictions if name not in references)]
    return [Pair(name, predictions.get(name), references.get(name)) for name in names]


def _evaluate_pair(pair: Pair, *, metrics: tuple[Metric, ...], names: Names) -> Results:
    """Return the results of the two files of a subject, or why there are none."""
    try:
        return evaluate_case(_loaded(pair), metrics=metrics, names=names)
    except (ValueError, TypeError, OSError) as error:
        return Results(failures=(Failure(subject=pair.subject, message=str(error)),))


def _loaded(pair: Pair) -> Case:
    """Return the images of a pair; refuse a missing one and images that do not lie on each other."""
    if pair.prediction is None or pair.reference is None:
        missing = "prediction" if pair.prediction is None else "reference"
        raise FileNotFoundError(f"evaluate: there is no {missing} for {pair.subject}.")
    (prediction, place), (reference, grid) = images.read(pair.prediction), images.read(pair.reference)
    if fields := differences(place, grid):
        actual = "; ".join(f"{field} {getattr(place, field)} and {getattr(grid, field)}" for field in fields)
        checks.invalid_value("evaluate", "predictions", f"lie on the grid of the reference, {pair.reference}", actual)
    return Case(pair.subject, prediction, reference, grid.spacing)
