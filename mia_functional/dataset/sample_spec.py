"""What each sample contains and how it is cut."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from mia_functional import extraction
from mia_functional._core import checks
from mia_functional.dataset.reading import LazyArray, array_region, entry_positions, files, geometry, pick_entries
from mia_functional.dataset.records import Category, Dataset, category_of
from mia_functional.dataset.resampled_fields import resampled_region
from mia_functional.discovery.records import RESERVED
from mia_functional.indexing.margins import dilate
from mia_functional.transforms.roles import INTERPOLATIONS
from mia_functional.typing import HostArray, Index, Margin, Role, SampleSequence, Shape

__all__ = [
    "SAMPLE_EXTRAS",
    "Indexing",
    "RandomIndexing",
    "SampleField",
    "complete_fields",
    "extract_field",
    "require_indexing",
    "require_on_grid",
    "roles_of_fields",
    "spatial_axes_of_fields",
]

Indexing: TypeAlias = Callable[[Shape], SampleSequence]
"""From the spatial shape of a subject to its indices, as the functions of `mia_functional.indexing`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleField:
    """What of a category goes into a sample.

    Args:
        category: `images`, `labels`, `numerical`, ...
        name: Its key in the sample; by default the category.
        entries: Names of entries (channels): one, whose axis is dropped, or several in this order; by default all.
        margin: Voxels of context on both sides: a number for all axes of the index, or one entry per axis, a number or
            `(before, after)`.
        fill_value: What lies outside of the image, with `pad_mode=constant`.
        pad_mode: `constant`, `edge` or `reflect` of `mia_functional.extraction`.
        whole: Take all, whatever the index; numbers and texts are always whole.
        resample: Interpolate a category of another grid at the voxels of the index, as `transforms.resample_onto` does:
            PET on the patch of MR. Images linearly, labels from the nearest voxel, and `fill_value` outside.
    """

    category: str
    name: str = ""
    entries: str | tuple[str, ...] | None = None
    margin: Margin = 0
    fill_value: float = 0
    pad_mode: extraction.PadMode = extraction.constant
    whole: bool = False
    resample: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomIndexing:
    """Indices that are drawn at random, anew in every epoch.

    Args:
        function: From a generator and a spatial shape to indices: `lambda rng, shape: random_patches(rng, shape, ...)`.
        at: A category whose array `function` gets instead of the shape, to draw where something is.

    Example:
        >>> from functools import partial
        >>> from mia_functional import dataset, indexing
        >>> drawn = dataset.RandomIndexing(function=partial(indexing.random_patches, patch_shape=(2, 2), count=4))
        >>> len(dataset.samples(cohort, indexing=drawn, extract=["images"]))  # `cohort` is opened
        4
    """

    function: Callable[[np.random.Generator, "Shape | HostArray"], SampleSequence | Iterable[Index]]
    at: str | None = None


SAMPLE_EXTRAS: dict[str, Callable[[Dataset, int], Any]] = {
    "geometry": geometry,
    "shape": lambda dataset, number: dataset.grids[number],
    "names": lambda dataset, _: {category.name: category.entries for category in dataset.categories},
    "files": files,
    "roles": lambda dataset, _: {category.name: category.role for category in dataset.categories if category.role},
}
"""What a sample may hold besides arrays."""


def require_indexing(indexing: Any) -> None:
    """Raise unless an indexing function can be called as samples call it, with nothing left to be given."""
    is_drawn = isinstance(indexing, RandomIndexing)
    function = indexing.function if is_drawn else indexing
    checks.require_callable("samples", "indexing", function, "`indexing.whole`")
    try:
        signature = inspect.signature(function)
    except ValueError:  # of what is written in C
        return
    try:
        signature.bind(*("rng", "shape") if is_drawn else ("shape",))
    except TypeError as error:
        # `indexing.patches` itself, without the size of a patch, is what many pass at first.
        takes = "a generator and a shape" if is_drawn else "a shape alone, or be a `RandomIndexing`"
        name = getattr(function, "__name__", type(function).__name__)
        needed = f"take {takes}; `functools.partial({name}, ...)` sets the rest"
        checks.invalid_kind("samples", "indexing", needed, f"{name}: {error}")


