"""Samples of a dataset: which parts of which subjects, in an order, ready for any loader or a plain loop.

Hidden state: `_TAKEN` says which positions of which samples were drawn without an epoch, so that a loop that draws the
same again is warned of, once (`_WARNED`); both forget samples when they go. `_kept_epoch` keeps the samples of the last
few epochs that were asked for by position. Every process has its own of all.
"""

import warnings
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from mia_functional import extraction
from mia_functional._core import checks
from mia_functional.dataset.batching import SampleBatch, collate, rows_of_batch
from mia_functional.dataset.reading import LazyArray, array_region, entry_positions, own_array, pick_entries
from mia_functional.dataset.records import Dataset, category_of, check_dataset, subject_number
from mia_functional.dataset.sample_spec import SAMPLE_EXTRAS, Indexing, RandomIndexing, SampleField, complete_fields
from mia_functional.indexing.margins import dilate, sides
from mia_functional.selection import Predicate
from mia_functional.transforms.composition import Sample, Transform
from mia_functional.typing import HostArray, Index, SampleSequence, Shape

__all__ = ["Samples", "at_epoch", "has_one_epoch", "kept_epoch", "samples"]


_TAKEN: "WeakKeyDictionary[Samples, set[int]]" = WeakKeyDictionary()
"""Positions that were drawn without an epoch."""

_WARNED: "WeakSet[Samples]" = WeakSet()
"""Samples of which a warning said that a position was drawn twice."""

_LAST_EPOCHS = 4
"""Workers that prefetch are in two epochs at a time, of training and of validation samples."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Samples:
    """A sequence of samples, from `samples`: it has a length and items, can be pickled, and holds no open file.

    `samples[(epoch, position)]` depends on the seed, the epoch and the position alone: loaders of this library take
    samples so, each time through in the next epoch. `samples[position]` is of the epoch that the samples are at.

    Args:
        dataset: Where they come from.
        extract: What each holds.
        transform: What happens to each.
        seed: Where all randomness starts.
        epoch: How often the samples have been gone through; it changes what is drawn.
        indexing: What the indices were made by.
        numbers: Positions of the subjects in the dataset.
        indices: The indices of each of them.
        kept: Positions in the indices that were selected, per subject; empty if all are.
        ends: Number of samples up to and with each subject.
    """

    dataset: Dataset
    extract: tuple[SampleField | str, ...]
    transform: Transform | None = None
    seed: int
    epoch: int = 0
    indexing: Indexing | RandomIndexing
    numbers: tuple[int, ...]
    indices: tuple[SampleSequence, ...] = ()
    kept: tuple[HostArray, ...] = ()
    ends: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, position: int | tuple[int, int]) -> Sample:
        """Return the sample at a position, or at `(epoch, position)`; negative positions count from the end."""
        place = _place_of(self, position)
        return _finish_sample(place, _view_sample(place))

    def __getitems__(self, positions: Sequence[int | tuple[int, int]]) -> Sequence[Sample] | SampleBatch:
        """Return the samples at positions; arrays of one shape are rows of one array, which the batch carries.

        Loaders of PyTorch call it, as it is faster than one call per position.
        """
        if len(positions) == 0:
            return []
        places = [_place_of(self, position) for position in positions]
        rows, columns = rows_of_batch(collate([_view_sample(place) for place in places]))
        finished = [_finish_sample(place, row) for place, row in zip(places, rows, strict=True)]
        return SampleBatch(samples=finished, columns=columns)

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples in order."""
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        """Return how many samples there are, of what."""
        names = ", ".join(field if isinstance(field, str) else field.name for field in self.extract)
        draw = f", seed {self.seed}, epoch {self.epoch}"
        return f"Samples({len(self)} of {names} from {len(self.numbers)} subjects of {self.dataset.path!r}{draw})"


