"""Import a package that only some users need, or say how to install it."""

import importlib
from typing import Any

_EXTRAS = {"jax": "jax", "torch": "torch", "matplotlib": "plot", "pandas": "tables", "hypothesis": "testing"}
_EXTRAS |= {"hdf5plugin": "blosc", "tensorboard": "tensorboard", "tensorflow": "tensorflow", "grain": "grain"}
_EXTRAS |= {"torchio": "torchio"}
"""Packages that are not part of the core, and the extra in `pyproject.toml` that installs each."""


def require(package: str) -> Any:
    """Return the imported package.

    Raises:
        ImportError: The package is not installed; the text names the extra that installs it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        # A package that is installed and lacks one of its own dependencies says so itself.
        root = package.split(".")[0]
        if error.name is not None and error.name.split(".")[0] != root:
            raise
        text = f"{package} is not installed; `pip install 'mia_functional[{_EXTRAS[root]}]'` installs it."
        raise ImportError(text, name=package) from error
