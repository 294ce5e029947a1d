"""The pages of the documentation tell the truth: their code and their commands run, and print what the pages show.

A page is run from its top to its end, in one namespace and in a folder of its own that holds the practice files, which
`docs/start/practice_files.md` makes. In a page,

- a block of `python` is executed; a block of `console` or `bash` that begins with `mia ` is run, line by line;
- a block of `text` that follows one of these is what it prints on standard output, where `...` stands for anything;
- `<!-- needs: tensorflow -->` before a block leaves it out where that package is missing, and the test says so;
- `<!-- exit: 1 -->` before a block of commands says with which status they end, if not with 0.
"""

import doctest
import importlib.util
import os
import re
import shlex
import shutil
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mia_functional import cli

pytestmark = pytest.mark.full

DOCS = Path(__file__).parents[2] / "docs"
PRACTICE_FILES = DOCS / "start" / "practice_files.md"
GENERATED = ("_build", "api", "benchmarks", "notebooks")
"""Folders of pages that nobody writes here: what Sphinx leaves or brings in, and docstrings, which run elsewhere."""

FENCED = re.compile(
    r"^(?P<fence>```+)(?P<language>[a-z]+)\n(?P<code>.*?)^(?P=fence)$|<!-- (?P<option>needs|exit): (?P<value>\S+) -->",
    flags=re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """What a page asks the reader to run: its language, code, line, the output that is shown, and what it needs."""

    language: str
    code: str
    line: int
    output: str | None
    needs: tuple[str, ...]
    status: int


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a page that are run, in order."""
    blocks: list[Block] = []
    needs, status, runs = [], 0, False
    for match in FENCED.finditer(text):
        language, code = match["language"], match["code"]
        if match["option"] == "needs":
            needs.append(match["value"])
        elif match["option"] == "exit":
            status = int(match["value"])
        elif language == "text":
            if runs:
                blocks[-1] = blocks[-1]._replace(output=code)
            runs = False
        else:
            runs = language == "python" or (language in ("console", "bash") and code.startswith("mia "))
            if runs:
                # The code begins in the line after its fence.
                line = text.count("\n", 0, match.start()) + 2
                blocks.append(Block(language, code, line, None, tuple(needs), status))
            needs, status = [], 0
    return blocks


def run(block: Block, names: dict[str, Any], path: Path) -> None:
    """Execute a block of code, whose lines in a traceback are those of the page, or run its commands."""
    if block.language == "python":
        exec(compile("\n" * (block.line - 1) + block.code, str(path), "exec"), names)
        return
    for line in block.code.replace("\\\n", " ").splitlines():
        command = shlex.split(line, comments=True)
        if command:
            assert command[0] == "mia", f"{path}:{block.line}: only `mia` is run, not {line!r}"
            assert cli.main(command[1:]) == block.status, f"{path}:{block.line}: {line}"


@pytest.fixture(scope="module")
def practice_files(tmp_path_factory):
    """Return a folder with the files that the pages read."""
    folder, before = tmp_path_factory.mktemp("practice"), Path.cwd()
    try:
        os.chdir(folder)
        for block in blocks_of(PRACTICE_FILES.read_text(encoding="utf-8")):
            run(block, {"__name__": "practice_files"}, PRACTICE_FILES)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Let PyTorch compute in one thread: those of several processes wait for each other, for longer than they work."""
    if importlib.util.find_spec("torch") is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


PAGES = [
    path
    for path in sorted(DOCS.rglob("*.md"))
    if not {*path.relative_to(DOCS).parts} & {*GENERATED} and blocks_of(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_a_page_runs_and_prints_what_it_shows(path, practice_files, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "reader"
    shutil.copytree(practice_files, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    # What MONAI (1.6.1) itself calls is deprecated in it. Pytest restores the filters after the test.
    warnings.filterwarnings("ignore", module="monai")
    names: dict[str, Any] = {"__name__": path.stem}
    missing = set()
    for block in blocks_of(path.read_text(encoding="utf-8")):
        absent = {name for name in block.needs if importlib.util.find_spec(name) is None}
        if absent:
            missing |= absent
            continue
        capsys.readouterr()
        run(block, names, path)
        printed = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
        if block.output is not None and not doctest.OutputChecker().check_output(
            block.output, printed, doctest.ELLIPSIS
        ):
            pytest.fail(f"{path}:{block.line} prints\n{printed}\nand not\n{block.output}", pytrace=False)
    if missing:
        pytest.skip(f"not installed, so the blocks of {path.name} that need it were left out: {', '.join(missing)}")


PAGE = """
```python
x = 1
```

```text
1
```

What is between them belongs to none.

<!-- needs: nothing -->
```python
y
```

```console
pip install it
```

```text
not compared
```

<!-- exit: 1 -->
```console
mia info x
```

````markdown
```python
not run
```
````
"""


def test_blocks_are_found_with_their_output_and_what_they_need():
    assert blocks_of(PAGE) == [
        Block("python", "x = 1\n", 3, "1\n", (), 0),
        Block("python", "y\n", 14, None, ("nothing",), 0),
        Block("console", "mia info x\n", 27, None, (), 1),
    ]
