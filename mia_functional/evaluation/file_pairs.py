"""Which files belong to a subject: folders as people have them, those of well-known layouts, and several methods."""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from mia_functional._core import checks
from mia_functional.discovery import discover_decathlon
from mia_functional.discovery.patterns import is_hidden, matching_files
from mia_functional.discovery.tables import natural_key
from mia_functional.images.formats import FORMATS, extension_of, header_beside, is_image, twin_of

__all__ = [
    "FOLDER_LAYOUTS",
    "FilePair",
    "FolderLayout",
    "Location",
    "all_files_by_subject",
    "files_by_subject",
    "folder_of",
    "matched_files",
    "methods_of",
    "pairs_of",
    "pattern_cure",
    "progress_name",
]

Location: TypeAlias = str | os.PathLike[str]
"""A folder, or a pattern of paths."""

FolderLayout: TypeAlias = Literal["nnunet", "decathlon", "bids"] | None
"""How label maps lie in a folder that has more in it."""

FOLDER_LAYOUTS = ("nnunet", "decathlon", "bids")
"""The words for layouts."""

_BIDS_NAME = re.compile(r"(?P<subject>sub-[^_]+(?:_ses-[^_]+)?)(?:_[^_]+)*_(?:dseg|mask)")
"""A segmentation of BIDS derivatives, without its extension."""


class FilePair(NamedTuple):
    """The files of one subject; None where one is missing."""

    subject: str
    prediction: str | None
    reference: str | None
    method: str = ""
    probabilities: str | None = None


def files_by_subject(
    function: str, argument: str, location: str | os.PathLike[str], layout: FolderLayout
) -> dict[str, str]:
    """Return the image file of every subject.

    Args:
        function: Name for messages.
        argument: Name of the location in messages.
        location: A folder, or a path with `{subject}` where the identifier stands, and `*` or `?` as in a shell. What
            exists by just that name is no pattern.
        layout: How label maps lie in the folder; one that is not of the layout is taken as it is.

    Returns:
        Paths by subject, sorted by subject (numbers as numbers). In a folder as it is, every file with the extension of
        an image that is not hidden counts, and its name without the extension is the subject; but PNG and TIFF files
        only where there is no other. Subjects are Unicode in the composed form (NFC), whatever the file system gives.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: There are no files, or there are two for a subject.
    """
    files = all_files_by_subject(function, argument, location, layout)
    for subject, paths in files.items():
        if len(paths) > 1:
            needed = "hold one file of every subject"
            checks.invalid_value(function, argument, needed, f"{' and '.join(paths)} for {subject}")
    return {subject: paths[0] for subject, paths in files.items()}


def all_files_by_subject(
    function: str, argument: str, location: str | os.PathLike[str], layout: FolderLayout
) -> dict[str, tuple[str, ...]]:
    """Return all image files of every subject, of which there should be one; else as `files_by_subject`."""
    root, pattern = _split(location)
    if not root.is_dir() or (pattern and not set(pattern) & set("{*?")):
        raise FileNotFoundError(f"{function}: `{argument}` must be a folder; got {Path(root, pattern)}.")
    if pattern:
        os.scandir(root).close()  # raises PermissionError, where `Path.glob` silently finds nothing
        with checks.speaking_for(function, "discover", patterns=argument):
            matches = matching_files(root, pattern)
        pairs = [(subject, path) for subject, paths in matches.items() for path in _with_twins(paths)]
        if not pairs:
            checks.invalid_value(function, argument, f"hold files that match {pattern}", f"none in {root}")
    else:
        with checks.speaking_for(function, "discover_decathlon", root=argument):
            pairs = _labelled_files(root, layout) or _image_files(root)
    if not pairs:
        needed = f"hold image files, or be a pattern such as {root}/{{subject}}/labels.nii.gz"
        checks.invalid_value(function, argument, needed, f"none in {root}")
    files: dict[str, list[str]] = {}
    for name, path in pairs:
        # Files that came from a Mac may spell an umlaut as two characters.
        files.setdefault(unicodedata.normalize("NFC", name), []).append(str(path))
    return {subject: tuple(files[subject]) for subject in sorted(files, key=natural_key)}


def _with_twins(paths: Iterable[Path]) -> list[Path]:
    """Return files, and those beside them that readers may take for them, which a pattern may not match."""
    return list(dict.fromkeys(file for path in paths for file in (path, twin_of(path)) if file is not None))


def folder_of(location: str | os.PathLike[str]) -> Path:
    """Return a folder, or of a pattern the folder that it begins with."""
    return _split(location)[0]


