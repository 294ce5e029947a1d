"""Leave one out: train on three subjects, predict the fourth patch by patch, assemble, evaluate, report."""

import functools
import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

import mia_functional as mia
from mia_functional import _array
from mia_functional._core import checks
from mia_functional.demo.classifier import CONTEXT, Network, balanced_voxels, forward, patch_features, train
from mia_functional.demo.cohort import write_cohort
from mia_functional.evaluation import Case, Results
from mia_functional.typing import Array, HostArray, Progress, Shape

__all__ = ["Outcome", "run"]

_METRICS = ("DICE", "HDRFDST95", "VOLSMTY")
"""What is evaluated: the columns of the paper's figure 6."""

_PATCH, _STEP = (36, 43, 36), (18, 22, 18)
"""Voxels of a patch and from one patch to the next: half of each patch overlaps the next."""

_CLASSES = 1 + len(mia.phantoms.LABELS)
"""The structures and the background."""

_OVERLAY = "overlay.png"
_FILES = ("subjects.csv", "images", "dataset.h5", "predictions", "results.csv", "statistics.csv", _OVERLAY)
"""What the demo writes into its folder."""

_Stages: TypeAlias = Callable[[str], Progress]
"""From the title of a stage to its progress function."""


class Outcome(NamedTuple):
    """What the demo leaves: the folder, the names in it, the values and the tables as text."""

    folder: Path
    files: tuple[str, ...]
    results: Results
    table: str


def run(folder: str | os.PathLike[str], *, seed: int = 0, force: bool = False, progress: _Stages) -> Outcome:
    """Run the main job on a synthetic cohort and write all that comes of it into a folder.

    Args:
        folder: Where to; it appears when all is done.
        seed: Seed of the cohort, of the training and so of every number.
        force: Replace the folder if an earlier demo wrote it.
        progress: From the title of a stage to its progress function.

    Returns:
        The folder, the names in it, the values and the tables as text.

    Raises:
        FileExistsError: The folder exists and `force` is false, or it holds what no demo wrote.
        FileNotFoundError: The folder above it does not exist.
        ValueError: The seed is negative.
    """
    checks.booleans("run", force=force)
    target = Path(folder).resolve()
    rng = np.random.default_rng(checks.integer("run", "seed", seed, minimum=0))
    _check_vacant(target, force=force)
    # On the disk of the target, so that the finished folder takes its name in one step.
    with tempfile.TemporaryDirectory(prefix=".mia-", dir=target.parent) as scratch:
        draft = Path(scratch) / "demo"
        draft.mkdir()
        results = _experiment(rng, draft, progress)
        summary = mia.analysis.summarize(results)
        mia.reporting.write_csv(draft / "results.csv", results)
        mia.reporting.write_csv(draft / "statistics.csv", summary)
        table = f"{mia.reporting.render_console(results)}\n\n{mia.reporting.render_console(summary)}"
        if target.exists():
            target.rename(Path(scratch) / "old")
        draft.rename(target)
    return Outcome(target, tuple(name for name in _FILES if (target / name).exists()), results, table)


def _check_vacant(target: Path, *, force: bool) -> None:
    """Raise if a folder cannot be written: it is there already and may not be replaced."""
    if not target.parent.is_dir():
        raise FileNotFoundError(f"run: the folder {target.parent} does not exist.")
    # `lexists` sees links that lead nowhere too.
    if not os.path.lexists(target):
        return
    if not force:
        raise FileExistsError(f"run: {target} exists already; choose another `folder`, or `force=True` to replace it.")
    # Whoever mistypes the name of a folder must not lose what is in it.
    if not target.is_dir() or not {entry.name for entry in target.iterdir()} <= set(_FILES):
        raise FileExistsError(f"run: {target} holds other things than a demo writes, so it is not replaced.")


