"""Predictions of many subjects, in any order, into one volume per subject."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.incremental import add_placed, start
from mia_functional.assembly.placement import Placement, crop_to_volume, place_by_rank, place_by_weight
from mia_functional.assembly.reductions import Reduction, State, check_reduction, mean
from mia_functional.assembly.sample_tables import PickedSamples, SampleTable, samples_by_subject
from mia_functional.assembly.volumes import check_same_kind, finish_volume
from mia_functional.assembly.voxelwise import distinct_rounds, select_voxels
from mia_functional.assembly.windows import Window, uniform
from mia_functional.indexing.margins import sides
from mia_functional.typing import Array, HostArray, Index, Margin, Shape

__all__ = ["assemble_subjects"]

_invalid = partial(checks.invalid_value, "assemble_subjects", "predictions")
"""Raise for predictions: from what they have to be, and what they are."""

_IndexKey: TypeAlias = tuple[int | tuple[int, int], ...]
"""An index as something that can be looked up: slices do not hash before Python 3.12."""


class _Pending(NamedTuple):
    """A subject of which some predictions came, and not all.

    Args:
        remaining: Number of samples that it still waits for.
        missing: For every index that it waits for, the positions of its samples, counted from 1.
        due: Where all samples are single voxels, instead: a volume that counts the samples of each.
        seen: On every voxel the weight of all patches so far, or the last position where the order matters.
        states: A state per output.
        patches: A patch per output.
    """

    remaining: int
    missing: dict[_IndexKey, list[int]]
    due: "HostArray | None"
    seen: HostArray
    states: dict[Any, State]
    patches: dict[Any, Array]


class _Batch(NamedTuple):
    """Predictions of one subject: who it is, the rows of a batch that are its own, all indices and all outputs."""

    subject: str
    rows: list[int]
    indices: Sequence[Index]
    outputs: dict[Any, Array]


def assemble_subjects(
    samples: SampleTable | PickedSamples,
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
        samples: What was predicted, from `dataset.samples`; or some of those, of several datasets too, whose subjects
            then have names of their own.
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
    unfinished: dict[str, _Pending] = {}
    if not hasattr(samples, "indices") and not hasattr(samples, "parts"):
        checks.invalid_kind("assemble_subjects", "samples", "come from `dataset.samples`", checks.describe(samples))
    names = {"patch": "predictions", "patches": "predictions"}
    with checks.speaking_for("assemble_subjects", "assemble", "start", "add", **names):
        waiting = dict(samples_by_subject(samples, margin))
        for batch in _batches_by_subject(predictions):
            name = batch.subject
            if name in waiting:
                unfinished[name] = _begin(*waiting.pop(name), np.int32 if reduction.ordered else np.float32)
            if name not in unfinished:
                _raise_extra(name, batch.indices[batch.rows[0]])
            subject = unfinished[name]
            if subject.due is None:
                subject = _add_patches(subject, batch, reduction, window, margin)
            else:
                subject = _add_voxels_of_batch(subject, subject.due, batch, reduction)
            unfinished[name] = subject
            if not subject.remaining:
                yield name, _finish_subject(unfinished.pop(name), reduction, fill_value, dtype)
    missing = {name: subject.remaining for name, subject in unfinished.items()}
    for name, count in (missing | {name: len(indices) for name, (_, indices, _) in waiting.items()}).items():
        _invalid("hold every sample once", f"none for {count} of {name!r}")


def _batches_by_subject(predictions: Iterable[tuple[Mapping[str, Any], Any]]) -> Iterator[_Batch]:
    """Yield the predictions subject by subject."""
    pair: Any
    for pair in predictions:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], Mapping):
            needed = "be pairs of a sample, a dictionary, and its prediction"
            checks.invalid_kind("assemble_subjects", "predictions", needed, type(pair).__name__)
        sample, prediction = pair
        outputs = dict(prediction) if isinstance(prediction, Mapping) else {None: prediction}
        if not {"subject", "index"} <= sample.keys() or not outputs:
            actual = f"{', '.join(map(str, sample))} and {len(outputs)} outputs"
            _invalid("have a sample with `subject` and `index`, and at least one output", actual)
        for output in outputs.values():
            _array.checked_namespace("assemble_subjects", predictions=output)
        names = sample["subject"]
        if isinstance(names, str):
            yield _Batch(names, [0], [sample["index"]], {name: output[None, ...] for name, output in outputs.items()})
            continue
        counts = {len(names), *(output.shape[0] for output in outputs.values())}
        if len(counts) != 1:
            _invalid(f"have one entry per sample of a batch, {len(names)}", sorted(counts))
        rows = defaultdict(list)
        for row, name in enumerate(names):
            rows[name].append(row)
        for name, own in rows.items():
            yield _Batch(name, own, sample["index"], outputs)


def _begin(shape: Shape, indices: Sequence[Index], table: "HostArray | None", dtype: type[np.generic]) -> _Pending:
    """Return a subject before its first prediction."""
    if table is not None:
        # A dictionary of all voxels of a head takes hundreds of bytes for each, a volume of counts four.
        flat = np.ravel_multi_index(tuple(table.T), shape)
        due = np.bincount(flat, minlength=math.prod(shape)).astype(np.int32).reshape(shape)
        return _Pending(len(table), {}, due, np.zeros(shape, dtype=np.float32), {}, {})
    missing = defaultdict(list)
    for position, index in enumerate(indices, start=1):
        missing[_key(index)].append(position)
    return _Pending(len(indices), dict(missing), None, np.zeros(shape, dtype=dtype), {}, {})


def _raise_extra(subject: str, index: Index) -> NoReturn:
    """Raise for a prediction that no sample waits for."""
    _invalid("hold every sample once", f"one more of {subject!r} at {index}")


def _key(index: Index) -> _IndexKey:
    """Return an index as a key of a dictionary."""
    return tuple((entry.start, entry.stop) if isinstance(entry, slice) else entry for entry in index)


def _add_patches(subject: _Pending, batch: _Batch, reduction: Reduction, window: Window, margin: Margin) -> _Pending:
    """Return a subject with the predictions of a batch added, one after the other."""
    seen, shape = subject.seen, subject.seen.shape
    widths = sides("assemble_subjects", margin, len(shape))
    _check_outputs(subject, batch)
    for row in batch.rows:
        index = batch.indices[row]
        positions = subject.missing.get(_key(index)) or _raise_extra(batch.subject, index)
        rank = positions.pop(0)
        if reduction.ordered:
            placement = place_by_rank(seen, index, rank)
        else:
            placement = place_by_weight(seen, index, window if reduction.weighted else uniform)
        for name, output in batch.outputs.items():
            _add_output(subject, name, crop_to_volume(output[row, ...], index, shape, widths), placement, reduction)
    return subject._replace(remaining=subject.remaining - len(batch.rows))


def _add_voxels_of_batch(subject: _Pending, due: HostArray, batch: _Batch, reduction: Reduction) -> _Pending:
    """Return a subject with single voxels added, all at once; of equal ones the last is the last to come."""
    _check_outputs(subject, batch)
    rows, shape = np.array(batch.rows), subject.seen.shape
    indices = [batch.indices[row] for row in batch.rows]
    for index in indices:
        if len(index) != len(shape) or any(
            isinstance(entry, slice) or not 0 <= entry < size for entry, size in zip(index, shape, strict=True)
        ):
            _raise_extra(batch.subject, index)
    table = np.array(indices, dtype=np.int32)
    for numbers, counts in distinct_rounds(table, subject.seen):
        voxels = tuple(table[numbers].T)
        if not (due[voxels] > 0).all():
            _raise_extra(batch.subject, indices[numbers[int(np.argmin(due[voxels]))]])
        due[voxels] -= 1
        for name, output in batch.outputs.items():
            patches, placements = select_voxels(output, rows[numbers], table[numbers], counts)
            _add_output(subject, name, patches, placements, reduction)
    return subject._replace(remaining=subject.remaining - len(rows))


def _check_outputs(subject: _Pending, batch: _Batch) -> None:
    """Raise unless predictions have the outputs of those before, of the same library and dtype."""
    if subject.patches and batch.outputs.keys() != subject.patches.keys():
        _invalid(f"have the outputs {', '.join(map(str, subject.patches))}", ", ".join(map(str, batch.outputs)))
    for name, first in subject.patches.items():
        check_same_kind(first, batch.outputs[name])


def _add_output(subject: _Pending, name: str | None, patch: Array, placement: Placement, reduction: Reduction) -> None:
    """Add a patch, or several, to the state of one output."""
    if name not in subject.states:
        subject.patches[name] = first = patch[0, ...] if placement.start.ndim > 1 else patch
        subject.states[name] = start(first, subject.seen.shape, reduction=reduction)
    # In place: a tuple with the old state would keep an array whose memory was given to the new one.
    subject.states[name] = add_placed(subject.states[name], patch, placement, reduction=reduction)


def _finish_subject(subject: _Pending, reduction: Reduction, fill_value: float | None, dtype: Any) -> Any:
    """Return the volume of a subject, or one per output."""
    volumes = {
        name: finish_volume(reduction.finish(state), subject.patches[name], [subject.seen], fill_value, dtype)
        for name, state in subject.states.items()
    }
    return volumes.get(None, volumes)
