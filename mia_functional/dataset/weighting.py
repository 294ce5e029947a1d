"""Which samples an epoch has whose subjects are drawn by weights."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mia_functional.typing import HostArray

__all__ = ["drawn_by_weight", "subjects_of_positions"]

_WEIGHING = 3
"""Tells random numbers of weights from those of indices (0), transforms (1) and orders (2) of one seed."""


class _Identifiers(Protocol):
    """Who the subjects are; a `Dataset`."""

    @property
    def subjects(self) -> Sequence[str]:
        """Identifiers."""


class _Part(Protocol):
    """Which samples are of which subject; `Samples`."""

    @property
    def dataset(self) -> _Identifiers:
        """The subjects."""

    @property
    def numbers(self) -> Sequence[int]:
        """Positions of the subjects in the dataset."""

    @property
    def ends(self) -> Sequence[int]:
        """Number of samples up to and with each subject."""


def subjects_of_positions(parts: Sequence[_Part], positions: HostArray) -> HostArray:
    """Return the identifier of the subject of every sample at positions that count through all parts."""
    owners = []
    for part in parts:
        # References, not texts: a hundred letters for each of a million voxels would take 400 MB.
        names = np.array([part.dataset.subjects[number] for number in part.numbers], dtype=object)
        owners.append(np.repeat(names, np.diff(part.ends, prepend=0).astype(np.int64)))
    return np.concatenate(owners)[positions]


def drawn_by_weight(
    names: HostArray, weights: dict[str, float], *, count: int, seed: int, epoch: int
) -> HostArray:  # fmt: skip
    """Return positions in `names`: each time of a subject by its weight, and there of the next in a random order.

    Args:
        names: The subject of every sample.
        weights: By subject, in proportion to how likely it is; at least one is above 0.
        count: How many to draw.
        seed: That of the samples.
        epoch: That of the samples.
    """
    rng = np.random.default_rng((seed, epoch, _WEIGHING))
    subjects, numbers = np.unique(names, return_inverse=True)
    # Relative to the largest, as the sum of huge ones would overflow.
    shares = np.array([weights[subject] for subject in subjects]) / max(weights.values())
    drawn = rng.choice(len(subjects), size=count, p=shares / shares.sum())
    positions = np.empty(count, dtype=np.int64)
    for number in np.unique(drawn):
        here, own = np.flatnonzero(drawn == number), np.flatnonzero(numbers == number)
        rounds = [rng.permutation(own) for _ in range(-(-len(here) // len(own)))]
        positions[here] = np.concatenate(rounds)[: len(here)]
    return positions
