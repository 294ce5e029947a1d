"""What both training examples share: a cohort on disk, its dataset, samples, augmentation and validation."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mia_functional import assembly, dataset, images, indexing, phantoms, transforms
from mia_functional.metrics import confusion_counts, dice

SHAPE, SPACING = (32, 48, 40), (4.0, 3.0, 3.0)
LARGER = (1, 2)
"""White and grey matter: the structures that a small network learns in a minute; the nuclei are a few voxels each."""

WEIGHTS = (1.0, 3.0, 3.0, 24.0, 30.0, 18.0)
"""How much a voxel of each class counts in the cross-entropy: about one over the square root of their number."""

AUGMENT = transforms.compose(
    transforms.randomly(("images", "labels"), transforms.random_flip, transforms.flip, chance=(0.0, 0.5)),
    transforms.randomly(("images", "labels"), transforms.random_affine, transforms.affine, rotation=8.0, scale=0.08),
    transforms.randomly("images", transforms.random_gamma, transforms.gamma, change=0.2),
    transforms.randomly("images", transforms.random_noise, transforms.noise, deviation=(0.0, 0.1)),
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


def slices(data: dataset.Dataset, subjects: tuple[str, ...], transform: Any = None) -> dataset.Samples:
    """Return the axial slices of subjects, two channels and a label map each."""
    cut = partial(indexing.slices, axis=0)
    return dataset.samples(data, indexing=cut, extract=("images", "labels"), subjects=subjects, transform=transform)


def validate(predict: Callable[[Any], Any], data: dataset.Dataset, subjects: tuple[str, ...]) -> dict[str, float]:
    """Return the mean Dice of every structure: slices are predicted, put together, and measured against the labels.

    Args:
        predict: From images `(batch, y, x, channel)` to probabilities `(batch, y, x, class)`, both NumPy arrays.
        data: The dataset.
        subjects: Whom to validate on.
    """
    scores = []
    for subject in subjects:
        places = indexing.slices(SHAPE, axis=0)
        batches = dataset.prefetch(slices(data, (subject,)), batch_size=16)
        probabilities = np.concatenate([predict(batch["images"]) for batch in batches])
        volume = assembly.assemble(probabilities, places, SHAPE)
        labels = dataset.read(data, subject, "labels")
        scores.append(dice(confusion_counts(transforms.argmax(volume), labels, labels=phantoms.LABELS)))
    return dict(zip(phantoms.LABELS.values(), np.mean(scores, axis=0).tolist(), strict=True))


def of_larger(scores: dict[str, float]) -> float:
    """Return the mean Dice of the larger structures."""
    return float(np.mean([scores[phantoms.LABELS[label]] for label in LARGER]))
