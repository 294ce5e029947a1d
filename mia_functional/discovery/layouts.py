"""Folders of well-known layouts to subjects: BIDS, Medical Segmentation Decathlon, nnU-Net, and tables of paths."""

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mia_functional._core import checks
from mia_functional.discovery.patterns import checked_file, is_hidden, places_of
from mia_functional.discovery.records import Entry, Subject
from mia_functional.discovery.tables import Columns, natural, table_rows, values


def discover_table(
    table: str | os.PathLike[str],
    *,
    paths: Columns,
    columns: Columns | None = None,
    root: str | os.PathLike[str] | None = None,
) -> tuple[Subject, ...]:
    r"""Find the files of every subject in a table (manifest) that names them.

    Args:
        table: A CSV or TSV file with a header, whose first column holds the identifiers.
        paths: For every category and entry the column with the paths: `{"images": {"T1": "t1_file"}}`.
        columns: For every category and entry the column with the value: `{"numerical": {"AGE": "age"}}`; see `discover`
            for which of them are numbers.
        root: Where relative paths start; the folder of the table where left out.

    Returns:
        The subjects, in the order of the table.

    Raises:
        FileNotFoundError: The table or a file does not exist.
        TypeError: Paths or columns are no text by category and entry.
        ValueError: The table has a subject twice, or lacks a column or a value.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "a.nii").touch()
        ...     _ = Path(folder, "cohort.csv").write_text("id,t1\nA,a.nii")
        ...     discover_table(f"{folder}/cohort.csv", paths={"images": {"T1": "t1"}})[0].name
        'A'
    """
    place = Path(table)
    rows = table_rows(place)
    folder = place.parent if root is None else Path(root)
    texts = values(place, paths, list(rows), text=True)
    rest = values(place, columns or {}, list(rows))
    return tuple(
        Subject(
            name=name,
            entries=(*(file_entry(e.category, e.name, folder / str(e.value)) for e in texts[name]), *rest[name]),
        )
        for name in rows
    )


def discover_bids(
    root: str | os.PathLike[str],
    suffixes: Columns,
    *,
    columns: Columns | None = None,
) -> tuple[Subject, ...]:
    """Find the files of every subject, or of every session, of a BIDS dataset.

    Args:
        root: The folder with `participants.tsv` and `sub-*`; that of derivatives is one too.
        suffixes: For every category and entry what the file names end in: `{"images": {"T1": "T1w"}}` finds
            `sub-*/[ses-*/]anat/*_T1w.nii.gz`; with more of the name (`space-MNI_T1w`) the choice is narrower.
        columns: For every category and entry the column of `participants.tsv`: `{"numerical": {"AGE": "age"}}`;
            see `discover` for which of them are numbers.

    Returns:
        The subjects (`sub-01`, or `sub-01_ses-2` where there are sessions), sorted, each with all entries.

    Raises:
        FileNotFoundError: The folder does not exist, or `participants.tsv` is needed and missing.
        TypeError: Suffixes or columns are no text by category and entry.
        ValueError: There are no subjects, or an entry of a subject is missing or there more than once (runs); hidden
            files are left out.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "sub-01", "anat").mkdir(parents=True)
        ...     Path(folder, "sub-01", "anat", "sub-01_T1w.nii.gz").touch()
        ...     discover_bids(folder, {"images": {"T1": "T1w"}})[0].name
        'sub-01'
    """
    folder = existing_folder("discover_bids", root)
    places = places_of(suffixes, argument="suffixes")
    sessions = [place for place in folder.glob("sub-*/ses-*") if place.is_dir()]
    with_sessions = {place.parent for place in sessions}
    homes = sessions + [place for place in folder.glob("sub-*") if place.is_dir() and place not in with_sessions]
    if not homes:
        checks.invalid_value("discover_bids", "root", "hold folders `sub-*`", f"none in {folder}")
    homes.sort(key=lambda place: natural(place.relative_to(folder).as_posix()))
    people = [place.relative_to(folder).parts[0] for place in homes]
    rows = values(folder / "participants.tsv", columns, sorted(set(people))) if columns else {}
    return tuple(
        Subject(
            name="_".join(home.relative_to(folder).parts),
            entries=(*(bids_entry(home, *place) for place in places), *rows.get(person, ())),
        )
        for home, person in zip(homes, people, strict=True)
    )


def bids_entry(home: Path, category: str, name: str, suffix: str) -> Entry:
    """Return the one file of a BIDS subject or session with a suffix."""
    there = (path for ending in ("nii.gz", "nii") for path in home.glob(f"*/*_{suffix}.{ending}"))
    found = sorted(path for path in there if not is_hidden(path, home))
    if len(found) != 1:
        actual = f"{len(found)} for {suffix} in {home}" + (f": {', '.join(map(str, found))}" if found else "")
        checks.invalid_value("discover_bids", "suffixes", "match one file of every subject", actual)
    return file_entry(category, name, found[0])


def discover_decathlon(root: str | os.PathLike[str], *, split: str = "training") -> tuple[Subject, ...]:
    """Find the cases of a task of the Medical Segmentation Decathlon, from its `dataset.json`.

    Args:
        root: The folder with `dataset.json`.
        split: `training`, with labels, or `test`, without.

    Returns:
        The subjects in the order of the file, with `images/IMAGE` and `labels/GT`. Files of several modalities have
        them on a fourth axis: `create(..., load=images.read_channels)` makes channels of it.

    Raises:
        FileNotFoundError: `dataset.json` or a file is missing.
        ValueError: It is not of this layout, or names a file outside of the folder.
    """
    folder = existing_folder("discover_decathlon", root)
    cases = description_of(folder).get(split)
    if not isinstance(cases, list) or not cases:
        checks.invalid_value(
            "discover_decathlon", "split", "be training or test, with cases in dataset.json", repr(split)
        )
    subjects = []
    for case in cases:
        files = {"image": case} if isinstance(case, str) else case
        if not isinstance(files, dict) or "image" not in files or not all(isinstance(f, str) for f in files.values()):
            checks.invalid_value(
                "discover_decathlon", "root", "hold a dataset.json that names the files of cases", case
            )
        entries = [file_entry("images", "IMAGE", inner(folder, files["image"]))]
        if "label" in files:
            entries.append(file_entry("labels", "GT", inner(folder, files["label"])))
        subjects.append(Subject(name=stem(Path(files["image"]).name), entries=tuple(entries)))
    return tuple(subjects)


