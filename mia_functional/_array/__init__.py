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
from mia_functional._array.numbers import accumulator_dtype, dtype_kind, has_float64, index_dtype, ratio, widest_float
from mia_functional._array.planes import compiled, cupy_distances, host_call, in_slabs, replace_if, scan, window
from mia_functional._array.randomness import integers, normal, split, uniform
from mia_functional._array.sums import smallest_covering, totals
from mia_functional._array.writing import add_at, add_block, along, block, clamp, maximum_at, set_at, stack, zeros

__all__ = [
    "accumulator_dtype",
    "add_at",
    "add_block",
    "along",
    "block",
    "clamp",
    "compiled",
    "cupy_distances",
    "dtype_kind",
    "from_numpy",
    "has_float64",
    "host_call",
    "in_slabs",
    "index_dtype",
    "integers",
    "is_cupy",
    "is_jax",
    "is_numpy",
    "is_traced",
    "library",
    "loop",
    "maximum_at",
    "namespace",
    "normal",
    "on_host",
    "one_device",
    "ratio",
    "replace_if",
    "result_like",
    "scan",
    "set_at",
    "smallest_covering",
    "split",
    "stack",
    "to_numpy",
    "together",
    "totals",
    "uniform",
    "widest_float",
    "window",
    "zeros",
]
