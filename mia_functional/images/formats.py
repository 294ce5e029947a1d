"""Choose the reader of an image file by its extension, from an allow-list."""

from collections.abc import Callable
from pathlib import Path

from mia_functional._core import checks
from mia_functional.images.header import Header, refuse
from mia_functional.images.metaimage import parse_meta
from mia_functional.images.nifti import parse_nifti
from mia_functional.images.nrrd import parse_nrrd


def suffix(path: Path) -> str:
    """Return the extension that decides the format of an image file, in lower case."""
    checks.unicode_text("images", "path", str(path))
    for known in PARSERS:
        if path.name.lower().endswith(known):
            return known
    raise ValueError(checks.message("images", "path", f"end in {', '.join(PARSERS)}", path))


RIVALS = {".nii": ".nii.gz", ".nii.gz": ".nii", ".mhd": ".nhdr", ".nhdr": ".mhd"}
"""Extensions that share their pixels' file name, so that one of the two would be read or written for the other."""


def rival(path: Path) -> Path | None:
    """Return the file beside `path` that would be taken for it, if there is one."""
    known = suffix(path)
    other = RIVALS.get(known, known)
    names = [path.name[: -len(known)] + ending for ending in (other, other.upper())]
    return next((path.with_name(name) for name in names if name != path.name and path.with_name(name).exists()), None)


def parse(path: Path) -> Header:
    """Return what the header of an image file says, without a look at the pixels.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The header is not that of a plain image of the kind that the extension names, or `x.nii` lies beside
            `x.nii.gz`.
    """
    parser = PARSERS[suffix(path)]
    if parser is parse_nifti and (other := rival(path)) is not None:
        refuse(path, f"{other.name} lies beside it, and readers take the one for the other")
    if path.exists() and not path.is_file():
        refuse(path, "it is no regular file")
    return parser(path)


PARSERS: dict[str, Callable[[Path], Header]] = {
    ".nii": parse_nifti, ".nii.gz": parse_nifti,
    ".mha": parse_meta, ".mhd": parse_meta,
    ".nrrd": parse_nrrd, ".nhdr": parse_nrrd,
}  # fmt: skip
"""The extensions that are read and written, and who parses each."""
