"""Folders of well-known layouts to subjects: BIDS, Medical Segmentation Decathlon, nnU-Net, and tables of paths."""

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from mia_functional._core import checks
from mia_functional._core.roles import FILE_ROLES, checked_roles
from mia_functional.discovery.absence import check_absent, settle_absent
from mia_functional.discovery.patterns import existing_folder, is_hidden, only_file
from mia_functional.discovery.records import Entry, Subject
from mia_functional.discovery.tables import ByEntry, entry_names, flat_entries, natural_key, table_entries, table_rows
from mia_functional.typing import Absent, Role

__all__ = ["discover_bids", "discover_decathlon", "discover_nnunet", "discover_table"]


@checks.speaking_for("discover_table", "discover", "Entry", "Subject", patterns="paths", role="roles")
def discover_table(
    table: str | os.PathLike[str],
    *,
    paths: ByEntry,
    columns: ByEntry | None = None,
    root: str | os.PathLike[str] | None = None,
    absent: Absent = "error",
    roles: Mapping[str, Role] | None = None,
) -> tuple[Subject, ...]:
    r"""Find the files of every subject in a table (manifest) that names them.

    Args:
        table: A CSV or TSV file with a header, whose first column holds the identifiers.
        paths: For every category and entry the column with the paths: `{"images": {"T1": "t1_file"}}`.
        columns: For every category and entry the column with the value: `{"numerical": {"AGE": "age"}}`; see `discover`
            for which of them are numbers.
        root: Where relative paths start; the folder of the table by default.
        absent: What is done about subjects without a path, a file or a value, as for `discover`.
        roles: What the files of categories are, as for `discover`.

    Returns:
        The subjects, in the order of the table.

    Raises:
        FileNotFoundError: The table or a file does not exist.
        TypeError: Paths or columns are not texts by category and entry.
        ValueError: The table has a subject twice, or lacks a column or a value; no subject has all.

    Example:
        >>> (folder / "a.nii").touch()
        >>> _ = (folder / "cohort.csv").write_text("id,t1\nA,a.nii")
        >>> discover_table(folder / "cohort.csv", paths={"images": {"T1": "t1"}})[0].name
        'A'
    """
    check_absent(absent)
    table = Path(checks.path_text("discover", "table", table))
    folder = table.parent if root is None else Path(checks.path_text("discover", "root", root))
    subjects = list(table_rows(table))
    of_files: Absent = "skip" if absent == "skip" else "error"
    files = table_entries(table, paths, subjects, argument="paths", as_text=True, absent=of_files)
    values = table_entries(table, columns or {}, subjects, absent=absent)
    categories = [category for category, *_ in flat_entries("paths", paths)]
    role_of = checked_roles("discover", roles, categories, possible=FILE_ROLES)
    cohort = []
    for subject in subjects:
        cells = [cell for cell in files[subject] if absent != "skip" or (folder / str(cell.value)).exists()]
        images = [
            _file_entry(cell.category, cell.name, folder / str(cell.value), role=role_of.get(cell.category))
            for cell in cells
        ]
        cohort.append((subject, (*images, *values[subject])))
    return settle_absent(cohort, entry_names(paths, columns), absent)


