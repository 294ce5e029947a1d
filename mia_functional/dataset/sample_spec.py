"""What is wanted of a dataset: which parts of a subject, and how they are cut into samples."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from mia_functional import extraction
from mia_functional._core import checks
from mia_functional.dataset.reading import channels, files, geometry
from mia_functional.dataset.records import Dataset, category_of
from mia_functional.dataset.traversal import Sample
from mia_functional.discovery.records import RESERVED
from mia_functional.typing import Index, Margin, SampleSequence, Shape

Indexing: TypeAlias = Callable[[Shape], SampleSequence]
"""From the spatial shape of a subject to its indices, as the functions of `mia_functional.indexing`."""


Predicate: TypeAlias = Callable[[Sample], bool]
"""Whether a sample is wanted, as the functions of `mia_functional.selection`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleField:
    """What of a category goes into a sample.

    Args:
        category: `images`, `labels`, `numerical`, ...
        name: Its key in the sample; the category where left out.
        entries: Names of entries (channels): one, whose axis is left out, or several in this order; all where left out.
        margin: Voxels of context on both sides: a number for all axes of the index, or one entry per axis, a number or
            `(before, after)`.
        fill_value: What lies outside of the image, with `pad_mode=constant`.
        pad_mode: `constant`, `edge` or `reflect` of `mia_functional.extraction`.
        whole: Leave the index aside and take all; numbers and texts are always whole.
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
        at: A category whose array `function` gets instead of the shape, to draw where there is something.
    """

    function: Callable[[np.random.Generator, Any], SampleSequence | Iterable[Index]]
    at: str | None = None


EXTRAS: dict[str, Callable[[Dataset, int], Any]] = {
    "geometry": geometry,
    "shape": lambda dataset, number: dataset.grids[number],
    "names": lambda dataset, _: {category.name: category.entries for category in dataset.categories},
    "files": files,
}
"""What a sample may hold besides arrays."""


def checked_parts(dataset: Dataset, extract: Sequence[SampleField | str]) -> tuple[SampleField | str, ...]:
    """Return what goes into a sample, complete; refuse what the dataset has not, and one name for two parts."""
    if isinstance(extract, str) or not isinstance(extract, Sequence):
        checks.invalid_kind("samples", "extract", "be a sequence of categories or `SampleField`", repr(extract))
    parts = tuple(checked_part(dataset, part) for part in extract)
    keys = [part if isinstance(part, str) else part.name for part in parts]
    if len(set(keys)) != len(keys):
        checks.invalid_value("samples", "extract", "have a `name` of its own for each part", ", ".join(keys))
    return parts


def checked_part(dataset: Dataset, part: SampleField | str) -> SampleField | str:
    """Return one part of a sample, complete."""
    if isinstance(part, str) and part in EXTRAS:
        return part
    record = SampleField(category=part) if isinstance(part, str) else part
    if not isinstance(record, SampleField):
        checks.invalid_kind("samples", "extract", "be a sequence of categories or `SampleField`", repr(part))
    category = category_of("samples", dataset, record.category)
    if record.entries is not None:
        channels(dataset, record.category, record.entries, ...)
    name = record.name or record.category
    if name in RESERVED:
        checks.invalid_value("samples", "extract", f"have a `name` that is none of {', '.join(RESERVED)}", name)
    checks.require_callable("samples", "pad_mode", record.pad_mode, extraction.PAD_MODES)
    return replace(record, name=name, whole=record.whole or not category.spatial)


def sequence(indices: SampleSequence | Iterable[Index]) -> SampleSequence:
    """Return indices as something with a length and items: as they are, if they have them."""
    if not isinstance(indices, Iterable):
        checks.invalid_kind("samples", "indexing", "return a sequence of indices", checks.describe(indices))
    return indices if isinstance(indices, SampleSequence) else tuple(indices)
