"""Subjects to samples in memory, one after the other: a generator, to be used in a `for` loop."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mia_functional import images
from mia_functional._core import checks, ordered_map
from mia_functional._core.roles import checked_roles
from mia_functional.discovery.records import Entry, Load, Subject, check_name
from mia_functional.geometry import Geometry
from mia_functional.images.files import MAX_BYTES
from mia_functional.images.formats import FORMATS, extension_of
from mia_functional.images.labels import label_map
from mia_functional.images.npy import load_npy_array
from mia_functional.transforms.alignment import align_onto
from mia_functional.transforms.composition import Sample, Transform
from mia_functional.typing import Align, HostArray, Role

__all__ = ["OWN_READERS", "check_loading", "checked_grids", "load_entry", "load_sample", "stack_channels", "traverse"]


def traverse(
    subjects: Iterable[Subject],
    *,
    load: Load = images.read,
    align: Align = None,
    grids: Mapping[str, str] | None = None,
    transform: Transform | None = None,
    executor: Executor | None = None,
) -> Iterator[Sample]:
    """Yield one sample per subject: its files loaded and stacked, category by category.

    Args:
        subjects: From `discover`, or built by hand; read only a few ahead.
        load: Reads one file.
        align: What is done about files of a subject that do not lie on the grid of its first one (by 0.01 voxels, see
            `geometry.same_geometry`): nothing, they are errors; `"reorient"`, their axes are flipped and permuted if
            that suffices, and values stay what they are; `"resample"`, others are resampled, too: those whose role is
            `image` linearly, with integers rounded, and `labels` from the nearest voxel, with 0 outside of the file.
        grids: Categories that lie on another grid than the rest, with a name for it: `{"pet": "pet", "lesions": "pet"}`
            for PET beside MR. The first file of each name is what the others of that name have to lie on.
        transform: Applied to every sample. One that changes sizes has to change `geometry` too, or `grids`.
        executor: Where subjects are loaded and transformed: any `concurrent.futures.Executor` (threads, processes with
            `spawn`, dask, MPI); by default one after the other in this process. Order and samples are the same, and
            about as many samples as there are workers wait in memory. Arrays have to travel from other processes, which
            takes longer than to read them: threads are faster, unless transforms hold Python's lock.

    Yields:
        Dictionaries. An image category is an array `(*spatial, channels)`, with the entries in order on the last axis
        and their dtype (the smallest that holds all; integers stay integers), or `(*spatial, ..., channels)` where
        files have more axes behind those of their geometry (time, coils, ...); files whose role is `labels` are label
        maps, read as by `images.read_labels` unless `load` is a function of yours (those whose segments have names are
        put onto the first grid, as they may end with the last slice that has any); numbers are float64 `(entries,)`;
        texts are a tuple of str. Besides, `subject` (the identifier), `geometry` (of the images; none without images),
        `roles` (of the categories, by name), which a transform that adds a category may add to, and with `grids` the
        geometries of these categories, by name.

    Raises:
        TypeError: An argument is of the wrong kind, or what `load` or `transform` return.
        ValueError: Images of a subject differ in shape or geometry, or a file cannot be read; a file has no role and
            would have to be interpolated.

    Example:
        >>> person = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> next(traverse([person]))["numerical"].tolist()
        [31.0]
    """
    checks.require_instance("traverse", "subjects", subjects, Iterable, "several `Subject`")
    check_loading("traverse", load, align, transform, executor)
    named = checked_grids("traverse", grids)
    function = partial(load_sample, load=load, align=align, grids=named, transform=transform)
    return ordered_map.map_ordered(function, subjects, executor=executor)


def check_loading(function: str, load: object, align: object, transform: object, executor: object) -> None:
    """Raise unless the arguments can load, align, transform and run."""
    checks.require_callable(function, "load", load, "`images.read`")
    checks.one_of(function, "align", align, ("reorient", "resample"), optional=True)
    checks.require_callable(function, "transform", transform, "`on(...)` returns", optional=True)
    checks.require_instance(function, "executor", executor, (Executor, type(None)), "a `concurrent.futures.Executor`")


def checked_grids(function: str, grids: Mapping[str, str] | None) -> dict[str, str]:
    """Return names of grids by category as a dictionary; raise unless they are text, and none is of `images`."""
    given: Any = {} if grids is None else grids
    checks.require_instance(function, "grids", given, Mapping, "a dictionary of names of grids by category")
    if not all(isinstance(text, str) and text for pair in given.items() for text in pair):
        checks.invalid_kind(function, "grids", "map categories to names of grids", repr(grids))
    if "images" in given:
        # Readers take the shape of `images` for that of the grid that all others share.
        checks.invalid_value(function, "grids", "be of categories other than `images`", repr(grids))
    return dict(given)


def load_sample(
    subject: Subject, *, load: Load, align: Align, grids: Mapping[str, str], transform: Transform | None
) -> Sample:
    """Return a subject's files and values as a sample, transformed."""
    if not isinstance(subject, Subject):
        checks.invalid_kind("traverse", "subjects", "be several `Subject`", f"{subject!r} among them")
    placed = {entry.category for entry in subject.entries if entry.path is not None and entry.role != "numbers"}
    if unknown := sorted(set(grids) - placed):
        needed = f"be of categories that have image files, {', '.join(sorted(placed)) or 'none'} of {subject.name}"
        checks.invalid_value("traverse", "grids", needed, ", ".join(unknown))
    roles: dict[str, Role] = {}
    sample: Sample = {"subject": subject.name, "geometry": None, "roles": roles}
    members: dict[str, list[tuple[Entry, Geometry]]] = {"": [], **{name: [] for name in grids.values()}}
    own: dict[str, Geometry] = {}
    for category in dict.fromkeys(entry.category for entry in subject.entries):
        entries = [entry for entry in subject.entries if entry.category == category]
        files = [entry for entry in entries if entry.path is not None]
        if files and len(files) != len(entries):
            checks.invalid_value("traverse", "subjects", "have files or values in a category, not both", category)
        if files and files[0].role == "numbers":
            sample[category] = _load_numbers(load, str(files[0].path))
            roles[category] = "numbers"
        elif files:
            # A generator: besides the stack only one of the files is in memory at a time.
            before = members[grids.get(category, "")]
            arrays = (load_entry(subject, entry, load, align, before) for entry in files)
            sample[category] = stack_channels(arrays, len(files))
            own |= {category: before[0][1]} if category in grids else {}
            roles |= {} if entries[0].role is None else {category: entries[0].role}
        else:
            values = [entry.value for entry in entries]
            texts = any(isinstance(value, str) for value in values)
            sample[category] = tuple(map(str, values)) if texts else np.array(values, dtype=np.float64)
            roles[category] = "text" if texts else "numbers"
    if own and not members[""]:
        checks.invalid_value(
            "traverse", "grids", "leave a category on the grid of the images", f"all of {subject.name}"
        )
    if members[""]:
        sample["geometry"] = members[""][0][1]
    if own:
        sample["grids"] = own
    return sample if transform is None else _checked_sample(transform(sample), roles, own)


