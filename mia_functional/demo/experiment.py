"""Leave one out: train on three subjects, predict the fourth patch by patch, assemble, evaluate, report."""

import functools
import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mia_functional import (
    analysis,
    assembly,
    dataset,
    evaluation,
    extraction,
    images,
    indexing,
    phantoms,
    reporting,
    transforms,
)
from mia_functional._core import checks
from mia_functional.demo import classifier, cohort
from mia_functional.typing import Progress, Shape

METRICS = ("DICE", "HDRFDST95", "VOLSMTY")
"""What is evaluated: the columns of the paper's figure 6."""

PATCH, STEP = (36, 43, 36), (18, 22, 18)
"""Voxels of a patch and from one patch to the next: half of each patch overlaps the next."""

CLASSES = 1 + len(phantoms.LABELS)
"""The structures and the background."""

OVERLAY = "overlay.png"
FILES = ("subjects.csv", "images", "dataset.h5", "predictions", "results.csv", "statistics.csv", OVERLAY)
"""What the demo writes into its folder."""

Bar: TypeAlias = Callable[[str], Progress]
"""From a title to a progress function."""


class Outcome(NamedTuple):
    """What the demo leaves: the folder, the names in it, the values and the tables as text."""

    folder: Path
    files: tuple[str, ...]
    results: evaluation.Results
    table: str


def run(folder: str | os.PathLike[str], *, seed: int = 0, force: bool = False, progress: Bar) -> Outcome:
    """Run the main job on a synthetic cohort and write all that comes of it into a folder.

    Args:
        folder: Where to; it appears when all is done.
        seed: Seed of the cohort, of the training and so of every number.
        force: Replace the folder if an earlier demo wrote it.
        progress: From the title of a stage to its progress function.

    Raises:
        FileExistsError: The folder exists and `force` is false, or it holds what no demo wrote.
        FileNotFoundError: The folder above it does not exist.
        ValueError: The seed is negative.
    """
    place = Path(folder).resolve()
    number = checks.integer("demo", "seed", seed, minimum=0)
    vacant(place, force=force)
    with tempfile.TemporaryDirectory(prefix=".mia-", dir=place.parent) as scratch:
        draft = Path(scratch) / "demo"
        draft.mkdir()
        results = experiment(draft, np.random.default_rng(number), progress)
        table = report(draft, results)
        if place.exists():
            place.rename(Path(scratch) / "old")
        draft.rename(place)
    return Outcome(place, tuple(name for name in FILES if (place / name).exists()), results, table)


def vacant(place: Path, *, force: bool) -> None:
    """Refuse a folder that is there already, unless it may be replaced."""
    if not place.parent.is_dir():
        raise FileNotFoundError(f"demo: the folder {place.parent} does not exist.")
    if not os.path.lexists(place):
        return
    if not force:
        raise FileExistsError(f"demo: {place} exists already; choose another --output, or --force to replace it.")
    if not place.is_dir() or not {entry.name for entry in place.iterdir()} <= set(FILES):
        raise FileExistsError(f"demo: {place} holds other things than a demo writes, so it is not replaced.")


def experiment(folder: Path, rng: np.random.Generator, progress: Bar) -> evaluation.Results:
    """Write the cohort, make the dataset, predict every subject from the others, and evaluate the predictions."""
    cohort.write(folder, rng, progress("Writing images"))
    normalize = transforms.on("images", transforms.standardize)
    making = progress("Creating dataset")
    dataset.create(folder / "dataset.h5", cohort.find(folder), transform=normalize, progress=making)
    data = dataset.open(folder / "dataset.h5")
    (folder / "predictions").mkdir()
    cases = (held_out(data, subject, folder, rng) for subject in data.subjects)
    training = progress("Training and predicting")
    return evaluation.evaluate_many(
        cases,
        metrics=METRICS,
        labels=phantoms.LABELS,
        progress=lambda done, _, subject: training(done, len(data), subject),
    )


