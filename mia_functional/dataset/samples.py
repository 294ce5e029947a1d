"""Samples of a dataset: which parts of which subjects, in an order, ready for any loader or a plain loop."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _check, extraction, indexing
from mia_functional.dataset.batches import collate
from mia_functional.dataset.description import Dataset, category_of, subject_number
from mia_functional.dataset.reading import channels, chosen, files, geometry, own, taken, view
from mia_functional.dataset.traversal import Sample, Transform
from mia_functional.typing import Index, Margin, SampleSequence, Shape

Indexing: TypeAlias = Callable[[Shape], SampleSequence]
"""From the spatial shape of a subject to its indices, as the functions of `mia_functional.indexing`."""

Predicate: TypeAlias = Callable[[Sample], bool]
"""Whether a sample is wanted, as the functions of `mia_functional.selection`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What of a category goes into a sample.

    Args:
        category: `images`, `labels`, `numerical`, ...
        name: Its key in the sample; the category where left out.
        entries: Names of entries (channels): one, whose axis is left out, or several in this order; all where left out.
        margin: Voxels of context on both sides: a number for all axes of the index, or one entry per axis, a number or
            `(before, after)`.
        pad_value: What lies outside of the image, with `pad_mode=constant`.
        pad_mode: `constant`, `edge` or `reflect` of `mia_functional.extraction`.
        whole: Leave the index aside and take all; numbers and texts are always whole.
    """

    category: str
    name: str = ""
    entries: str | tuple[str, ...] | None = None
    margin: Margin = 0
    pad_value: float = 0
    pad_mode: extraction.PadMode = extraction.constant
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Indices that are drawn at random, anew in every epoch.

    Args:
        function: From a generator and a spatial shape to indices: `lambda rng, shape: random_patches(rng, shape, ...)`.
        at: A category whose array `function` gets instead of the shape, to draw where there is something.
    """

    function: Callable[[np.random.Generator, Any], SampleSequence | Iterable[Index]]
    at: str | None = None


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
    extract: tuple[Extract | str, ...]
    transform: Transform | None
    seed: int
    epoch: int
    indexing: Indexing | Drawn
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

    def __getitems__(self, positions: Sequence[int]) -> Sample:
        """Return the samples at positions as one batch, as `collate` makes it; voxels are copied only once."""
        if self.transform is not None:
            return collate([self[position] for position in positions])
        return collate([viewed(self, position) for position in positions])

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
    indexing: Indexing | Drawn,
    extract: Sequence[Extract | str],
    transform: Transform | None = None,
    select: Predicate | None = None,
    subjects: Sequence[str] | None = None,
    seed: int = 0,
) -> Samples:
    """Return the samples of a dataset: every index of every subject, with what is asked for at each.

    Args:
        dataset: From `open`.
        indexing: Cuts volumes into samples: `whole`, `slices`, or a `functools.partial` of `patches`, ...; or `Drawn`.
        extract: What goes into a sample: names of categories, or `Extract` for more wishes; besides, `geometry`,
            `shape` (that of the subject's images), `names` (of entries) and `files`.
        transform: From a sample to a sample; may use `sample["rng"]`, whose numbers depend on the seed, the epoch and
            the position alone, however many workers there are.
        select: Keeps the samples for which it is true. It sees every sample once, before `transform`.
        subjects: Identifiers of those to take; all where left out.
        seed: Where the randomness of `Drawn` and of `sample["rng"]` starts.

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
    parts = tuple(checked_part(dataset, part) for part in extract)
    keys = [part if isinstance(part, str) else part.name for part in parts]
    if len(set(keys)) != len(keys):
        _check.invalid_value("samples", "extract", "have a `name` of its own for each part", ", ".join(keys))
    chosen = dataset.subjects if subjects is None else subjects
    numbers = tuple(subject_number("samples", dataset, name) for name in chosen)
    made = drawn(
        Samples(
            dataset=dataset, extract=parts, transform=None, seed=seed, epoch=0, indexing=indexing,
            numbers=numbers, indices=(), kept=(), ends=(),
        )
    )  # fmt: skip
    if select is not None:
        kept = selected(made, select)
        made = replace(made, kept=kept, ends=tuple(accumulate(map(len, kept))))
    if not len(made):
        _check.invalid_value("samples", "indexing", "lead to samples (or `select` keep some)", "none")
    return replace(made, transform=transform)


def at_epoch(samples: Samples, epoch: int) -> Samples:
    """Return the samples of another epoch: random indices and `sample["rng"]` change, the rest stays.

    Args:
        samples: From `samples`, without `select` where indices are drawn.
        epoch: Its number, from 0.
    """
    later = replace(samples, epoch=_check.integer("at_epoch", "epoch", epoch, minimum=0))
    if not isinstance(samples.indexing, Drawn):
        return later
    if samples.kept:
        _check.invalid_value("at_epoch", "samples", "be without `select` where indices are drawn", samples)
    return drawn(later)


def checked_part(dataset: Dataset, part: Extract | str) -> Extract | str:
    """Return what goes into a sample, complete; refuse what the dataset has not."""
    if isinstance(part, str) and part in EXTRAS:
        return part
    record = Extract(category=part) if isinstance(part, str) else part
    category = category_of("samples", dataset, record.category)
    if record.entries is not None:
        channels(dataset, record.category, record.entries)
    name = record.name or record.category
    return replace(record, name=name, whole=record.whole or not category.spatial)


def drawn(samples: Samples) -> Samples:
    """Return the samples with the indices of their epoch; those of subjects with one shape are shared."""
    grids = [samples.dataset.grids[number] if samples.dataset.grids else (1,) for number in samples.numbers]
    indexing = samples.indexing
    indices: tuple[SampleSequence, ...]
    if isinstance(indexing, Drawn):
        indices = tuple(draw(samples, indexing, *pair) for pair in zip(samples.numbers, grids, strict=True))
    else:
        shared = {grid: indexing(grid) for grid in dict.fromkeys(grids)}
        indices = tuple(shared[grid] for grid in grids)
    return replace(samples, indices=indices, ends=tuple(accumulate(map(len, indices))))


def draw(samples: Samples, indexing: Drawn, number: int, grid: Shape) -> SampleSequence:
    """Return the random indices of a subject: they depend on the seed, the epoch and the subject alone.

    A sequence stays what it is: that of `random_patches` takes 12 bytes for each patch of a volume.
    """
    rng = np.random.default_rng((samples.seed, samples.epoch, 0, number))
    given = grid if indexing.at is None else np.asarray(view(samples.dataset, number, indexing.at)[...])
    drawn = indexing.function(rng, given)
    return drawn if isinstance(drawn, SampleSequence) else tuple(drawn)


def selected(samples: Samples, select: Predicate) -> tuple[Any, ...]:
    """Return the positions, within each subject's indices, of the samples for which a predicate is true."""
    flags = np.fromiter((select(sample) for sample in samples), dtype=bool, count=len(samples))
    return tuple(np.flatnonzero(part).astype(np.uint32) for part in np.split(flags, samples.ends[:-1]))


