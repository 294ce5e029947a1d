"""Runs of the foreground with the component that each belongs to: what is asked of the voxels of components."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask, label_map
from mia_functional.morphology.components import checked_connectivity
from mia_functional.morphology.masks import DIMENSIONS
from mia_functional.morphology.runs import Runs, join_runs, runs_of
from mia_functional.typing import Array, HostArray, Shape

__all__ = ["NumberedRuns", "number_runs", "numbered_runs"]


class NumberedRuns(NamedTuple):
    """Runs of an array, the component of each from 0 on, how many components there are, and the shape of the array."""

    runs: Runs
    numbers: NDArray[np.int64]
    total: int
    shape: Shape


def numbered_runs(
    function: str, argument: str, array: Array, *, connectivity: int | None, instances: bool
) -> NumberedRuns:
    """Return the runs of a mask or of a map of instance numbers, in the order of `instance_matches`.

    Args:
        function: The public function, for messages.
        argument: The name of the array there.
        array: Mask or, with `instances`, map of instance numbers; of any library, with values.
        connectivity: How many coordinates of neighbours may differ; as many as there are axes by default.
        instances: Whether the array holds instance numbers.
    """
    _array.checked_namespace(function, **{argument: array})
    if _array.is_unknown(array):
        checks.invalid_kind(function, argument, "have values, of which the host finds components", "one in a program")
    checks.dimensions(function, argument, array.shape, DIMENSIONS)
    checks.not_empty(function, argument, array.shape)
    reach = checked_connectivity(function, array.ndim if connectivity is None else connectivity, array.ndim)
    voxels = _array.to_numpy((label_map if instances else binary_mask)(function, argument, array))
    return number_runs(voxels, None if instances else reach)


def number_runs(array: HostArray, connectivity: int | None) -> NumberedRuns:
    """Return the runs of a mask, or for no connectivity of a map of instance numbers, and the component of each."""
    runs = runs_of(array)
    if connectivity is not None:
        return NumberedRuns(runs, *join_runs(runs, array.shape, connectivity), array.shape)
    values, numbers = np.unique(runs.value, return_inverse=True)
    return NumberedRuns(runs, numbers.astype(np.int64), values.size, array.shape)
