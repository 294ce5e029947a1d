"""`mia plot`: pictures of tables of results and of images."""

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import mia_functional as mia
from mia_functional._core import atomic_files, checks
from mia_functional.cli.evaluate import EVALUATE_COMMAND, all_labels
from mia_functional.cli.options import COUNTING, JSON, SPACING, Command, Options, read_tables

__all__ = ["PLOT_COMMAND"]

_KINDS = ("box", "ranking", "agreement", "overlay")

_ENDINGS = (".pdf", ".png", ".svg")


def _run_plot(options: Options) -> None:
    """Draw a picture."""
    output = options.output
    if output.suffix.lower() not in _ENDINGS:
        checks.invalid_value("plot", "--output", f"end in {', '.join(_ENDINGS)}", output)
    if output.exists() and not options.overwrite:
        raise FileExistsError(f"plot: {output} exists already (`--overwrite` replaces it).")
    axes = _overlay(options) if options.kind == "overlay" else _of_results(options)
    with atomic_files.atomic_write("plot", output, overwrite=options.overwrite) as draft:
        draft.write_bytes(mia.reporting.figures.picture_bytes(axes, kind=output.suffix.lower()[1:]))
    print(json.dumps({"output": str(output)}) if options.json else output)


def _of_results(options: Options) -> Any:
    """Return the axes of a picture of results."""
    results = read_tables(options, options.files, "files")
    is_agreement = options.kind == "agreement"
    with checks.speaking_for("plot", "select_rows", label="--label", method="--method", metric="--metric"):
        chosen = mia.evaluation.select_rows(
            results, label=options.label, method=options.method, metric=None if is_agreement else options.metric
        )
    if is_agreement:
        return _agreement(chosen)
    if options.kind == "box":
        return mia.reporting.plot_box(chosen)
    rankings = mia.analysis.rank(chosen, policy=options.policy, missing=options.missing, infinite=options.infinite,
                                 diagonals=options.diagonal)  # fmt: skip
    if len(rankings) > 1:
        names = ", ".join(" ".join(filter(None, (entry.metric, entry.label))) for entry in rankings)
        checks.invalid_value("plot", "--metric", "choose one ranking, together with `--label`", names)
    return mia.reporting.plot_ranking(rankings[0])


def _agreement(results: Any) -> Any:
    """Return the axes of a picture of predicted volumes against those of the references."""
    volumes: dict[str, dict[tuple[str, str, str], float]] = {"PREDVOL": {}, "REFVOL": {}}
    found: list[Any] = []
    for row in results:
        if row.metric in volumes:
            volumes[row.metric][row.method, row.subject, row.label] = row.value
            found.append(row)
    # Volumes of different structures say nothing of each other's agreement.
    if len(names := dict.fromkeys(" ".join(filter(None, (row.label, row.method))) for row in found)) > 1:
        checks.invalid_value("plot", "--label", "choose one agreement, together with `--method`", ", ".join(names))
    predicted, referenced = volumes.values()
    if not predicted or not referenced:
        checks.invalid_value("plot", "files", "have the metrics PREDVOL and REFVOL for an agreement", "none")
    pairs = [(predicted.get(key, math.nan), referenced.get(key, math.nan)) for key in {**predicted, **referenced}]
    first, second = zip(*pairs, strict=True)
    title = ", ".join(filter(None, (f"volume of {found[0].label}" if found[0].label else "volume", found[0].method)))
    return mia.reporting.plot_bland_altman(first, second, quantity=title, unit="mm\u00b3")


def _overlay(options: Options) -> Any:
    """Return axes of a prediction and a reference, and the image if it is given."""
    if len(options.files) not in (2, 3):
        needed = "be PREDICTION REFERENCE, or these and the IMAGE, for an overlay"
        checks.invalid_value("plot", "files", needed, f"{len(options.files)} files")
    with checks.speaking_for("plot", "evaluate"):
        labels = all_labels(options.labels)
    if isinstance(labels, Path):
        labels = dict(mia.discovery.label_tables.read_label_table(labels).labels)
    pair = [str(path) for path in options.files[:2]]
    image, grid = mia.images.read(options.files[2], spacing=options.spacing) if options.files[2:] else (None, None)
    files = mia.evaluation.segment_files
    # As in an evaluation: segments have the labels of their names, and are put onto the grid of what names none.
    with checks.speaking_for("plot", "evaluate", predictions="files", references="files", labels="--labels"):
        named = None if labels else files.segment_labels("evaluate", pair)
        (prediction, predicted_grid), (reference, target) = files.read_named_pair(
            "evaluate", *pair, labels={name: label for label, name in named.items()} if named else None,
            channels=False, load=partial(mia.images.read_labels, spacing=options.spacing), grid=grid,
        )  # fmt: skip
    for path, own in zip(options.files, (predicted_grid, target, grid or target), strict=False):
        if not mia.geometry.same_geometry(own, target):
            needed = f"lie on the grid of the reference, {options.files[1]}"
            got = f"{path}: {mia.geometry.describe_differences(own, target)}"
            checks.invalid_value("plot", "files", needed, got)
    labels = labels or named
    if labels is None:
        values = {*prediction.ravel().tolist(), *reference.ravel().tolist()} - {0}
        labels = {value: str(value) for value in sorted(values)}
    found = mia.reporting.plot_overlay(
        image, prediction, reference, labels=labels, geometry=target, point=options.point, style=options.style
    )
    return found[0] if isinstance(found, tuple) else found


PLOT_COMMAND = Command("plot", "draw a picture of tables of results, or of images", _run_plot, {
    "kind": {"choices": _KINDS, "metavar": "KIND",
             "help": "box, ranking, agreement or overlay: values by label and method, stability of a ranking, "
                     "predicted over reference volumes, a prediction over its reference"},
    "files": {"nargs": "+", "type": Path, "help": "tables of results; for an overlay PREDICTION REFERENCE [IMAGE]"},
    "--output": {"type": Path, "required": True, "metavar": "FILE", "help": "the picture: .png, .svg or .pdf"},
    "--overwrite": {"action": "store_true", "help": "replace a picture that is there already"},
    "--metric": {"metavar": "METRIC", "help": "which metric"},
    "--label": {"metavar": "LABEL", "help": "which label"},
    "--method": {"metavar": "METHOD", "help": "which method"},
    "--labels": {**EVALUATE_COMMAND.options["--labels"],
                 "help": "labels of an overlay, for example 1=liver 2=tumour, or a file that has them (all there are)"},
    "--style": {"choices": ("outlines", "errors"), "default": "outlines",
                "help": "of an overlay: areas and outlines, or what is right and wrong"},
    "--point": {"nargs": 3, "type": int, "metavar": "INDEX", "help": "voxel that the planes go through (the worst)"},
    **SPACING,
    **COUNTING,
    **JSON,
}, example="mia plot box results.csv --metric DICE --output box.png")  # fmt: skip
