"""Which subjects are for training and which for testing: parts that keep groups whole and shares as asked."""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mia_functional._core import atomic_files, checks
from mia_functional.dataset.reading import read
from mia_functional.dataset.records import Category, Dataset, check_dataset
from mia_functional.typing import HostArray

__all__ = ["Split", "SplitPart", "others", "read_split", "split", "split_digest", "write_split"]

_ColumnOrValues: TypeAlias = str | Mapping[str, Hashable]
"""A category or an entry of the dataset, or a value for every subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPart:
    """A part of a split.

    Args:
        name: `training`, `test`, `fold1`, ...
        share: How much of the subjects it was to have, from 0 to 1.
        subjects: Who is in it, in the order of the dataset.
    """

    name: str
    share: float
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Parts of a cohort without a common subject, from `split`. `parts["test"]` are the subjects of a part.

    Args:
        parts: Each with its name, its share and its subjects.
    """

    parts: tuple[SplitPart, ...]

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self.parts)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        """Return the subjects of the part of a name."""
        return _part_of("split", self, name).subjects

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the parts."""
        return (part.name for part in self.parts)


def split(
    dataset: Dataset,
    *,
    rng: np.random.Generator,
    fractions: Mapping[str, float] | None = None,
    folds: int | None = None,
    groups: _ColumnOrValues | None = None,
    stratify: _ColumnOrValues | Sequence[_ColumnOrValues] = (),
) -> Split:
    """Divide the subjects of a dataset into parts at random: no group is divided, and shares are kept.

    Groups are dealt one after the other, the largest first: each to a part that it fits into, if there is one, and of
    those to where its classes are missing most. Hence no part has more or fewer subjects than its share by more than
    the largest group; of one class it may be more where groups and shares leave no choice.

    Args:
        dataset: From `open`.
        rng: Which of the equally good parts a group comes into. One number is drawn from it.
        fractions: By name of a part its share; they add up to 1: `{"training": 0.7, "validation": 0.1, "test": 0.2}`.
        folds: Number of equal parts instead, `fold1` and so on; `others(parts, "fold1")` are for training then.
        groups: What must stay together: a category of one entry (`site`), an entry (`SITE`, or `category/SITE` where
            several categories have one of that name), or a mapping from all subjects to values, such as the person of
            each session. By default every subject is a group.
        stratify: Of what every part shall have the same share: one like `groups`, or a sequence of them, whose
            combinations are the classes then. Each value is a class; missing numbers (NaN) are one.

    Returns:
        An immutable record, equal for an equal generator. `write_split` and `read_split` keep it, `split_digest` is the
        same wherever it is computed, and `samples(..., subjects=parts["training"])` are those of a part.

    Raises:
        TypeError: `rng` is no generator of NumPy, or a share is no number.
        ValueError: Not one of `fractions` and `folds` is given, shares do not add up to 1, a column is unknown or
            without a value for a subject, or a part would be without subjects.

    Example:
        >>> from mia_functional.dataset import split
        >>> split(cohort, fractions={"all": 1.0}, groups="gender", rng=np.random.default_rng(0))["all"]
        ('A',)
    """
    check_dataset("split", dataset)
    checks.require_instance("split", "rng", rng, np.random.Generator, "a numpy.random.Generator")
    shares = _shares_by_part(fractions, folds)
    units = _codes(dataset.subjects if groups is None else _values_of_column(dataset, "groups", groups))
    columns = [stratify] if isinstance(stratify, str | Mapping) else list(stratify)
    values = [_values_of_column(dataset, "stratify", column) for column in columns]
    classes = _codes([tuple(column[number] for column in values) for number in range(len(dataset))])
    counts = np.zeros((units.max() + 1, classes.max() + 1))
    np.add.at(counts, (units, classes), 1)
    # A generator of its own: what comes after does not depend on how many groups there were.
    owners = _deal(np.random.default_rng(int(rng.integers(2**63))), counts, np.array(list(shares.values())))[units]
    parts = tuple(
        SplitPart(
            name=name, share=share,
            subjects=tuple(subject for subject, owner in zip(dataset.subjects, owners, strict=True) if owner == number),
        )
        for number, (name, share) in enumerate(shares.items())
    )  # fmt: skip
    if empty := [part.name for part in parts if not part.subjects]:
        needed = "leave at least one group of subjects for every part"
        actual = f"none for {empty[0]!r} of {len(counts)} groups"
        checks.invalid_value("split", "fractions" if folds is None else "folds", needed, actual)
    return Split(parts=parts)


def _shares_by_part(fractions: Mapping[str, float] | None, folds: int | None) -> dict[str, float]:
    """Return the share of every part by its name."""
    if (fractions is None) == (folds is None):
        actual = "both" if folds is not None else "neither"
        checks.invalid_value("split", "fractions", "be given, or `folds`, and not both", actual)
    if folds is not None:
        count = checks.integer("split", "folds", folds, minimum=2)
        return {f"fold{number}": 1 / count for number in range(1, count + 1)}
    checks.require_instance("split", "fractions", fractions, Mapping, "a mapping from names of parts to shares")
    shares = {name: checks.positive("split", "fractions", share) for name, share in (fractions or {}).items()}
    for name in shares:
        checks.require_instance("split", "fractions", name, str, "a mapping from names of parts to shares")
    if not math.isclose(math.fsum(shares.values()), 1, abs_tol=1e-9):
        checks.invalid_value("split", "fractions", "add up to 1", dict(shares))
    return shares


def _values_of_column(dataset: Dataset, argument: str, column: object) -> tuple[Hashable, ...]:
    """Return the value of every subject in a column."""
    if isinstance(column, Mapping):
        if absent := [name for name in dataset.subjects if name not in column]:
            checks.invalid_value("split", argument, "have a value for every subject", f"none for {absent[0]!r}")
        values = [column[name] for name in dataset.subjects]
        for value in values:
            checks.require_instance("split", argument, value, Hashable, "of values that can be compared")
    else:
        checks.require_instance("split", argument, column, str, "a category or an entry, or a value for every subject")
        category, entry = _find_column(dataset, argument, str(column))
        rows = [read(dataset, number, category.name) for number in range(len(dataset))]
        values = [row[entry] if isinstance(row, tuple) else row[..., entry].item() for row in rows]
    # NaN differs from itself, and would be a class, or a group, for each of its subjects.
    plain = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    unknown = [name for name, value in zip(dataset.subjects, plain, strict=True) if value in (None, "")]
    if unknown and argument == "groups":
        checks.invalid_value("split", argument, "have a value for every subject", f"none for {unknown[0]!r}")
    return tuple(plain)


def _find_column(dataset: Dataset, argument: str, column: str) -> tuple[Category, int]:
    """Return the category of a column, and the position of its entry."""
    tables = [each for each in dataset.categories if not each.spatial and all(len(shape) == 1 for shape in each.shapes)]
    single = [(category, 0) for category in tables if category.name == column and category.shapes[0] == (1,)]
    matches = single or [
        (category, number)
        for category in tables
        for number, entry in enumerate(category.entries)
        if column in (entry, f"{category.name}/{entry}")
    ]
    if len(matches) != 1:
        names = ", ".join(f"{category.name}/{entry}" for category in tables for entry in category.entries) or "none"
        needed = f"name one entry of numbers or texts of the dataset ({names})"
        checks.invalid_value("split", argument, needed, f"{column!r}, which names {len(matches) or 'none'}")
    return matches[0]


def _codes(values: Sequence[Hashable]) -> HostArray:
    """Return values as numbers, equal where they are equal, in the order in which they come."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values], dtype=np.int64)


