"""Laws about array libraries and their programs: each gives what NumPy gives, and gradients are finite."""

import functools
from collections.abc import Callable

import numpy as np

from mia_functional import _array
from mia_functional.testing.example_values import difference, metric_value, options_of_call
from mia_functional.testing.metric_claims import SINGLE_PRECISION, MetricClaims, PairCase, metric_program
from mia_functional.typing import HostArray

__all__ = ["difference_of_batch", "difference_of_libraries", "infinite_gradient", "law_of_compiler"]


def difference_of_libraries(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    """Return how arrays of another library have another value than those of NumPy; nothing if none has."""
    for library in claims.libraries:
        own = metric_value(claims, case.prediction, case.reference, case.spacing, library=library)
        if wrong := difference(own, value, SINGLE_PRECISION):
            return f"of arrays of {library.name} it {wrong}"
    return ""


def law_of_compiler(name: str) -> Callable[[MetricClaims, PairCase, HostArray], str]:
    """Return the law that programs of a library give what NumPy's arrays do."""

    def check(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
        library = next(library for library in claims.libraries if library.name == name)
        program = metric_program(claims, library, case.spacing, of_batches=False)
        own = program(library.asarray(case.prediction), library.asarray(case.reference))
        return difference(_array.host_values(own), value, SINGLE_PRECISION)

    return check


def difference_of_batch(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    """Return how a batch of two pairs, mapped over, differs from a loop."""
    if case.other is None:
        return ""
    library = next(library for library in claims.libraries if library.mapped)
    batches = [library.asarray(np.stack(pair)) for pair in zip(case[:2], case.other, strict=True)]
    program = metric_program(claims, library, case.spacing, of_batches=True)
    values = _array.host_values(program(*batches))
    return difference(values, np.stack([value, metric_value(claims, *case.other, case.spacing)]), SINGLE_PRECISION)


def infinite_gradient(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    """Return where the gradient in the prediction is not finite, though the value is."""
    if not np.all(np.isfinite(value)):
        return ""
    function = functools.partial(claims.function, **options_of_call(claims, case.spacing))
    for library in claims.libraries:
        if library.gradient is not None:
            pair = library.asarray(case.prediction), library.asarray(case.reference)
            slope = _array.host_values(library.gradient(function, *pair))
            if not np.all(np.isfinite(slope)):
                return f"by {library.name} it is {slope.tolist()}"
    return ""
