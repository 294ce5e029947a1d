"""Samples of a dataset: which parts of which subjects, in an order, ready for any loader or a plain loop."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np

from mia_functional import extraction
from mia_functional._core import checks
from mia_functional.dataset.batching import apart, collate
from mia_functional.dataset.reading import Source, channels, chosen, own, taken
from mia_functional.dataset.records import Dataset, category_of, check_dataset, subject_number
from mia_functional.dataset.sample_spec import (
    EXTRAS,
    Indexing,
    Predicate,
    RandomIndexing,
    SampleField,
    checked_parts,
    sequence,
)
from mia_functional.dataset.traversal import Sample, Transform
from mia_functional.indexing import dilate, sides
from mia_functional.typing import Index, SampleSequence, Shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """A sequence of samples, from `samples`: it has a length and items, can be pickled, and holds no open file.

    Args:
        dataset: Where they come from.
        extract: What each holds.
        transform: What happens to each.
        seed: Where all randomness starts.
        epoch: How often the samples have been gone through; it changes what is drawn.
        indexing: What the indices were made by.
        numbers: Positions of the subjects in the dataset.
        indices: The indices of each of them.
        kept: Positions in the indices that were selected, per subject; empty where all are.
        ends: Number of samples up to and with each subject.
    """

    dataset: Dataset
    extract: tuple[SampleField | str, ...]
    transform: Transform | None
    seed: int
    epoch: int
    indexing: Indexing | RandomIndexing
    numbers: tuple[int, ...]
    indices: tuple[SampleSequence, ...]
    kept: tuple[Any, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, position: int) -> Sample:
        """Return the sample at a position; negative ones count from the end."""
        return finished(self, position, viewed(self, position))

    def __getitems__(self, positions: Sequence[int]) -> list[Sample]:
        """Return the samples at positions; arrays of one shape are rows of one array, which `collate` finds again."""
        parts = apart(collate([viewed(self, position) for position in positions])) if len(positions) else []
        return [finished(self, *pair) for pair in zip(positions, parts, strict=True)]

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples in order."""
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        """Tell how many samples there are, of what."""
        names = ", ".join(part if isinstance(part, str) else part.name for part in self.extract)
        chance = f", seed {self.seed}, epoch {self.epoch}"
        return f"Samples({len(self)} of {names} from {len(self.numbers)} subjects of {self.dataset.path!r}{chance})"


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
        extract: What goes into a sample: names of categories, or `SampleField` for more wishes; besides, `geometry`,
            `shape` (that of the subject's images), `names` (of entries) and `files`.
        transform: From a sample to a sample; may use `sample["rng"]`, whose numbers depend on the seed, the epoch and
            the position alone, however many workers there are.
        select: Keeps the samples for which it is true. It sees every sample once, before `transform`.
        subjects: Identifiers of those to take; all where left out.
        seed: Where the randomness of `RandomIndexing` and of `sample["rng"]` starts.

    Returns:
        A sequence of dictionaries: NumPy arrays (texts are tuples) by category, `subject` and `index`, with which
        `assembly.assemble` puts predictions back. It goes into loaders of other libraries as it is, with `collate`.

    Raises:
        ValueError: A subject or a category is unknown, or there are no samples.

    Example:
        >>> import tempfile
        >>> from mia_functional.dataset import Entry, Subject, create, open
        >>> from mia_functional.indexing import whole
        >>> someone = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     create(f"{folder}/cohort.h5", [someone])
        ...     samples(open(f"{folder}/cohort.h5"), indexing=whole, extract=["numerical"])[0]["numerical"].tolist()
        [31.0]
    """
    check_dataset("samples", dataset)
    checks.require_callable("samples", "indexing", getattr(indexing, "function", indexing), "`indexing.whole`")
    for argument, value, example in (("transform", transform, "on(...)"), ("select", select, "has_foreground")):
        if value is not None:
            checks.require_callable("samples", argument, value, f"`{example}`")
    if isinstance(subjects, str):
        checks.invalid_kind("samples", "subjects", "be a sequence of identifiers", repr(subjects))
    chosen = range(len(dataset)) if subjects is None else subjects
    numbers = tuple(subject_number("samples", dataset, name) for name in chosen)
    made = drawn(
        Samples(
            dataset=dataset, extract=checked_parts(dataset, extract), transform=None,
            seed=checks.integer("samples", "seed", seed, minimum=0), epoch=0, indexing=indexing,
            numbers=numbers, indices=(), kept=(), ends=(),
        )
    )  # fmt: skip
    if len(made):
        check_first(made)
    if select is not None:
        kept = selected(made, select)
        made = replace(made, kept=kept, ends=tuple(accumulate(map(len, kept))))
    if not len(made):
        checks.invalid_value("samples", "indexing", "lead to samples (or `select` keep some)", "none")
    return replace(made, transform=transform)


def check_first(samples: Samples) -> None:
    """Refuse a first index that is none in the grid of its subject, and margins that do not fit it."""
    number, index = located(samples, 0)
    grid = samples.dataset.grids[number] if samples.dataset.grids else (1,)
    known = isinstance(index, tuple) and all(
        checks.is_integer(entry) or checks.is_integer_slice(entry) for entry in index
    )
    if not known or len(index) > len(grid):
        needed = f"give tuples of at most {len(grid)} integers and slices, one per axis"
        checks.invalid_value("samples", "indexing", needed, checks.describe(index))
    for part in samples.extract:
        if isinstance(part, SampleField) and not part.whole:
            sides("samples", part.margin, len(index))


def at_epoch(samples: Samples, epoch: int) -> Samples:
    """Return the samples of another epoch: random indices and `sample["rng"]` change, the rest stays.

    Args:
        samples: From `samples`, without `select` where indices are drawn.
        epoch: Its number, from 0.
    """
    later = replace(samples, epoch=checks.integer("at_epoch", "epoch", epoch, minimum=0))
    if not isinstance(samples.indexing, RandomIndexing):
        return later
    if samples.kept:
        checks.invalid_value("at_epoch", "samples", "be without `select` where indices are drawn", samples)
    return drawn(later)


def drawn(samples: Samples) -> Samples:
    """Return the samples with the indices of their epoch; those of subjects with one shape are shared."""
    grids = [samples.dataset.grids[number] if samples.dataset.grids else (1,) for number in samples.numbers]
    indexing = samples.indexing
    indices: tuple[SampleSequence, ...]
    if isinstance(indexing, RandomIndexing):
        indices = tuple(draw(samples, indexing, *pair) for pair in zip(samples.numbers, grids, strict=True))
    else:
        shared = {grid: sequence(indexing(grid)) for grid in dict.fromkeys(grids)}
        indices = tuple(shared[grid] for grid in grids)
    return replace(samples, indices=indices, ends=tuple(accumulate(map(len, indices))))


def draw(samples: Samples, indexing: RandomIndexing, number: int, grid: Shape) -> SampleSequence:
    """Return the random indices of a subject: they depend on the seed, the epoch and the subject alone.

    A sequence stays what it is: that of `random_patches` takes 12 bytes for each patch of a volume.
    """
    rng = np.random.default_rng((samples.seed, samples.epoch, 0, number))
    given = grid if indexing.at is None else np.asarray(taken(samples.dataset, number, indexing.at, ...))
    return sequence(indexing.function(rng, given))


def selected(samples: Samples, select: Predicate) -> tuple[Any, ...]:
    """Return the positions, within each subject's indices, of the samples for which a predicate is true."""
    flags = np.fromiter((wanted(select(sample)) for sample in samples), dtype=bool, count=len(samples))
    return tuple(np.flatnonzero(part).astype(np.uint32) for part in np.split(flags, samples.ends[:-1]))


def wanted(answer: Any) -> bool:
    """Return what a predicate says of a sample; refuse what is no yes or no."""
    if getattr(answer, "ndim", 0):
        checks.invalid_kind("samples", "select", "return whether it is true, once a sample", checks.describe(answer))
    return bool(answer)


def located(samples: Samples, position: int) -> tuple[int, Index]:
    """Return the number of the subject and the index of a sample."""
    size = len(samples)
    if not checks.is_integer(position):
        checks.invalid_kind("samples", "position", "be a whole number", repr(position))
    if not -size <= position < size:
        raise IndexError(f"samples: `position` must lie within {-size} and {size - 1}; got {position}.")
    position = int(position) % size
    place = bisect_right(samples.ends, position)
    inner = position - (samples.ends[place - 1] if place else 0)
    return samples.numbers[place], samples.indices[place][int(samples.kept[place][inner]) if samples.kept else inner]


def viewed(samples: Samples, position: int) -> Sample:
    """Return a sample whose arrays may be read-only views of the file."""
    number, index = located(samples, position)
    sample: Sample = {"subject": samples.dataset.subjects[number], "index": index}
    for part in samples.extract:
        if isinstance(part, str):
            sample[part] = EXTRAS[part](samples.dataset, number)
        else:
            sample[part.name] = extracted(samples.dataset, number, index, part)
    return sample


def extracted(dataset: Dataset, number: int, index: Index, part: SampleField) -> Any:
    """Return the part of an array at an index, with its margin."""
    wanted = dilate(index, part.margin) if part.margin else index
    if part.whole:
        found = taken(dataset, number, part.category, ...)
    elif inside(wanted, dataset.grids[number]):
        found = taken(dataset, number, part.category, wanted)
    else:
        shape = category_of("samples", dataset, part.category).shapes[number]
        source = Source(dataset=dataset, subject=number, category=part.category, shape=shape)
        found = extraction.extract(
            source, index, margin=part.margin, fill_value=part.fill_value, pad_mode=part.pad_mode
        )
    if part.entries is None:
        return found
    return chosen(found, channels(dataset, part.category, part.entries, ... if part.whole else index))


def inside(index: Index, grid: Shape) -> bool:
    """Tell whether an index lies inside a grid, so that nothing has to be padded."""
    for entry, size in zip(index, grid, strict=False):
        start, stop = (entry.start, entry.stop) if isinstance(entry, slice) else (entry, entry + 1)
        if start is None or stop is None or start < 0 or stop > size:
            return False
    return True


def finished(samples: Samples, position: int, sample: Sample) -> Sample:
    """Return a sample with arrays of its own, transformed."""
    whole = {name: own(value) for name, value in sample.items()}
    if samples.transform is None:
        return whole
    place = int(position) % len(samples)
    result: Any = samples.transform({**whole, "rng": np.random.default_rng((samples.seed, samples.epoch, 1, place))})
    if not isinstance(result, dict):
        checks.invalid_kind("samples", "transform", "return a sample, which is a dictionary", type(result).__name__)
    return {name: value for name, value in result.items() if name != "rng"}
