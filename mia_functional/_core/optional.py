"""Import a package that only some users need, or say how to install it."""

import importlib
from typing import Any

EXTRAS = {"jax": "jax", "torch": "torch", "matplotlib": "plot", "pandas": "tables", "hypothesis": "testing"}


EXTRAS |= {"hdf5plugin": "blosc", "tensorboard": "tensorboard", "tensorflow": "tensorflow"}


EXTRAS |= {"grain": "grain", "torchio": "torchio"}
"""Packages that are not part of the core, and the extra that installs each."""


def require(package: str) -> Any:
    """Return the imported package.

    Raises:
        ImportError: The package is not installed; the text names the extra that installs it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != package.split(".")[0]:
            raise
        extra = EXTRAS[package.split(".")[0]]
        raise ImportError(
            f"{package} is not installed; `pip install 'mia_functional[{extra}]'` installs it.", name=package
        ) from error
