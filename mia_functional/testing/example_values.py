"""What a metric gives of an example, as laws compare it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional.testing.metric_claims import MetricClaims, PairCase
from mia_functional.typing import HostArray, Spacing

__all__ = ["difference", "metric_value", "options_of_call", "value_of_case"]


def options_of_call(claims: MetricClaims, spacing: Spacing | None) -> dict[str, Any]:
    """Return the options that a metric is called with."""
    options: dict[str, Any] = {"spacing": spacing} if claims.spacing else {}
    return options if claims.labels is None else options | {"labels": claims.labels}


def metric_value(
    claims: MetricClaims, prediction: HostArray, reference: HostArray, spacing: Spacing | None,
    *, function: Callable[..., Any] | None = None, library: _array.NamedLibrary | None = None, **options: Any,
) -> HostArray:  # fmt: skip
    """Return the value of a pair as float64: of a library's arrays, or of copies that a metric cannot write to."""
    compute = claims.function if function is None else function
    options = options_of_call(claims, spacing) | options
    if library is not None:
        result = compute(library.asarray(prediction), library.asarray(reference), **options)
    else:
        pair = [np.array(prediction, order="K"), np.array(reference, order="K")]
        for array in pair:
            array.flags.writeable = False
        result = compute(*pair, **options)
    if result is None:  # NumPy makes NaN of it, as if the value were undefined
        raise TypeError("it returned None")
    return _array.host_values(result)


def difference(value: HostArray, expected: HostArray, tolerance: float) -> str:
    """Return how a value differs from another one, below 0.1 in absolute terms; nothing if not. NaN equals NaN."""
    is_near = value.shape == expected.shape and np.allclose(
        value, expected, rtol=tolerance, atol=tolerance / 10, equal_nan=True
    )
    if is_near:
        return ""
    return f"got {value.tolist()} and not {expected.tolist()}"


def value_of_case(claims: MetricClaims, case: PairCase) -> HostArray:
    """Return the value of an example as it is."""
    return metric_value(claims, case.prediction, case.reference, case.spacing)