def _split(location: str | os.PathLike[str]) -> tuple[Path, str]:
    """Return the folder that a location begins with, and the pattern below it, which may be empty."""
    parts = Path(location).parts
    depth = 0
    # `scans [1]?` may be the name of a folder, and is none of a pattern then.
    while depth < len(parts) and (Path(*parts[: depth + 1]).is_dir() or not set(parts[depth]) & set("{*?")):
        depth += 1
    return Path(*parts[:depth]), "/".join(parts[depth:])


def _image_files(folder: Path) -> list[tuple[str, Path]]:
    """Return the images of a folder with their names, without what lies beside images: tables, sidecars, pixels."""
    files = [path for path in sorted(folder.iterdir()) if not is_hidden(path, folder) and is_image(path)]
    paths = [path for path in files if header_beside(path) is None]
    # Beside volumes, pictures are previews and curves, and archives the probabilities that nnU-Net keeps.
    chosen = [path for path in paths if not FORMATS[extension_of(path)].secondary] or paths
    return [(_stem(path), path) for path in chosen]


def pattern_cure(references: Sequence[str], predictions: Sequence[str], location: str | os.PathLike[str]) -> str:
    """Return the pattern that gives predictions the names of references, if there is one, as the end of a sentence."""
    wanted = set(references)
    for name in predictions:
        for reference in references:
            before, found, after = name.partition(reference)
            if found and all(other.removeprefix(before).removesuffix(after) in wanted for other in predictions):
                return f"; `{location}/{before}{{subject}}{after}.*` is a pattern that gives them the same names"
    return "; give a pattern such as `folder/{subject}_seg.nii.gz`"


def _labelled_files(folder: Path, layout: FolderLayout) -> list[tuple[str, Path]]:
    """Return the label maps of a folder that is of a layout, with their subjects; none if it is not."""
    if layout == "nnunet":
        homes = [folder / name for name in ("labelsTr", "labelsTs") if (folder / name).is_dir()]
        # Preprocessed cases have their labels beside their images.
        cases = [path for path in sorted(folder.glob("*_seg.b2nd")) if not is_hidden(path, folder)]
        return _image_files(homes[0]) if homes else [(path.stem.removesuffix("_seg"), path) for path in cases]
    if layout == "decathlon" and (folder / "dataset.json").is_file() and (folder / "labelsTr").is_dir():
        return [(subject.name, Path(str(subject.entries[-1].path))) for subject in discover_decathlon(folder)]
    if layout == "bids":
        nested = folder.glob("sub-*/**/*.nii*")
        paths: Iterable[Path] = [*sorted(nested), *(path for _, path in _image_files(folder))]
        matches = ((_BIDS_NAME.fullmatch(_stem(path)), path) for path in paths if not is_hidden(path, folder))
        return [(match["subject"], path) for match, path in matches if match is not None]
    return []


def _stem(path: Path) -> str:
    """Return the name of an image without its extension."""
    return path.name[: -len(extension_of(path))]


def methods_of(predictions: Location | Sequence[Location] | Mapping[str, Location]) -> Mapping[str, Location]:
    """Return folders by the names of methods."""
    if isinstance(predictions, str | os.PathLike):
        predictions = [predictions]
    folders = predictions.values() if isinstance(predictions, Mapping) else predictions
    if not isinstance(folders, Iterable) or not all(isinstance(folder, str | os.PathLike) for folder in folders):
        checks.invalid_kind("evaluate_folders", "predictions", "be a folder, several, or a mapping", repr(predictions))
    if isinstance(predictions, Mapping):
        names = list(predictions)
    else:
        names = [folder_of(folder).resolve().name for folder in predictions]
        if len(set(names)) < len(names):
            needed = "be folders of different names, which `predictions={method: folder}` gives them"
            checks.invalid_value("evaluate_folders", "predictions", needed, names)
        predictions = dict(zip(names, predictions, strict=True))
    if not names or not all(isinstance(name, str) and name for name in names):
        checks.invalid_value("evaluate_folders", "predictions", "name at least one method", names)
    return predictions


def pairs_of(methods: Mapping[str, Location], references: Location, layout: FolderLayout) -> list[FilePair]:
    """Return the files of every subject of every method."""
    files = partial(files_by_subject, "evaluate_folders", layout=layout)
    found = {method: files("predictions", location) for method, location in methods.items()}
    return matched_files(found, files("references", references))


def matched_files(found: Mapping[str, Mapping[str, str]], referenced: Mapping[str, str]) -> list[FilePair]:
    """Return the pairs of predicted files, by method and subject, and referenced ones, by subject."""
    return [
        FilePair(subject, predicted.get(subject), referenced.get(subject), method)
        for method, predicted in found.items()
        # References come first, since they say which subjects there are.
        for subject in dict.fromkeys([*referenced, *predicted])
    ]


def progress_name(pair: FilePair, *, several: bool) -> str:
    """Return what progress calls a pair: its subject, behind the method if there are several."""
    return f"{pair.method}, {pair.subject}" if several else pair.subject
