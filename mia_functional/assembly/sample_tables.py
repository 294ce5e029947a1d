"""Which samples of which subject predictions are waited for."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.assembly.voxelwise import voxel_table
from mia_functional.indexing.margins import sides
from mia_functional.typing import HostArray, Index, Margin, SampleSequence, Shape

__all__ = ["PickedSamples", "SampleTable", "SubjectSamples", "samples_by_subject"]


class _Cohort(Protocol):
    """Who the subjects are and how large their images; a `dataset.Dataset`."""

    @property
    def subjects(self) -> Sequence[str]:
        """Identifiers."""

    @property
    def grids(self) -> Sequence[Shape]:
        """Spatial shape of every subject's images."""


class SampleTable(Protocol):
    """Which parts of which subjects the samples are; `dataset.Samples`."""

    @property
    def dataset(self) -> _Cohort:
        """The subjects."""

    @property
    def numbers(self) -> Sequence[int]:
        """Positions of the subjects in the dataset."""

    @property
    def indices(self) -> Sequence[SampleSequence]:
        """The indices of each of them."""

    @property
    def kept(self) -> Sequence[HostArray]:
        """Positions in the indices that were selected, per subject; empty where all are."""

    @property
    def ends(self) -> Sequence[int]:
        """Number of samples up to and with each subject."""


class PickedSamples(Protocol):
    """Some samples of one or several tables; `dataset.SelectedSamples`."""

    @property
    def parts(self) -> Sequence[SampleTable]:
        """What they were picked from."""

    @property
    def positions(self) -> HostArray:
        """Which, in their order, counted through all parts."""


class SubjectSamples(NamedTuple):
    """The samples of one subject: the shape of its volume, their indices, and those as a table if they are voxels."""

    shape: Shape
    indices: Sequence[Index]
    table: "HostArray | None"


_Chunk: TypeAlias = tuple[SampleTable, int, HostArray, HostArray]
"""Of one subject in one table: the table, which of its subjects, which of its samples, and when they come."""


def samples_by_subject(samples: SampleTable | PickedSamples, margin: Margin) -> Iterator[tuple[str, SubjectSamples]]:
    """Yield every subject with its samples."""
    given: Any = samples  # `isinstance` tells protocols apart by many look-ups, and needs another kind of them
    if not hasattr(given, "parts"):
        for slot, number in enumerate(given.numbers):
            yield given.dataset.subjects[number], _samples_of_slot(given, slot, ..., margin)
        return
    for name, chunks in _chunks_by_subject(given.parts, given.positions).items():
        if any(table.dataset != chunks[0][0].dataset for table, *_ in chunks):
            needed = "have a name of its own for each subject of several datasets"
            checks.invalid_value("assemble_subjects", "samples", needed, f"{name!r} twice")
        own = [_samples_of_slot(table, slot, inner, margin) for table, slot, inner, _ in chunks]
        # In the order of the samples, which decides where the last patch of a voxel stays.
        order = np.argsort(np.concatenate([ranks for *_, ranks in chunks]), kind="stable")
        tables = [each.table for each in own if each.table is not None]
        if len(tables) == len(own):
            merged = np.concatenate(tables)[order]
            yield name, SubjectSamples(own[0].shape, merged, merged)  # type: ignore[arg-type]  # rows are as indices
        else:
            indices = [index for each in own for index in each.indices]
            yield name, SubjectSamples(own[0].shape, [indices[k] for k in order], None)


def _chunks_by_subject(parts: Sequence[SampleTable], positions: HostArray) -> dict[str, list[_Chunk]]:
    """Return where the samples at positions are, by subject."""
    chunks: dict[str, list[_Chunk]] = defaultdict(list)
    begin = 0
    for part in parts:
        starts = np.array([0, *part.ends], dtype=np.int64)
        ranks = np.flatnonzero((positions >= begin) & (positions < begin + starts[-1]))
        inner = positions[ranks] - begin
        slots = np.searchsorted(starts, inner, side="right") - 1
        for slot in np.unique(slots).tolist():
            own = slots == slot
            name = part.dataset.subjects[part.numbers[slot]]
            chunks[name].append((part, slot, inner[own] - starts[slot], ranks[own]))
        begin += int(starts[-1])
    return chunks


def _samples_of_slot(samples: SampleTable, slot: int, chosen: Any, margin: Margin) -> SubjectSamples:
    """Return the samples of one subject of a table: all, or those at positions."""
    shape = samples.dataset.grids[samples.numbers[slot]]
    indices: Any = samples.indices[slot]
    has_margin = any(map(any, sides("assemble_subjects", margin, len(shape))))
    table = None if has_margin else voxel_table(indices, shape)
    if samples.kept:
        chosen = np.array(samples.kept[slot], dtype=np.int64)[chosen]
    if chosen is ...:
        return SubjectSamples(shape, indices, table)
    if table is not None:
        indices = table = table[chosen]
    else:
        indices = [indices[position] for position in chosen.tolist()]
    return SubjectSamples(shape, indices, table)
