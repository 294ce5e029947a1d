"""A few lines each towards other libraries; the core imports none of them, and nothing imports the adapters.

`mia.adapters.torch` imports its module, and PyTorch with it, when it is first asked for.
"""

import importlib
from types import ModuleType

__all__ = ["batchgenerators", "flax", "grain", "tensorboard", "tensorflow", "torch", "torchio"]


def __getattr__(name: str) -> ModuleType:
    """Import an adapter at its first use (PEP 562)."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the adapters without importing them."""
    return __all__