def held_out(data: dataset.Dataset, subject: str, folder: Path, rng: np.random.Generator) -> evaluation.Case:
    """Return a subject's reference, and its prediction by a network that was trained on the other subjects."""
    network = learn(data, tuple(name for name in data.subjects if name != subject), rng)
    prediction = segment(data, subject, network)
    place = dataset.geometry(data, subject)
    images.write(folder / "predictions" / f"{subject}.nii.gz", prediction, place)
    reference = dataset.read(data, subject, "labels", entries="GT")
    draw(folder / OVERLAY, data, subject, prediction)
    return evaluation.Case(subject, prediction, reference, place.spacing)


def patches_of(data: dataset.Dataset, subjects: tuple[str, ...], step: Shape) -> dataset.Samples:
    """Return patches of subjects, with the context that their features depend on, and their labels."""
    grid = functools.partial(indexing.patches, patch_shape=PATCH, step=step)
    context = dataset.SampleField(category="images", margin=classifier.CONTEXT, pad_mode=extraction.edge)
    labels = dataset.SampleField(category="labels", entries="GT")
    return dataset.samples(data, indexing=grid, extract=(context, labels, "shape"), subjects=subjects)


def learn(data: dataset.Dataset, subjects: tuple[str, ...], rng: np.random.Generator) -> classifier.Network:
    """Return a network trained on voxels of all structures from the patches of several subjects."""
    inputs, targets = [], []
    for sample in patches_of(data, subjects, PATCH):
        labels = sample["labels"].reshape(-1)
        chosen = classifier.balanced(labels, CLASSES, rng)
        inputs.append(features(sample)[chosen])
        targets.append(labels[chosen])
    return classifier.train(np.concatenate(inputs), np.concatenate(targets), rng, classes=CLASSES)


def segment(data: dataset.Dataset, subject: str, network: classifier.Network) -> Any:
    """Return the label map of a subject: probabilities of overlapping patches, averaged, and the most likely label."""
    samples = patches_of(data, (subject,), STEP)
    patches = (classifier.predict(network, features(sample)).reshape(*PATCH, CLASSES) for sample in samples)
    places = indexing.patches(samples[0]["shape"], PATCH, step=STEP)
    probabilities = assembly.assemble(patches, places, samples[0]["shape"], window=assembly.gaussian)
    return probabilities.argmax(axis=-1).astype(np.uint8)


def features(sample: dict[str, Any]) -> Any:
    """Return the features of the voxels of a patch."""
    start = tuple(entry.start for entry in sample["index"])
    return classifier.features(sample["images"], start, sample["shape"])


def draw(path: Path, data: dataset.Dataset, subject: str, prediction: Any) -> None:
    """Draw the prediction over a slice of the first subject's T1, where Matplotlib is installed."""
    if subject != data.subjects[0] or importlib.util.find_spec("matplotlib") is None:
        return
    reference = dataset.read(data, subject, "labels", entries="GT")
    small = np.isin(reference, list(phantoms.LABELS)[2:])
    middle = int(np.argmax(small.sum(axis=(1, 2))))
    t1 = dataset.read(data, subject, "images", index=(middle,), entries="T1")
    spacing = dataset.geometry(data, subject).spacing[1:]
    axes = reporting.plot_overlay(t1, prediction[middle], reference[middle], labels=phantoms.LABELS, spacing=spacing)
    axes.set_title(f"{subject}, slice {middle}")
    axes.figure.savefig(path)


def report(folder: Path, results: evaluation.Results) -> str:
    """Write the tables and, where Matplotlib is installed, the picture; return the tables for the console."""
    summary = analysis.summarize(results)
    reporting.write_csv(folder / "results.csv", results)
    reporting.write_statistics_csv(folder / "statistics.csv", summary)
    return f"{reporting.render_console(results)}\n\n{reporting.render_console(summary)}"
