"""Medical images into networks, predictions back into volumes, and metrics in millimetres: pure functions, any array.

The namespaces are imported when they are first used, so that `import mia_functional` stays light.
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"

__all__ = [
    "adapters",
    "analysis",
    "assembly",
    "dataset",
    "demo",
    "evaluation",
    "extraction",
    "filters",
    "geometry",
    "images",
    "indexing",
    "metrics",
    "morphology",
    "phantoms",
    "reporting",
    "selection",
    "testing",
    "transforms",
]


def __getattr__(name: str) -> ModuleType:
    """Import a namespace at its first use (PEP 562)."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the namespaces without importing them."""
    return sorted([*globals(), *__all__])