def _deal(rng: np.random.Generator, counts: HostArray, shares: HostArray) -> HostArray:
    """Return the part of every group.

    Args:
        rng: Decides between equals.
        counts: Subjects of every group and class.
        shares: That of every part.
    """
    sizes, totals = counts.sum(axis=1), counts.sum(axis=0)
    missing = shares[:, None] * totals  # subjects of every part and class
    owners = np.empty(len(counts), dtype=np.int64)
    # The largest first, as small ones fill what these leave; of equal ones class after class, the rarest first, so that
    # what is over of one class goes where the one before left room.
    rarity = counts / totals
    for group in np.lexsort((rng.permutation(len(counts)), rarity.argmax(axis=1), -rarity.max(axis=1), -sizes)):
        room = missing.sum(axis=1)
        # Where it fits it takes no other part's place. That bounds every part by its share and one group: a part that
        # lacks more than the largest group would have had room whenever another one was overfilled.
        fits = room >= sizes[group] - 1e-9
        candidates = np.flatnonzero(fits if fits.any() else room > 1e-9)
        # How much the squares of what is missing shrink, each class relative to its subjects, then of all.
        gain = (counts[group] * (2 * missing[candidates] - counts[group]) / totals).sum(axis=1)
        ranks = np.lexsort((rng.random(len(candidates)), -room[candidates].round(9), -gain.round(9)))
        owners[group] = chosen = candidates[ranks[0]]
        missing[chosen] -= counts[group]
    return owners


