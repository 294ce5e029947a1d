"""Execute the notebooks, each in a fresh kernel and an empty folder, and store what they give.

    python -m tests.notebooks.execute                # all of them
    python -m tests.notebooks.execute creation       # some of them

What is stored is the same in every run, so that a difference in git is one of the notebook: counts of execution start
at 1, metadata hold tags alone, pictures say nothing about the version of Matplotlib. A cell with the tag `varies`
prints numbers that another machine need not repeat, such as losses; `tests/notebooks` compares all others.
"""

import argparse
import base64
import io
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
LIMIT = 60.0
"""Seconds that a notebook may take on two cores that have nothing else to do."""

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*(e[-+]?\d+)?|nan|inf)\s*")


class Executed(NamedTuple):
    """A notebook that ran: its cells with their outputs, and how many seconds it took, of a clock and of processors."""

    cells: list[dict[str, Any]]
    seconds: float
    processor_seconds: float


def read(name: str) -> list[dict[str, Any]]:
    """Return the cells of a notebook as it is stored."""
    cells: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return cells


def text_of(cells: list[dict[str, Any]]) -> str:
    """Return the text of the file that holds these cells."""
    notebook = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def execute(name: str, *, changes: Mapping[str, str] | None = None, last: str = "") -> Executed:
    """Run a notebook in a new kernel, whose folder is empty and goes when it ends.

    Args:
        name: Which one.
        changes: From a tag to lines that are put behind the cells that have it: other parameters, other data.
        last: A cell more at the end.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    # Tests are collected where no kernel is installed, too.
    import nbclient
    import nbformat

    cells = [dict(cell) for cell in read(name)]
    for cell in cells:
        added = [lines for tag, lines in (changes or {}).items() if tag in cell["metadata"].get("tags", ())]
        cell["source"] = "\n".join(["".join(cell["source"]), *added])
    if last:
        added_cell = {"cell_type": "code", "id": "last", "metadata": {}, "source": last}
        cells.append({**added_cell, "outputs": [], "execution_count": None})
    notebook = nbformat.reads(text_of(cells), as_version=4)
    path = os.pathsep.join([str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH", str(FOLDER.parent))])])
    before, started = os.times(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        # What the notebook itself puts aside goes with the folder, whatever becomes of its kernel.
        environment = os.environ | {"PYTHONPATH": path, "TMPDIR": folder, "PYTHONUTF8": "1"}
        client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}})
        client.execute(env=environment)
    seconds, after = time.monotonic() - started, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return Executed([_tidy_cell(cell) for cell in json.loads(nbformat.writes(notebook))["cells"]], seconds, processor)


def outputs_as_text(cell: dict[str, Any]) -> list[str]:
    """Return what a cell gave that has to be given again: texts, and for a picture that there is one.

    Numbers of cells that vary are left out, and so is the space around them, which depends on their width.
    """
    texts = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {"text/plain": output.get("text", "")})
        text = "".join("".join(data.get(kind, "")) for kind in ("text/html", "text/markdown", "text/plain"))
        texts.append("a picture" if "image/png" in data else text)
    if "varies" in cell["metadata"].get("tags", ()):
        texts = [_NUMBER.sub("#", re.sub(r"\s+", " ", text)) for text in texts]
    return texts


def differences(name: str, cells: list[dict[str, Any]]) -> list[str]:
    """Return in which cells a run gave other texts, or other numbers of pictures, than are stored."""
    stored = {cell["id"]: outputs_as_text(cell) for cell in read(name)}
    now = {cell["id"]: outputs_as_text(cell) for cell in cells}
    return [
        f"{cell}: {stored.get(cell)} is stored, {now.get(cell)} came"
        for cell in stored | now
        if stored.get(cell) != now.get(cell)
    ]


def in_time(run: Executed) -> bool:
    """Tell whether a notebook is short enough; a machine that is busy elsewhere takes longer by the clock alone."""
    return min(run.seconds, run.processor_seconds) < LIMIT


def complaints(cells: Iterable[dict[str, Any]]) -> list[str]:
    """Return what nobody should find in outputs: warnings and errors, and where files lie on this machine."""
    wrong = []
    for cell in cells:
        for output in cell.get("outputs", ()):
            said = json.dumps({key: value for key, value in output.items() if key != "data"}) + json.dumps(
                {kind: value for kind, value in output.get("data", {}).items() if kind != "image/png"}
            )
            if output.get("name") == "stderr" or output["output_type"] == "error":
                wrong.append(said)
            elif re.search(r"(/tmp|/home|/root|/usr|/work|[A-Z]:\\\\)[/\\]", said):
                wrong.append(f"the path of a machine: {said}")
    return wrong


def _tidy_cell(cell: dict[str, Any]) -> dict[str, Any]:
    """Return a cell without what differs from run to run; `nbformat` has merged nothing and stamped everything."""
    metadata = {"tags": cell["metadata"]["tags"]} if cell["metadata"].get("tags") else {}
    tidy = {"cell_type": cell["cell_type"], "id": cell["id"], "metadata": metadata, "source": cell["source"]}
    if cell["cell_type"] != "code":
        return tidy
    outputs: list[dict[str, Any]] = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        if outputs and output.get("name") is not None and output["name"] == outputs[-1].get("name"):
            # What a process prints arrives in pieces.
            outputs[-1]["text"] = "".join([*outputs[-1]["text"], *output["text"]]).splitlines(keepends=True)
            continue
        if "image/png" in data:
            data["image/png"] = _plain_png(data["image/png"])
        if "execution_count" in output:
            output["execution_count"] = cell["execution_count"]
        outputs.append(output | ({"metadata": {}} if "metadata" in output else {}))
    return {**tidy, "execution_count": cell["execution_count"], "outputs": outputs}


def _plain_png(encoded: str) -> str:
    """Return a picture without what wrote it, packed as small as it gets."""
    from PIL import Image

    packed = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        plain = picture.convert("RGB")
        # A palette of fewer colours than there are would make those of legends others than those of what they explain.
        if plain.getcolors(256):
            plain = plain.quantize(256, dither=Image.Dither.NONE)
        plain.save(packed, "png", optimize=True)
    return base64.b64encode(packed.getvalue()).decode()


def main() -> None:
    """Execute the notebooks that are named, or all, and store their outputs."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    names = parser.parse_args().names or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"there is no notebook {', '.join(unknown)}; there are {', '.join(NAMES)}")
    for name in names:
        cells, seconds, processor = execute(name)
        for complaint in complaints(cells):
            print(f"{name}: {complaint}")
        (FOLDER / f"{name}.ipynb").write_text(text_of(cells), encoding="utf-8")
        print(
            f"{name}: {seconds:.1f} s ({processor:.1f} s of processors), {len(text_of(cells).encode()) / 1000:.0f} kB",
            flush=True,
        )


if __name__ == "__main__":
    main()
