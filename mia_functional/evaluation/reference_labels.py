"""Labels of an evaluation that nobody has given: those that occur in the references."""

from collections.abc import Callable, Iterable, Sequence, Set
from concurrent.futures import Executor
from functools import partial

import numpy as np

from mia_functional._core import checks, ordered_map
from mia_functional.geometry import Geometry
from mia_functional.typing import HostArray

__all__ = ["labels_in", "occurring_labels"]

_MOST_LABELS = 1000
"""Labels beyond which a map numbers objects, or holds the values of an image, rather than structures."""


def occurring_labels(
    function: str,
    paths: Sequence[str],
    *,
    read: Callable[[str], tuple[HostArray, Geometry]],
    ignore: Iterable[int],
    executor: Executor | None,
) -> dict[int, str] | None:
    """Return the labels that occur in label maps, called by their numbers; None if the maps are masks.

    The first map that is not empty says whether they are masks; only if it is none, all others are read. Files that
    cannot be read are left to the evaluation, which says why.

    Args:
        function: Name for messages.
        paths: Files of label maps.
        read: Reads one.
        ignore: Values that are no labels.
        executor: Reads several at the same time.

    Raises:
        ValueError: There are too many to be structures.
    """
    look, rest = partial(_labels_of_file, read, frozenset({0, *ignore})), iter(paths)
    first = next(filter(None, map(look, rest)), set())
    if first <= {1}:
        return None
    found = sorted(first.union(*ordered_map.map_ordered(look, rest, executor=executor)))
    if len(found) > _MOST_LABELS:
        checks.invalid_value(function, "labels", "be given where so many occur", f"none, and {len(found)} labels")
    return {label: str(label) for label in found}


def _labels_of_file(read: Callable[[str], tuple[HostArray, Geometry]], ignored: Set[int], path: str) -> set[int]:
    """Return the labels that occur in a file; none if it cannot be read."""
    try:
        return labels_in(read(path)[0]) - ignored
    except (ValueError, OSError):
        return set()


def labels_in(array: HostArray) -> set[int]:
    """Return the values that occur in an array of whole numbers."""
    values = np.flatnonzero(np.bincount(array.ravel())) if array.dtype == np.uint8 else np.unique(array)
    return set(map(int, values))
