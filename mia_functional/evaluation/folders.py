"""Two folders of images, predictions and references, evaluated file by file."""

import dataclasses
import json
import os
import pickle
import platform
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from mia_functional import images
from mia_functional._core import checks
from mia_functional.discovery.label_tables import read_label_table
from mia_functional.evaluation.case_values import convention_of
from mia_functional.evaluation.cases import evaluate_each, joined
from mia_functional.evaluation.file_pairs import (
    FOLDER_LAYOUTS,
    FilePair,
    FolderLayout,
    Location,
    folder_of,
    methods_of,
    pairs_of,
    pattern_cure,
    progress_name,
)
from mia_functional.evaluation.journal import CaseKey, Outcome, open_journal
from mia_functional.evaluation.pair_reading import ReadFile, ReadPair, read_label_channels, read_pair
from mia_functional.evaluation.probability_files import probability_files
from mia_functional.evaluation.reference_labels import occurring_labels
from mia_functional.evaluation.requests import (
    MASK_GROUPS,
    Request,
    needs_probabilities,
    request,
    require_possible_options,
    require_probabilities,
    takes_labels,
)
from mia_functional.evaluation.results import Results
from mia_functional.evaluation.run_record import CaseRecord, Run
from mia_functional.evaluation.segment_files import read_named_pair, segment_labels
from mia_functional.geometry import Geometry
from mia_functional.images.file_states import file_states
from mia_functional.metrics import soft_confusion_counts
from mia_functional.metrics.names import AnyMetric
from mia_functional.typing import Affine, Align, Label, Labels, Progress, Spacing

__all__ = ["evaluate_folders"]


