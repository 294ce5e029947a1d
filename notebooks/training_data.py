"""What both training notebooks share: a cohort on disk, its dataset, samples, augmentation and validation."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mia_functional import analysis, assembly, dataset, evaluation, images, indexing, phantoms, transforms

SHAPE, SPACING = (32, 48, 40), (4.0, 3.0, 3.0)

RATE = 1e-2
"""The highest learning rate."""

SHARES = dict.fromkeys((0, *phantoms.LABELS), 1.0)
"""How often a slice through a voxel of each class is drawn: all alike, so that the rare ones are in every batch."""

WEIGHTS = (1.0, 2.5, 3.0, 20.0, 30.0, 25.0)
"""How much a voxel of each class counts in the cross-entropy: (background voxels / voxels of the class)^(2/3)."""

AUGMENT = transforms.compose(
    transforms.randomly(("images", "labels"), partial(transforms.random_flip, probability=(0.0, 0.5)), transforms.flip),
    transforms.randomly(("images", "labels"), transforms.random_affine, transforms.affine, rotation=8.0, scale=0.08),
    transforms.randomly("images", transforms.random_gamma, transforms.gamma, max_change=0.2),
    transforms.randomly("images", transforms.random_noise, transforms.noise, sigma=(0.0, 0.1)),
)
"""One chain for NumPy samples (`sample["rng"]` is a generator) and for JAX under `jit` and `vmap` (`rng` is a key)."""


def make(folder: Path, subjects: int) -> dataset.Dataset:
    """Write a synthetic cohort as NIfTI files, and make a dataset of it, with standardised intensities."""
    for someone in phantoms.cohort(np.random.default_rng(0), subjects, SHAPE, spacing=SPACING):
        head = someone.head
        for entry, array in (("T1", head.t1), ("T2", head.t2), ("GT", head.labels)):
            images.write(folder / f"{someone.subject}_{entry}.nii.gz", array, head.geometry)
    patterns = {
        "images": {"T1": "{subject}_T1.nii.gz", "T2": "{subject}_T2.nii.gz"},
        "labels": {"GT": "{subject}_GT.nii.gz"},
    }
    normalize = transforms.on("images", transforms.standardize)
    dataset.create(folder / "cohort.h5", dataset.discover(folder, patterns), transform=normalize)
    return dataset.open(folder / "cohort.h5")


def balanced(rng: np.random.Generator, labels: Any) -> indexing.Boxes:
    """Return axial slices through voxels that are drawn from a label map, as many as it has."""
    count, *size = labels.shape[:3]
    boxes = indexing.random_patches_at(rng, labels, (1, *size), count=count, shares=SHARES)
    return indexing.patches_at(indexing.starts(boxes), (None, *size))


def slices(data: dataset.Dataset, subjects: tuple[str, ...], *, transform: Any = None) -> dataset.Samples:
    """Return axial slices of subjects to train on, drawn anew in every epoch: two channels and a label map each."""
    drawn = dataset.RandomIndexing(function=balanced, at="labels")
    return dataset.samples(data, indexing=drawn, extract=("images", "labels"), subjects=subjects, transform=transform)


def batches(samples: dataset.Samples, *, batch_size: int, steps: int) -> Iterator[dict[str, Any]]:
    """Yield batches in a random order, epoch after epoch, until there were `steps` of them; every epoch draws anew."""
    epochs = dataset.prefetch(samples, batch_size=batch_size, rng=np.random.default_rng(0), drop_last=True)
    yield from itertools.islice((batch for _ in itertools.count() for batch in epochs), steps)


def segment(predict: Callable[[Any], Any], data: dataset.Dataset, subject: str) -> Any:
    """Return the label map of a subject: all its slices are predicted in batches and put together.

    Args:
        predict: From images `(batch, y, x, channel)` to probabilities `(batch, y, x, class)`, both NumPy arrays.
        data: The dataset.
        subject: Whom to segment.
    """
    whole = dataset.samples(data, indexing=partial(indexing.slices, axis=0), extract=("images",), subjects=(subject,))
    given = dataset.prefetch(whole, batch_size=16)
    probabilities = np.concatenate([predict(batch["images"]) for batch in given])
    volume = assembly.assemble(probabilities, indexing.slices(SHAPE, axis=0), SHAPE)
    return transforms.argmax(volume)[..., 0]


def validate(predict: Callable[[Any], Any], data: dataset.Dataset, subjects: tuple[str, ...]) -> dict[str, float]:
    """Return the mean Dice over subjects by name, `val/DICE/grey matter`; `predict` is that of `segment`."""
    cases = (
        evaluation.Case(
            subject=subject,
            prediction=segment(predict, data, subject),
            reference=dataset.read(data, subject, "labels", entries="GT"),
        )
        for subject in subjects
    )
    return analysis.scalars(evaluation.evaluate_many(cases, metrics=("DICE",), labels=phantoms.LABELS))


def line(entry: Mapping[str, float]) -> str:
    """Return what one validation gave as a line of text."""
    scores = "  ".join(f"{name} {entry[f'val/DICE/{name}']:.3f}" for name in phantoms.LABELS.values())
    return f"step {entry['step']:3.0f}  loss {entry['loss']:.3f}  {scores}"
