"""Samples of a dataset: which parts of which subjects, in an order, ready for any loader or a plain loop.

Hidden state: `_kept_epoch` keeps the samples of the last few epochs that were asked for by position. Every process has
its own.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple, TypeAlias, overload

import numpy as np

from mia_functional._core import checks
from mia_functional.dataset.batching import SampleBatch, collate, rows_of_batch
from mia_functional.dataset.reading import array_region, own_array
from mia_functional.dataset.records import Dataset, category_of, check_dataset, on_grid, subject_number
from mia_functional.dataset.repeated_draws import is_warned_of, note_draw
from mia_functional.dataset.sample_spec import (
    SAMPLE_EXTRAS,
    Indexing,
    RandomIndexing,
    SampleField,
    complete_fields,
    extract_field,
    require_indexing,
    require_on_grid,
    roles_of_fields,
    spatial_axes_of_fields,
)
from mia_functional.dataset.weighting import drawn_by_weight, subjects_of_positions
from mia_functional.indexing.margins import sides
from mia_functional.selection import Predicate
from mia_functional.transforms.composition import Sample, Transform
from mia_functional.typing import HostArray, Index, SampleSequence, Shape

__all__ = [
    "AnySamples",
    "Samples",
    "SelectedSamples",
    "at_epoch",
    "has_one_epoch",
    "kept_epoch",
    "samples",
    "select_positions",
    "with_positions",
]


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

    @overload
    def __getitem__(self, position: int | tuple[int, int]) -> Sample: ...
    @overload
    def __getitem__(self, position: slice) -> "SelectedSamples": ...
    def __getitem__(self, position: int | tuple[int, int] | slice) -> "Sample | SelectedSamples":
        """Return the sample at a position, or at `(epoch, position)`; negative positions count from the end.

        A slice gives the samples at its positions.
        """
        return _sample_or_slice(self, position)

    def __getitems__(self, positions: Sequence[int | tuple[int, int]]) -> Sequence[Sample] | SampleBatch:
        """Return the samples at positions; arrays of one shape are rows of one array, which the batch carries.

        Loaders of PyTorch call it, as it is faster than one call per position.
        """
        return _batch_of(self, positions)

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples in order."""
        return map(self.__getitem__, range(len(self)))  # a generator's frame would be where warnings point

    def __repr__(self) -> str:
        """Return how many samples there are, of what."""
        names = ", ".join(field if isinstance(field, str) else field.name for field in self.extract)
        draw = f", seed {self.seed}, epoch {self.epoch}"
        return f"Samples({len(self)} of {names} from {len(self.numbers)} subjects of {self.dataset.path!r}{draw})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class SelectedSamples:
    """Samples that were picked, from `samples[4:8]`, `take`, `concatenate` or `weighted`; a sequence as `Samples` is.

    What a sample is remains what it is in the samples that it was picked from. Where one comes several times, it is of
    the same place each time, and `sample["rng"]` gives other numbers each time.

    Args:
        parts: The samples that these were picked from, each once.
        positions: Which, in this order, counted through all parts.
        repeats: How often the same came before.
        pool: The positions that are drawn from in every epoch; the positions themselves if they are not drawn.
        weights: By subject, how likely it is drawn; empty if positions are not drawn.
        seed: That of the first part: loaders shuffle by it.
        epoch: That of all parts.
    """

    parts: tuple[Samples, ...]
    positions: HostArray
    repeats: HostArray
    pool: HostArray
    weights: tuple[tuple[str, float], ...] = ()
    seed: int
    epoch: int

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.positions)

    @overload
    def __getitem__(self, position: int | tuple[int, int]) -> Sample: ...
    @overload
    def __getitem__(self, position: slice) -> "SelectedSamples": ...
    def __getitem__(self, position: int | tuple[int, int] | slice) -> "Sample | SelectedSamples":
        """Return the sample at a position, or at `(epoch, position)`, or the samples of a slice."""
        return _sample_or_slice(self, position)

    def __getitems__(self, positions: Sequence[int | tuple[int, int]]) -> Sequence[Sample] | SampleBatch:
        """Return the samples at positions; arrays of one shape are rows of one array, which the batch carries."""
        return _batch_of(self, positions)

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples in order."""
        return map(self.__getitem__, range(len(self)))  # a generator's frame would be where warnings point

    def __repr__(self) -> str:
        """Return how many samples there are, of what."""
        drawn = ", drawn by weights" if self.weights else ""
        return f"SelectedSamples({len(self)}{drawn} of {', '.join(map(repr, self.parts))})"


AnySamples: TypeAlias = Samples | SelectedSamples
"""What loaders take."""


def samples(
    dataset: Dataset,
    *,
    indexing: Indexing | RandomIndexing,
    extract: Sequence[SampleField | str],
    transform: Transform | None = None,
    select: Predicate | None = None,
    subjects: Sequence[str] | None = None,
    seed: int = 0,
    grid: str | None = None,
) -> Samples:
    """Return the samples of a dataset: every index of every subject, with what is asked for at each.

    Args:
        dataset: From `open`.
        indexing: Cuts volumes into samples: `whole`, `slices`, or a `functools.partial` of `patches`, ...; or
            `RandomIndexing`.
        extract: What goes into a sample: names of categories, or `SampleField` with options; besides, `geometry`,
            `shape` (that of the subject's images), `names` (of entries), `roles` (of categories) and `files`.
        transform: From a sample to a sample; may use `sample["rng"]`, whose numbers depend on the seed, the epoch and
            the position alone, however many workers there are, `sample["epoch"]`, to take other samples of the same
            epoch (`transforms.mix`), `sample["roles"]`, by which `on` and `randomly` interpolate, and
            `sample["spatial_axes"]`, how many axes of each category are spatial. The result does without these.
        select: Keeps the samples for which it is true. It sees every sample once, before `transform`.
        subjects: Identifiers of those to take; by default all.
        seed: Where the randomness of `RandomIndexing` and of `sample["rng"]` starts.
        grid: The name of the grid that indices are made on, where categories have different ones: that of a category.
            By default it is the grid of the images. Categories on other grids are taken whole or resampled
            (`SampleField`).

    Returns:
        A sequence of dictionaries: NumPy arrays (texts are tuples) by category, `subject` and `index`, with which
        `assembly.assemble` puts predictions back. It goes into loaders of other libraries as it is, with `collate`.

    Raises:
        ValueError: A subject, a category or a grid is unknown, there are no samples, or a category is to be cut that
            lies on another grid than the indices.

    Example:
        >>> from mia_functional.indexing import slices
        >>> data = samples(cohort, indexing=slices, extract=["images"])  # `cohort` is from `open("cohort.h5")`
        >>> len(data), data[0]["subject"], data[0]["images"].shape
        (3, 'A', (4, 1))
    """
    check_dataset("samples", dataset)
    dataset = dataset if grid is None else on_grid("samples", dataset, grid)
    require_indexing(indexing)
    checks.require_callable("samples", "transform", transform, "`on(...)`", optional=True)
    checks.require_callable("samples", "select", select, "`has_foreground`", optional=True)
    if isinstance(subjects, str):
        checks.invalid_kind("samples", "subjects", "be a sequence of identifiers", repr(subjects))
    names = range(len(dataset)) if subjects is None else subjects
    numbers = tuple(subject_number("samples", dataset, name) for name in names)
    if isinstance(indexing, RandomIndexing) and indexing.at is not None:
        target = category_of("samples", dataset, indexing.at)
        if target.spatial:
            require_on_grid(dataset, target, "indexing")
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


@overload
def at_epoch(samples: Samples, epoch: int) -> Samples: ...
@overload
def at_epoch(samples: SelectedSamples, epoch: int) -> SelectedSamples: ...
def at_epoch(samples: AnySamples, epoch: int) -> AnySamples:
    """Return the samples of another epoch: random indices and `sample["rng"]` change, the rest stays.

    Args:
        samples: From `samples`, without `select` if indices are drawn; or some of them, if every epoch has as many.
        epoch: Its number, from 0.
    """
    checks.require_instance("at_epoch", "samples", samples, (Samples, SelectedSamples), "from `samples`")
    number = checks.integer("at_epoch", "epoch", epoch, minimum=0)
    if isinstance(samples, SelectedSamples):
        parts = tuple(at_epoch(part, number) for part in samples.parts)
        # Positions count through all parts: another number of samples in one would shift those of the next.
        if (counts := [len(part) for part in parts]) != (before := [len(part) for part in samples.parts]):
            needed = f"have as many in every epoch to be picked from, {before}"
            checks.invalid_value("at_epoch", "samples", needed, f"{counts} in epoch {number}")
        return with_positions(parts, samples.pool, weights=samples.weights, count=len(samples))
    later = replace(samples, epoch=number)
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
    """A sample: of which epoch, at which position, whether it was asked for without an epoch, and how often before."""

    samples: Samples
    position: int
    is_plain: bool
    repeat: int


def _sample_or_slice(samples: AnySamples, position: int | tuple[int, int] | slice) -> Sample | SelectedSamples:
    """Return one sample, or those of a slice."""
    if isinstance(position, slice):
        if not checks.is_integer_slice(position) or position.step == 0:
            checks.invalid_kind("samples", "position", "be a slice of whole numbers", checks.describe(position))
        return select_positions("samples", samples, np.arange(len(samples))[position])
    place = _place_of(samples, position)
    return _finish_sample(place, _view_sample(place))


def _batch_of(samples: AnySamples, positions: Sequence[int | tuple[int, int]]) -> Sequence[Sample] | SampleBatch:
    """Return the samples at positions, side by side in memory."""
    if len(positions) == 0:
        return []
    places = [_place_of(samples, position) for position in positions]
    rows, columns = rows_of_batch(collate([_view_sample(place) for place in places]))
    finished = [_finish_sample(place, row) for place, row in zip(places, rows, strict=True)]
    return SampleBatch(samples=finished, columns=columns)


def _place_of(samples: AnySamples, position: int | tuple[int, ...]) -> _Place:
    """Return where a sample is."""
    own, number, is_plain = samples, position, not isinstance(position, tuple)
    if isinstance(position, tuple):
        if len(position) != 2:
            needed = "be a number, or an epoch and a number"
            checks.invalid_kind("samples", "position", needed, checks.describe(position))
        epoch, number = position
        own = kept_epoch(samples, checks.integer("samples", "epoch", epoch, minimum=0))
    place = checks.position("samples", number, len(own))
    if isinstance(own, Samples):
        return _Place(own, place, is_plain, repeat=0)
    through, repeat = int(own.positions[place]), int(own.repeats[place])
    for part in own.parts:
        if through < len(part):
            break
        through -= len(part)
    return _Place(part, through, is_plain, repeat)


def select_positions(function: str, samples: AnySamples, positions: HostArray) -> SelectedSamples:
    """Return the samples at positions, each of which is from 0."""
    if isinstance(samples, Samples):
        return with_positions((samples,), positions)
    if samples.weights:
        checks.invalid_value(function, "samples", "be picked before `weighted` draws from them", samples)
    return with_positions(samples.parts, samples.positions[positions])


def with_positions(
    parts: tuple[Samples, ...], pool: HostArray, *, weights: tuple[tuple[str, float], ...] = (), count: int = 0
) -> SelectedSamples:
    """Return the samples at positions that count through all parts; `count` of them drawn by the weights, if any."""
    first = parts[0]
    positions = pool
    if weights:
        names = subjects_of_positions(parts, pool)
        positions = pool[drawn_by_weight(names, dict(weights), count=count, seed=first.seed, epoch=first.epoch)]
    # How many equal ones come before each: they stand side by side in a stable order.
    order = np.argsort(positions, kind="stable")
    ordered, ranks = positions[order], np.arange(len(positions))
    repeats = np.empty(len(positions), dtype=np.int64)
    repeats[order] = ranks - np.searchsorted(ordered, ordered)
    return SelectedSamples(
        parts=parts, positions=positions, repeats=repeats, pool=pool, weights=weights, seed=first.seed,
        epoch=first.epoch,
    )  # fmt: skip


def has_one_epoch(samples: AnySamples) -> bool:
    """Return whether samples were drawn and then selected, so that there are none of another epoch."""
    if isinstance(samples, SelectedSamples):
        return any(map(has_one_epoch, samples.parts))
    return isinstance(samples.indexing, RandomIndexing) and bool(samples.kept)


def kept_epoch(samples: AnySamples, epoch: int) -> AnySamples:
    """Return the samples of an epoch, whose indices are drawn anew; those of the last few epochs are kept."""
    return samples if epoch == samples.epoch else _kept_epoch(samples, epoch)


_kept_epoch: Callable[[AnySamples, int], AnySamples] = lru_cache(maxsize=_LAST_EPOCHS)(at_epoch)


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
            sample[field.name] = extract_field(dataset, number, index, field)
    return sample


def _finish_sample(place: _Place, sample: Sample) -> Sample:
    """Return a sample with arrays of its own, transformed."""
    samples, position, is_plain, repeat = place
    owned = {name: own_array(value) for name, value in sample.items()}
    is_drawn = isinstance(samples.indexing, RandomIndexing)
    if samples.transform is None and not is_drawn:
        return owned
    # The same place again within an epoch is what was asked for by whoever picked it twice.
    is_watched = is_plain and not repeat and not is_warned_of(samples)
    if samples.transform is None:
        if is_watched:
            note_draw(samples, position)
        return owned
    # A function of seed, epoch and position alone: the same for any number of workers, in any order.
    rng = np.random.default_rng((samples.seed, samples.epoch, 1, position, *([repeat] if repeat else [])))
    untouched = rng.bit_generator.state if is_watched else None
    told = {
        "epoch": samples.epoch,
        "roles": roles_of_fields(samples.dataset, samples.extract),
        "spatial_axes": spatial_axes_of_fields(samples.dataset, samples.extract, sample["index"]),
    }
    result = samples.transform({**owned, "rng": rng, **told})
    if is_watched and (is_drawn or rng.bit_generator.state != untouched):
        note_draw(samples, position)
    if not isinstance(result, dict):
        checks.invalid_kind("samples", "transform", "return a sample, which is a dictionary", type(result).__name__)
    dropped = {"rng", *told}.difference(field for field in samples.extract if isinstance(field, str))
    return {name: value for name, value in result.items() if name not in dropped}
