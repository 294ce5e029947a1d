"""Every public function of arrays, in every way of calling it."""

import pytest

import mia_functional as mia

from .cases import CASES, NAMESPACES, NO_ARRAYS, ON_HOST

WAYS = (
    "eager",
    "jit",
    "vmap",
    "jit of vmap",
    "map",
    "mixtures",
    "gradients",
    "x64",
    "strict promotion",
    "rank promotion",
)

ALL = {f"{name} {case.label}": case for name, cases in CASES.items() for case in cases}


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_public_function_of_arrays_has_a_case(namespace):
    calls = {name.partition(".")[2] for name in [*CASES, *ON_HOST] if name.startswith(f"{namespace}.")}
    others = set(NO_ARRAYS[namespace].split())
    assert calls | others == set(getattr(mia, namespace).__all__)
    assert not calls & others


@pytest.mark.slow
@pytest.mark.sampled(16)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", ALL.values(), ids=ALL)
def test_every_way_gives_what_numpy_gives(case, way):
    # JAX is not imported where these tests are only collected.
    from .ways import check

    check(way, case)
