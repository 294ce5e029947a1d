"""Two folders before hours are spent on them: what would fail, and what would be measured without making sense."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

import mia_functional as mia
from mia_functional import images
from mia_functional._core import checks, ordered_map
from mia_functional._label_maps import label_sets
from mia_functional.discovery.label_tables import read_label_table
from mia_functional.evaluation.file_pairs import (
    FilePair,
    FolderLayout,
    Location,
    all_files_by_subject,
    matched_files,
    methods_of,
    pattern_cure,
    progress_name,
)
from mia_functional.evaluation.reference_labels import labels_in, occurring_labels
from mia_functional.evaluation.segment_files import read_named_pair
from mia_functional.geometry import Geometry, describe_differences
from mia_functional.images.formats import twin_of
from mia_functional.typing import Affine, Align, HostArray, Label, Labels, Progress, Spacing

__all__ = ["Finding", "check_folders"]

_LARGE_STEP, _SMALL_STEP = 50.0, 0.01
"""Millimetres between voxels that images of patients rarely have: micrometres or metres were taken for them."""

_READ_BESIDES = re.compile(r"\b(is|are) (read|needed|known)$")
"""The end of reasons that say what could have been read in place of what the file has."""

_WITHOUT = {
    "prediction": "predicted; check the labels or the export, or it counts as not found",
    "reference": "in the reference; check the labels or the export, or distances to it are undefined",
}
"""The end of sentences about structures that one file of a pair does not have."""


class Finding(NamedTuple):
    """Something about a folder that should be looked at.

    Attributes:
        kind: A word for programs: `missing`, `extra`, `names`, `twins`, `unreadable`, `spacing`, `grid`, `labels`,
            `empty`, `absent` or `duplicate`.
        path: The file or folder.
        message: One sentence: what it is, and what cures it.
        method: Name of the method; empty for references.
        subject: Identifier; empty for what concerns the folder.
    """

    kind: str
    path: str
    message: str
    method: str = ""
    subject: str = ""


_Structures: TypeAlias = tuple[tuple[str, frozenset[int]], ...]
"""What structures are called in sentences, and the labels that each has."""


class _Contents(NamedTuple):
    """What the pixels of a label map tell."""

    labels: frozenset[int]
    digest: bytes


def check_folders(
    predictions: Location | Sequence[Location] | Mapping[str, Location],
    references: Location,
    *,
    labels: Labels | Iterable[Label] | Location | None = None,
    folder_layout: FolderLayout = None,
    affine: Affine = None,
    spacing: Spacing | None = None,
    align: Align = None,
    pixels: bool = True,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[Finding, ...]:
    """Check (validate) folders of label maps before they are evaluated.

    Args:
        predictions: As in `evaluate_folders`.
        references: As in `evaluate_folders`.
        labels: As in `evaluate_folders`, also where none are given; a structure that only one file of a pair has is
            found, one that both lack is none.
        folder_layout: As in `evaluate_folders`.
        affine: As in `evaluate_folders`.
        spacing: As in `evaluate_folders`.
        align: As in `evaluate_folders`: other grids that this cures are no findings.
        pixels: Read the pixels, too, of all files whose headers are in order; otherwise only pairs and headers.
        executor: Reads files in parallel, in any pool of `concurrent.futures`.
        progress: Called with pairs done, pairs in all and the subject just done, behind its method if there are
            several.

    Returns:
        What was found, each with its file and the cure; nothing if all is in order.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: A folder has no image files, or labels are wrong.

    Example:
        >>> from mia_functional.images import write
        >>> grid = Geometry(shape=(2, 2), spacing=(1.0, 1.0))
        >>> for name in ("truth", "found"):
        ...     (folder / name).mkdir()
        >>> write(folder / "truth" / "A.mha", np.eye(2, dtype=np.uint8), grid)
        >>> write(folder / "found" / "A.mha", 3 * np.eye(2, dtype=np.uint8), grid)
        >>> for finding in check_folders(folder / "found", folder / "truth", labels=(1,)):
        ...     print(finding.kind, finding.subject, finding.message.partition(";")[0])
        labels A it holds label 3, which is not among those asked for
    """
    checks.booleans("check_folders", pixels=pixels)
    ignored = None
    if isinstance(labels, str | os.PathLike):
        with checks.speaking_for("check_folders", "read_label_table", path="labels"):
            labels, ignored = read_label_table(labels)
    structures = _structures_of(labels)
    with checks.speaking_for("check_folders", "evaluate_folders"):
        methods = methods_of(predictions)
    list_files = partial(all_files_by_subject, "check_folders", layout=folder_layout)
    predicted = {method: list_files("predictions", location) for method, location in methods.items()}
    referenced = list_files("references", references)
    pairs = matched_files(
        {method: _first_files(files) for method, files in predicted.items()}, _first_files(referenced)
    )
    twins = [finding for method, files in {**predicted, "": referenced}.items() for finding in _twins(files, method)]
    findings = [*twins, *_unpaired(pairs, methods, references)]
    # Of twins nobody knows which one counts.
    unclear = {(finding.method, finding.subject) for finding in twins}
    complete = [
        pair
        for pair in pairs
        if pair.prediction is not None
        and pair.reference is not None
        and unclear.isdisjoint({(pair.method, pair.subject), ("", pair.subject)})
    ]
    if labels is None and pixels and not any(_name_segments([str(pair.reference)]) for pair in complete):
        read = partial(images.read_labels, affine=affine, spacing=spacing)
        paths = list(dict.fromkeys(str(pair.reference) for pair in complete))
        structures = _structures_of(occurring_labels("check_folders", paths, read=read, ignore=(), executor=executor))
    known = frozenset(value for _, values in structures for value in values)
    allowed = known if ignored is None else known | {ignored}
    check = partial(
        _check_pair, structures=structures, allowed=allowed, affine=affine, spacing=spacing, align=align, pixels=pixels
    )
    contents: list[tuple[FilePair, _Contents, _Contents]] = []
    outcomes = ordered_map.map_ordered(check, complete, executor=executor)
    for done, (pair, (found, contained)) in enumerate(zip(complete, outcomes, strict=True), start=1):
        findings += found
        if contained is not None:
            contents.append((pair, *contained))
        if progress is not None:
            progress(done, len(complete), progress_name(pair, several=len(methods) > 1))
    # What concerns a reference is found once for every method.
    return tuple(dict.fromkeys([*findings, *_cohort_findings(contents, known, references)]))


def _structures_of(labels: Labels | Iterable[Label] | None) -> _Structures:
    """Return what structures are called, `liver (label 1)` or `label 1`, and the labels that each has."""
    if labels is None:
        return ()
    sets = label_sets("check_folders", labels)
    names = labels.values() if isinstance(labels, Mapping) else [""] * len(sets)
    numbers = [f"label{'s' * (len(values) > 1)} {'+'.join(map(str, values))}" for values in sets]
    titles = [f"{name} ({text})" if name else text for name, text in zip(names, numbers, strict=True)]
    return tuple(zip(titles, map(frozenset, sets), strict=True))


def _first_files(files: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the first file of every subject."""
    return {subject: paths[0] for subject, paths in files.items()}


