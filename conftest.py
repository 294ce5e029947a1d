"""Names that the examples in docstrings use without defining them."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PACKAGES = {"parquet": "pyarrow", "excel": "openpyxl"}
"""What examples need that a small environment lacks, by a word in the names of their functions."""


@pytest.fixture(autouse=True)
def _example_names(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> Iterator[None]:
    """Give each docstring an empty `folder`; in the package `dataset` with `cohort.h5` in it, open as `cohort`."""
    if isinstance(request.node, pytest.DoctestItem):
        for word, package in PACKAGES.items():
            if word in request.node.dtest.name and importlib.util.find_spec(package) is None:
                pytest.skip(f"{package} is not installed")
        folder = doctest_namespace["folder"] = request.getfixturevalue("tmp_path")
        sources = [example.source for example in request.node.dtest.examples]
        if request.node.dtest.name.startswith("mia_functional.dataset.") and any("cohort" in text for text in sources):
            doctest_namespace["cohort"] = _cohort(folder)
    yield
    doctest_namespace.clear()


def _cohort(folder: Path) -> Any:
    """Create and open a dataset of one subject: an image of 3x4 pixels, a number and a text."""
    from mia_functional import dataset, images
    from mia_functional.geometry import Geometry

    grid = Geometry(shape=(3, 4), spacing=(2.0, 1.0))
    images.write(folder / "A.mha", np.ones(grid.shape, np.float32), grid)
    entries = (
        dataset.Entry(category="images", name="T1", path=folder / "A.mha"),
        dataset.Entry(category="numerical", name="AGE", value=31.0),
        dataset.Entry(category="gender", name="GENDER", value="F"),
    )
    dataset.create(folder / "cohort.h5", [dataset.Subject(name="A", entries=entries)])
    return dataset.open(folder / "cohort.h5")
