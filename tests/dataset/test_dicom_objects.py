"""Cohorts whose files are single DICOM objects: discovered, stored or read when asked for, and evaluated."""

import numpy as np
import pytest

from mia_functional import dataset, evaluation, images
from mia_functional.cli import main

from ..images.frame_cases import PIXELS, enhanced, frame_item, position, write
from ..images.structure_cases import GRID, circle, contour, drawn, write_structures


@pytest.fixture
def cohort(tmp_path):
    """Two subjects, each with an enhanced MR and a mask in one, in a folder of its own."""
    for number, name in enumerate(["A", "B"]):
        for kind, pixels in (("mr", PIXELS + number), ("mask", (500 + number < PIXELS).astype(np.uint8))):
            folder = tmp_path / name / kind
            folder.mkdir(parents=True)
            write(folder / f"{kind}.dcm", enhanced([frame_item(position(k)) for k in range(6)], pixels))
    return tmp_path


@pytest.mark.parametrize("metadata_only", [False, True])
@pytest.mark.parametrize("files", ["{subject}/%s/%s.dcm", "{subject}/%s"])
def test_objects_are_files_of_a_cohort_as_any_others(cohort, files, metadata_only):
    patterns = {category: {"x": files.replace("%s", kind)} for category, kind in (("images", "mr"), ("labels", "mask"))}
    found = dataset.discover(cohort, patterns)
    assert [subject.name for subject in found] == ["A", "B"]
    dataset.create(cohort / "x.h5", found, metadata_only=metadata_only)
    opened = dataset.open(cohort / "x.h5")
    np.testing.assert_array_equal(dataset.read(opened, "B", "images")[..., 0], PIXELS + 1)
    np.testing.assert_array_equal(dataset.read(opened, "B", "labels")[..., 0], PIXELS > 501)


def test_masks_in_objects_are_evaluated(cohort):
    pattern = str(cohort / "{subject}" / "mask" / "mask.dcm")
    results = evaluation.evaluate_folders(pattern, pattern, labels=(1,), metrics=["DICE"])
    assert [result.value for result in results] == [1.0, 1.0]


def test_structures_are_evaluated_on_the_grid_of_their_partner(tmp_path, capsys):
    for name in ("found", "truth"):
        (tmp_path / name).mkdir()
    contours = [contour(drawn(GRID, number, circle((20, 24), 9))) for number in (2, 3, 4)]
    path = write_structures(tmp_path / "found" / "A.dcm", {"tumour": contours})
    images.write(tmp_path / "truth" / "A.mha", images.read_structures(path, GRID).array, GRID)
    results = evaluation.evaluate_folders(tmp_path / "found", tmp_path / "truth", labels=(1,), metrics=["DICE"])
    assert [result.value for result in results] == [1.0]
    assert main(["info", str(path)]) == 0
    assert "tumour" in capsys.readouterr().out
