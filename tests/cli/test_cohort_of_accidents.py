"""Folders as people have them, with every accident there is, through two commands: each one is on the page, counted."""

import math
from collections import Counter

import numpy as np
import pytest

import mia_functional as mia
from mia_functional import cli
from mia_functional.geometry import Geometry

from ..reporting.test_html_report import Page

METHODS = ("net_a", "net_b", "atlas")
SUBJECTS = tuple(f"sub-{k:02d}" for k in range(1, 13))
LABELS = ("1=grey", "2=white", "3=core")
METRICS = ("DICE", "HDRFDST95")


def structures():
    """Return a label map of three structures, one inside the other, and its grid."""
    grid = Geometry(shape=(14, 16, 12), spacing=(3.0, 2.0, 2.0), origin=(-72.0, 10.0, 5.0))
    z, y, x = np.indices(grid.shape)
    distance = np.sqrt(((z - 6.5) / 6) ** 2 + ((y - 7.5) / 7) ** 2 + ((x - 5.5) / 5) ** 2)
    return np.digitize(-distance, (-1.0, -0.75, -0.45)).astype(np.uint8), grid


@pytest.fixture
def cohort(tmp_path, monkeypatch):
    """References and three methods, and in them all accidents; the working directory is there."""
    whole, grid = structures()
    for folder in ("refs", *METHODS):
        (tmp_path / folder).mkdir()
    for k, subject in enumerate(SUBJECTS):
        reference = np.roll(whole, k % 3, axis=1)
        if subject == "sub-06":
            reference[reference == 3] = 2  # a label is absent
        mia.images.write(tmp_path / "refs" / f"{subject}.nii.gz", reference, grid)
        for shift, method in enumerate(METHODS):
            moved = np.roll(reference, shift * (1 + k % 2), axis=2)
            mia.images.write(tmp_path / method / f"{subject}.nii.gz", moved, grid)
    (tmp_path / "net_b" / "sub-03.nii.gz").unlink()  # missing
    (tmp_path / "atlas" / "sub-04.nii.gz").write_bytes(b"\x1f\x8b cut off")  # corrupt
    other = Geometry(shape=(4, 5, 6), spacing=grid.spacing, origin=grid.origin)
    mia.images.write(tmp_path / "net_b" / "sub-05.nii.gz", np.zeros(other.shape, np.uint8), other, overwrite=True)
    image, place = mia.images.read(tmp_path / "atlas" / "sub-07.nii.gz")
    flipped = (mia.transforms.flip(image, 2), mia.transforms.flip(place, 2))  # with the right place in the world
    mia.images.write(tmp_path / "atlas" / "sub-07.nii.gz", *flipped, overwrite=True)
    image, place = mia.images.read(tmp_path / "net_a" / "sub-08.nii.gz")
    mia.images.write(tmp_path / "net_a" / "sub-08.nii.gz", image.astype(np.float32) + 1e-4, place, overwrite=True)
    mia.images.write(tmp_path / "atlas" / "sub-99.nii.gz", image, place)  # there is no such reference
    for name in ("README.txt", "Thumbs.db", "._sub-01.nii.gz", "plans.json"):
        (tmp_path / "net_a" / name).write_text("junk")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected(method, subject):
    """Return what a case came to, by the worst of its values."""
    accidents = {
        ("net_b", "sub-03"): "missing", ("atlas", "sub-04"): "failed", ("net_b", "sub-05"): "failed",
        ("atlas", "sub-07"): "aligned",
    }  # fmt: skip
    # A structure that is absent from both is undefined.
    return accidents.get((method, subject), "undefined" if subject == "sub-06" else "ok")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("cohort")
def test_two_commands_without_options_are_enough(capsys):
    """Labels are those of the references; what lies elsewhere and may not be moved is a row for each of them."""
    assert cli.main(["evaluate", *METHODS, "refs", "--metrics", *METRICS, "--jobs", "1", "--output", "plain.csv"]) == 1
    assert cli.main(["report", "plain.csv"]) == 0
    capsys.readouterr()
    results = mia.reporting.read_results("plain.csv")
    assert Counter(row.label for row in results) == {"1": 72, "2": 72, "3": 72}
    statuses = {(row.method, row.subject): row.status for row in results}
    assert {case for case, status in statuses.items() if status == "failed"} == {
        ("atlas", "sub-04"), ("net_b", "sub-05"), ("atlas", "sub-07"),
    }  # fmt: skip
    assert {case for case, status in statuses.items() if status == "missing"} == {("net_b", "sub-03")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*holds labels that are", "ignore:atlas has predictions without a reference")
def test_every_accident_is_counted_in_each_table_and_on_the_page(cohort, capsys):
    words = ["evaluate", *METHODS, "refs", "--labels", *LABELS, "--metrics", *METRICS, "--align", "--jobs", "1"]
    assert cli.main([*words, "--output", "results.csv"]) == 1
    printed = capsys.readouterr().out
    assert cli.main(["report", "results.csv"]) == 0
    results = mia.reporting.read_results("results.csv")
    assert len(results) == 3 * 12 * 3 * 2
    page = Page((cohort / "results.html").read_text(encoding="utf-8"))
    for line in page.table("Cases of each method"):
        counts = Counter(expected(line["METHOD"], subject) for subject in SUBJECTS)
        found = {name.lower(): int(line[name]) for name in ("OK", "ALIGNED", "UNDEFINED", "MISSING", "FAILED")}
        assert found == {name: counts[name] for name in found}
        assert int(line["CASES"]) == 12
    for caption in ("DICE", "HDRFDST95 in mm", "DICE: ranking", "HDRFDST95: ranking"):
        for line in page.table(caption):
            missing, failed = {"net_a": ("0", "0"), "net_b": ("1", "1"), "atlas": ("0", "1")}[line["METHOD"]]
            assert (line["MISSING"], line["FAILED"]) == (missing, failed)
            assert line["UNDEFINED"] == ("1" if line["LABEL"] == "core" else "0")
    for line in page.table("DICE: methods compared"):
        lacking = {"net_a": 0, "net_b": 2, "atlas": 1}
        assert int(line["ONLY METHOD"]) == lacking[line["AGAINST"]]
        assert int(line["ONLY OTHER"]) == lacking[line["METHOD"]]
    gaps = {(line["METHOD"], line["CASE"], line["STATUS"]): line for line in page.table("Cases without")}
    cases = [(method, subject) for method in METHODS for subject in SUBJECTS]
    assert set(gaps) == {(*case, expected(*case)) for case in cases if expected(*case) != "ok"}
    assert all(line["REASON"] not in ("", "\u2013") for line in gaps.values())
    told = {line["NAME"]: line["VALUE"] for line in page.table("Command, versions and options")}
    assert told["predictions without a reference"] == "atlas: sub-99"
    # On the console as well: the two cases that failed.
    failed = [line.split()[:2] for line in printed.splitlines() if " failed " in line]
    assert {tuple(words) for words in failed} == {("atlas", "sub-04"), ("net_b", "sub-05")}
    aligned = [row for row in results if row.subject == "sub-07" and row.method == "atlas"]
    assert all(row.status == "aligned" and math.isfinite(row.value) for row in aligned)