def others(split: Split, name: str) -> tuple[str, ...]:
    """Return the subjects of all parts but one: those for training, where that one is for testing.

    Args:
        split: From `split` or `read_split`.
        name: The part.

    Raises:
        ValueError: There is no such part.

    Example:
        >>> parts = [SplitPart(name=name, share=1 / 3, subjects=(name.upper(),)) for name in "abc"]
        >>> others(Split(parts=tuple(parts)), "b")
        ('A', 'C')
    """
    left_out = _part_of("others", split, name)
    return tuple(subject for part in split.parts if part is not left_out for subject in part.subjects)


def _part_of(function: str, split: Split, name: str) -> SplitPart:
    """Return the part of a name."""
    checks.require_instance(function, "split", split, Split, "from `split`")
    part = next((part for part in split.parts if part.name == name), None)
    if part is None:
        checks.invalid_value(function, "name", f"be one of {', '.join(split)}", repr(name))
    return part


def split_digest(split: Split) -> str:
    """Return the SHA-256 of a split as 64 hexadecimal digits: equal for equal splits, on any machine.

    Args:
        split: From `split` or `read_split`.

    Example:
        >>> split_digest(Split(parts=(SplitPart(name="all", share=1.0, subjects=("A",)),)))[:8]
        'c116489c'
    """
    checks.require_instance("split_digest", "split", split, Split, "from `split`")
    return hashlib.sha256(json.dumps(_rows(split)).encode()).hexdigest()


def _rows(split: Split) -> list[dict[str, Any]]:
    """Return the parts of a split as plain data."""
    return [{"name": part.name, "share": part.share, "subjects": list(part.subjects)} for part in split.parts]


def write_split(path: str | os.PathLike[str], split: Split, *, overwrite: bool = False) -> None:
    """Write a split as JSON: `parts` with `name`, `share` and `subjects`, and `sha256`, the digest of the split.

    Args:
        path: The file; its folder must exist. Under its name the file is complete or absent.
        split: From `split`.
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        OSError: The file could not be written.
        TypeError: This is no split.

    Example:
        >>> parts = Split(parts=(SplitPart(name="all", share=1.0, subjects=("A",)),))
        >>> write_split(folder / "split.json", parts)
        >>> read_split(folder / "split.json") == parts
        True
    """
    checks.booleans("write_split", overwrite=overwrite)
    checks.require_instance("write_split", "split", split, Split, "from `split`")
    text = json.dumps({"parts": _rows(split), "sha256": split_digest(split)}, indent=1)
    with atomic_files.atomic_write(
        "write_split", Path(checks.path_text("write_split", "path", path)), overwrite=overwrite
    ) as draft:
        draft.write_text(f"{text}\n", encoding="utf-8")


def read_split(path: str | os.PathLike[str]) -> Split:
    """Read (load) a split that `write_split` wrote.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not hold a split, or was changed since: its digest is another.
    """
    file = Path(checks.path_text("read_split", "path", path))
    if not file.is_file():
        raise FileNotFoundError(f"read_split: {file} does not exist.")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        parts = tuple(
            SplitPart(name=str(row["name"]), share=float(row["share"]), subjects=tuple(map(str, row["subjects"])))
            for row in data["parts"]
        )
        digest = data["sha256"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        checks.invalid_content("read_split", "lead to a split", file, f"it cannot be read ({type(error).__name__})")
    result = Split(parts=parts)
    if digest != split_digest(result):
        checks.invalid_content("read_split", "lead to a split as it was written", file, "its digest is of another one")
    repeated = [name for name, count in Counter(name for part in parts for name in part.subjects).items() if count > 1]
    if repeated:
        needed = "lead to parts without a common subject"
        checks.invalid_content("read_split", needed, file, f"{repeated[0]!r} comes twice")
    return result