def load_entry(
    subject: Subject, entry: Entry, load: Load, align: Align, grids: list[tuple[Entry, Geometry]]
) -> HostArray:
    """Return the voxels of a file on the first grid, with an axis of channels, and append its own grid."""
    path = str(entry.path)
    onto = grids[0][1] if grids else None
    array, geometry = _checked_pair(_load_labels(load, path, onto) if entry.role == "labels" else load(path), entry)
    grids.append((entry, geometry))
    first, grid = grids[0]
    requirement = f"lie on one grid ({entry.path} and {first.path} of {subject.name})"
    if entry.category not in (first.category, "images"):
        requirement += f", or {entry.category} on one of its own, named in `grids`"
    words = {"geometry": "images", "role": f"role of {entry.category}"}
    with checks.speaking_for("traverse", "align_onto", "reorient_onto", "resample_onto", **words):
        array = align_onto(array, geometry, grid, align=align, role=entry.role, requirement=requirement)
    return array[..., np.newaxis] if array.ndim == len(geometry.shape) else array


OWN_READERS = (images.read, images.read_channels, images.read_stored)
"""Those of this library, of which it is known what they return."""


def _load_numbers(load: Load, path: str) -> HostArray:
    """Return the array of a file that lies on no grid."""
    if getattr(load, "func", load) in OWN_READERS and path.lower().endswith(".npy"):
        return load_npy_array(Path(path), getattr(load, "keywords", {}).get("max_bytes", MAX_BYTES))
    result: object = load(path)
    array: Any = result[0] if isinstance(result, tuple) and len(result) == 2 else result
    if not checks.has_shape(array):
        needed = "return an array, alone or with a Geometry"
        checks.invalid_kind("traverse", "load", needed, f"{type(array).__name__} for {path}")
    return np.asarray(array)


def _load_labels(load: Load, path: str, onto: Geometry | None) -> tuple[HostArray, Geometry]:
    """Return a file as a label map if a reader of ours loads it; what a loader of the user's returns stays as it is.

    Files whose segments have names often end with the last slice in which there is something, or have no grid at all:
    they are put onto the grid of the subject, if that is known and their voxels are those of it.
    """
    reader = getattr(load, "func", load)  # of a `functools.partial`
    if reader not in OWN_READERS:
        return load(path)
    row = FORMATS.get(extension_of(Path(path)))
    if onto is not None and row is not None and row.load_segments is not None and images.read_segments(path):
        limit = getattr(load, "keywords", {}).get("max_bytes", MAX_BYTES)
        with suppress(ValueError):
            array, _, geometry = images.read_segmentation(path, onto, max_bytes=limit)
            return label_map(array, geometry, Path(path)), geometry
    # What a label means is what the scale of its file makes of the stored number; and some files hold an image beside.
    if row is not None and row.load_labels is not None:
        load = partial(images.read_labels, **getattr(load, "keywords", {}))
    elif reader is images.read_stored:
        load = partial(images.read, **getattr(load, "keywords", {}))
    array, geometry = load(path)
    with checks.speaking_for("traverse", "label_map", path="subjects"):
        return label_map(array, geometry, Path(path)), geometry


