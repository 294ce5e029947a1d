"""What each sample contains and how it is cut."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from mia_functional import extraction
from mia_functional._core import checks
from mia_functional.dataset.reading import entry_positions, files, geometry
from mia_functional.dataset.records import Dataset, category_of
from mia_functional.discovery.records import RESERVED
from mia_functional.typing import HostArray, Index, Margin, SampleSequence, Shape

__all__ = ["SAMPLE_EXTRAS", "Indexing", "RandomIndexing", "SampleField", "complete_fields"]

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
    """

    category: str
    name: str = ""
    entries: str | tuple[str, ...] | None = None
    margin: Margin = 0
    fill_value: float = 0
    pad_mode: extraction.PadMode = extraction.constant
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomIndexing:
    """Indices that are drawn at random, anew in every epoch.

    Args:
        function: From a generator and a spatial shape to indices: `lambda rng, shape: random_patches(rng, shape, ...)`.
        at: A category whose array `function` gets instead of the shape, to draw where something is.
    """

    function: Callable[[np.random.Generator, "Shape | HostArray"], SampleSequence | Iterable[Index]]
    at: str | None = None


SAMPLE_EXTRAS: dict[str, Callable[[Dataset, int], Any]] = {
    "geometry": geometry,
    "shape": lambda dataset, number: dataset.grids[number],
    "names": lambda dataset, _: {category.name: category.entries for category in dataset.categories},
    "files": files,
}
"""What a sample may hold besides arrays."""


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
    category = category_of("samples", dataset, record.category)
    if record.entries is not None:
        entry_positions("samples", dataset, record.category, record.entries, ...)
    name = record.name or record.category
    if name in RESERVED:
        checks.invalid_value("samples", "extract", f"have a `name` other than {', '.join(RESERVED)}", name)
    checks.require_callable("samples", "pad_mode", record.pad_mode, "`constant`, `edge` or `reflect`")
    return replace(record, name=name, whole=record.whole or not category.spatial)