def _twins(files: Mapping[str, tuple[str, ...]], method: str) -> list[Finding]:
    """Return findings about subjects that have several files in one folder."""
    findings = []
    for subject, (first, *others) in files.items():
        if not others:
            continue
        # Of `A.nii` beside `A.nii.gz` no pattern takes one, as readers may take one for the other.
        alike = any(twin_of(Path(path)) is not None for path in (first, *others))
        cure = "take all but one out" + ("" if alike else ", or give a pattern that one alone fits")
        text = f"of {subject} there is {' and '.join(others)}, too; {cure}"
        findings.append(Finding("twins", first, text, method, subject))
    return findings


def _unpaired(pairs: Sequence[FilePair], methods: Mapping[str, Location], references: Location) -> list[Finding]:
    """Return findings about subjects of which one file is not there."""
    findings = []
    for method, location in methods.items():
        own = [pair for pair in pairs if pair.method == method]
        missing = [pair.subject for pair in own if pair.prediction is None]
        extra = [pair.subject for pair in own if pair.reference is None]
        if len(missing) + len(extra) == len(own):
            cure = pattern_cure(missing, extra, location)
            text = f"it has no subject in common with {references}{cure}"
            findings.append(Finding("names", str(location), text, method))
            continue
        for pair in own:
            if pair.prediction is None:
                text = f"there is no prediction for {pair.subject}; predict it, or it counts by the policy `missing=`"
                findings.append(Finding("missing", str(location), text, method, pair.subject))
            if pair.reference is None:
                text = f"there is no reference for {pair.subject} in {references}; take it out, or add the reference"
                findings.append(Finding("extra", str(pair.prediction), text, method, pair.subject))
    return findings