def samples(
    dataset: Dataset,
    *,
    indexing: Indexing | RandomIndexing,
    extract: Sequence[SampleField | str],
    transform: Transform | None = None,
    select: Predicate | None = None,
    subjects: Sequence[str] | None = None,
    seed: int = 0,
) -> Samples:
    """Return the samples of a dataset: every index of every subject, with what is asked for at each.

    Args:
        dataset: From `open`.
        indexing: Cuts volumes into samples: `whole`, `slices`, or a `functools.partial` of `patches`, ...; or
            `RandomIndexing`.
        extract: What goes into a sample: names of categories, or `SampleField` with options; besides, `geometry`,
            `shape` (that of the subject's images), `names` (of entries) and `files`.
        transform: From a sample to a sample; may use `sample["rng"]`, whose numbers depend on the seed, the epoch and
            the position alone, however many workers there are.
        select: Keeps the samples for which it is true. It sees every sample once, before `transform`.
        subjects: Identifiers of those to take; by default all.
        seed: Where the randomness of `RandomIndexing` and of `sample["rng"]` starts.

    Returns:
        A sequence of dictionaries: NumPy arrays (texts are tuples) by category, `subject` and `index`, with which
        `assembly.assemble` puts predictions back. It goes into loaders of other libraries as it is, with `collate`.

    Raises:
        ValueError: A subject or a category is unknown, or there are no samples.

    Example:
        >>> from mia_functional.indexing import slices
        >>> data = samples(cohort, indexing=slices, extract=["images"])  # `cohort` is from `open("cohort.h5")`
        >>> len(data), data[0]["subject"], data[0]["images"].shape
        (3, 'A', (4, 1))
    """
    check_dataset("samples", dataset)
    checks.require_callable("samples", "indexing", getattr(indexing, "function", indexing), "`indexing.whole`")
    checks.require_callable("samples", "transform", transform, "`on(...)`", optional=True)
    checks.require_callable("samples", "select", select, "`has_foreground`", optional=True)
    if isinstance(subjects, str):
        checks.invalid_kind("samples", "subjects", "be a sequence of identifiers", repr(subjects))
    names = range(len(dataset)) if subjects is None else subjects
    numbers = tuple(subject_number("samples", dataset, name) for name in names)
    fields, start = complete_fields(dataset, extract), checks.integer("samples", "seed", seed, minimum=0)
    plain = _with_indices(Samples(dataset=dataset, extract=fields, seed=start, indexing=indexing, numbers=numbers))
    if len(plain):
        _check_first_index(plain)
    plain = plain if select is None else _selected(plain, select)
    if not len(plain):
        checks.invalid_value("samples", "indexing", "lead to samples (or `select` keep some)", "none")
    return replace(plain, transform=transform)


def _selected(samples: Samples, select: Predicate) -> Samples:
    """Return the samples for which a predicate is true."""
    flags = np.empty(len(samples), dtype=bool)
    for position, sample in enumerate(samples):
        answer: object = select(sample)
        if getattr(answer, "ndim", 0):
            requirement = "return whether it is true, once a sample"
            checks.invalid_kind("samples", "select", requirement, checks.describe(answer))
        flags[position] = bool(answer)
    kept = tuple(np.flatnonzero(some).astype(np.uint32) for some in np.split(flags, samples.ends[:-1]))
    return replace(samples, kept=kept, ends=tuple(accumulate(map(len, kept))))


def _check_first_index(samples: Samples) -> None:
    """Raise unless the first index fits the grid of its subject, and the margins fit the index.

    All indices come from one function: the first stands for the others.
    """
    number, index = _locate(samples, 0)
    grid = samples.dataset.grids[number] if samples.dataset.grids else (1,)
    valid = isinstance(index, tuple) and all(checks.is_integer(e) or checks.is_integer_slice(e) for e in index)
    if not valid or len(index) > len(grid):
        requirement = f"give tuples of at most {len(grid)} integers and slices, one per axis"
        checks.invalid_value("samples", "indexing", requirement, checks.describe(index))
    for field in samples.extract:
        if isinstance(field, SampleField) and not field.whole:
            sides("samples", field.margin, len(index))


def at_epoch(samples: Samples, epoch: int) -> Samples:
    """Return the samples of another epoch: random indices and `sample["rng"]` change, the rest stays.

    Args:
        samples: From `samples`, without `select` if indices are drawn.
        epoch: Its number, from 0.
    """
    if not isinstance(samples, Samples):
        checks.invalid_kind("at_epoch", "samples", "come from `samples`", checks.describe(samples))
    later = replace(samples, epoch=checks.integer("at_epoch", "epoch", epoch, minimum=0))
    if not isinstance(samples.indexing, RandomIndexing):
        return later
    if has_one_epoch(samples):
        checks.invalid_value("at_epoch", "samples", "be without `select` where indices are drawn", samples)
    return _with_indices(later)


def _with_indices(samples: Samples) -> Samples:
    """Return the samples with the indices of their epoch; those of subjects with one shape are shared.

    A sequence of indices stays what it is: that of `random_patches` takes 12 bytes for each patch of a volume.
    """
    dataset, indexing = samples.dataset, samples.indexing
    grids = [dataset.grids[number] if dataset.grids else (1,) for number in samples.numbers]
    sequences = []
    shared: dict[Shape, SampleSequence] = {}
    for number, grid in zip(samples.numbers, grids, strict=True):
        if isinstance(indexing, RandomIndexing):
            # The third number tells these random numbers from those of `sample["rng"]`.
            rng = np.random.default_rng((samples.seed, samples.epoch, 0, number))
            target = grid if indexing.at is None else np.asarray(array_region(dataset, number, indexing.at, ...))
            indices = indexing.function(rng, target)
        elif grid in shared:
            indices = shared[grid]
        else:
            indices = indexing(grid)
        if not hasattr(indices, "__iter__"):
            checks.invalid_kind("samples", "indexing", "return a sequence of indices", checks.describe(indices))
        sequences.append(indices if isinstance(indices, SampleSequence) else tuple(indices))
        shared[grid] = sequences[-1]
    return replace(samples, indices=tuple(sequences), ends=tuple(accumulate(map(len, sequences))))


class _Place(NamedTuple):
    """A sample: of which epoch, at which position, and whether it was asked for without an epoch."""

    samples: Samples
    position: int
    is_plain: bool


