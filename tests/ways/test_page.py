"""`docs/backends.md` says what the tests hold the functions to."""

import pytest

from .cases import CASES
from .public_names import ON_HOST


@pytest.mark.slow
def test_the_page_is_what_the_tests_know_and_has_all_functions():
    from .page import PAGE, page

    text = PAGE.read_text("utf-8")
    assert text == page(), "run `python -m tests.ways.page`"
    assert all(f"`{name}`" in text for name in [*CASES, *ON_HOST])


def test_a_cell_says_what_of_a_function_is_refused():
    from .page import Way, cell

    notes = []
    assert cell("metrics.dice", Way("jit", {}), notes) == "yes"
    assert cell("metrics.dice", Way("jit", {"metrics.dice of bool": "Not so."}), notes) == "part [1]"
    calls = {f"metrics.rand_index {case.label}": "Never." for case in CASES["metrics.rand_index"]}
    assert cell("metrics.rand_index", Way("jit", calls), notes) == "no [2]"
    assert cell("metrics.surface_distances", Way("jit", {}), notes) == "fixed [3]"
    assert notes[:2] == ["Not so. (of: of bool)", "Never."]
