"""Pictures of single cases of a table of results, from the files that they were computed from."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mia_functional import images
from mia_functional._core import checks
from mia_functional.evaluation.file_pairs import Location, files_by_subject, folder_of, methods_of
from mia_functional.evaluation.pair_reading import read_label_channels
from mia_functional.evaluation.results import Result, Results
from mia_functional.evaluation.segment_files import read_named_pair
from mia_functional.reporting.figures import picture_bytes
from mia_functional.reporting.overlays import plot_overlay
from mia_functional.transforms.alignment import align_onto
from mia_functional.typing import Label

__all__ = ["CasePicture", "Locations", "case_pictures", "locations_by_method"]

Locations: TypeAlias = Location | Sequence[Location] | Mapping[str, Location]
"""Folders, or patterns of paths: of one method, of several that are called like their folders, or by method."""


class CasePicture(NamedTuple):
    """A picture of one case, or why there is none.

    Attributes:
        row: The result that it belongs to.
        png: The picture; empty if there is none.
        reason: Why there is none.
    """

    row: Result
    png: bytes
    reason: str


def locations_by_method(function: str, predictions: Locations, methods: Sequence[str]) -> dict[str, Location]:
    """Return where the predictions of each method are; raise for methods that the results do not have."""
    if isinstance(predictions, Mapping):
        found = dict(predictions)
    else:
        with checks.speaking_for(function, "evaluate_folders"):
            found = dict(methods_of(predictions))
        # A single method may have no name, or another one.
        if len(found) == len(methods) == 1:
            found = dict(zip(methods, found.values(), strict=True))
    if unknown := [name for name in found if name not in methods]:
        needed = f"be folders of the methods {', '.join(methods)}, or `{{method: folder}}`"
        checks.invalid_value(function, "predictions", needed, ", ".join(unknown))
    return found


def case_pictures(
    function: str, rows: Sequence[Result], results: Results, *, predictions: Mapping[str, Location],
    references: Location,
) -> Iterator[CasePicture]:  # fmt: skip
    """Yield a picture of where the prediction of each row is wrong: three planes through the worst point.

    Args:
        function: The public function, for messages.
        rows: Which cases and labels.
        results: The table, with how it came about if that is known.
        predictions: Where predictions are, by method.
        references: Where references are.

    Raises:
        FileNotFoundError: A folder does not exist.
    """
    files = {method: files_by_subject(function, "predictions", place, None) for method, place in predictions.items()}
    referenced = files_by_subject(function, "references", references, None)
    known = {(case.method, case.subject): (case, dict(run.options)) for run in results.runs for case in run.cases}
    for row in rows:
        prediction, reference = files.get(row.method, {}).get(row.subject), referenced.get(row.subject)
        case, options = known.get((row.method, row.subject), (None, {}))
        # In folders of other layouts the record knows better which file it was.
        if case is not None and case.prediction and row.method in predictions:
            prediction = str(folder_of(predictions[row.method]) / case.prediction)
        if case is not None and case.reference:
            reference = str(folder_of(references) / case.reference)
        if prediction is None or reference is None:
            what = "prediction" if prediction is None else "reference"
            yield CasePicture(row, b"", f"no {what} of {row.subject} was found in the folders given")
            continue
        try:
            png = _picture_of(Path(prediction), Path(reference), row, options)
        except (ValueError, TypeError, OSError) as error:
            yield CasePicture(row, b"", checks.sentence_of(function, error))
        else:
            yield CasePicture(row, png, "")


def _label_of(row: Result, options: Mapping[str, Any]) -> Label | None:
    """Return the values of a structure in label maps; None for masks."""
    values = {name: value for value, name in options.get("labels") or ()}
    if row.label in values:
        found: Label = values[row.label]
        return found
    if not row.label:
        return None
    if row.label.isdecimal():
        return int(row.label)
    raise ValueError(f"which value {row.label} has in the label maps is not known without the record of the run")


def _picture_of(prediction: Path, reference: Path, row: Result, options: Mapping[str, Any]) -> bytes:
    """Return the picture of one structure."""
    channels = {name: position for position, name in options.get("channels") or ()}
    if channels and row.label not in channels:
        raise ValueError(f"the record of the run knows no channel {row.label}")
    read = partial(
        read_label_channels if channels else images.read_labels,
        affine=options.get("affine"), spacing=options.get("spacing"),
    )  # fmt: skip
    structures = options.get("labels") or ()
    by_name = {name: value for value, name in structures} if "segments" in options else None
    (predicted, predicted_grid), (referenced, grid) = read_named_pair(
        "plot_overlay", str(prediction), str(reference), labels=by_name, channels=bool(channels), load=read
    )
    if len(grid.shape) not in (2, 3):
        raise ValueError(f"{reference} has neither two nor three axes")
    predicted = align_onto(
        predicted, predicted_grid, grid, align=options.get("align"), role="labels",
        requirement=f"lie on the grid of the reference, {reference}",
    )  # fmt: skip
    if channels:
        predicted, referenced = (array[..., channels[row.label]] for array in (predicted, referenced))
    label = None if channels else _label_of(row, options)
    # As in the metrics, voxels of which nothing is known are no errors.
    known = ~np.isin(referenced, options.get("ignore") or ())
    # Without a label, any is the structure.
    found = [array != 0 if label is None else np.isin(array, label) for array in (predicted, referenced)]
    masks = [mask.astype(np.uint8) * known for mask in found]
    drawn = plot_overlay(None, *masks, labels={1: row.label or "mask"}, geometry=grid, style="errors")
    axes = drawn[0] if isinstance(drawn, tuple) else drawn
    return picture_bytes(axes, kind="png")