def complete_fields(dataset: Dataset, extract: Sequence[SampleField | str]) -> tuple[SampleField | str, ...]:
    """Return what goes into a sample, complete; raise unless the dataset has it, and under different names."""
    if isinstance(extract, str) or not isinstance(extract, Sequence):
        checks.invalid_kind("samples", "extract", "be a sequence of categories or `SampleField`", repr(extract))
    fields = tuple(_complete_field(dataset, field) for field in extract)
    keys = [field if isinstance(field, str) else field.name for field in fields]
    if len(set(keys)) != len(keys):
        checks.invalid_value("samples", "extract", "have a `name` of its own for each part", ", ".join(keys))
    return fields


def _complete_field(dataset: Dataset, field: SampleField | str) -> SampleField | str:
    """Return one field of a sample, complete."""
    if isinstance(field, str) and field in SAMPLE_EXTRAS:
        return field
    record = SampleField(category=field) if isinstance(field, str) else field
    checks.require_instance("samples", "extract", record, SampleField, "a sequence of categories or `SampleField`")
    checks.booleans("samples", whole=record.whole, resample=record.resample)
    category = category_of("samples", dataset, record.category)
    if record.entries is not None:
        entry_positions("samples", dataset, record.category, record.entries, ...)
    name = record.name or record.category
    if name in RESERVED:
        checks.invalid_value("samples", "extract", f"have a `name` other than {', '.join(RESERVED)}", name)
    checks.require_callable("samples", "pad_mode", record.pad_mode, "`constant`, `edge` or `reflect`")
    if record.resample:
        _require_resampled(dataset, category, record)
    elif category.spatial and not record.whole:
        require_on_grid(dataset, category, "extract")
    is_elsewhere = category.grid != dataset.grid
    whole = record.whole or not category.spatial
    return replace(record, name=name, whole=whole, resample=record.resample and is_elsewhere and not whole)


def _require_resampled(dataset: Dataset, category: Category, field: SampleField) -> None:
    """Raise unless a field can be interpolated at the voxels of an index."""
    axes = len(dataset.grids[0]) if dataset.grids else 0
    if category.role not in INTERPOLATIONS or category.spatial_axes != axes:
        needed = f"be an image or labels of {axes} spatial axes to be resampled"
        checks.invalid_value("samples", "extract", needed, f"{category.name}, {category.role or 'without a role'}")
    if field.pad_mode is not extraction.constant or field.whole:
        checks.invalid_value("samples", "extract", "have `resample` without `whole` and `pad_mode`", category.name)


def require_on_grid(dataset: Dataset, category: Category, argument: str) -> None:
    """Raise unless a category lies on the grid that indices are made on."""
    if category.grid != dataset.grid:
        name, grid = category.name, category.grid
        needed = f"be of categories on the grid of the indices, {dataset.grid}; cure this by "
        needed += f'`SampleField(category="{name}", resample=True)`, or `whole=True`, or `samples(grid="{grid}")`'
        checks.invalid_value("samples", argument, needed, f"{name} on the grid {grid}")


def extract_field(dataset: Dataset, number: int, index: Index, field: SampleField) -> Any:
    """Return the part of an array at an index, with its margin."""
    region: Any
    wanted = index
    # Not the truth value of the margin, which a NumPy array of several does not have.
    if not (checks.is_integer(field.margin) and field.margin == 0):
        with checks.speaking_for("samples", "dilate", index="indexing"):
            wanted = dilate(index, field.margin)
    if field.resample:
        category = category_of("samples", dataset, field.category)
        region = resampled_region(dataset, number, category, wanted, fill_value=field.fill_value)
    elif field.whole or _is_inside(wanted, dataset.grids[number]):
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


def roles_of_fields(dataset: Dataset, fields: Sequence[SampleField | str]) -> dict[str, Role]:
    """Return the roles of what samples hold, by its name there."""
    roles = {category.name: category.role for category in dataset.categories}
    named = [field for field in fields if isinstance(field, SampleField)]
    return {field.name: role for field in named if (role := roles[field.category]) is not None}


def spatial_axes_of_fields(dataset: Dataset, fields: Sequence[SampleField | str], index: Index) -> dict[str, int]:
    """Return how many axes of what samples hold at an index are spatial, by its name there; others have none."""
    dropped = sum(not isinstance(entry, slice) for entry in index)
    axes = {category.name: category.spatial_axes for category in dataset.categories if category.spatial}
    return {
        field.name: axes[field.category] - (0 if field.whole else dropped)
        for field in fields
        if isinstance(field, SampleField) and field.category in axes
    }
