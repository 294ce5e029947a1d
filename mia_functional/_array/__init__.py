"""The one folder that knows array libraries: everything else is written against the standard, with what is here."""

from mia_functional._array.control import loop, result_like
from mia_functional._array.libraries import (
    from_numpy,
    is_cupy,
    is_jax,
    is_numpy,
    is_traced,
    library,
    namespace,
    on_host,
    one_device,
    to_numpy,
    together,
)
from mia_functional._array.numbers import accumulator_dtype, dtype_kind, has_float64, ratio, widest_float
from mia_functional._array.planes import compiled, cupy_distances, each, host_call, in_slabs, replace_if, scan, window
from mia_functional._array.sums import add_up, any_weight, largest, smallest_covering, totals, weighted_sum
from mia_functional._array.writing import add_at, add_block, along, block, maximum_at, set_at, zeros

__all__ = [
    "accumulator_dtype",
    "add_at",
    "add_block",
    "add_up",
    "along",
    "any_weight",
    "block",
    "compiled",
    "cupy_distances",
    "dtype_kind",
    "each",
    "from_numpy",
    "has_float64",
    "host_call",
    "in_slabs",
    "is_cupy",
    "is_jax",
    "is_numpy",
    "is_traced",
    "largest",
    "library",
    "loop",
    "maximum_at",
    "namespace",
    "on_host",
    "one_device",
    "ratio",
    "replace_if",
    "result_like",
    "scan",
    "set_at",
    "smallest_covering",
    "to_numpy",
    "together",
    "totals",
    "weighted_sum",
    "widest_float",
    "window",
    "zeros",
]