def located(samples: Samples, position: int) -> tuple[int, Index]:
    """Return the number of the subject and the index of a sample."""
    size = len(samples)
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


def extracted(dataset: Dataset, number: int, index: Index, part: Extract) -> Any:
    """Return the part of an array at an index, with its margin."""
    wanted = indexing.dilate(index, part.margin) if part.margin else index
    if part.whole:
        found = taken(dataset, number, part.category, ...)
    elif inside(wanted, dataset.grids[number]):
        found = taken(dataset, number, part.category, wanted)
    else:
        array = view(dataset, number, part.category)
        found = extraction.extract(array, index, margin=part.margin, pad_value=part.pad_value, pad_mode=part.pad_mode)
    return found if part.entries is None else chosen(found, channels(dataset, part.category, part.entries))


def inside(index: Index, grid: Shape) -> bool:
    """Tell whether an index lies inside a grid, so that nothing has to be padded."""
    for entry, size in zip(index, grid, strict=False):
        start, stop = (entry.start, entry.stop) if isinstance(entry, slice) else (entry, entry + 1)
        if start is None or stop is None or start < 0 or stop > size:
            return False
    return True


def finished(samples: Samples, position: int, sample: Sample) -> Sample:
    """Return a sample with arrays of its own, transformed."""
    whole = {name: own(value) if isinstance(value, np.ndarray) else value for name, value in sample.items()}
    if samples.transform is None:
        return whole
    place = int(position) % len(samples)
    result = samples.transform({**whole, "rng": np.random.default_rng((samples.seed, samples.epoch, 1, place))})
    return {name: value for name, value in result.items() if name != "rng"}


EXTRAS: dict[str, Callable[[Dataset, int], Any]] = {
    "geometry": geometry,
    "shape": lambda dataset, number: dataset.grids[number],
    "names": lambda dataset, _: {category.name: category.entries for category in dataset.categories},
    "files": files,
}
"""What a sample may hold besides arrays."""
