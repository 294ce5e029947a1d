"""Names that the examples in docstrings use without defining them."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _example_names(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """Give each docstring an empty `folder`."""
    if isinstance(request.node, pytest.DoctestItem):
        doctest_namespace["folder"] = request.getfixturevalue("tmp_path")
