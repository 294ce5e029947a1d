"""Subjects to samples in memory, one after the other: a generator, to be used in a `for` loop."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from mia_functional import images
from mia_functional._core import checks, ordered_map
from mia_functional.discovery.records import RESERVED, Entry, Load, Subject, check_name
from mia_functional.geometry import Geometry, differences

Sample: TypeAlias = dict[str, Any]
"""Arrays by category, `subject` (its identifier) and `geometry` (of its images; none without images)."""

Transform: TypeAlias = Callable[[Sample], Sample]
"""From a sample to a sample."""

BESIDES = ("subject", "geometry", "rng")
"""What a sample that is stored may hold besides its categories."""


def traverse(
    subjects: Iterable[Subject],
    *,
    load: Load = images.read,
    transform: Transform | None = None,
    executor: Executor | None = None,
) -> Iterator[Sample]:
    """Yield one sample per subject: its files loaded and stacked, category by category.

    Args:
        subjects: From `discover`, or built by hand; read only a few ahead.
        load: Reads one file.
        transform: Applied to every sample. One that changes sizes has to change `geometry` too.
        executor: Where subjects are loaded and transformed: any `concurrent.futures.Executor` (threads, processes with
            `spawn`, dask, MPI); one after the other in this process where left out. Order and samples are the same, and
            about as many samples as there are workers wait in memory. Arrays have to travel from other processes, which
            takes longer than to read them: threads are faster, unless transforms hold Python's lock.

    Yields:
        Dictionaries. An image category is an array `(*spatial, channels)`, with the entries in order on the last axis
        and their dtype (the smallest that holds all; integers stay integers); numbers are float64 `(entries,)`; texts
        are a tuple of str. `subject` and `geometry` are there besides.

    Raises:
        TypeError: An argument is of another kind, or what `load` or `transform` return.
        ValueError: Images of a subject differ in shape or geometry, or a file cannot be read.

    Example:
        >>> someone = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> next(traverse([someone]))["numerical"].tolist()
        [31.0]
    """
    check_subjects(subjects)
    check_work("traverse", load, transform, executor)
    return ordered_map.map_ordered(partial(sample_of, load=load, transform=transform), subjects, executor=executor)


def check_subjects(subjects: object) -> None:
    """Refuse what cannot be gone through."""
    if not isinstance(subjects, Iterable):
        checks.invalid_kind("traverse", "subjects", "be several `Subject`", repr(subjects))


def check_work(function: str, load: object, transform: object, executor: object) -> None:
    """Refuse what cannot load, transform or run."""
    checks.require_callable(function, "load", load, "`images.read`")
    if transform is not None:
        checks.require_callable(function, "transform", transform, "`on(...)` returns")
    if executor is not None and not isinstance(executor, Executor):
        checks.invalid_kind(function, "executor", "be a `concurrent.futures.Executor`", repr(executor))


def check_subject(subject: object) -> None:
    """Refuse what is no subject."""
    if not isinstance(subject, Subject):
        checks.invalid_kind("traverse", "subjects", "be several `Subject`", f"{subject!r} among them")


def sample_of(subject: Subject, *, load: Load, transform: Transform | None) -> Sample:
    """Load and transform a subject."""
    check_subject(subject)
    sample = load_subject(subject, load)
    return sample if transform is None else checked(transform(sample))


def load_subject(subject: Subject, load: Load) -> Sample:
    """Return a subject's files and values as a sample; of the files, one at a time is in memory besides."""
    sample: Sample = {"subject": subject.name, "geometry": None}
    places: list[tuple[Entry, Geometry]] = []
    for category in dict.fromkeys(entry.category for entry in subject.entries):
        entries = [entry for entry in subject.entries if entry.category == category]
        files = [entry for entry in entries if entry.path is not None]
        if files and len(files) != len(entries):
            checks.invalid_value("traverse", "subjects", "have files or values in a category, not both", category)
        images = (load_entry(subject, entry, load, places) for entry in files)
        sample[category] = stacked(images, len(files)) if files else row(entries)
    if places:
        sample["geometry"] = places[0][1]
    return sample


def load_entry(subject: Subject, entry: Entry, load: Load, places: list[tuple[Entry, Geometry]]) -> Any:
    """Return the voxels of a file, with an axis of channels; refuse one that does not lie on those before it."""
    array, geometry = checked_pair(load(str(entry.path)), entry)
    places.append((entry, geometry))
    first, grid = places[0]
    names = differences(geometry, grid)
    if names:
        actual = "; ".join(f"{name} {getattr(geometry, name)} and {getattr(grid, name)}" for name in names)
        needed = f"lie on one grid ({entry.path} and {first.path} of {subject.name})"
        checks.invalid_value("traverse", "images", needed, actual)
    return with_channels(array, geometry)


