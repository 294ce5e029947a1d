"""Entries and subjects: names that are usable in files and folders."""

from fractions import Fraction
from pathlib import Path

import numpy as np
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


def test_values_and_paths_are_taken_for_what_they_stand_for():
    for value, expected in (
        (np.float32(0.1), float(np.float32(0.1))),
        (np.int64(3), 3),
        (np.array(2.5), 2.5),
        (np.array([True])[0], True),
        (Fraction(1, 4), 0.25),
        (True, True),
        (3, 3),
        (np.str_("a"), "a"),
    ):
        entry = dataset.Entry(category="a", name="b", value=value)
        assert entry.value == expected
        assert type(entry.value) is type(expected)
    assert dataset.Entry(category="a", name="b", path=Path("x") / "y.nii").path == str(Path("x", "y.nii"))


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"value": b"31"}, TypeError, "`value` must be a number or text; got b'31'"),
        ({"value": np.ones(2)}, TypeError, r"`value` must be a number or text; got an array of shape \(2,\)"),
        ({"value": 1j}, TypeError, "`value` must be a number or text; got 1j"),
        ({"value": 10**400}, ValueError, "`value` must be a number that float64 holds; got one that is larger"),
        ({"path": 3}, TypeError, "`path` must be a path of text; got 3"),
        ({"path": b"x"}, TypeError, "`path` must be a path of text; got b'x'"),
        ({"path": "x", "value": 3}, ValueError, "`path` must be given, or a value, and not both"),
    ],
)
def test_other_values_and_paths_are_refused(given, kind, message):
    with pytest.raises(kind, match=f"^Entry: {message}"):
        dataset.Entry(category="a", name="b", **given)
