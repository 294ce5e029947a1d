"""Predictions of many subjects, in any order, into one volume per subject; volumes of several planes into one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from mia_functional import _array, _check
from mia_functional.assembly.places import Place, fit, place_at, place_in
from mia_functional.assembly.reductions import Reduction, mean
from mia_functional.assembly.steps import add, start
from mia_functional.assembly.volumes import filled, typed
from mia_functional.assembly.windows import Window, uniform
from mia_functional.typing import Array, Index, Margin, SampleSequence, Shape


class Cohort(Protocol):
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
    def dataset(self) -> Cohort:
        """The subjects."""

    @property
    def numbers(self) -> Sequence[int]:
        """Positions of the subjects in the dataset."""

    @property
    def indices(self) -> Sequence[SampleSequence]:
        """The indices of each of them."""

    @property
    def kept(self) -> Sequence[Any]:
        """Positions in the indices that were selected, per subject; empty where all are."""


class Begun(NamedTuple):
    """A subject that is not complete.

    Args:
        missing: For every index that it still waits for, the positions of its samples, counted from 1.
        seen: On every voxel the weight of all patches so far, or the last position where the order matters.
        states: A state per output.
        patches: A patch per output.
    """

    missing: dict[Any, list[int]]
    seen: Any
    states: dict[Any, Any]
    patches: dict[Any, Array]


def assemble_subjects(
    samples: SampleTable,
    predictions: Iterable[tuple[Mapping[str, Any], Any]],
    *,
    reduction: Reduction = mean,
    window: Window = uniform,
    fill: float | None = None,
    margin: Margin = 0,
    dtype: Any = None,
) -> Iterator[tuple[str, Any]]:
    """Yield the volume of every subject as soon as the prediction of its last sample is there, in whatever order.

    Only subjects that have begun and are not complete are held in memory. Another order of the predictions gives the
    same volumes: exactly with `last` (the last in the order of the samples stays, not the one that came last; samples
    of one and the same index are taken in the order of their predictions), `maximum` and `vote`; up to the rounding of
    sums with `mean` and `total`, and exactly with these too where patches do not overlap or, for `mean`, all agree.

    Args:
        samples: What was predicted, from `dataset.samples`.
        predictions: Pairs of a sample and its prediction, or of a batch (`dataset.collate`, `dataset.prefetch`) and
            predictions with a leading axis: `((batch, network(batch["images"])) for batch in prefetch(samples, ...))`.
            Of a sample only `subject` and `index` are looked at. A prediction is an array `(*patch, ...)`, or a
            dictionary of them.
        reduction: As for `assemble`, as are all that follow.
        window: Weights along one axis of a patch.
        fill: Value of voxels that no patch covers.
        margin: Context that the predictions still have.
        dtype: That of the volumes.

    Yields:
        The identifier of a subject, and its volume as `assemble` returns it; a dictionary where predictions are.

    Raises:
        ValueError: A prediction does not match its index, belongs to no sample, or comes twice; some are missing; or
            voxels remain uncovered.
    """
    waiting = dict(_waiting(samples))
    begun: dict[str, Begun] = {}
    for subject, index, outputs in _each(predictions):
        if subject in waiting:
            begun[subject] = _begin(*waiting.pop(subject), np.int32 if reduction.ordered else np.float32)
        if subject not in begun or _key(index) not in begun[subject].missing:
            needed = "hold every sample once"
            _check.invalid_value("assemble_subjects", "predictions", needed, f"one more of {subject!r} at {index}")
        _bring(begun[subject], index, outputs, reduction, window, margin)
        if not begun[subject].missing:
            yield subject, _finished(begun.pop(subject), reduction, fill, dtype)
    rest = {name: sum(map(len, part.missing.values())) for name, part in begun.items()} | {
        name: len(indices) for name, (_, indices) in waiting.items()
    }
    for subject, count in rest.items():
        actual = f"none for {count} of {subject!r}"
        _check.invalid_value("assemble_subjects", "predictions", "hold every sample once", actual)


def merge_planes(volumes: Iterable[Array], *, reduction: Reduction = mean) -> Array:
    """Return one volume of several that were assembled from slices in different planes (2.5-D), one after the other.

    Args:
        volumes: Arrays of one shape and library; a generator needs memory for one of them at a time.
        reduction: `mean`, `total`, `maximum`, `last` or `vote`.

    Returns:
        An array of their shape; of their dtype, sums and means of integers are float32.

    Raises:
        ValueError: There is none, or they differ in shape.

    Example:
        >>> import numpy as np
        >>> merge_planes([np.array([1.0, 2.0]), np.array([3.0, 2.0])]).tolist()
        [2.0, 2.0]
    """
    state: Any = None
    volume = first = None
    for position, volume in enumerate(volumes):
        _array.namespace("merge_planes", volumes=volume)
        first = volume if first is None else first
        if volume.shape != first.shape:
            _check.invalid_value(
                "merge_planes", "volumes", f"have one shape, {tuple(first.shape)}", tuple(volume.shape)
            )
        state = start(volume, tuple(volume.shape), reduction=reduction) if state is None else state
        state = add(state, volume, _again(position, volume.shape), reduction=reduction)
    if volume is None:
        _check.invalid_value("merge_planes", "volumes", "hold at least one volume", "none")
    return typed(reduction.finish(state), volume, None)


def _again(position: int, shape: Shape) -> Place:
    """Return the place of a whole volume after `position` others."""
    before = [position] + [0] * (len(shape) - 1)
    lines = [np.stack([np.full(size, count), np.ones(size)]) for count, size in zip(before, shape, strict=True)]
    return Place(np.zeros(len(shape), dtype=np.int32), tuple(lines))


def _waiting(samples: SampleTable) -> Iterator[tuple[str, tuple[Shape, SampleSequence]]]:
    """Yield every subject with the shape of its volume and the indices of its samples."""
    for place, number in enumerate(samples.numbers):
        indices: Any = samples.indices[place]
        if samples.kept:
            indices = [indices[int(position)] for position in samples.kept[place]]
        yield samples.dataset.subjects[number], (samples.dataset.grids[number], indices)


def _each(predictions: Iterable[tuple[Mapping[str, Any], Any]]) -> Iterator[tuple[str, Index, dict[Any, Array]]]:
    """Yield the subject, the index and the outputs of every sample, batches taken apart."""
    for sample, prediction in predictions:
        outputs = dict(prediction) if isinstance(prediction, Mapping) else {None: prediction}
        if isinstance(sample["subject"], str):
            yield sample["subject"], sample["index"], outputs
            continue
        counts = {len(sample["subject"]), *(output.shape[0] for output in outputs.values())}
        if len(counts) != 1:
            needed = f"have one entry per sample of a batch, {len(sample['subject'])}"
            _check.invalid_value("assemble_subjects", "predictions", needed, sorted(counts))
        for row, (subject, index) in enumerate(zip(sample["subject"], sample["index"], strict=True)):
            yield subject, index, {name: output[row, ...] for name, output in outputs.items()}


def _begin(shape: Shape, indices: SampleSequence, dtype: Any) -> Begun:
    """Return a subject before its first prediction."""
    missing = defaultdict(list)
    for position, index in enumerate(indices, start=1):
        missing[_key(index)].append(position)
    return Begun(dict(missing), np.zeros(shape, dtype=dtype), {}, {})


def _key(index: Index) -> Any:
    """Return an index as something that can be looked up."""
    return tuple((entry.start, entry.stop) if isinstance(entry, slice) else entry for entry in index)


def _bring(
    subject: Begun, index: Index, outputs: dict[Any, Array], reduction: Reduction, window: Window, margin: Margin
) -> None:
    """Bring the outputs of one sample into the states of its subject."""
    function = "assemble_subjects"
    if subject.patches and outputs.keys() != subject.patches.keys():
        needed = f"have the outputs {sorted(subject.patches)}"
        _check.invalid_value(function, "predictions", needed, sorted(outputs))
    positions, seen, shape = subject.missing[_key(index)], subject.seen, subject.seen.shape
    rank = positions.pop(0)
    if not positions:
        del subject.missing[_key(index)]
    weights = window if reduction.weighted else uniform
    place = place_at(function, seen, index, rank) if reduction.ordered else place_in(function, seen, index, weights)
    for name, patch in outputs.items():
        _array.namespace(function, predictions=patch)
        part = fit(function, patch, index, shape, margin)
        if name not in subject.states:
            subject.states[name] = start(part, shape, reduction=reduction)
            subject.patches[name] = part
        subject.states[name] = add(subject.states[name], part, place, reduction=reduction)


def _finished(subject: Begun, reduction: Reduction, fill: float | None, dtype: Any) -> Any:
    """Return the volume of a subject, or one per output."""
    volumes = {
        name: typed(filled("assemble_subjects", reduction.finish(state), [subject.seen], fill), patch, dtype)
        for (name, state), patch in zip(subject.states.items(), subject.patches.values(), strict=True)
    }
    return volumes.get(None, volumes)
