"""Programs of the full matrices are compiled once each."""

import itertools
import sys
from collections.abc import Iterator

import pytest

_KEPT_FOR = 250
"""Tests after which programs are let go of."""

_tests = itertools.count(1)


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


@pytest.fixture(autouse=True)
def programs_are_let_go_of(request: pytest.FixtureRequest) -> Iterator[None]:
    """In the full part, drop the programs of many tests: with thousands of them (6 GB) one took four times as long."""
    yield
    if request.config.getoption("part") == "full" and next(_tests) % _KEPT_FOR == 0:
        # Those that are needed again come from the disk.
        if "jax" in sys.modules:
            sys.modules["jax"].clear_caches()
        if "torch._dynamo" in sys.modules:
            sys.modules["torch._dynamo"].reset()
