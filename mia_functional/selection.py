"""Which samples to keep: predicates on samples, for `select=` of `mia_functional.dataset.samples`.

A sample is a dictionary of arrays of any library. Options are bound with `functools.partial`, which travels to other
processes: `partial(has_foreground, at_least=100)`.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import HostArray

__all__ = ["Predicate", "above_percentile", "all_of", "has_foreground", "non_black", "non_constant", "of_subjects"]

__dir__ = __all__.copy  # dir() shows what users may touch

Predicate: TypeAlias = Callable[[Mapping[str, Any]], bool]
"""Whether a sample, arrays by category and `subject`, is kept."""


def non_constant(sample: Mapping[str, Any], *, category: str = "images") -> bool:
    """Return whether an image has more than one intensity, in any channel.

    Args:
        sample: Has the category as an array `(*spatial, channels)`.
        category: The category to look at.

    Example:
        >>> non_constant({"images": np.array([[1.0, 2.0], [1.0, 2.0]])})
        False
    """
    array = _category_on_host("non_constant", sample, category)
    return bool((array != array[(0,) * (array.ndim - 1)]).any())


def non_black(sample: Mapping[str, Any], *, category: str = "images", black: float = 0) -> bool:
    """Return whether an image has any voxel brighter than black.

    Args:
        sample: Has the category as an array.
        category: The category to look at.
        black: Intensity of the background.

    Example:
        >>> non_black({"images": np.zeros((4, 4, 1))})
        False
    """
    return bool((_category_on_host("non_black", sample, category) > black).any())


def above_percentile(
    sample: Mapping[str, Any], *, value: float, percentile: float = 50, category: str = "images"
) -> bool:
    """Return whether a percentile of an image's intensities lies above a value: enough of it is bright enough.

    Args:
        sample: Has the category as an array.
        value: The intensity.
        percentile: Which one, within 0 and 100; 75 asks that more than a quarter of the voxels be brighter.
        category: The category to look at.

    Raises:
        ValueError: The percentile is out of range, or the sample lacks the category.

    Example:
        >>> above_percentile({"images": np.array([[0.0], [0.0], [0.0], [9.0]])}, value=1, percentile=50)
        False

    Differs from:
        pymia's `PercentileSelection`, which asks that no voxel lie below the percentile of its own image: true only of
        images whose darkest voxels are so many that they are the percentile.
    """
    if not 0 <= percentile <= 100:
        checks.invalid_value("above_percentile", "percentile", "lie within 0 and 100", percentile)
    image = _category_on_host("above_percentile", sample, category)
    # In float64, as `np.percentile` counts in the dtype of the values: float16 has no rank beyond 65504 (NumPy 2.4).
    return bool(np.percentile(image.astype(np.float64, copy=False), percentile) > value)


def has_foreground(sample: Mapping[str, Any], *, category: str = "labels", at_least: int = 1) -> bool:
    """Return whether labels are not all background.

    Args:
        sample: Has the category as an array.
        category: The category to look at.
        at_least: The fewest voxels of labels other than 0.

    Example:
        >>> has_foreground({"labels": np.array([[0], [3]])}, at_least=2)
        False
    """
    return int(np.count_nonzero(_category_on_host("has_foreground", sample, category))) >= at_least


def of_subjects(names: Collection[str]) -> Predicate:
    """Return the predicate of samples of some subjects; `samples(subjects=...)` does it without reading the others.

    Args:
        names: Identifiers.

    Example:
        >>> of_subjects(["A", "B"])({"subject": "C"})
        False
    """
    # A text is a collection as well, of its letters.
    if isinstance(names, str) or not isinstance(names, Collection):
        checks.invalid_kind("of_subjects", "names", "be a collection of identifiers", repr(names))
    return partial(_is_of_subjects, frozenset(names))


def all_of(*predicates: Predicate) -> Predicate:
    """Return the predicate that is true where all of several are; the first false one ends the search.

    Example:
        >>> all_of(non_black, non_constant)({"images": np.ones((4, 1))})
        False
    """
    for predicate in predicates:
        checks.require_callable("all_of", "predicates", predicate, "`non_black`")
    # Partials of functions at the top of a module, unlike closures, are pickled for loaders in other processes.
    return partial(_fulfils_all, predicates)


def _is_of_subjects(names: frozenset[str], sample: Mapping[str, Any]) -> bool:
    """Return whether a sample is of one of the subjects."""
    return sample["subject"] in names


def _fulfils_all(predicates: tuple[Predicate, ...], sample: Mapping[str, Any]) -> bool:
    """Return whether all predicates are true."""
    return all(predicate(sample) for predicate in predicates)


def _category_on_host(function: str, sample: Mapping[str, Any], category: str) -> HostArray:
    """Return a category of a sample as a NumPy array."""
    checks.require_instance(function, "sample", sample, Mapping, "a dictionary of arrays by category")
    if category not in sample:
        checks.invalid_value(function, "sample", f"hold {category}", ", ".join(sample))
    checks.no_hidden_elements(function, "sample", sample[category])
    return _array.to_numpy(sample[category])