@checks.speaking_for(
    "discover_bids", "discover", "Entry", "Subject", patterns="suffixes", table="participants.tsv", role="roles"
)
def discover_bids(
    root: str | os.PathLike[str],
    suffixes: ByEntry,
    *,
    columns: ByEntry | None = None,
    absent: Absent = "error",
    roles: Mapping[str, Role] | None = None,
) -> tuple[Subject, ...]:
    """Find the files of every subject, or of every session, of a BIDS dataset.

    Args:
        root: The folder with `participants.tsv` and `sub-*`; the folder of a derivative is one, too.
        suffixes: For every category and entry what the file names end in: `{"images": {"T1": "T1w"}}` finds
            `sub-*/[ses-*/]anat/*_T1w.nii.gz`; with more of the name (`space-MNI_T1w`) the choice is narrower.
        columns: For every category and entry the column of `participants.tsv`: `{"numerical": {"AGE": "age"}}`;
            see `discover` for which of them are numbers.
        absent: What is done about subjects or sessions that lack a file or a value, as for `discover`.
        roles: What the files of categories are, as for `discover`.

    Returns:
        The subjects (`sub-01`, or `sub-01_ses-2` where there are sessions), sorted, each with all entries.

    Raises:
        FileNotFoundError: The folder does not exist, or `participants.tsv` is needed and missing.
        TypeError: Suffixes or columns are not texts by category and entry.
        ValueError: There are no subjects, or an entry of a subject is missing or there more than once (runs); hidden
            files do not count.

    Example:
        >>> (folder / "sub-01" / "anat").mkdir(parents=True)
        >>> (folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz").touch()
        >>> discover_bids(folder, {"images": {"T1": "T1w"}})[0].name
        'sub-01'
    """
    check_absent(absent)
    folder = existing_folder(root)
    flat = flat_entries("suffixes", suffixes, required=True)
    role_of = checked_roles("discover", roles, [category for category, *_ in flat], possible=FILE_ROLES)
    sessions = [path for path in folder.glob("sub-*/ses-*") if path.is_dir()]
    divided = {session.parent for session in sessions}
    homes = sessions + [path for path in folder.glob("sub-*") if path.is_dir() and path not in divided]
    if not homes:
        checks.invalid_value("discover", "root", "hold folders `sub-*`", f"none in {folder}")
    homes.sort(key=lambda home: natural_key(home.relative_to(folder).as_posix()))
    people = [home.relative_to(folder).parts[0] for home in homes]
    # `participants.tsv` has a row per person; all sessions share its values.
    table = folder / "participants.tsv"
    values = table_entries(table, columns, sorted(set(people)), absent=absent) if columns else {}
    cohort = []
    for home, person in zip(homes, people, strict=True):
        entries = []
        for category, name, suffix in flat:
            matches = (path for ending in ("nii.gz", "nii") for path in home.glob(f"*/*_{suffix}.{ending}"))
            files = sorted(path for path in matches if not is_hidden(path, home))
            if absent == "skip" and not files:
                continue
            path = only_file("suffixes", files, f"{suffix} in {home}")
            entries.append(Entry(category=category, name=name, path=path, role=role_of.get(category)))
        name = "_".join(home.relative_to(folder).parts)
        cohort.append((name, (*entries, *values.get(person, ()))))
    return settle_absent(cohort, entry_names(suffixes, columns), absent)


@checks.speaking_for("discover_decathlon", "discover", "Entry", "Subject", patterns="root")
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
    folder = existing_folder(root)
    cases = _dataset_json(folder).get(split)
    if not isinstance(cases, list) or not cases:
        checks.invalid_value("discover", "split", "be training or test, with cases in dataset.json", repr(split))
    subjects = []
    for case in cases:
        # Cases of the test split have no label, and are the name of the image alone.
        files = {"image": case} if isinstance(case, str) else case
        if not isinstance(files, dict) or "image" not in files or not all(isinstance(f, str) for f in files.values()):
            _invalid_json("that names the files of cases", case)
        entries = []
        for key, category, name in (("image", "images", "IMAGE"), ("label", "labels", "GT")):
            if key not in files:
                continue
            path = Path(files[key])
            if path.is_absolute() or ".." in path.parts:
                _invalid_json("that names files below it", path)
            entries.append(_file_entry(category, name, folder / path))
        stem = Path(files["image"]).name.removesuffix(".gz").rsplit(".", maxsplit=1)[0]
        subjects.append(Subject(name=stem, entries=tuple(entries)))
    return tuple(subjects)


_NNUNET_SPLITS = {"training": "Tr", "test": "Ts"}
"""How nnU-Net ends the names of the folders of a split."""


