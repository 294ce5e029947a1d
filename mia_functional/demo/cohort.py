"""The files of the demo: a synthetic cohort on disk, as a study would have it, and how its files are found again."""

import csv
from pathlib import Path

import numpy as np

from mia_functional import dataset, images, phantoms
from mia_functional.typing import Progress

__all__ = ["write_cohort"]

_SUBJECTS = 4
"""How many subjects the cohort has."""

_SHAPE = (72, 86, 72)
"""Voxels of every image, `(z, y, x)`."""

_SPACING = (2.0, 2.0, 2.0)
"""Millimetres between voxel centres."""

_PATTERNS = {
    "images": {"T1": "images/{subject}_T1.nii.gz", "T2": "images/{subject}_T2.nii.gz"},
    "labels": {"GT": "images/{subject}_GT.mha"},
    "mask": {"MASK": "images/{subject}_MASK.mha"},
}
"""Where the files lie: categories, entries and paths. Two formats, since cohorts often come in more than one."""

_COLUMNS = {"numerical": {"AGE": "age", "GPA": "gpa"}, "gender": {"GENDER": "gender"}}
"""Which columns of the table of subjects go where."""

_SUBJECT_TABLE = "subjects.csv"
"""Numbers and texts of the subjects."""


def write_cohort(rng: np.random.Generator, folder: Path, progress: Progress) -> tuple[dataset.Subject, ...]:
    """Write a new cohort, images as `.nii.gz` and `.mha` and a table of subjects; return it as it is found there."""
    (folder / "images").mkdir()
    rows = [("subject", "age", "gpa", "gender")]
    for done, someone in enumerate(phantoms.cohort(rng, _SUBJECTS, _SHAPE, spacing=_SPACING), start=1):
        head = someone.head
        arrays = {"T1": head.t1, "T2": head.t2, "GT": head.labels, "MASK": head.mask}
        for category in _PATTERNS.values():
            for name, pattern in category.items():
                images.write(folder / pattern.format(subject=someone.subject), arrays[name], head.geometry)
        rows.append((someone.subject, str(someone.age), str(someone.gpa), someone.gender))
        progress(done, _SUBJECTS, someone.subject)
    # `newline=""` is what the csv module asks for: it ends the lines itself.
    with open(folder / _SUBJECT_TABLE, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return dataset.discover(folder, _PATTERNS, table=folder / _SUBJECT_TABLE, columns=_COLUMNS)