def _checked_pair(pair: object, entry: Entry) -> tuple[HostArray, Geometry]:
    """Return what a loader returned for a file; raise unless it is an array and its geometry."""
    requirement = "return an array and its Geometry"
    if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[1], Geometry):
        checks.invalid_kind("traverse", "load", requirement, f"{type(pair).__name__} for {entry.path}")
    shape, grid = tuple(getattr(pair[0], "shape", ())), pair[1].shape
    if shape[: len(grid)] != grid:
        requirement = f"{requirement}, whose shape is that of the first axes of the array"
        checks.invalid_value("traverse", "load", requirement, f"{shape} and {grid} for {entry.path}")
    return pair


def stack_channels(arrays: Iterable[HostArray], count: int) -> HostArray:
    """Return `count` images side by side on the last axis, in the smallest dtype that holds all."""
    stack, end = np.empty(0), 0
    for array in arrays:
        stop = end + array.shape[-1]
        if count == 1:
            return array
        if end and array.shape[:-1] != stack.shape[:-1]:
            requirement = "be alike in all axes but the last for the files of a category"
            checks.invalid_value("traverse", "subjects", requirement, f"{array.shape} beside {stack[..., :end].shape}")
        if end == 0:
            # Most often all files have as many channels and the dtype of the first.
            stack = np.empty((*array.shape[:-1], count * stop), dtype=array.dtype)
        dtype = _common_dtype(stack[..., :end], array)
        if stop > stack.shape[-1] or dtype != stack.dtype:
            before, stack = stack, np.empty((*stack.shape[:-1], max(stop, stack.shape[-1])), dtype=dtype)
            stack[..., :end] = before[..., :end]
        stack[..., end:stop] = array
        end = stop
        del array  # frees the file before the generator loads the next
    return stack[..., :end]


def _common_dtype(stack: HostArray, array: HostArray) -> np.dtype[np.generic]:
    """Return the smallest dtype that holds two arrays; integers stay integers, of the type that holds their values."""
    dtype = np.result_type(stack, array)
    # NumPy promotes uint64 and int64 to float64, which rounds integers beyond 2^53.
    if dtype.kind != "f" or not {stack.dtype.kind, array.dtype.kind} <= {"i", "u"}:
        return dtype
    low = min(int(values.min(initial=0)) for values in (stack, array))
    high = max(int(values.max(initial=0)) for values in (stack, array))
    fitting = [kind for kind in (np.int64, np.uint64) if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max]
    if not fitting:
        requirement = "have integers in a category that one type of 64 bits holds"
        checks.invalid_value("traverse", "subjects", requirement, f"{low} and {high}")
    return np.dtype(fitting[0])


def _checked_sample(sample: Sample, roles: Mapping[str, Role], own: Mapping[str, Geometry]) -> Sample:
    """Return a transformed sample; raise unless its names can be stored and its images lie on their geometries.

    Roles and grids that the transform left out are those of the categories before.
    """
    if not isinstance(sample, dict) or not {"subject", "geometry"} <= sample.keys():
        checks.invalid_kind("traverse", "transform", "return the sample, a dictionary", type(sample).__name__)
    check_name("traverse", "subject", sample["subject"])
    geometry = sample["geometry"]
    if not isinstance(geometry, Geometry | None):
        checks.invalid_kind("traverse", "transform", "return a Geometry as `geometry`, or none", repr(geometry))
    given = checked_roles("traverse", sample.get("roles"), (*roles, *sample))
    kept = {name: role for name, role in {**roles, **given}.items() if name in sample}
    grids = _kept_grids(sample, own)
    sample = {**sample, "roles": kept, **({"grids": grids} if grids else {})}
    for name, array in sample.items():
        check_name("traverse", "transform", name)
        shape = tuple(getattr(array, "shape", ()))
        grid = grids.get(name, geometry)
        if kept.get(name) == "numbers" or grid is None:
            continue
        axes = len(grid.shape)
        is_image = name in grids or kept.get(name) in ("image", "labels")
        if (len(shape) == axes + 1 or (len(shape) > axes and is_image)) and shape[:axes] != grid.shape:
            requirement = f"change {'`grids`' if name in grids else '`geometry`'} with the shape of the images"
            checks.invalid_value("traverse", "transform", requirement, f"{name} {shape} on {grid.shape}")
    return sample


def _kept_grids(sample: Sample, own: Mapping[str, Geometry]) -> dict[str, Geometry]:
    """Return the geometries of categories with grids of their own, as a transform left them."""
    changed: Any = sample.get("grids", {})
    if not isinstance(changed, Mapping) or not all(isinstance(grid, Geometry) for grid in changed.values()):
        checks.invalid_kind("traverse", "transform", "return a Geometry by category as `grids`", repr(changed))
    if unknown := [name for name in changed if name not in sample or name == "images"]:
        needed = f"return `grids` of {', '.join(name for name in sample if name != 'images')}"
        checks.invalid_value("traverse", "transform", needed, repr(unknown[0]))
    return {name: grid for name, grid in {**own, **changed}.items() if name in sample}