def _check_pair(
    pair: FilePair,
    *,
    structures: _Structures,
    allowed: frozenset[int],
    affine: Affine,
    spacing: Spacing | None,
    align: Align,
    pixels: bool,
) -> tuple[list[Finding], tuple[_Contents, _Contents] | None]:
    """Return findings about a pair of files, and what they hold if both can be read and compared."""
    paths = {"prediction": str(pair.prediction), "reference": str(pair.reference)}
    about = {"prediction": pair.method, "reference": ""}
    read_map = partial(images.read_labels, affine=affine, spacing=spacing)
    read_grid = partial(images.read_geometry, affine=affine, spacing=spacing)
    grids, maps, unreadable = _grids_of_roles(paths, read_grid, read_map)
    findings: list[Finding] = []
    for role, path in paths.items():
        if role in unreadable:
            findings.append(_unreadable_file(path, unreadable[role], about[role], pair))
        problems = _spacing_problems(grids[role]) if role in grids else ()
        findings += [Finding("spacing", path, text, about[role], pair.subject) for text in problems]
    if len(grids) < 2:
        return findings, None
    # Another grid follows from a wrong unit.
    if not findings and (text := _grid_problem(grids["prediction"], grids["reference"], align)):
        findings.append(Finding("grid", paths["prediction"], text, pair.method, pair.subject))
    if not pixels:
        return findings, None
    for role, path in paths.items():
        if role in maps:
            continue
        try:
            maps[role], _ = read_map(path)
        except (ValueError, OSError) as error:
            findings.append(_unreadable_file(path, error, about[role], pair))
    contents = {role: _contents_of(array) for role, array in maps.items()}
    known = frozenset(value for _, values in structures for value in values)
    for role, content in contents.items():
        other = next((contents[name].labels for name in contents if name != role), frozenset[int]())
        wrong = _label_problems(content.labels, known, allowed, role)
        # A file that has none of the structures is found as such.
        if content.labels & known:
            wrong += _absent_structures(content.labels, other, structures, role)
        findings += [Finding(kind, paths[role], text, about[role], pair.subject) for kind, text in wrong]
    return findings, (contents["prediction"], contents["reference"]) if len(contents) == 2 else None


def _unreadable_file(path: str, error: Exception, method: str, pair: FilePair) -> Finding:
    """Return the finding that a file of a pair cannot be read."""
    return Finding("unreadable", path, _reason(path, error), method, pair.subject)


def _grids_of_roles(
    paths: Mapping[str, str],
    read_grid: Callable[[str], Geometry],
    read_map: Callable[[str], tuple[HostArray, Geometry]],
) -> tuple[dict[str, Geometry], dict[str, HostArray], dict[str, Exception]]:
    """Return where both files of a pair lie, the maps of those that are read for that, and why files cannot be read."""
    grids: dict[str, Geometry] = {}
    unreadable: dict[str, Exception] = {}
    if _name_segments(paths.values()):
        # Where they lie depends on the other file, so that their pixels are read at once.
        try:
            both = read_named_pair("read", *paths.values(), labels=None, channels=False, load=read_map)
        except (ValueError, OSError) as error:
            # Each by itself says which of them it is, or that it is both; two that fit no grid are the prediction's.
            for role, path in paths.items():
                try:
                    read_map(path)
                except (ValueError, OSError) as own:
                    unreadable[role] = own
            return {}, {}, unreadable or {"prediction": error}
        maps = {role: array for role, (array, _) in zip(paths, both, strict=True)}
        return {role: grid for role, (_, grid) in zip(paths, both, strict=True)}, maps, {}
    for role, path in paths.items():
        try:
            grids[role] = read_grid(path)
        except (ValueError, OSError) as error:
            unreadable[role] = error
    return grids, {}, unreadable


def _name_segments(paths: Iterable[str]) -> bool:
    """Return whether one of several files names segments; what cannot be read does not."""
    for path in paths:
        try:
            if images.read_segments(path) is not None:
                return True
        except (ValueError, OSError):
            continue
    return False


def _reason(path: str, error: Exception) -> str:
    """Return what is wrong with a file, without its name and that of the function that read it, and the cure."""
    text = checks.sentence_of("read", error).removesuffix(".")
    text = text.partition(f"; got {path}: ")[2] or text.partition(": ")[2] or text
    text = text.removeprefix(f"{path}: ").replace(path, "this file")
    if isinstance(error, PermissionError):
        return f"{text}; change who may read it"
    # Many reasons end with their cure; what is read besides is none.
    return text if ";" in text and not _READ_BESIDES.search(text) else f"{text}; write or download it anew"


