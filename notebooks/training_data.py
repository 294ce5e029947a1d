"""What both training notebooks share: a cohort on disk, its dataset, samples, augmentation and validation.

Nothing here knows how many channels, structures or voxels there are: `task_of` finds it in the data.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mia_functional import analysis, assembly, dataset, evaluation, extraction, images, indexing, phantoms, transforms

RATE = 1e-2
"""The highest learning rate."""

MULTIPLE = 4
"""Sides of the slices that the network gets divide by this, as it halves them twice."""

AUGMENT = transforms.compose(
    transforms.randomly(("images", "labels"), partial(transforms.random_flip, probability=(0.0, 0.5)), transforms.flip),
    transforms.randomly(("images", "labels"), transforms.random_affine, transforms.affine, rotation=8.0, scale=0.08),
    transforms.randomly("images", transforms.random_gamma, transforms.gamma, max_change=0.2),
    transforms.randomly("images", transforms.random_noise, transforms.noise, sigma=(0.0, 0.1)),
)
"""One chain for NumPy samples (`sample["rng"]` is a generator) and for JAX under `jit` and `vmap` (`rng` is a key)."""


class Task(NamedTuple):
    """What is to be learned.

    Args:
        labels: The structures, from labels to names; everything else is background, the class 0.
        classes: From each label of the data to its class, 1, 2, ... in the order of `labels`.
        channels: Channels of an image.
        plane: Voxels `(y, x)` of the slices that the network gets.
        weights: How much a voxel of each class counts in the cross-entropy.
    """

    labels: Mapping[int, str]
    classes: dict[int, int]
    channels: int
    plane: tuple[int, int]
    weights: tuple[float, ...]


def write_phantoms(folder: Path, subjects: int) -> Path:
    """Write a synthetic cohort as NIfTI files into a new folder: two images and a label map for every subject."""
    folder.mkdir()
    for someone in phantoms.cohort(np.random.default_rng(0), subjects, (32, 48, 40), spacing=(4.0, 3.0, 3.0)):
        head = someone.head
        for entry, array in (("T1", head.t1), ("T2", head.t2), ("GT", head.labels)):
            images.write(folder / f"{someone.subject}_{entry}.nii.gz", array, head.geometry)
    return folder


def make(path: Path, subjects: Sequence[dataset.Subject]) -> dataset.Dataset:
    """Make a dataset of image files: the first axis is that from feet to head, and intensities are standardised.

    Files of a cohort may differ in their dtypes, while a batch holds arrays of one.
    """
    prepare = transforms.compose(
        transforms.to_canonical(("images", "labels")),
        transforms.on("images", transforms.standardize),
        transforms.on("images", np.asarray, dtype=np.float32),
        transforms.on("labels", np.asarray, dtype=np.int32),
    )
    dataset.create(path, subjects, transform=prepare)
    return dataset.open(path)


def task_of(data: dataset.Dataset, training: tuple[str, ...], labels: Mapping[int, str]) -> Task:
    """Return what the structures, the channels and the sizes of a dataset make of the task.

    A class weighs (background voxels / voxels of the class)^(2/3) in the training subjects, so that rare ones count.
    """
    classes = {label: number for number, label in enumerate(labels, start=1)}
    voxels, sizes = np.zeros(1 + len(labels)), []
    for subject in data.subjects:
        found, counts = np.unique(dataset.read(data, subject, "labels"), return_counts=True)
        classes |= {int(label): 0 for label in found if label not in labels}
        sizes.append(dataset.geometry(data, subject).shape[1:])
        for label, count in zip(found, counts, strict=True):
            voxels[classes[int(label)]] += count * (subject in training)
    if absent := [name for number, name in enumerate(labels.values(), start=1) if not voxels[number]]:
        raise ValueError(f"No training subject has a voxel of {', '.join(absent)}; the labels found are {[*classes]}.")
    height, width = (-(-max(side) // MULTIPLE) * MULTIPLE for side in zip(*sizes, strict=True))
    weights = tuple(((voxels[0] / voxels) ** (2 / 3)).tolist())
    channels = dataset.read(data, training[0], "images").shape[-1]
    return Task(labels, classes, channels, (height, width), weights)


def balanced(rng: np.random.Generator, labels: Any, *, shares: Mapping[int, float]) -> indexing.Boxes:
    """Return axial slices through voxels that are drawn from a label map, as many as it has: all labels alike."""
    count, *size = labels.shape[:3]
    boxes = indexing.random_patches_at(rng, labels, (1, *size), count=count, shares=shares)
    return indexing.patches_at(indexing.starts(boxes), (None, *size))


def slices(data: dataset.Dataset, subjects: tuple[str, ...], task: Task, *, transform: Any = None) -> dataset.Samples:
    """Return axial slices of subjects to train on, drawn anew in every epoch, all of one size, and classes as labels.

    Slices of smaller subjects are filled up at their edges: a batch holds arrays of one shape.
    """
    prepare = transforms.compose(
        transforms.on("labels", transforms.relabel, mapping=task.classes),
        transforms.on(("images", "labels"), transforms.crop_or_pad, shape=task.plane, pad_mode=extraction.edge),
    )
    # The background is drawn as often as one structure, so that the rare ones are in every batch.
    draw = partial(balanced, shares=dict.fromkeys((0, *task.labels), 1.0))
    return dataset.samples(
        data, indexing=dataset.RandomIndexing(function=draw, at="labels"), extract=("images", "labels"),
        subjects=subjects, transform=prepare if transform is None else transforms.compose(prepare, transform),
    )  # fmt: skip


def batches(samples: dataset.Samples, *, batch_size: int, steps: int) -> Iterator[dict[str, Any]]:
    """Yield batches in a random order, epoch after epoch, until there were `steps` of them; every epoch draws anew."""
    # Of fewer samples than a batch holds, there would be no batch in any epoch.
    size = min(batch_size, len(samples))
    epochs = dataset.prefetch(samples, batch_size=size, rng=np.random.default_rng(0), drop_last=True)
    yield from itertools.islice((batch for _ in itertools.count() for batch in epochs), steps)


def segment(predict: Callable[[Any], Any], data: dataset.Dataset, subject: str, task: Task) -> Any:
    """Return the label map of a subject: all its slices are predicted in batches and put together.

    Args:
        predict: From images `(batch, y, x, channel)` to probabilities `(batch, y, x, class)`, both NumPy arrays.
        data: The dataset.
        subject: Whom to segment.
        task: That of `task_of`.
    """
    shape = dataset.geometry(data, subject).shape
    whole = dataset.samples(data, indexing=partial(indexing.slices, axis=0), extract=("images",), subjects=(subject,))

    def probabilities_of(pictures: Any) -> Any:
        filled = transforms.crop_or_pad(pictures, (None, *task.plane), pad_mode=extraction.edge)
        return transforms.crop_or_pad(predict(filled), (None, *shape[1:]))

    parts = [probabilities_of(batch["images"]) for batch in dataset.prefetch(whole, batch_size=16)]
    volume = assembly.assemble(np.concatenate(parts), indexing.slices(shape, axis=0), shape)
    return transforms.argmax(volume, values=(0, *task.labels))[..., 0]


def validate(
    predict: Callable[[Any], Any], data: dataset.Dataset, subjects: tuple[str, ...], task: Task
) -> dict[str, float]:
    """Return the mean Dice over subjects by name, `val/DICE/grey matter`; `predict` is that of `segment`."""
    cases = (
        evaluation.Case(
            subject=subject,
            prediction=segment(predict, data, subject, task),
            reference=dataset.read(data, subject, "labels")[..., 0],
        )
        for subject in subjects
    )
    return analysis.scalars(evaluation.evaluate_many(cases, metrics=("DICE",), labels=task.labels))


def line(entry: Mapping[str, float]) -> str:
    """Return what one validation gave as a line of text."""
    scores = [f"{name.removeprefix('val/DICE/')} {score:.3f}" for name, score in entry.items() if "DICE" in name]
    return "  ".join([f"step {entry['step']:3.0f}  loss {entry['loss']:.3f}", *scores])
