"""What the README says runs, in its order, in one folder, and prints what the README says it prints."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
DEMO, *OUTPUTS = re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL)
NUMBER = re.compile(r"\d+\.\d+")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the demo has run."""
    return tmp_path_factory.mktemp("readme")


@pytest.fixture(scope="module")
def table(folder):
    """What the demo prints, by the README's first command."""
    command = re.search(r"&& python (-m mia_functional demo)\n", README)[1].split()
    return subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, encoding="utf-8", check=True
    ).stdout


def same(printed, promised):
    """Tell whether two texts are of the same words and, as processors round in their own ways, of similar numbers.

    Shares and losses differ by hundredths; distances of predictions jump by millimetres when a voxel changes.
    """
    words = [NUMBER.sub("#", " ".join(text.split())) for text in (printed, promised)]
    numbers = [np.asarray(NUMBER.findall(text), float) for text in (printed, promised)]
    if words[0].replace("-", "") != words[1].replace("-", ""):
        return False
    is_share = np.maximum(*numbers) <= 1
    return bool((np.abs(numbers[0] - numbers[1]) <= np.where(is_share, 0.03, 0.3 * numbers[1])).all())


def test_the_demo_prints_the_lines_of_the_readme(table):
    promised = DEMO.removesuffix("...\n")
    assert same("\n".join(table.splitlines()[: len(promised.splitlines())]), promised)


@pytest.mark.usefixtures("table")
def test_the_picture_is_the_demos(folder):
    # A command makes it anew: `python -m mia_functional demo && cp mia-demo/overlay.png docs/demo.png`.
    paths = ROOT / "docs/demo.png", folder / "mia-demo/overlay.png"
    kept, made = (np.asarray(Image.open(path).convert("RGB"), float) for path in paths)
    assert kept.shape == made.shape
    # Another version of Matplotlib may draw letters a little differently, not areas.
    assert np.abs(kept - made).mean() < 4


@pytest.mark.usefixtures("table")
def test_the_code_runs_and_prints_what_stands_below_it(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names = {}
    for code, promised in zip(CODE, OUTPUTS, strict=True):
        exec(code, names)
        assert same(capsys.readouterr().out, promised)
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
