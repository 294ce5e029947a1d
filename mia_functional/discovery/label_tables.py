"""Which labels there are and how they are called: the files of nnU-Net, Decathlon, BIDS, ITK-SNAP and FreeSurfer.

The example writes into `folder`, an empty one given as a `pathlib.Path`.
"""

import csv
import json
import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mia_functional._core import checks
from mia_functional.typing import Label

__all__ = ["LabelTable", "read_label_table"]

_MAX_BYTES = 16 << 20
"""Largest table that is read; FreeSurfer's has 0.1 MB."""

_ITK_SNAP_LINE = re.compile(r'\s*(\d+)(?:\s+\S+){6}\s+"(.*)"\s*')
"""A label of ITK-SNAP: index, colours, opacity, two switches, and the name in quotes."""

_FREESURFER_LINE = re.compile(r"\s*(\d+)\s+(\S+)(?:\s+\d+){3,4}\s*")
"""A label of FreeSurfer, or of a colour table of 3D Slicer: index, name, colours."""


_invalid_label_table = partial(
    checks.invalid_content,
    "read_label_table",
    "name a table of labels of nnU-Net, Decathlon, BIDS, ITK-SNAP or FreeSurfer",
)
"""Raise the error of the file at a path that is no table of labels, for a reason."""


class LabelTable(NamedTuple):
    """Labels and their names, without the background.

    Attributes:
        labels: Values, or several that make one structure, and names.
        ignore: The label of voxels that do not count; None where there is none.
    """

    labels: dict[Label, str]
    ignore: int | None = None


def read_label_table(path: str | os.PathLike[str]) -> LabelTable:
    """Read which labels there are.

    Args:
        path: `dataset.json` of nnU-Net (either version, with regions and `ignore`) or of the Medical Segmentation
            Decathlon; a table of BIDS (`*_dseg.tsv`, columns `index` and `name`); label descriptions of ITK-SNAP; or a
            lookup table of FreeSurfer or 3D Slicer.

    Returns:
        The labels in the order of the file. Label 0 is the background, whatever it is called, and left out.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is none of these, has a label or a name twice, or more than 16 MB.

    Example:
        >>> _ = (folder / "dataset.json").write_text('{"labels": {"background": 0, "whole": [1, 2], "core": 2}}')
        >>> read_label_table(folder / "dataset.json").labels
        {(1, 2): 'whole', 2: 'core'}
    """
    path = Path(checks.path_text("read_label_table", "path", path))
    if path.stat().st_size > _MAX_BYTES:
        _invalid_label_table(path, f"it has {path.stat().st_size} bytes")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        _invalid_label_table(path, "it is no text in UTF-8")
    if path.suffix.lower() == ".json":
        pairs, ignore = _labels_of_json(path, text)
    elif path.suffix.lower() == ".tsv":
        pairs, ignore = _labels_of_bids(path, text), None
    else:
        pairs, ignore = _labels_of_lines(path, text), None
    pairs = [(label, name) for label, name in pairs if label != 0]
    for column in zip(*pairs, strict=True):
        if twice := next((entry for entry in column if column.count(entry) > 1), None):
            _invalid_label_table(path, f"it has {twice!r} twice")
    if not pairs:
        _invalid_label_table(path, "it has none but the background")
    return LabelTable(dict(pairs), ignore)


def _labels_of_json(path: Path, text: str) -> tuple[list[tuple[Label, str]], int | None]:
    """Return the labels of a `dataset.json`, and the one that is ignored."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:  # deep nesting overflows the recursion of the parser
        _invalid_label_table(path, f"it is no JSON ({error})")
    labels: Any = facts.get("labels") if isinstance(facts, dict) else None
    if not isinstance(labels, Mapping) or not labels:
        _invalid_label_table(path, "it has no labels")
    # Decathlon and nnU-Net 1 map numbers to names, nnU-Net 2 maps names to numbers, or to lists of them (regions).
    if all(key.isdecimal() and isinstance(name, str) for key, name in labels.items()):
        return [(int(key), name) for key, name in labels.items()], None
    pairs: list[tuple[Label, str]] = []
    for name, value in labels.items():
        values = value if isinstance(value, list) else [value]
        if not values or not all(type(entry) is int and entry >= 0 for entry in values):
            _invalid_label_table(path, f"label {name!r} is {value!r}")
        pairs.append((tuple(values) if len(values) > 1 else values[0], name))
    ignored = next((label for label, name in pairs if name == "ignore"), None)
    if isinstance(ignored, tuple):
        _invalid_label_table(path, f"label 'ignore' is {list(ignored)}")
    return [(label, name) for label, name in pairs if name != "ignore"], ignored


def _labels_of_bids(path: Path, text: str) -> list[tuple[Label, str]]:
    """Return the labels of a table of BIDS."""
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    cells = [(row.get("index"), row.get("name")) for row in rows]
    if not all(index and index.strip().isdecimal() and name for index, name in cells):
        _invalid_label_table(path, "it lacks a whole number in the column `index` or a text in `name`")
    return [(int(str(index)), str(name)) for index, name in cells]


def _labels_of_lines(path: Path, text: str) -> list[tuple[Label, str]]:
    """Return the labels of ITK-SNAP, FreeSurfer or 3D Slicer, one a line."""
    pairs: list[tuple[Label, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ITK_SNAP_LINE.fullmatch(line) or _FREESURFER_LINE.fullmatch(line)
        if match is None:
            _invalid_label_table(path, f"line {number} is {line[:80]!r}")
        pairs.append((int(match[1]), match[2]))
    return pairs