NNUNET_SUFFIXES = {"training": "Tr", "test": "Ts"}
"""How nnU-Net ends the names of the folders of a split."""


def discover_nnunet(root: str | os.PathLike[str], *, split: str = "training") -> tuple[Subject, ...]:
    """Find the cases of a raw dataset of nnU-Net: `imagesTr/CASE_0000.nii.gz`, `labelsTr/CASE.nii.gz`.

    Args:
        root: The folder with `dataset.json`.
        split: `training` (`imagesTr`), or `test` (`imagesTs`), whose labels may be missing.

    Returns:
        The subjects, sorted, with an entry of `images` for every channel, named as in `dataset.json`, and `labels/GT`.

    Raises:
        FileNotFoundError: `dataset.json` or a file is missing.
        ValueError: It is not of this layout; there are no cases; two channels have one name, or a file, unless it is
            hidden, is of a channel that `dataset.json` does not name.
    """
    folder = existing_folder("discover_nnunet", root)
    checks.one_of("discover_nnunet", "split", split, tuple(NNUNET_SUFFIXES))
    suffix = NNUNET_SUFFIXES[split]
    facts = description_of(folder)
    channels = facts.get("channel_names", facts.get("modality"))
    ending = str(facts.get("file_ending", ".nii.gz"))
    if not isinstance(channels, dict) or not channels or not all(key.isdecimal() for key in channels):
        checks.invalid_value("discover_nnunet", "root", "hold a dataset.json with numbered channel_names", folder)
    twice = [name for name, count in Counter(map(str, channels.values())).items() if count > 1]
    if twice:
        needed = "hold a dataset.json with a name of its own for every channel"
        checks.invalid_value("discover_nnunet", "root", needed, f"{twice} twice in {folder / 'dataset.json'}")
    found = nnunet_files(folder / f"images{suffix}", ending)
    if not found:
        checks.invalid_value("discover_nnunet", "split", f"name a folder of cases, images{suffix}", f"none in {folder}")
    nameless = [match[0] for match in found if int(match[2]) not in map(int, channels)]
    if nameless:
        needed = "hold a dataset.json that names the channels of all files"
        actual = f"none for {', '.join(nameless[:5])} in {folder / 'dataset.json'}"
        checks.invalid_value("discover_nnunet", "root", needed, actual)
    cases = sorted({match[1] for match in found}, key=natural)
    return tuple(Subject(name=case, entries=nnunet_entries(folder, suffix, case, channels, ending)) for case in cases)


def nnunet_files(folder: Path, ending: str) -> list[re.Match[str]]:
    """Return the names of the files of a folder, each matched to its case and its channel, in order."""
    known = re.compile(rf"(.+)_([0-9]{{4}}){re.escape(ending)}")
    found = [known.fullmatch(path.name) for path in sorted(folder.glob(f"*{ending}")) if not is_hidden(path, folder)]
    return [match for match in found if match is not None]


def nnunet_entries(folder: Path, suffix: str, case: str, channels: Mapping[str, Any], ending: str) -> tuple[Entry, ...]:
    """Return the channels and the labels of a case of nnU-Net."""
    entries = [
        file_entry("images", str(channels[key]), folder / f"images{suffix}" / f"{case}_{int(key):04}{ending}")
        for key in sorted(channels, key=int)
    ]
    label = folder / f"labels{suffix}" / f"{case}{ending}"
    if suffix == "Tr" or label.exists():
        entries.append(file_entry("labels", "GT", label))
    return tuple(entries)


def file_entry(category: str, name: str, path: Path) -> Entry:
    """Return an entry of a file that is there."""
    if not path.exists():
        raise FileNotFoundError(f"discover: {path}, which is {category} {name}, does not exist.")
    return Entry(category=category, name=name, path=str(checked_file(path)))


def existing_folder(function: str, root: str | os.PathLike[str]) -> Path:
    """Return a folder; refuse one that does not exist."""
    folder = Path(root)
    if not folder.is_dir():
        raise FileNotFoundError(f"{function}: the folder {folder} does not exist.")
    return folder


def description_of(folder: Path) -> dict[str, Any]:
    """Return what the `dataset.json` of a folder says."""
    path = folder / "dataset.json"
    if not path.is_file():
        raise FileNotFoundError(f"discover: {path} does not exist.")
    try:
        facts = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        checks.invalid_value("discover", "root", "hold a dataset.json that is JSON", f"{path} ({error})")
    if not isinstance(facts, dict):
        checks.invalid_value("discover", "root", "hold a dataset.json with one object", path)
    return facts


def inner(folder: Path, name: str) -> Path:
    """Return a file below a folder; refuse one that would lead out of it."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        checks.invalid_value("discover", "root", "hold a dataset.json that names files below it", name)
    return folder / name


def stem(name: str) -> str:
    """Return the name of a file without its extension.

    Example:
        >>> stem("BRATS_001.nii.gz")
        'BRATS_001'
    """
    return name.removesuffix(".gz").rsplit(".", maxsplit=1)[0]
