"""A few lines each towards other libraries; the core imports none of them, and nothing imports the adapters.

`mia.adapters.torch` imports its module, and PyTorch with it, at the first access.
"""

import importlib
from types import ModuleType

__all__ = ["batchgenerators", "flax", "grain", "tensorboard", "tensorflow", "torch", "torchio"]

__dir__ = __all__.copy  # dir() shows what users may touch


def __getattr__(name: str) -> ModuleType:
    """Import an adapter at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
