"""The one folder that knows array libraries: everything else is written against the standard, with what is here."""

from mia_functional._array.control import compiled, loop, result_like, reuse, scan, smallest_float
from mia_functional._array.libraries import (
    from_numpy,
    is_jax,
    is_numpy,
    is_traced,
    library,
    moved,
    namespace,
    on_host,
    one_device,
    to_numpy,
    together,
)
from mia_functional._array.numbers import accumulator_dtype, dtype_kind, has_float64, ratio, widest_float
from mia_functional._array.writing import along, block, clamp, set_block, spread, stack, update_block, zeros

__all__ = [
    "accumulator_dtype",
    "along",
    "block",
    "clamp",
    "compiled",
    "dtype_kind",
    "from_numpy",
    "has_float64",
    "is_jax",
    "is_numpy",
    "is_traced",
    "library",
    "loop",
    "moved",
    "namespace",
    "on_host",
    "one_device",
    "ratio",
    "result_like",
    "reuse",
    "scan",
    "set_block",
    "smallest_float",
    "spread",
    "stack",
    "to_numpy",
    "together",
    "update_block",
    "widest_float",
    "zeros",
]
