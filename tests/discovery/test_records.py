"""Entries and subjects: names that are usable in files and folders."""

import pytest

from mia_functional import dataset


def test_records_refuse_what_cannot_be_found_again():
    for wrong in (
        {"category": "a/b"},
        {"category": "index"},
        {"name": ""},
        {"path": None},
        {"value": 1.0},
        {"name": "a\nb"},
    ):
        with pytest.raises(ValueError, match="Entry: `"):
            dataset.Entry(**{"category": "images", "name": "T1", "path": "x.mha", **wrong})
    entry = dataset.Entry(category="images", name="T1", path="x.mha")
    for name, entries in (("..", (entry,)), ("A", ()), ("A", (entry, entry))):
        with pytest.raises(ValueError, match="Subject: `"):
            dataset.Subject(name=name, entries=entries)
    with pytest.raises(TypeError, match="be text; got 3"):
        dataset.Subject(name=3, entries=(entry,))