def _experiment(rng: np.random.Generator, folder: Path, progress: _Stages) -> Results:
    """Write the cohort, make the dataset, predict every subject from the others, and evaluate the predictions."""
    subjects = write_cohort(rng, folder, progress("Writing images"))
    normalize = mia.transforms.on("images", mia.transforms.standardize)
    mia.dataset.create(folder / "dataset.h5", subjects, transform=normalize, progress=progress("Creating dataset"))
    data = mia.dataset.open(folder / "dataset.h5")
    (folder / "predictions").mkdir()
    # A generator: each subject is trained for and predicted when its turn comes, and freed after its evaluation.
    cases = (_held_out(rng, data, subject, folder) for subject in data.subjects)
    training = progress("Training and predicting")
    return mia.evaluation.evaluate_many(
        cases, metrics=_METRICS, labels=mia.phantoms.LABELS,
        progress=lambda done, _, subject: training(done, len(data), subject),
    )  # fmt: skip


def _held_out(rng: np.random.Generator, data: mia.dataset.Dataset, subject: str, folder: Path) -> Case:
    """Return a subject's reference, and its prediction by a network that was trained on the other subjects."""
    network = _learn(rng, data, tuple(name for name in data.subjects if name != subject))
    prediction = _segment(data, subject, network)
    geometry = mia.dataset.geometry(data, subject)
    mia.images.write(folder / "predictions" / f"{subject}.nii.gz", prediction, geometry)
    reference = mia.dataset.read(data, subject, "labels", entries="GT")
    if subject == data.subjects[0] and importlib.util.find_spec("matplotlib") is not None:
        _draw(folder / _OVERLAY, data, subject, prediction, reference)
    return Case(subject, prediction, reference, geometry.spacing)


def _patches_of(data: mia.dataset.Dataset, subjects: tuple[str, ...], step: Shape) -> mia.dataset.Samples:
    """Return patches of subjects, with the context that their features depend on, and their labels."""
    grid = functools.partial(mia.indexing.patches, patch_shape=_PATCH, step=step)
    context = mia.dataset.SampleField(category="images", margin=CONTEXT, pad_mode=mia.extraction.edge)
    labels = mia.dataset.SampleField(category="labels", entries="GT")
    return mia.dataset.samples(data, indexing=grid, extract=(context, labels, "shape"), subjects=subjects)


def _learn(rng: np.random.Generator, data: mia.dataset.Dataset, subjects: tuple[str, ...]) -> Network:
    """Return a network trained on voxels of all structures from the patches of several subjects."""
    inputs, targets = [], []
    for sample in _patches_of(data, subjects, _PATCH):
        labels = sample["labels"].reshape(-1)
        chosen = balanced_voxels(rng, labels, _CLASSES)
        inputs.append(patch_features(sample)[chosen])
        targets.append(labels[chosen])
    return train(rng, np.concatenate(inputs), np.concatenate(targets), classes=_CLASSES)


def _segment(data: mia.dataset.Dataset, subject: str, network: Network) -> HostArray:
    """Return the label map of a subject: probabilities of overlapping patches, averaged, and the most likely label."""
    samples = _patches_of(data, (subject,), _STEP)
    shape = samples[0]["shape"]
    patches = (forward(network, patch_features(sample))[1].reshape(*_PATCH, _CLASSES) for sample in samples)
    indices = mia.indexing.patches(shape, _PATCH, step=_STEP)
    probabilities = mia.assembly.assemble(patches, indices, shape, window=mia.assembly.gaussian)
    label_map: HostArray = _array.to_numpy(probabilities).argmax(axis=-1).astype(np.uint8)
    return label_map


def _draw(path: Path, data: mia.dataset.Dataset, subject: str, prediction: Array, reference: Array) -> None:
    """Draw the prediction over a slice of the T1, where most of the small structures are."""
    names = mia.phantoms.LABELS
    small = np.isin(_array.to_numpy(reference), list(names)[2:])
    middle = int(np.argmax(small.sum(axis=(1, 2))))
    t1 = mia.dataset.read(data, subject, "images", index=(middle,), entries="T1")
    spacing = mia.dataset.geometry(data, subject).spacing[1:]
    axes = mia.reporting.plot_overlay(t1, prediction[middle], reference[middle], labels=names, spacing=spacing)
    axes.set_title(f"{subject}, slice {middle}")
    axes.figure.savefig(path)
