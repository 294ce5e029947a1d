"""Labels of an evaluation that nobody has given: those that occur in the references."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mia_functional._core import checks
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
    workers: int,
) -> dict[int, str] | None:
    """Return the labels that occur in label maps, called by their numbers; None if the maps are masks.

    The first map that is not empty says whether they are masks; only if it is none, all others are read. Files that
    cannot be read are left to the evaluation, which says why.

    Args:
        function: Name for messages.
        paths: Files of label maps.
        read: Reads one.
        ignore: Values that are no labels.
        workers: Files that are read at the same time.

    Raises:
        ValueError: There are too many to be structures.
    """
    ignored = {0, *ignore}

    def labels_of(path: str) -> set[int]:
        try:
            return labels_in(read(path)[0]) - ignored
        except (ValueError, OSError):
            return set()

    some = iter(paths)
    first = next((found for found in map(labels_of, some) if found), set())
    if first <= {1}:
        return None
    with ThreadPoolExecutor(workers) as pool:
        found = sorted(first.union(*pool.map(labels_of, some)))
    if len(found) > _MOST_LABELS:
        checks.invalid_value(function, "labels", "be given where so many occur", f"none, and {len(found)} labels")
    return {label: str(label) for label in found}


def labels_in(array: HostArray) -> set[int]:
    """Return the values that occur in an array of whole numbers."""
    values = np.flatnonzero(np.bincount(array.ravel())) if array.dtype == np.uint8 else np.unique(array)
    return set(map(int, values))
