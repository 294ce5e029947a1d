"""Some of the samples, those of several datasets one after the other, and those of subjects drawn by weights."""

from collections.abc import Mapping, Sequence

import numpy as np

from mia_functional._core import checks
from mia_functional.dataset.sampling import (
    AnySamples,
    Samples,
    SelectedSamples,
    select_positions,
    with_positions,
)
from mia_functional.dataset.weighting import subjects_of_positions
from mia_functional.typing import HostArray

__all__ = ["concatenate", "take", "weighted"]


def take(samples: AnySamples, positions: "Sequence[int] | HostArray") -> SelectedSamples:
    """Return the samples at positions, in that order; `samples[4:8]` does the same for a slice.

    Args:
        samples: From `samples`, `take` or `concatenate`.
        positions: Whole numbers, negative ones count from the end. One that comes several times is of the same place
            each time, and `sample["rng"]` of its transform gives other numbers each time.

    Returns:
        A sequence of samples that goes wherever `samples` go: `take(samples, p)[epoch, k]` is `samples[epoch, p[k]]`.

    Raises:
        IndexError: A position lies outside of the samples.
        TypeError: A position is no whole number, or these are no samples.
        ValueError: The samples are drawn by weights.

    Example:
        >>> from mia_functional import dataset, indexing
        >>> data = dataset.samples(cohort, indexing=indexing.slices, extract=["images"])  # `cohort` is opened
        >>> [sample["index"] for sample in take(data, [2, 0])] == [data[2]["index"], data[0]["index"]]
        True
    """
    _check_samples("take", samples)
    if isinstance(positions, str | bytes) or not hasattr(positions, "__iter__"):
        checks.invalid_kind("take", "positions", "be a sequence of whole numbers", checks.describe(positions))
    with checks.speaking_for("take", "take", position="positions"):
        numbers = [checks.position("take", position, len(samples)) for position in positions]
    return select_positions("take", samples, np.array(numbers, dtype=np.int64))


def concatenate(samples: AnySamples, /, *others: AnySamples) -> SelectedSamples:
    """Return samples one after the other, of one dataset or of several.

    They go wherever `samples` go: into loaders, where every epoch is one of all parts, and into `assemble_subjects`,
    where subjects of several datasets must have names of their own.

    Args:
        samples: The first.
        others: Those that follow, each with the same names in its samples.

    Returns:
        A sequence of samples with the seed of the first, by which loaders shuffle. Each part draws from its own.

    Raises:
        TypeError: These are no samples.
        ValueError: Some are drawn by weights, they are at different epochs, or their samples hold different names.

    Example:
        >>> from mia_functional import dataset, indexing
        >>> data = dataset.samples(cohort, indexing=indexing.slices, extract=["images"])  # `cohort` is opened
        >>> len(concatenate(data, data[:2]))
        5
    """
    given = (samples, *others)
    for each in given:
        _check_samples("concatenate", each)
    if len(epochs := {each.epoch for each in given}) > 1:
        checks.invalid_value("concatenate", "samples", "be at one epoch, as `at_epoch` gives them", sorted(epochs))
    selections = [select_positions("concatenate", each, np.arange(len(each))) for each in given]
    # Each part once, so that samples which come again are known as the same.
    parts = tuple(dict.fromkeys(part for selection in selections for part in selection.parts))
    names = [sorted(field if isinstance(field, str) else field.name for field in part.extract) for part in parts]
    if any(own != names[0] for own in names):
        actual = " and ".join(dict.fromkeys(map(", ".join, names)))
        checks.invalid_value("concatenate", "samples", "hold the same names", actual)
    starts = dict(zip(parts, np.cumsum([0, *map(len, parts)]), strict=False))
    positions = []
    for selection in selections:
        own_starts = np.cumsum([0, *map(len, selection.parts)])
        shifts = np.array([starts[part] for part in selection.parts], dtype=np.int64) - own_starts[:-1]
        owners = np.searchsorted(own_starts, selection.positions, side="right") - 1
        positions.append(selection.positions + shifts[owners])
    return with_positions(parts, np.concatenate(positions))


def weighted(samples: AnySamples, weights: Mapping[str, float], *, count: int | None = None) -> SelectedSamples:
    """Return samples whose subjects are drawn with probabilities in proportion to weights, anew in every epoch.

    Each time a subject is drawn, and the next of its samples in a random order that starts again when all were drawn.
    What is drawn depends on the seed, the epoch and the number of samples alone, for every loader.

    Args:
        samples: From `samples`, `take` or `concatenate`.
        weights: By subject a number, 0 for subjects that never come; every subject of the samples has one.
        count: Samples in an epoch; by default as many as there are.

    Returns:
        A sequence of samples for loaders. A sample that comes several times in an epoch is of the same place each time,
        and `sample["rng"]` of its transform gives other numbers each time.

    Raises:
        TypeError: A weight is no number, `weights` is no mapping, or these are no samples.
        ValueError: A subject has no weight or is unknown, a weight is negative or not finite, all are 0, or the samples
            are drawn by weights already.

    Example:
        >>> from mia_functional import dataset, indexing
        >>> data = dataset.samples(cohort, indexing=indexing.slices, extract=["images"])  # `cohort` is opened
        >>> len(weighted(data, {"A": 1.0}, count=7))
        7
    """
    _check_samples("weighted", samples)
    checks.require_instance("weighted", "weights", weights, Mapping, "a mapping from subjects to numbers")
    selection = select_positions("weighted", samples, np.arange(len(samples)))
    subjects = list(dict.fromkeys(subjects_of_positions(selection.parts, selection.positions).tolist()))
    if unweighted := [name for name in subjects if name not in weights]:
        checks.invalid_value("weighted", "weights", "have a number for every subject", f"none for {unweighted[0]!r}")
    if unknown := [name for name in weights if name not in subjects]:
        checks.invalid_value("weighted", "weights", "name subjects of the samples", repr(unknown[0]))
    numbers = {name: checks.number("weighted", "weights", weights[name]) for name in subjects}
    for name, number in numbers.items():
        if not 0 <= number < np.inf:
            checks.invalid_value("weighted", "weights", "be finite and at least 0", f"{number} for {name!r}")
    if not any(numbers.values()):
        checks.invalid_value("weighted", "weights", "have a number above 0", dict(weights))
    size = len(samples) if count is None else checks.integer("weighted", "count", count, minimum=1)
    return with_positions(selection.parts, selection.positions, weights=tuple(numbers.items()), count=size)


def _check_samples(function: str, samples: object) -> None:
    """Raise unless these are samples of a dataset."""
    checks.require_instance(function, "samples", samples, (Samples, SelectedSamples), "from `samples`")
