"""Programs of the full matrices are compiled once each."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def equal_programs_are_compiled_once(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """In the full part, let JAX find programs that it has compiled before."""
    if request.config.getoption("part") != "full":
        yield
        return
    # JAX is not imported where nothing needs it.
    from .compiled_once import compiled_once

    with compiled_once(str(tmp_path_factory.mktemp("programs"))):
        yield
