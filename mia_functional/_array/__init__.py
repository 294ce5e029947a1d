"""The one folder that knows array libraries: everything else is written against the standard, with what is here."""

from mia_functional._array.control import loop, result_like, smallest_float
from mia_functional._array.libraries import (
    from_numpy,
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
from mia_functional._array.writing import add_at, add_block, along, block, maximum_at, set_at, zeros

__all__ = [
    "accumulator_dtype",
    "add_at",
    "add_block",
    "along",
    "block",
    "dtype_kind",
    "from_numpy",
    "has_float64",
    "is_jax",
    "is_numpy",
    "is_traced",
    "library",
    "loop",
    "maximum_at",
    "namespace",
    "on_host",
    "one_device",
    "ratio",
    "result_like",
    "set_at",
    "smallest_float",
    "to_numpy",
    "together",
    "widest_float",
    "zeros",
]
