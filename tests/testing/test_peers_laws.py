"""The table of peers under the laws is the run that lies beside it, and says something of each law that is broken."""

import inspect
import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

from mia_functional import testing
from mia_functional.metrics import find

ROOT = Path(__file__).parents[2]
RESULTS = json.loads((ROOT / "benchmarks" / "peers_laws.json").read_text(encoding="utf-8"))


@pytest.fixture
def benchmark(monkeypatch):
    """Return modules of the folder of benchmarks by name."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield import_module
    for name in [name for name in sys.modules if name.startswith("peers_")]:
        del sys.modules[name]


def test_pages_are_made_of_the_run(benchmark):
    page = benchmark("peers_page")
    text = (ROOT / "CORRECTNESS.md").read_text(encoding="utf-8")
    assert page.with_section(text, RESULTS) == text
    assert (ROOT / "benchmarks" / "peers_laws.md").read_text(encoding="utf-8") == page.metric_page(RESULTS)
    assert page.unread(RESULTS) == []


def test_the_run_is_of_the_adapters_that_there_are(benchmark):
    adapters = benchmark("peers_adapters").ADAPTERS
    peers = benchmark("peers_laws").PEERS
    assert list(RESULTS) == list(peers)
    for peer, pins in peers.items():
        assert list(RESULTS[peer]["metrics"]) == [one.name for one in adapters if one.peer == peer]
        assert RESULTS[peer]["like"] == {one.name: one.like for one in adapters if one.peer == peer}
        for name, _, version in (pin.partition("==") for pin in pins):
            assert RESULTS[peer]["versions"][name].partition("+")[0] == version
    for one in adapters:
        assert find(one.like)
        assert one.same_as is None or find(one.same_as)
        assert set(one.claims) <= set(inspect.signature(testing.check_metric).parameters)


def test_laws_are_those_of_the_package(benchmark):
    page, readings = benchmark("peers_page"), benchmark("peers_readings").READINGS
    assert set(page.LAWS) <= {law.name for law in testing.METRIC_LAWS}
    for peer in RESULTS.values():
        for found in peer["metrics"].values():
            assert {name.replace("_", " ") for name in found["holds"].split()} | set(found["others"]) <= set(page.LAWS)
    assert {reading.kind for reading in readings} <= set(page.WORDS)