def _place_of(samples: Samples, position: int | tuple[int, int]) -> _Place:
    """Return where a sample is."""
    if not isinstance(position, tuple):
        return _Place(samples, checks.position("samples", position, len(samples)), is_plain=True)
    if len(position) != 2:
        checks.invalid_kind("samples", "position", "be a number, or an epoch and a number", checks.describe(position))
    epoch, number = position
    own = kept_epoch(samples, epoch)
    return _Place(own, checks.position("samples", number, len(own)), is_plain=False)


def has_one_epoch(samples: Samples) -> bool:
    """Return whether samples were drawn and then selected, so that there are none of another epoch."""
    return isinstance(samples.indexing, RandomIndexing) and bool(samples.kept)


def kept_epoch(samples: Samples, epoch: int) -> Samples:
    """Return the samples of an epoch, whose indices are drawn anew; those of the last few epochs are kept."""
    return samples if epoch == samples.epoch else _kept_epoch(samples, epoch)


_kept_epoch = lru_cache(maxsize=_LAST_EPOCHS)(at_epoch)


def _locate(samples: Samples, position: int) -> tuple[int, Index]:
    """Return the number of the subject and the index of a sample."""
    slot = bisect_right(samples.ends, position)
    inner = position - (samples.ends[slot - 1] if slot else 0)
    index: Index = samples.indices[slot][int(samples.kept[slot][inner]) if samples.kept else inner]
    return samples.numbers[slot], index


def _view_sample(place: _Place) -> Sample:
    """Return a sample whose arrays may be read-only views of the file."""
    dataset = place.samples.dataset
    number, index = _locate(place.samples, place.position)
    sample: Sample = {"subject": dataset.subjects[number], "index": index}
    for field in place.samples.extract:
        if isinstance(field, str):
            sample[field] = SAMPLE_EXTRAS[field](dataset, number)
        else:
            sample[field.name] = _extract_field(dataset, number, index, field)
    return sample


def _extract_field(dataset: Dataset, number: int, index: Index, field: SampleField) -> Any:
    """Return the part of an array at an index, with its margin."""
    region: Any
    wanted = index
    # Not the truth value of the margin, which a NumPy array of several does not have.
    if not (checks.is_integer(field.margin) and field.margin == 0):
        with checks.speaking_for("samples", "dilate", index="indexing"):
            wanted = dilate(index, field.margin)
    if field.whole or _is_inside(wanted, dataset.grids[number]):
        region = array_region(dataset, number, field.category, ... if field.whole else wanted)
    else:
        shape = category_of("samples", dataset, field.category).shapes[number]
        source = LazyArray(dataset=dataset, subject=number, category=field.category, shape=shape)
        with checks.speaking_for("samples", "extract", index="indexing"):
            region = extraction.extract(
                source, index, margin=field.margin, fill_value=field.fill_value, pad_mode=field.pad_mode
            )
    if field.entries is None:
        return region
    free = ... if field.whole else index
    return pick_entries(region, entry_positions("samples", dataset, field.category, field.entries, free))


def _is_inside(index: Index, grid: Shape) -> bool:
    """Return whether an index lies inside a grid and is as all here are: nothing to pad, complete or refuse."""
    for entry, size in zip(index, grid, strict=False):
        start, stop, step = (entry.start, entry.stop, entry.step) if isinstance(entry, slice) else (entry, entry, None)
        last = size if isinstance(entry, slice) else size - 1
        if start is None or stop is None or step not in (None, 1) or not 0 <= start <= stop <= last:
            return False
    return True


def _finish_sample(place: _Place, sample: Sample) -> Sample:
    """Return a sample with arrays of its own, transformed."""
    samples, position, _ = place
    owned = {name: own_array(value) for name, value in sample.items()}
    is_watched = place.is_plain and samples not in _WARNED
    if samples.transform is None:
        if is_watched and isinstance(samples.indexing, RandomIndexing):
            _note_draw(samples, position)
        return owned
    # A function of seed, epoch and position alone: the same for any number of workers, in any order.
    rng = np.random.default_rng((samples.seed, samples.epoch, 1, position))
    untouched = rng.bit_generator.state if is_watched else None
    result = samples.transform({**owned, "rng": rng})
    if is_watched and (isinstance(samples.indexing, RandomIndexing) or rng.bit_generator.state != untouched):
        _note_draw(samples, position)
    if not isinstance(result, dict):
        checks.invalid_kind("samples", "transform", "return a sample, which is a dictionary", type(result).__name__)
    return {name: value for name, value in result.items() if name != "rng"}


def _note_draw(samples: Samples, position: int) -> None:
    """Warn once if a position is drawn a second time without an epoch: epochs of a plain loop would all be the same."""
    drawn = _TAKEN.setdefault(samples, set())
    if position not in drawn:
        drawn.add(position)
        return
    _WARNED.add(samples)
    del _TAKEN[samples]
    text = (
        f"samples: position {position} was drawn a second time in epoch {samples.epoch}, with the same random numbers. "
        "Loop over `prefetch` or a loader of `mia_functional.adapters`, whose epochs differ, or take "
        "`samples[(epoch, position)]`."
    )
    warnings.warn(text, stacklevel=4)