def checked_pair(pair: Any, entry: Entry) -> tuple[Any, Geometry]:
    """Return what a loader returned for a file; refuse what is no array with its geometry."""
    needed = "return an array and its Geometry"
    if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[1], Geometry):
        checks.invalid_kind("traverse", "load", needed, f"{type(pair).__name__} for {entry.path}")
    shape, grid = tuple(getattr(pair[0], "shape", ())), pair[1].shape
    if shape[: len(grid)] != grid or len(shape) > len(grid) + 1:
        needed = f"{needed}, whose shape is that of the array, with or without channels"
        checks.invalid_value("traverse", "load", needed, f"{shape} and {grid} for {entry.path}")
    return pair


def with_channels(array: Any, geometry: Geometry) -> Any:
    """Return voxels with an axis of channels."""
    return array[..., np.newaxis] if array.ndim == len(geometry.shape) else array


def stacked(images: Iterable[Any], count: int) -> Any:
    """Return images side by side on the last axis, in the smallest dtype that holds all."""
    whole, end = np.empty(0), 0
    for image in images:
        stop = end + image.shape[-1]
        if count == 1:
            return image
        if end == 0:
            whole = np.empty((*image.shape[:-1], count * stop), dtype=image.dtype)
        kind = common_kind(whole[..., :end], image)
        if stop > whole.shape[-1] or kind != whole.dtype:
            before, whole = whole, np.empty((*whole.shape[:-1], max(stop, whole.shape[-1])), dtype=kind)
            whole[..., :end] = before[..., :end]
        whole[..., end:stop] = image
        end = stop
        del image
    return whole[..., :end]


def common_kind(whole: Any, image: Any) -> Any:
    """Return the smallest dtype that holds two arrays; integers stay integers, of the type that holds their values."""
    kind = np.result_type(whole, image)
    if kind.kind != "f" or not {whole.dtype.kind, image.dtype.kind} <= {"i", "u"}:
        return kind
    low = min(int(array.min(initial=0)) for array in (whole, image))
    high = max(int(array.max(initial=0)) for array in (whole, image))
    fitting = [kind for kind in (np.int64, np.uint64) if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max]
    if not fitting:
        needed = "have integers in a category that one type of 64 bits holds"
        checks.invalid_value("traverse", "subjects", needed, f"{low} and {high}")
    return np.dtype(fitting[0])


def row(entries: list[Entry]) -> Any:
    """Return values side by side: numbers as float64, texts as a tuple."""
    cells = [entry.value for entry in entries]
    if any(isinstance(cell, str) for cell in cells):
        return tuple(map(str, cells))
    return np.array(cells, dtype=np.float64)


def checked(sample: Sample) -> Sample:
    """Return a transformed sample; refuse names that cannot be stored, and images that left their geometry behind."""
    if not isinstance(sample, dict) or not {"subject", "geometry"} <= sample.keys():
        checks.invalid_kind("traverse", "transform", "return the sample, a dictionary", type(sample).__name__)
    check_name("traverse", "subject", sample["subject"])
    geometry = sample["geometry"]
    if not isinstance(geometry, Geometry | None):
        checks.invalid_kind("traverse", "transform", "return a Geometry as `geometry`, or none", repr(geometry))
    for name, array in sample.items():
        check_name("traverse", "transform", name)
        shape = tuple(getattr(array, "shape", ()))
        if geometry is not None and len(shape) == len(geometry.shape) + 1 and shape[:-1] != geometry.shape:
            needed = "change `geometry` with the shape of the images"
            checks.invalid_value("traverse", "transform", needed, f"{name} {shape} on {geometry.shape}")
    return sample


def categories(sample: Sample) -> tuple[str, ...]:
    """Return the names of the categories in a sample that is stored; refuse what would be lost.

    Example:
        >>> categories({"subject": "A", "geometry": None, "numerical": np.zeros(2)})
        ('numerical',)
    """
    lost = [name for name in sample if name in RESERVED and name not in BESIDES]
    if lost:
        needed = f"return categories under names that are none of {', '.join(RESERVED)}"
        checks.invalid_value("create", "transform", needed, ", ".join(lost))
    found = tuple(name for name in sample if name not in RESERVED)
    if not found:
        checks.invalid_value("create", "transform", "leave at least one category", f"none of {sample['subject']}")
    return found