def evaluate_folders(
    predictions: Location | Sequence[Location] | Mapping[str, Location],
    references: Location,
    *,
    metrics: Sequence[AnyMetric],
    labels: Labels | Iterable[Label] | Location | None = None,
    channels: Mapping[int, str] | None = None,
    ignore: int | Iterable[int] | None = None,
    probabilities: Location | Sequence[Location] | Mapping[str, Location] | None = None,
    convention: str | None = None,
    folder_layout: FolderLayout = None,
    load: ReadFile | None = None,
    affine: Affine = None,
    spacing: Spacing | None = None,
    align: Align = None,
    workers: int = 1,
    executor: Executor | None = None,
    journal: Location | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Results:
    """Evaluate (score, benchmark) all predictions in a folder, or in one per method, against the references in another.

    The spacing is that of the reference; a prediction has to lie on its grid, or is brought there (`align`). A subject
    that cannot be evaluated, or has no prediction, does not stop the others: it has a row for every label and metric
    with the status `failed` or `missing` and the reason. References say which subjects there are: a prediction
    without one is no case, which a warning says and `runs`.

    Args:
        predictions: A folder, in which every file that is not hidden and has the extension of an image is a subject,
            called like the file without the extension (PNG and TIFF files count where there is no other: beside
            volumes they are previews); or a path with `{subject}` where the identifier stands:
            `"results/{subject}_seg.nii.gz"`. All that `images.read` reads, a folder with a DICOM series for each
            subject among it: `"series/{subject}"`. Of several methods several folders, whose names are those of
            the methods, or a mapping from names to folders.
        references: Likewise. It says which subjects there are.
        metrics: As in `evaluate`.
        labels: As in `evaluate`; or a file that says which there are: `dataset.json` of nnU-Net or Decathlon, a table
            `*_dseg.tsv` of BIDS, label descriptions of ITK-SNAP, a lookup table of FreeSurfer. By default they are the
            segments that the files name (`.dcm`, `.seg.nrrd`), by their names; without any, images are masks, or if the
            first reference is none, those that occur in the references, for which all are read once more (not with
            `load`). A warning says which.
        channels: As in `evaluate`: the channels of the files, which may be on a fourth axis; of files that name
            segments these, in their order.
        ignore: Values of the references, as in `evaluate`; that of the file of labels by default, if it has one.
        probabilities: For metrics of these (`ECE`, `BRIER`): a folder for each method, as many and in the same order as
            `predictions` or by the same names, or patterns. In it are `.npz` files as nnU-Net writes them
            (`--save_probabilities`), on the grid of the prediction, or else images with channels on a fourth axis.
            Channel k is that of the k-th label; one more in front is that of the background, unless 0 is a label.
        convention: As in `evaluate`: whose numbers to give, if not ours.
        folder_layout: How label maps lie in folders that have more in them: `"nnunet"` (in `labelsTr`, or where there
            is none in `labelsTs`), `"decathlon"` (those of the training cases in `dataset.json`) or `"bids"`
            (`*_dseg` and `*_mask` of derivatives; subjects are `sub-01` or `sub-01_ses-2`). A folder of another layout
            is taken as it is.
        load: Reads a file, in place of `images.read` or `images.read_labels`: from a path to an array and a geometry.
        affine: Which pose counts of NIfTI files that state two, as in `images.read`; without it their subjects fail.
        spacing: What files do not state, as in `images.read`: of DICOM series, one folder each, and of `.npy` files.
            All files have this spacing; a file that states another fails.
        align: What is done about a prediction that does not lie on the grid of its reference (by 0.01 voxels, see
            `geometry.same_geometry`): nothing, the subject fails; `"reorient"`, its axes are flipped and permuted if
            that suffices, and values stay what they are; `"resample"`, others are resampled, too: masks and label maps
            from the nearest voxel, images (if all metrics are of images) linearly, and 0 outside of the prediction.
        workers: Processes that evaluate at the same time. One that dies, for want of memory say, costs at most the
            subject it was at, after a second try. A script has to call this under `if __name__ == "__main__":` then.
        executor: Evaluates subjects in any pool of `concurrent.futures` instead, dask's `client.get_executor()` among
            them; paths travel there and not images.
        journal: File to write finished subjects to, a line each, which survive the end of this process; those of the
            last second may be lost with the power. Delete it when the results are saved.
        resume: Go on from the journal of an interrupted run, with the same table in the end. Subjects whose files have
            changed since, or that failed, are evaluated again.
        progress: Called with pairs done, pairs in all and the subject just done, behind its method if there are
            several: `"net_a, s01"`.

    Returns:
        One table with the rows of all methods in their order, of each those of all subjects, sorted by identifier. Its
        `runs` say with which versions and options, and from which files.

    Warns:
        UserWarning: There are predictions without a reference; no labels are given and the references are no masks.

    Raises:
        FileExistsError: There is a journal, and `resume` is false.
        FileNotFoundError: A folder does not exist.
        OSError: The journal cannot be written.
        ValueError: A folder has no such files, a subject has two, a metric is unknown or does not go with `labels`, or
            the journal is that of another evaluation.

    Example:
        >>> import numpy as np
        >>> from mia_functional.geometry import Geometry
        >>> images.write(folder / "A.mha", np.eye(3, dtype=np.uint8), Geometry(shape=(3, 3), spacing=(1.0, 1.0)))
        >>> evaluate_folders(folder, folder, metrics=["DICE"], labels=(1,))[0].value
        1.0
    """
    checks.booleans("evaluate_folders", resume=resume)
    if isinstance(labels, str | os.PathLike):
        with checks.speaking_for("evaluate_folders", "read_label_table", path="labels"):
            table = read_label_table(labels)
        labels = table.labels
        ignore = table.ignore if ignore is None else ignore
    asked = request("evaluate_folders", metrics, labels, channels, ignore=ignore, convention=convention)
    require_possible_options(asked)
    require_probabilities("evaluate_folders", asked.metrics, probabilities)
    checks.one_of("evaluate_folders", "folder_layout", folder_layout, FOLDER_LAYOUTS, optional=True)
    checks.one_of("evaluate_folders", "affine", affine, ("sform", "qform"), optional=True)
    if spacing is not None:
        checks.spacing("evaluate_folders", spacing, None)
    checks.one_of("evaluate_folders", "align", align, ("reorient", "resample"), optional=True)
    methods = methods_of(predictions)
    soft_folders = {} if probabilities is None else _probability_folders(methods, probabilities)
    soft = {method: probability_files("evaluate_folders", folder) for method, folder in soft_folders.items()}
    found = [
        pair._replace(probabilities=soft.get(pair.method, {}).get(pair.subject))
        for pair in pairs_of(methods, references, folder_layout)
    ]
    pairs = [pair for pair in found if pair.reference is not None]
    _warn_of_extra(found, methods)
    workers = checks.integer("evaluate_folders", "workers", workers, minimum=1)
    is_label_map = _compares_labels(asked)
    named: dict[int, str] | None = None
    if is_label_map and load is None and labels is None and channels is None:
        files = dict.fromkeys(path for pair in pairs for path in (pair.prediction, pair.reference) if path is not None)
        named = segment_labels("evaluate_folders", files)
        occurring = named or _labels_of_references(
            asked, pairs, workers=workers, executor=executor, affine=affine, spacing=spacing
        )
        asked = request("evaluate_folders", metrics, occurring, None, ignore=ignore, convention=convention)
    plain = _plain_request(asked, affine=affine, spacing=spacing, align=align, load=load)
    if named is not None:
        plain["segments"] = "by name"
    if convention is not None:
        plain["convention"] = convention
    read_maps: ReadPair | None = None
    if load is None and is_label_map:
        by_name = None if named is None else {name: label for label, name in named.items()}
        read_maps = partial(read_named_pair, "evaluate_folders", labels=by_name, channels=asked.channels is not None)
    own_load = load
    if load is None:
        read = read_label_channels if asked.channels else images.read_labels if is_label_map else images.read
        load = partial(read, affine=affine, spacing=spacing)
    if workers > 1 and executor is None:
        _check_travels(asked, load)
    read_channels = partial(images.read_channels, affine=affine, spacing=spacing)
    read_case = partial(
        read_pair, asked, load=load, read_maps=read_maps, is_label_map=is_label_map, align=align,
        read_channels=read_channels,
    )  # fmt: skip
    pool = partial(
        evaluate_each, asked, load=read_case, executor=executor, workers=workers,
        preload="mia_functional.evaluation._worker",
    )  # fmt: skip
    if journal is None:
        outcomes = _evaluate_rest(pairs, {}, pool, None, progress)
    else:
        path = Path(checks.path_text("evaluate_folders", "journal", journal))
        with open_journal("evaluate_folders", path, plain, resume=resume) as book:
            outcomes = _evaluate_rest(pairs, book.finished, pool, book.note, progress)
    known = {pair: outcomes[position] for position, pair in enumerate(pairs)}
    read_grid = partial(images.read_geometry, affine=affine, spacing=spacing) if own_load is None else None
    cases = [
        _case_record(pair, known.get(pair), read_grid, methods[pair.method], references, soft_folders.get(pair.method))
        for pair in found
    ]
    run = Run(versions=_package_versions(), options=tuple(plain.items()), cases=tuple(cases))
    return dataclasses.replace(joined("evaluate_folders", outcomes), runs=(run,))


def _package_versions() -> tuple[tuple[str, str], ...]:
    """Return the versions of Python, of ourselves, and of the packages that decide on values."""
    from importlib import metadata  # here, as it takes a sixth of the time that the import of the room does

    packages = [(name, metadata.version(name)) for name in ("numpy", "scipy", "SimpleITK")]
    own = ("mia_functional", str(sys.modules["mia_functional"].__version__))
    return (("python", platform.python_version()), own, *packages)


def _labels_of_references(
    asked: Request, pairs: Iterable[FilePair], *, workers: int, executor: Executor | None, affine: Affine,
    spacing: Spacing | None,
) -> dict[int, str] | None:  # fmt: skip
    """Return the labels that occur in the references, with a warning; None if these are masks, or images are asked."""
    if not all(map(takes_labels, asked.metrics)):
        return None
    paths = list(dict.fromkeys(str(pair.reference) for pair in pairs))
    read = partial(images.read_labels, affine=affine, spacing=spacing)
    # Threads of its own have ended when processes begin, which are forked from processes without any.
    with nullcontext(executor) if executor is not None else ThreadPoolExecutor(workers) as pool:
        labels = occurring_labels("evaluate_folders", paths, read=read, ignore=asked.ignore, executor=pool)
    if labels is not None:
        text = f"no labels are given: all that occur in the references are evaluated, {', '.join(labels.values())}"
        warnings.warn(f"{text}.", stacklevel=3)
    return labels


def _check_travels(asked: Request, load: ReadFile) -> None:
    """Raise unless what is asked can be sent to other processes."""
    for argument, value in (("metrics", asked.metrics), ("load", load)):
        try:
            pickle.dumps(value)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            needed = "be functions at the top of a module with `workers`, as they travel to other processes"
            checks.invalid_value("evaluate_folders", argument, needed, error)


def _evaluate_rest(
    pairs: Sequence[FilePair],
    finished: Mapping[CaseKey, Outcome],
    pool: Callable[..., Iterator[tuple[int, Outcome]]],
    note: Callable[[CaseKey, Outcome], None] | None,
    progress: Progress | None,
) -> dict[int, Outcome]:
    """Return the outcomes of all pairs by position: those that are finished, and the others, which are noted."""
    keys = [_key_of(pair) if note is not None else "" for pair in pairs]
    outcomes = {position: finished[key] for position, key in enumerate(keys) if key in finished}
    rest = [position for position in range(len(pairs)) if position not in outcomes]
    several = len({pair.method for pair in pairs}) > 1
    before = len(outcomes)
    for number, outcome in pool([pairs[position] for position in rest]):
        outcomes[rest[number]] = outcome
        if note is not None:
            note(keys[rest[number]], outcome)
        if progress is not None:
            progress(len(outcomes), len(pairs), progress_name(pairs[rest[number]], several=several))
    if progress is not None and pairs and before == len(pairs):
        progress(before, before, progress_name(pairs[-1], several=several))
    return outcomes


def _plain_request(
    asked: Request, *, affine: Affine, spacing: Spacing | None, align: Align, load: ReadFile | None
) -> dict[str, Any]:
    """Return what decides on the values of a case, as plain data."""
    structures = asked.labels if asked.channels is None else asked.channels
    return {
        "metrics": tuple(
            (row.abbreviation, convention_of(row), tuple((name, _plain_value(value)) for name, value in row.options))
            for row in asked.metrics
        ),
        "channels" if asked.channels else "labels": tuple(
            zip(structures or (), asked.names, strict=structures is not None)
        ),
        "ignore": asked.ignore,
        "affine": affine,
        "spacing": spacing,
        "align": align,
        "load": None if load is None else getattr(load, "__qualname__", repr(load)),
    }


def _plain_value(value: object) -> Any:
    """Return an option as plain data; of others the text, as functions and arrays have none in a record."""
    if isinstance(value, list | tuple):
        return tuple(map(_plain_value, value))
    # Subclasses, such as the numbers of NumPy, are written in ways of their own.
    return value if value is None or type(value) in (str, int, float, bool) else repr(value)


def _key_of(pair: FilePair) -> CaseKey:
    """Return what tells a pair from any other one, and from itself with other files."""
    states = []
    # Pairs without probabilities keep the keys of journals that were written before there were any.
    for path in (pair.prediction, pair.reference, *filter(None, [pair.probabilities])):
        try:
            states.append(None if path is None else file_states(Path(path)))
        except OSError:  # gone by now, as the evaluation will say
            states.append(None)
    return json.dumps([pair.method, pair.subject, *states])


def _warn_of_extra(found: Sequence[FilePair], methods: Mapping[str, Location]) -> None:
    """Warn of predictions without a reference, and of names that no prediction shares with a reference."""
    for method, location in methods.items():
        own = [pair for pair in found if pair.method == method]
        names = [pair.subject for pair in own if pair.reference is None]
        lacking = [pair.subject for pair in own if pair.prediction is None]
        if names:
            listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            cure = pattern_cure(lacking, names, location) if len(names) + len(lacking) == len(own) else ""
            text = f"{method} has predictions without a reference, which are not evaluated: {listed}{cure}."
            warnings.warn(text, stacklevel=3)


def _case_record(
    pair: FilePair, outcome: Outcome | None, read_grid: Callable[[str], Geometry] | None, *locations: Location | None
) -> CaseRecord:
    """Return the files of a pair, below their folders, and the grid of its reference, as far as it is known."""
    paths = pair.prediction, pair.reference, pair.probabilities
    files = [
        "" if path is None or root is None else Path(path).relative_to(folder_of(root)).as_posix()
        for path, root in zip(paths, locations, strict=True)
    ]
    shape, spacing = ((), ()) if outcome is None else outcome[1:]
    # What a missing or broken prediction counts as may depend on the size of its image.
    if outcome is not None and not shape and read_grid is not None:
        try:
            grid = read_grid(str(pair.reference))
        except (ValueError, OSError):
            pass
        else:
            shape, spacing = grid.shape, grid.spacing
    return CaseRecord(
        method=pair.method, subject=pair.subject,
        prediction=files[0], reference=files[1], probabilities=files[2], shape=shape, spacing=spacing,
    )  # fmt: skip


def _probability_folders(
    methods: Mapping[str, Location], probabilities: Location | Sequence[Location] | Mapping[str, Location]
) -> dict[str, Location]:
    """Return where the probabilities of every method are."""
    if isinstance(probabilities, str | os.PathLike):
        probabilities = [probabilities]
    if not isinstance(probabilities, Mapping):
        if len(probabilities) != len(methods):
            needed = f"be {len(methods)} folders, one for each of `predictions`"
            checks.invalid_value("evaluate_folders", "probabilities", needed, list(map(str, probabilities)))
        probabilities = dict(zip(methods, probabilities, strict=True))
    if not set(methods) <= set(probabilities):
        needed = f"have a folder for each of {', '.join(methods)}"
        checks.invalid_value("evaluate_folders", "probabilities", needed, list(probabilities))
    return {method: probabilities[method] for method in methods}


def _compares_labels(asked: Request) -> bool:
    """Return whether label maps or masks are compared, and not images or probabilities."""
    if asked.labels is not None or asked.channels is not None:
        return True
    statistics = [(row, getattr(row.statistic, "func", row.statistic)) for row in asked.metrics]
    return any(
        needs_probabilities(row) or (MASK_GROUPS & set(row.groups) and statistic is not soft_confusion_counts)
        for row, statistic in statistics
    )
