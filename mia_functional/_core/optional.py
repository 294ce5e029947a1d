"""Import a package that only some users need, or say how to install it."""

import importlib
from typing import Any

_EXTRAS = {
    "matplotlib": "plot",
    "pandas": "tables",
    "pyarrow": "tables",
    "openpyxl": "tables",
    "hypothesis": "testing",
    "hdf5plugin": "blosc",
    "distributed": "dask",
    "skimage": "skeleton",
    "PIL": "images",
    "tifffile": "images",
    "imagecodecs": "images",
    "pydicom": "dicom",
    "highdicom": "dicom",
    "blosc2": "nnunet",
    "msgpack": "nnunet",
    "ml_dtypes": "bfloat16",
    "numcodecs": "zarr",
    "google_crc32c": "zarr",
}
"""Packages whose extra in `pyproject.toml` has another name than they have."""


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
        text = f"{package} is not installed; `pip install 'mia_functional[{_EXTRAS.get(root, root)}]'` installs it."
        raise ImportError(text, name=package) from error


def installed(package: str) -> Any | None:
    """Return the imported package, or None if it is not installed."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        return None
