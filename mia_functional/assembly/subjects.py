"""Predictions of many subjects, in any order, into one volume per subject."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.incremental import added, start
from mia_functional.assembly.placement import Placement, fit, place_at, place_in
from mia_functional.assembly.reductions import Reduction, check_reduction, mean
from mia_functional.assembly.volumes import alike, filled, typed
from mia_functional.assembly.voxelwise import chosen, table_of, turns
from mia_functional.assembly.windows import Window, uniform
from mia_functional.indexing import sides
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
        left: Number of samples that it still waits for.
        missing: For every index that it waits for, the positions of its samples, counted from 1; where all are single
            voxels, a volume that counts the samples of each.
        seen: On every voxel the weight of all patches so far, or the last position where the order matters.
        states: A state per output.
        patches: A patch per output.
    """

    left: int
    missing: Any
    seen: Any
    states: dict[Any, Any]
    patches: dict[Any, Array]


class Batch(NamedTuple):
    """Predictions of one subject: who it is, the rows of a batch that are its own, all indices and all outputs."""

    subject: str
    rows: list[int]
    indices: Sequence[Index]
    outputs: dict[Any, Array]


def assemble_subjects(
    samples: SampleTable,
    predictions: Iterable[tuple[Mapping[str, Any], Any]],
    *,
    reduction: Reduction = mean,
    window: Window = uniform,
    fill_value: float | None = None,
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
        fill_value: Value of voxels that no patch covers.
        margin: Context that the predictions still have.
        dtype: That of the volumes.

    Yields:
        The identifier of a subject, and its volume as `assemble` returns it; a dictionary where predictions are.

    Raises:
        ValueError: A prediction does not match its index, belongs to no sample, or comes twice; some are missing; or
            voxels remain uncovered.
    """
    check_reduction("assemble_subjects", reduction)
    checks.require_callable("assemble_subjects", "window", window, "`gaussian`")
    waiting = dict(_waiting(samples, margin))
    begun: dict[str, Begun] = {}
    for batch in _each(predictions):
        name = batch.subject
        if name in waiting:
            begun[name] = _begin(*waiting.pop(name), np.int32 if reduction.ordered else np.float32)
        if name not in begun:
            _refuse(name, batch.indices[batch.rows[0]])
        if isinstance(begun[name].missing, dict):
            begun[name] = _bring(begun[name], batch, reduction, window, margin)
        else:
            begun[name] = _bring_voxels(begun[name], batch, reduction)
        if not begun[name].left:
            yield name, _finished(begun.pop(name), reduction, fill_value, dtype)
    rest = {name: part.left for name, part in begun.items()}
    for name, count in (rest | {name: len(indices) for name, (_, indices, _) in waiting.items()}).items():
        actual = f"none for {count} of {name!r}"
        checks.invalid_value("assemble_subjects", "predictions", "hold every sample once", actual)


def _waiting(samples: SampleTable, margin: Margin) -> Iterator[tuple[str, tuple[Shape, Any, Any]]]:
    """Yield every subject with the shape of its volume, the indices of its samples, and those as a table of voxels."""
    for place, number in enumerate(samples.numbers):
        shape, indices = samples.dataset.grids[number], samples.indices[place]
        table = table_of("assemble_subjects", indices, shape) if margin == 0 else None
        if samples.kept and table is not None:
            indices = table = table[np.array(samples.kept[place], dtype=np.int64)]
        elif samples.kept:
            indices = [indices[int(position)] for position in samples.kept[place]]
        yield samples.dataset.subjects[number], (shape, indices, table)


def _each(predictions: Iterable[tuple[Mapping[str, Any], Any]]) -> Iterator[Batch]:
    """Yield the predictions subject by subject."""
    pair: Any
    for pair in predictions:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], Mapping):
            needed = "be pairs of a sample, a dictionary, and its prediction"
            checks.invalid_kind("assemble_subjects", "predictions", needed, type(pair).__name__)
        sample, prediction = pair
        outputs = dict(prediction) if isinstance(prediction, Mapping) else {None: prediction}
        if not {"subject", "index"} <= sample.keys() or not outputs:
            needed = "have a sample with `subject` and `index`, and at least one output"
            actual = f"{', '.join(map(str, sample))} and {len(outputs)} outputs"
            checks.invalid_value("assemble_subjects", "predictions", needed, actual)
        for output in outputs.values():
            _array.checked_namespace("assemble_subjects", predictions=output)
        if isinstance(sample["subject"], str):
            alone = {name: output[None, ...] for name, output in outputs.items()}
            yield Batch(sample["subject"], [0], [sample["index"]], alone)
            continue
        names = sample["subject"]
        counts = {len(names), *(output.shape[0] for output in outputs.values())}
        if len(counts) != 1:
            needed = f"have one entry per sample of a batch, {len(names)}"
            checks.invalid_value("assemble_subjects", "predictions", needed, sorted(counts))
        rows = defaultdict(list)
        for row, name in enumerate(names):
            rows[name].append(row)
        for name, own in rows.items():
            yield Batch(name, own, sample["index"], outputs)


def _begin(shape: Shape, indices: Any, table: Any, dtype: Any) -> Begun:
    """Return a subject before its first prediction."""
    if table is not None:
        flat = np.ravel_multi_index(tuple(table.T), shape)
        due = np.bincount(flat, minlength=math.prod(shape)).astype(np.int32).reshape(shape)
        return Begun(len(table), due, np.zeros(shape, dtype=np.float32), {}, {})
    missing = defaultdict(list)
    for position, index in enumerate(indices, start=1):
        missing[_key(index)].append(position)
    return Begun(len(indices), dict(missing), np.zeros(shape, dtype=dtype), {}, {})


def _refuse(subject: str, index: Index) -> NoReturn:
    """Refuse a prediction that no sample waits for."""
    actual = f"one more of {subject!r} at {index}"
    checks.invalid_value("assemble_subjects", "predictions", "hold every sample once", actual)


def _key(index: Index) -> Any:
    """Return an index as something that can be looked up."""
    return tuple((entry.start, entry.stop) if isinstance(entry, slice) else entry for entry in index)


def _bring(subject: Begun, batch: Batch, reduction: Reduction, window: Window, margin: Margin) -> Begun:
    """Return a subject with the predictions of a batch brought in, one after the other."""
    function, seen, shape = "assemble_subjects", subject.seen, subject.seen.shape
    widths = sides(function, margin, len(shape))
    _same_outputs(subject, batch)
    for row in batch.rows:
        index = batch.indices[row]
        positions = subject.missing.get(_key(index)) or _refuse(batch.subject, index)
        rank = positions.pop(0)
        weights = window if reduction.weighted else uniform
        place = place_at(function, seen, index, rank) if reduction.ordered else place_in(function, seen, index, weights)
        for name, output in batch.outputs.items():
            part = fit(function, output[row, ...], index, shape, widths)
            _add(subject, name, part, place, reduction)
    return subject._replace(left=subject.left - len(batch.rows))


def _bring_voxels(subject: Begun, batch: Batch, reduction: Reduction) -> Begun:
    """Return a subject with single voxels brought in, all at once; of equal ones the last is the last to come."""
    _same_outputs(subject, batch)
    rows, shape = np.array(batch.rows), subject.seen.shape
    mine = [batch.indices[row] for row in batch.rows]
    for index in mine:
        if len(index) != len(shape) or not all(map(_is_on, index, shape)):
            _refuse(batch.subject, index)
    table = np.array(mine, dtype=np.int32)
    for now, places in turns(table, subject.seen):
        voxels = tuple(table[now].T)
        if not (subject.missing[voxels] > 0).all():
            _refuse(batch.subject, mine[now[int(np.argmin(subject.missing[voxels]))]])
        subject.missing[voxels] -= 1
        for name, output in batch.outputs.items():
            _add(subject, name, *chosen(output, rows[now], places), reduction)
    return subject._replace(left=subject.left - len(rows))


def _is_on(entry: int | slice, size: int) -> bool:
    """Tell whether an entry of an index is a position on an axis."""
    return not isinstance(entry, slice) and 0 <= entry < size


def _same_outputs(subject: Begun, batch: Batch) -> None:
    """Refuse predictions with other outputs than those before, or of another library or dtype."""
    if subject.patches and batch.outputs.keys() != subject.patches.keys():
        needed = f"have the outputs {', '.join(map(str, subject.patches))}"
        checks.invalid_value("assemble_subjects", "predictions", needed, ", ".join(map(str, batch.outputs)))
    for name, first in subject.patches.items():
        alike("assemble_subjects", first, batch.outputs[name])


def _add(subject: Begun, name: Any, patch: Array, place: Placement, reduction: Reduction) -> None:
    """Bring a patch, or several, into the state of one output."""
    if name not in subject.states:
        subject.patches[name] = first = patch[0, ...] if place.start.ndim > 1 else patch
        subject.states[name] = start(first, subject.seen.shape, reduction=reduction)
    subject.states[name] = added("assemble_subjects", subject.states[name], patch, place, reduction)


def _finished(subject: Begun, reduction: Reduction, fill_value: float | None, dtype: Any) -> Any:
    """Return the volume of a subject, or one per output."""
    volumes = {
        name: filled("assemble_subjects", typed(reduction.finish(state), patch, dtype), [subject.seen], fill_value)
        for (name, state), patch in zip(subject.states.items(), subject.patches.values(), strict=True)
    }
    return volumes.get(None, volumes)
