"""Every figure of README and CORRECTNESS.md is one that `benchmarks/claims.py` measured, and every claim holds."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
RECORD = json.loads((ROOT / "benchmarks/claims.json").read_text(encoding="utf-8"))
CLAIMS = {claim["name"]: claim for claim in RECORD["claims"]}

NO_CLAIMS = {
    "3.11": "the version of Python, which test_readme.py compares with pyproject.toml",
    "1": "a date: the first of December",
    "2026": "a date",
    "2.0": "the licence",
}
"""Numbers in the prose of the README that nothing measures, and why."""


@pytest.fixture
def scripts(monkeypatch):
    """The modules of the script, which stand beside it."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import claims_list
    import claims_pages
    import claims_tested

    return SimpleNamespace(lists=claims_list, pages=claims_pages, tested=claims_tested.TESTS)


def test_every_claim_was_measured_and_holds(scripts):
    lists = scripts.lists
    bounds = {claim.name: (claim.low, claim.high) for claim in (*lists.SPEED, *lists.VALUES, *lists.OF_PEERS)}
    bounds |= {" ".join(claim.tests): (1, math.inf) for claim in scripts.tested}
    assert list(CLAIMS) == list(bounds)
    for name, claim in CLAIMS.items():
        if not claim["verdict"].startswith("not checked"):
            assert claim["verdict"] == "holds", name
            low, high = bounds[name]
            # The record has seven digits of a figure.
            assert low - 1e-6 * abs(low) <= claim["figure"] <= high + 1e-6 * abs(high), name


def test_pages_are_written_from_the_record(scripts):
    for path, text in scripts.pages.pages(ROOT, RECORD).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `python benchmarks/claims.py --pages`"


def test_correctness_says_what_was_measured(scripts):
    page = " ".join((ROOT / "CORRECTNESS.md").read_text(encoding="utf-8").split())
    assert [claim.name for claim in (*scripts.lists.VALUES, *scripts.lists.OF_PEERS) if claim.stated not in page] == []


def test_every_number_of_the_readme_is_measured_or_no_claim(scripts):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    prose, table, rest = re.split("<!-- /?claims -->", text)
    # Code and what it prints are run by tests/docs/test_readme_runs.py; words in backticks are names and options.
    prose = re.sub(r"```.*?```|`[^`]*`", "", prose + rest, flags=re.DOTALL)
    assert set(re.findall(r"\d+(?:\.\d+)*", prose)) == NO_CLAIMS.keys()
    measured = {RECORD["machine"]["date"]}
    for claim in (CLAIMS[claim.name] for claim in scripts.lists.SPEED):
        figures = [claim["figure"]] if claim["figure"] is not None else []
        measured |= {f"{claim['low']:g}", *map(scripts.pages.times, figures), *re.findall(r"\d+", claim["says"])}
    assert set(re.findall(r"[\d-]*\d(?:\.\d+)?", table)) <= measured


def test_no_more_is_said_than_was_measured(scripts):
    assert [scripts.pages.times(number) for number in (1.99, 2.345, 57.9, 0.987, 123.4)] == [
        "1.9",
        "2.3",
        "57",
        "0.98",
        "120",
    ]
