"""The parts of the suite, and the array libraries that every numeric test runs on."""

import gc
import os
import subprocess
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

SEED = "2026"
"""What the choice of sampled cases depends on besides their names: the same cases in every run."""


QUICK_CASES = 2
"""Most cases of a test with parameters in the quick part."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--part`: which part of the suite runs."""
    parser.addoption("--part", choices=("quick", "default", "full"), default="default", help="see tests/README.md")


def pytest_configure(config: pytest.Config) -> None:
    """Let the compiler of JAX be quick, but in the full part.

    A quarter of the time of tests that compile is spent on faster machine code by LLVM, which no test needs. XLA
    rewrites programs by the same passes as ever. The variable holds for processes that tests start, too.
    """
    if config.getoption("part") != "full":
        os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector from what is there before the first test: all modules, and the tests themselves.

    They stay, but would be visited again and again while they grow, and for seconds by each `gc.collect()` of a test.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out `ways` in the quick part: it is about the libraries besides NumPy, and takes seconds to import."""
    if config.getoption("part") == "quick" and collection_path == Path(__file__).parent / "ways":
        return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that are not in the chosen part."""
    part = config.getoption("part")
    if part == "full":
        return
    matrices: dict[str, list[pytest.Item]] = defaultdict(list)
    left_out = set()
    for item in items:
        if item.get_closest_marker("full") or (part == "quick" and not is_quick(item)):
            left_out.add(item)
        elif item.get_closest_marker("sampled") or part == "quick":
            matrices[item.nodeid.partition("[")[0]].append(item)
    for cases in matrices.values():
        marker = cases[0].get_closest_marker("sampled")
        count = QUICK_CASES if marker is None else 1 if part == "quick" else marker.args[0]
        left_out.update(in_order_of_choice(cases)[count:])
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def in_order_of_choice(cases: list[pytest.Item]) -> list[pytest.Item]:
    """Return cases in an order by chance, but one of each library before a second one of any."""
    earlier: Counter[str] = Counter()
    rounds = []
    for item in sorted(cases, key=lambda item: zlib.crc32((SEED + item.nodeid).encode())):
        library = library_of(item)
        rounds.append((earlier[library], item))
        earlier[library] += 1
    return [item for _, item in sorted(rounds, key=lambda each: each[0])]


def library_of(item: pytest.Item) -> str:
    """Return the name of the library that a test gets by `xp`; nothing if it asks for none."""
    return getattr(getattr(getattr(item, "callspec", None), "params", {}).get("xp"), "name", "")


def is_quick(item: pytest.Item) -> bool:
    """Tell whether a test belongs to the quick part: not marked as slow, and with arrays of NumPy if of any library."""
    return item.get_closest_marker("slow") is None and library_of(item) in ("", "numpy")


class Backend(NamedTuple):
    """An array library under test: `asarray` makes its arrays, `transform` is applied to the function under test."""

    name: str
    asarray: Callable[[Any], Any]
    transform: Callable[[Callable[..., Any]], Callable[..., Any]]

    def run(self, function: Callable[..., Any], *arrays: Any) -> Any:
        """Call `function` with NumPy `arrays` moved to the library; return the result with NumPy arrays in it."""
        return host(self.transform(function)(*map(self.asarray, arrays)))


def host(result: Any) -> Any:
    """Return a result with all its arrays as NumPy arrays; tuples and NamedTuples keep their kind."""
    if isinstance(result, tuple):
        entries = [host(entry) for entry in result]
        return type(result)(*entries) if hasattr(result, "_fields") else tuple(entries)
    if result is None or isinstance(result, (bool, int, float, str)):
        return result
    if hasattr(result, "detach"):
        return result.detach().cpu().numpy()
    return np.asarray(result.__array__() if hasattr(result, "__array__") else np.from_dlpack(result))


def unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function itself: an eager library."""
    return function


def read_only(array: Any) -> Any:
    """Return a NumPy copy that refuses writing."""
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def strict(array: Any) -> Any:
    """Return an array of the strict reference library of the standard."""
    import array_api_strict

    return array_api_strict.asarray(np.array(array))


def jax_array(array: Any) -> Any:
    """Return a JAX array."""
    import jax.numpy as jnp

    return jnp.asarray(np.asarray(array))


def jitted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled by JAX."""
    import jax

    return jax.jit(function)


def torch_array(array: Any) -> Any:
    """Return a PyTorch tensor."""
    import torch

    return torch.asarray(np.array(array))


def without_dynamic_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs with data-dependent shapes and boolean indexing switched off."""

    def call(*arrays: Any) -> Any:
        import array_api_strict

        with array_api_strict.ArrayAPIStrictFlags(data_dependent_shapes=False, boolean_indexing=False):
            return function(*arrays)

    return call


BACKENDS = (
    Backend("numpy", np.array, unchanged),
    Backend("numpy-read-only", read_only, unchanged),
    Backend("strict", strict, unchanged),
    Backend("strict-static", strict, without_dynamic_shapes),
    Backend("jax", jax_array, unchanged),
    Backend("jax-jit", jax_array, jitted),
    Backend("torch", torch_array, unchanged),
)


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def xp(request: pytest.FixtureRequest) -> Backend:
    """Every array library, eager, and JAX compiled as well."""
    backend: Backend = request.param
    return backend


@pytest.fixture
def four_devices() -> Callable[[str], str]:
    """Return a function that runs a program in a process where JAX has four devices, and returns what it prints.

    The number of devices is set before JAX starts. XLA has a thread per core, but each of the devices waits in one:
    with fewer cores than devices they wait for each other in vain, so `NPROC` asks for more threads.
    """

    def run(program: str) -> str:
        environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu", "NPROC": "32"}
        environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": ""}
        command = [sys.executable, "-W", "error", "-c", program]
        result = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)
        assert result.returncode == 0, result.stderr[-4000:]
        return result.stdout

    return run
