"""What is known of the image files that a dataset is made from: fingerprints, digests and scales."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from mia_functional import images
from mia_functional.dataset.records import Storage
from mia_functional.discovery.records import Subject
from mia_functional.images.file_states import detached_pixels, file_states
from mia_functional.typing import Align

__all__ = ["digest_of_source", "fingerprint", "scale_or_identity"]


def fingerprint(subject: Subject, storage: Storage, *, align: Align, grids: Mapping[str, str], voxels: bool) -> str:
    """Return the SHA-256 of what a subject is made from: values, names, sizes and times of its files, and options.

    Sizes and times stand for the content of files, which would take as long to read as to load the subject again.
    """
    paths = [Path(entry.path) for entry in subject.entries if entry.path is not None]
    times = [state for path in paths for state in file_states(path)]
    made_from = [asdict(subject), times, asdict(storage), align, voxels, dict(grids)]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def digest_of_source(path: Path) -> str:
    """Return the SHA-256 of a file; of header and pixels, or of a folder's files by name, that of their digests."""
    if path.is_dir():
        # Slices may be links. Pipes and devices have no end, and a folder elsewhere is no part of a store.
        held = [file for file in sorted(path.iterdir()) if file.is_file() or (file.is_dir() and not file.is_symlink())]
        digests = [digest_of_source(file) for file in held]
    else:
        digests = []
        for file in (path, *detached_pixels(path)):
            with file.open("rb") as stream:
                digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
        if len(digests) == 1:
            return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def scale_or_identity(path: Path) -> tuple[float, float]:
    """Return slope and intercept of a file; (1, 0) for a file that only the user's `load` can read."""
    try:
        return images.scale(path)
    except ValueError:
        return 1.0, 0.0
