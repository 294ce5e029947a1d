"""How large components are across, and how many of each class of size are found."""

import itertools
import math
from collections.abc import Sequence

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels.farthest_voxels import farthest_voxels
from mia_functional.metrics._kernels.numbered_runs import numbered_runs
from mia_functional.metrics.instances import InstanceMatches, Instances
from mia_functional.typing import Array, Spacing

__all__ = ["equivalent_diameter", "feret_diameter", "lesion_recall_by_diameter", "lesion_recall_by_volume"]


@_array.one_node
def equivalent_diameter(instances: Instances) -> Array:
    """Return for each component the diameter of the ball of the same volume: equivalent spherical diameter.

    Formula: (6 V / pi)^(1/3), with the volume V; in 2-D 2 (A / pi)^(1/2), with the area A; in 1-D the length.

    Args:
        instances: Components of one side of a record of `instance_matches`.

    Returns:
        Millimetres, shape (N,); 0 in what fills up a fixed shape.

    Raises:
        TypeError: The argument is no `Instances`.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches
        >>> found = instance_matches(np.ones((2, 2), bool), np.ones((2, 2), bool), spacing=(3.0, 3.0))
        >>> equivalent_diameter(found.reference).round(3).tolist()
        [6.77]

    Agrees with:
        SimpleITK's `GetEquivalentSphericalRadius`, twice.
    """
    needed = "the `prediction` or `reference` of `instance_matches`"
    checks.require_instance("equivalent_diameter", "instances", instances, Instances, needed)
    ndim = instances.centroids.shape[-1]
    unit = (1.0, math.pi / 4, math.pi / 6)[ndim - 1]  # of diameter 1
    return (instances.volumes / unit) ** (1 / ndim)


@_array.one_node
def feret_diameter(
    array: Array, *, spacing: Spacing, connectivity: int | None = None, instances: bool = False
) -> Array:
    """Return for each component the largest distance between its voxels: maximum Feret diameter, longest axis.

    Formula: max |x - y| over the centres x and y of its voxels, so that a single voxel has 0. It runs on the host:
    voxels at the ends of their lines, and of many the corners of their convex hull.

    Args:
        array: Mask (bool, or integers 0 and 1) of one to three axes; with `instances`, a map of instance numbers.
        spacing: Millimetres between voxel centres along each axis.
        connectivity: As in `instance_matches`.
        instances: Whether the array holds instance numbers.

    Returns:
        Millimetres, shape (N,), in the order of `instance_matches`.

    Raises:
        TypeError: The argument is not an array, holds floats, or has no values as in a program.
        ValueError: The array is empty or has more than three axes; a spacing is not positive; a mask holds other values
            than 0 and 1.

    Example:
        >>> import numpy as np
        >>> feret_diameter(np.array([[1, 0, 0, 0, 1], [0, 1, 0, 0, 1]]), spacing=(3.0, 4.0)).tolist()
        [5.0, 3.0]

    Agrees with:
        SimpleITK's `GetFeretDiameter`. scikit-image's `feret_diameter_max` is that of the surface around the voxels.
    """
    name = "feret_diameter"
    checks.booleans(name, instances=instances)
    components = numbered_runs(name, "array", array, connectivity=connectivity, instances=instances)
    longest = farthest_voxels(components, checks.spacing(name, spacing, array.ndim))
    return _array.from_numpy(longest, _array.array_namespace(array), array)


@_array.one_node
def lesion_recall_by_volume(matches: InstanceMatches, *, edges: Sequence[float]) -> Array:
    """Return the share of the reference components that are found, of each class of volume.

    Args:
        matches: Components that were matched; several records are pooled by `merge`.
        edges: Volumes in cubic millimetres between the classes, ascending: a component whose volume is an edge is in
            the class above.

    Returns:
        One share more than there are edges, from the smallest volumes to the largest; higher is better. NaN where there
        is no component of a class, or where components are missing from the record.

    Raises:
        TypeError: The argument is not a record of `instance_matches`, or the edges are no numbers.
        ValueError: The edges do not ascend.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches
        >>> found = instance_matches(np.array([1, 1, 0, 0]), np.array([1, 1, 0, 1]), spacing=(2.0,))
        >>> lesion_recall_by_volume(found, edges=(3.0,)).tolist()
        [0.0, 1.0]
    """
    name = "lesion_recall_by_volume"
    checks.require_instance(name, "matches", matches, InstanceMatches, "a record of `instance_matches`")
    return _recall_by_class(name, matches, matches.reference.volumes, edges)


@_array.one_node
def lesion_recall_by_diameter(
    matches: InstanceMatches, *, edges: Sequence[float], diameters: Array | None = None
) -> Array:
    """Return the share of the reference components that are found, of each class of diameter.

    Args:
        matches: Components that were matched; several records are pooled by `merge`.
        edges: Diameters in millimetres between the classes, ascending: a component whose diameter is an edge is in the
            class above.
        diameters: Diameter of each reference component, shape (R,), such as the `feret_diameter` of the reference, of
            merged records one after the other. By default the `equivalent_diameter`, which the record has.

    Returns:
        One share more than there are edges, from the smallest diameters to the largest; higher is better. NaN where
        there is no component of a class, or where components are missing from the record.

    Raises:
        TypeError: The argument is not a record of `instance_matches`, or the edges are no numbers.
        ValueError: The edges do not ascend; there is not a diameter for each reference component.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches
        >>> found = instance_matches(np.array([1, 1, 0, 0]), np.array([1, 1, 0, 1]), spacing=(2.0,))
        >>> lesion_recall_by_diameter(found, edges=(3.0,)).tolist()
        [0.0, 1.0]
    """
    name = "lesion_recall_by_diameter"
    checks.require_instance(name, "matches", matches, InstanceMatches, "a record of `instance_matches`")
    reference = matches.reference
    if diameters is None:
        return _recall_by_class(name, matches, equivalent_diameter(reference), edges)
    _array.checked_namespace(name, diameters=diameters, matches=reference.sizes)
    checks.same_shape(name, "diameters", diameters.shape, reference.sizes.shape, of="the reference components")
    return _recall_by_class(name, matches, diameters, edges)


def _recall_by_class(function: str, matches: InstanceMatches, sizes: Array, edges: Sequence[float]) -> Array:
    """Return the share of the reference components that are found, of each class between edges of their sizes."""
    limits = checks.float_tuple(function, "edges", edges)
    if any(not low < high for low, high in itertools.pairwise(limits)):
        checks.invalid_value(function, "edges", "ascend", edges)
    reference = matches.reference
    xp = _array.array_namespace(reference.volumes)
    shares = []
    for low, high in itertools.pairwise([-math.inf, *limits, math.inf]):
        chosen = (reference.sizes > 0) & (sizes >= low) & (sizes < high)
        found, total = (
            xp.sum(xp.astype(flags, reference.volumes.dtype), axis=-1) for flags in (chosen & reference.matched, chosen)
        )
        shares.append(_array.ratio(found, total))
    overflow = xp.expand_dims(matches.overflow > 0, axis=-1)
    return xp.where(overflow, math.nan, xp.stack(shares, axis=-1))
