"""From three folders with all that goes wrong to a page, in two commands: every failed case is in every count."""

import html
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from mia_functional import analysis, cli, images, reporting
from mia_functional.evaluation import select_rows
from mia_functional.geometry import Geometry

SUBJECTS = [f"sub-{number:02}" for number in range(12)]
LABELS = ("grey", "white", "low")


def tissue():
    """Return grey matter 1, white matter 2 and the low slices 3 of MNI152 at 2 mm."""
    datasets = pytest.importorskip("nilearn.datasets")
    loads = (datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)
    grey, white = (np.asarray(load(resolution=2).dataobj).T for load in loads)
    labels = np.where(white > 0.5, 2, grey > 0.5).astype(np.uint8)
    labels[:20][labels[:20] > 0] = 3
    return labels


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Write references and the predictions of the methods a (right), b (four accidents) and c (two)."""
    folder, labels = tmp_path_factory.mktemp("cohort"), tissue()
    grid = Geometry(shape=labels.shape, spacing=(2.0, 2.0, 2.0), origin=(-70.0, -110.0, -90.0))
    turned = replace(
        grid, origin=(-70.0, -110.0, -90.0 + 2 * (labels.shape[2] - 1)), direction=((1, 0, 0), (0, 1, 0), (0, 0, -1))
    )
    for name in ("refs", "a", "b", "c"):
        (folder / name).mkdir()
    for number, subject in enumerate(SUBJECTS):
        reference = np.roll(labels, number % 3, axis=0)
        if number == 5:
            reference = np.where(reference == 3, 0, reference)  # a label is absent
        images.write(folder / "refs" / f"{subject}.nii.gz", reference, grid)
        for name, shift in (("a", 0), ("b", 1), ("c", 2)):
            images.write(folder / name / f"{subject}.nii.gz", np.roll(reference, shift, axis=2), grid)
        if number == 2:
            flipped = np.roll(reference, 1, axis=2)[:, :, ::-1]
            images.write(folder / "b" / f"{subject}.nii.gz", flipped, turned, overwrite=True)
    (folder / "b" / "sub-00.nii.gz").unlink()
    array, _ = images.read(folder / "b" / "sub-01.nii.gz")
    images.write(folder / "b" / "sub-01.nii.gz", array[:-3], replace(grid, shape=array[:-3].shape), overwrite=True)
    (folder / "b" / "sub-03.nii.gz").write_bytes(b"\x1f\x8b no image")
    array, _ = images.read(folder / "c" / "sub-06.nii.gz")
    images.write(folder / "c" / "sub-06.nii.gz", array.astype(np.float32), grid, overwrite=True)
    images.write(folder / "c" / "extra.nii.gz", array, grid)
    for name in ("dataset.json", "plans.json", "README.md", "Thumbs.db", "._sub-01.nii.gz", "sub-01.npz"):
        (folder / "c" / name).write_text("{}")
    return folder


@pytest.mark.filterwarnings("always:c has predictions without a reference")
@pytest.mark.full
def test_two_commands_lead_from_folders_to_a_page_that_counts_every_case(cohort, tmp_path, monkeypatch, capsys):
    work = shutil.copytree(cohort, tmp_path / "work")
    monkeypatch.chdir(work)
    words = [
        "evaluate",
        "a",
        "b",
        "c",
        "refs",
        "--labels",
        "1=grey",
        "2=white",
        "3=low",
        "--align",
        "--output",
        "results.csv",
    ]
    assert cli.main([*words, "--metrics", "DICE", "HD95"]) == 1
    errors = capsys.readouterr().err
    for expected in (
        "b, sub-00: there is no prediction",
        "b, sub-01: ",
        "b, sub-03: ",
        "c has predictions without a ref",
    ):
        assert expected in errors
    assert cli.main(["report", "results.csv", "--predictions", "a", "b", "c", "--references", "refs"]) == 0

    results = reporting.read_csv("results.csv")
    assert len(results) == 3 * 12 * 3 * 2
    statuses = {
        (row.method, row.subject): row.status for row in select_rows(results, metric="DICE", label="grey")
        if row.status != "ok"
    }  # fmt: skip
    assert statuses == {
        ("b", "sub-00"): "missing", ("b", "sub-01"): "failed", ("b", "sub-02"): "aligned", ("b", "sub-03"): "failed",
    }  # fmt: skip
    absent = select_rows(results, subject="sub-05", label="low", metric="DICE")
    assert {row.status for row in absent} == {"undefined"}
    assert select_rows(results, method="c", subject="sub-06", metric="DICE")[0].status == "ok"
    assert {case.subject for case in results.runs[0].cases if not case.reference} == {"extra"}

    for entry in analysis.summarize(results, policy="pymia"):
        lost = (1, 2) if entry.method == "b" else (0, 0)
        assert (entry.missing, entry.failed) == lost
        undefined = entry.undefined
        assert undefined == (entry.label == "low")
    # With what is lost counted as the worst, 3 of 12 times nothing.
    mean = next(
        e
        for e in analysis.summarize(results)
        if (e.method, e.label, e.metric, e.statistic) == ("b", "grey", "DICE", "MEAN")
    )
    values = [
        row.value for row in select_rows(results, method="b", label="grey", metric="DICE") if np.isfinite(row.value)
    ]
    assert mean.value == pytest.approx(sum(values) / 12)
    assert len(values) == 9

    page = (work / "results.html").read_text(encoding="utf-8")
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    for expected in ("sub-00", "sub-01", "sub-03", "there is no prediction", "it is not a gzip file, or damaged"):
        assert expected in text
    assert not re.search(r'(src|href)="https?:', page)
    assert json.loads((work / "results.run.json").read_text())["runs"][0]["command"].startswith(
        "mia evaluate a b c refs"
    )
