"""Empty files of a cohort, and subjects as plain data."""

import random


def touch(folder, *names):
    """Make empty files, in a random order."""
    for name in random.Random(0).sample(names, len(names)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def listed(subjects, folder):
    """Subjects as plain data, with paths below the folder."""
    return {
        s.name: [(e.category, e.name, str(e.path).removeprefix(f"{folder}/") if e.path else e.value) for e in s.entries]
        for s in subjects
    }
