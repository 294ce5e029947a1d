"""The notebooks are stored with outputs, run from end to end within a minute, and give what is stored."""

import ast
import json

import pytest
from tests.notebooks import execute

pytestmark = [pytest.mark.full, pytest.mark.slow]

LARGEST = 300_000
"""Bytes of a notebook."""


@pytest.mark.parametrize("name", execute.NAMES)
def test_what_is_stored_is_a_run_from_top_to_bottom(name):
    cells = execute.read(name)
    assert (execute.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8") == execute.text_of(cells)
    assert len(execute.text_of(cells).encode()) < LARGEST
    assert cells[0]["cell_type"] == "markdown"
    assert "".join(cells[0]["source"]).startswith("# ")
    assert len({cell["id"] for cell in cells}) == len(cells)
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    assert counts == [*range(1, len(counts) + 1)]
    assert execute.complaints(cells) == []
    assert any("image/png" in json.dumps(cell.get("outputs", ())) for cell in cells)


# Trainings are run by the tests of what they learn.
@pytest.mark.parametrize("name", [name for name in execute.NAMES if not name.startswith("train_")])
def test_a_fresh_kernel_gives_what_is_stored(name):
    pytest.importorskip("nbclient")
    run = execute.execute(name)
    assert execute.complaints(run.cells) == []
    assert execute.differences(name, run.cells) == []
    assert execute.in_time(run)


@pytest.mark.parametrize("name", ["reconstruction_and_regression", "signals", "point_clouds"])
def test_other_data_than_volumes_come_back_to_the_bit_through_workers(name):
    pytest.importorskip("nbclient")
    run = execute.execute(name, changes={"parameters": "WORKERS = 2"}, last="print(equal)")
    (said,) = execute.outputs_as_text(run.cells[-1])
    equal = ast.literal_eval(said)
    assert len(equal) >= 3
    assert set(equal.values()) == {True}
