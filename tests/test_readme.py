"""README and pages tell the truth: links lead somewhere, and what is generated is what the package says."""

import re
import tomllib
from pathlib import Path

import pytest

from mia_functional import metrics

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CORRECTNESS.md", "docs/tour.md", "docs/metrics.md", "docs/claims.md")


def test_the_table_of_metrics_is_the_table():
    _, table, _ = re.split("<!-- /?metrics -->", (ROOT / "docs/metrics.md").read_text(encoding="utf-8"))
    assert table.strip() == metrics.table_markdown().strip()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    if page.startswith("docs/"):
        # The site brings these in from elsewhere.
        text = text.replace("](correctness.md)", "](../CORRECTNESS.md)").replace("](benchmarks/", "](../benchmarks/")
        text = text.replace("benchmarks/index.md", "benchmarks/README.md")
    targets = re.findall(r"\]\(([^)#:]+)\)", text)
    assert targets
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


def test_files_that_the_page_of_correctness_names_exist():
    text = (ROOT / "CORRECTNESS.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:tests|benchmarks|findings|docs|mia_functional)/[\w./]*)`", text))
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_version_of_python_is_the_one_that_the_package_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.findall(r"Python ([>=]+) ([\d.]+)", README) == [(">=", project["requires-python"].removeprefix(">="))]


def test_three_minutes_are_enough():
    # 200 words a minute; a line of a table is glanced at.
    prose = re.sub(r"```.*?```|^\|.*?$", "", README, flags=re.DOTALL | re.MULTILINE)
    assert len(prose.split()) < 600
    assert len(README.splitlines()) < 160
    assert (ROOT / "docs/demo.png").stat().st_size < 150_000
