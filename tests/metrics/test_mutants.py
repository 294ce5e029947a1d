"""The list of planted bugs fits the code as it is; `python tests/mutation.py` plants them."""

import ast
import runpy
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "mutation.py"))
MUTANTS = [mutant for mutants in SCRIPT["MUTANTS"].values() for mutant in mutants]


@pytest.mark.sampled(200)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.function}: {mutant.change}")
def test_every_mutant_applies_and_is_python(mutant):
    _, source = SCRIPT["mutated"](mutant)
    ast.parse(source)


def test_there_are_enough_of_them_and_each_is_another():
    assert len(MUTANTS) >= 97
    assert len({(mutant.function, mutant.change) for mutant in MUTANTS}) == len(MUTANTS)
    assert len(SCRIPT["SURVIVORS"]) <= 2
    assert {mutant[:2] for mutant in MUTANTS} >= SCRIPT["SURVIVORS"].keys()


def test_a_mutant_that_no_longer_applies_is_an_error_with_its_name():
    for change in (SCRIPT["operator"]("dice", "//", "/"), SCRIPT["constant"]("no_such_function", 1, 2)):
        with pytest.raises(ValueError, match=f"^{change.function}: {change.change.split()[0]}"):
            SCRIPT["mutated"](change)