def _grid_problem(found: Geometry, wanted: Geometry, align: Align) -> str:
    """Return in what a prediction lies on another grid than its reference, and the cure; empty if `align` allows it."""
    way = mia.transforms.alignment.alignment_between(found, wanted)
    same_axes = len(found.shape) == len(wanted.shape)
    if way is None or (same_axes and align in ("resample", way)):
        return ""
    cure = f'`align="{way}"` brings it there' if same_axes else f"write it with its {len(wanted.shape)} axes"
    return f"not on the grid of the reference: {describe_differences(found, wanted)}; {cure}"


def _spacing_problems(grid: Geometry) -> list[str]:
    """Return what is unlikely about the spacing of a grid."""
    if max(grid.spacing) > _LARGE_STEP or min(grid.spacing) < _SMALL_STEP:
        return [f"its spacing is {grid.spacing} mm; check the unit in which it was written"]
    if len(grid.shape) > 3:
        return [f"it has {len(grid.shape)} axes, of which one is time or channels; split it, or evaluate `channels`"]
    return []


def _contents_of(array: HostArray) -> _Contents:
    """Return which labels an array holds, and a digest of its voxels."""
    # In one dtype: a copy may have been stored in another.
    digest = hashlib.sha256(array.astype(np.int32).tobytes()).digest()
    return _Contents(frozenset(labels_in(array)), digest)


def _label_problems(
    found: frozenset[int], known: frozenset[int], allowed: frozenset[int], role: str
) -> list[tuple[str, str]]:
    """Return what is wrong with the labels of one map: kind and sentence.

    Args:
        found: What the map holds.
        known: Labels of structures.
        allowed: These, and a value that is ignored, which is no structure: a map of it alone is empty.
        role: Whether it is the prediction or the reference.
    """
    problems = []
    strange = sorted(found - allowed - {0})
    if min(found) < 0:
        problems.append(
            ("labels", f"it holds the negative label {min(found)}; relabel the file, as labels count from 0")
        )
    elif known and strange == [255] and found <= {0, 255}:
        problems.append(("labels", "it is a mask of 0 and 255; write it as 0 and 1, or ask for label 255"))
    elif known and strange:
        names = ", ".join(map(str, strange[:5])) + " ..." * (len(strange) > 5)
        label, are, them = ("labels", "are", "them") if len(strange) > 1 else ("label", "is", "it")
        text = f"it holds {label} {names}, which {are} not among those asked for"
        problems.append(("labels", f"{text}; ask for {them}, or relabel the file"))
    elif not known and len(found - {0}) > 1:
        problems.append(("labels", f"it is no mask but holds {len(found)} values; give `labels`"))
    # Where labels are wrong, that is why none of the right ones is there.
    if not problems and not found & (known or found - {0}):
        problems.append(("empty", f"none of its structures is {_WITHOUT[role]}"))
    return problems


def _absent_structures(
    found: frozenset[int], other: frozenset[int], structures: _Structures, role: str
) -> list[tuple[str, str]]:
    """Return which structures a map lacks and the other map of the pair has: kind and sentence."""
    return [
        ("absent", f"{title} is not {_WITHOUT[role]}")
        for title, values in structures
        if values & other and not values & found
    ]


def _cohort_findings(
    contents: Sequence[tuple[FilePair, _Contents, _Contents]], known: frozenset[int], references: Location
) -> list[Finding]:
    """Return findings that only all files together show: copies, and labels that no file has."""
    findings = []
    seen: dict[tuple[str, bytes], FilePair] = {}
    for pair, prediction, reference in contents:
        roles: list[tuple[str, _Contents, Callable[[FilePair], str | None]]] = [
            (pair.method, prediction, lambda one: one.prediction),
            ("", reference, lambda one: one.reference),
        ]
        for method, content, path in roles:
            first = seen.setdefault((method, content.digest), pair)
            if first.subject != pair.subject and len(content.labels) > 1:
                text = f"it holds the same voxels as {path(first)}; one of them is a copy to be replaced"
                findings.append(Finding("duplicate", str(path(pair)), text, method, pair.subject))
        if prediction.digest == reference.digest and len(reference.labels) > 1:
            text = f"it is equal to its reference, {pair.reference}; check that the folder holds predictions"
            findings.append(Finding("duplicate", str(pair.prediction), text, pair.method, pair.subject))
    held = {label for _, _, reference in contents for label in reference.labels}
    for label in sorted(known - held) if contents else []:
        text = f"no reference holds label {label}; check the labels, or leave it out"
        findings.append(Finding("labels", str(references), text))
    return findings