@checks.speaking_for("discover_nnunet", "discover", "Entry", "Subject", patterns="root")
def discover_nnunet(root: str | os.PathLike[str], *, split: str = "training") -> tuple[Subject, ...]:
    """Find the cases of a dataset of nnU-Net, raw ones or those that it has preprocessed.

    Raw ones are `imagesTr/CASE_0000.nii.gz` and `labelsTr/CASE.nii.gz`, preprocessed ones `CASE.b2nd` and
    `CASE_seg.b2nd`, or `CASE.npz`, in a folder such as `nnUNetPlans_3d_fullres`.

    Args:
        root: The folder with `dataset.json`; or that of the preprocessed cases of one configuration.
        split: `training` (`imagesTr`), or `test` (`imagesTs`), whose labels may be missing. Preprocessed cases are all
            for training.

    Returns:
        The subjects, sorted, with an entry of `images` for every channel, named as in `dataset.json`, and `labels/GT`.
        Preprocessed cases have all channels in one file, `images/IMAGE`. In archives (`.npz`, of nnU-Net 1, and of 2
        before 2.6) the labels are in it, too, and both entries name it.

    Raises:
        FileNotFoundError: `dataset.json` or a file is missing.
        ValueError: It is not of this layout; there are no cases; two channels have one name, or a file, unless it is
            hidden, is of a channel that `dataset.json` does not name.
    """
    folder = existing_folder(root)
    checks.one_of("discover", "split", split, tuple(_NNUNET_SPLITS))
    if split == "training" and (cases := _preprocessed_cases(folder)):
        return cases
    channels, ending = _nnunet_channels(folder)
    scans = folder / f"images{_NNUNET_SPLITS[split]}"
    expression = re.compile(rf"(?P<case>.+)_(?P<channel>[0-9]{{4}}){re.escape(ending)}")
    files = [path for path in sorted(scans.glob(f"*{ending}")) if not is_hidden(path, scans)]
    matches = [match for match in (expression.fullmatch(path.name) for path in files) if match is not None]
    if not matches:
        checks.invalid_value("discover", "split", f"name a folder of cases, {scans.name}", f"none in {folder}")
    if unnamed := [match[0] for match in matches if int(match["channel"]) not in channels]:
        actual = f"none for {', '.join(unnamed[:5])} in {folder / 'dataset.json'}"
        _invalid_json("that names the channels of all files", actual)
    subjects = []
    for case in sorted({match["case"] for match in matches}, key=natural_key):
        entries = [
            _file_entry("images", name, scans / f"{case}_{channel:04}{ending}") for channel, name in channels.items()
        ]
        label = folder / f"labels{_NNUNET_SPLITS[split]}" / f"{case}{ending}"
        if split == "training" or label.exists():
            entries.append(_file_entry("labels", "GT", label))
        subjects.append(Subject(name=case, entries=tuple(entries)))
    return tuple(subjects)


def _preprocessed_cases(folder: Path) -> tuple[Subject, ...]:
    """Return the cases that nnU-Net has preprocessed into a folder; none if it is another one."""
    found = {
        ending: [path for path in sorted(folder.glob(f"*{ending}")) if not is_hidden(path, folder)]
        for ending in (".b2nd", ".npz")
    }
    if all(found.values()):
        checks.invalid_value("discover", "root", "hold preprocessed cases of one kind", f"both kinds in {folder}")
    subjects = []
    for path in found[".b2nd"] or found[".npz"]:
        is_archive = path.suffix == ".npz"
        if is_archive or not path.stem.endswith("_seg"):
            labels = path if is_archive else path.with_name(f"{path.stem}_seg.b2nd")
            entries = (_file_entry("images", "IMAGE", path), _file_entry("labels", "GT", labels))
            subjects.append(Subject(name=path.stem, entries=entries))
    return tuple(sorted(subjects, key=lambda subject: natural_key(subject.name)))


def _nnunet_channels(folder: Path) -> tuple[dict[int, str], str]:
    """Return the names of the channels by their number, in order, and the extension of all files."""
    facts = _dataset_json(folder)
    # nnU-Net 1 said `modality` and had no `file_ending`.
    channels = facts.get("channel_names", facts.get("modality"))
    if not isinstance(channels, dict) or not channels or not all(key.isdecimal() for key in channels):
        _invalid_json("with numbered channel_names", folder)
    names = {int(key): str(channels[key]) for key in sorted(channels, key=int)}
    repeated = [name for name, count in Counter(map(str, channels.values())).items() if count > 1]
    if repeated or len(names) < len(channels):  # 1 and 01 are one number
        actual = f"{repeated or list(channels)} twice in {folder / 'dataset.json'}"
        _invalid_json("with a name of its own for every channel", actual)
    return names, str(facts.get("file_ending", ".nii.gz"))


def _file_entry(category: str, name: str, path: Path, *, role: Role | None = None) -> Entry:
    """Return an entry of a file that exists."""
    if not path.exists():
        raise FileNotFoundError(f"discover: {path}, which is {category} {name}, does not exist.")
    return Entry(category=category, name=name, path=only_file("patterns", [path], name), role=role)


def _invalid_json(requirement: str, actual: object) -> NoReturn:
    """Raise the error of a `dataset.json` that is not of a layout."""
    checks.invalid_value("discover", "root", f"hold a dataset.json {requirement}", actual)


def _dataset_json(folder: Path) -> Mapping[str, Any]:
    """Return what the `dataset.json` of a folder says."""
    path = folder / "dataset.json"
    if not path.is_file():
        raise FileNotFoundError(f"discover: {path} does not exist.")
    try:
        facts = json.loads(path.read_text(encoding="utf-8-sig"))  # some tools write a byte order mark
    except (ValueError, RecursionError) as error:  # deep nesting overflows the recursion of the parser
        _invalid_json("that is JSON", f"{path} ({error})")
    if not isinstance(facts, dict):
        _invalid_json("with one object", path)
    return facts
