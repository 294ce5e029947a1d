"""The list of planted bugs fits the code as it is; `python tests/mutation.py` plants them."""

import ast
import runpy
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "mutation.py"))
MUTANTS = [(module, *change) for module, changes in SCRIPT["MUTANTS"].items() for change in changes]


@pytest.mark.parametrize(("module", "old", "new"), MUTANTS)
def test_every_mutant_changes_one_place_and_is_python(module, old, new):
    ast.parse(SCRIPT["mutated"](module, old, new))


def test_there_are_enough_of_them():
    assert len(MUTANTS) >= 40
    assert len(SCRIPT["SURVIVORS"]) <= 2
