"""Files whose segments have names: labels from the files, matched by name, and both of a pair on one grid."""

import numpy as np
import pytest

import mia_functional as mia
from mia_functional import images
from mia_functional.cli import main
from mia_functional.evaluation import check_folders, evaluate_folders
from mia_functional.images import Segment, Segmentation
from mia_functional.reporting.case_pictures import case_pictures

from ..images.seg_cases import label_scene, write_series

SHAPE = (9, 6, 7)
METRICS = ["DICE", "HDRFDST"]
PREDICTED, TRUE = label_scene(SHAPE, seed=0), label_scene(SHAPE, seed=1)
TRUE[1] = TRUE[2]  # so that it ends elsewhere


def segments(*names, first=1):
    """Return segments of those names, numbered from `first` on."""
    values = {"algorithm_type": "MANUAL"}
    return tuple(Segment(label=number, name=name, **values) for number, name in enumerate(names, start=first))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write one case as DICOM and as NIfTI: predictions, and references with the same names in another order."""
    root = tmp_path_factory.mktemp("cohort")
    write_series(root / "ct", SHAPE)
    grid = images.read_geometry(root / "ct")
    for name in ("dcm", "dcm_true", "nii", "nii_true", "renumbered", "overlap"):
        (root / name).mkdir()
    named = segments("liver", "spleen", "tumour")
    images.write_segmentation(root / "dcm" / "A.dcm", Segmentation(PREDICTED, named, grid), root / "ct")
    images.write_segmentation(root / "dcm_true" / "A.dcm", Segmentation(TRUE, named, grid), root / "ct")
    images.write(root / "nii" / "A.nii.gz", PREDICTED, grid)
    images.write(root / "nii_true" / "A.nii.gz", TRUE, grid)
    other = segments("tumour", "liver", "spleen", first=4)
    turned = np.array([0, 5, 6, 4], np.uint8)[PREDICTED]
    images.write_segmentation(root / "renumbered" / "A.dcm", Segmentation(turned, other, grid), root / "ct")
    masks = np.stack([PREDICTED > 0, PREDICTED == 2, PREDICTED == 3], axis=-1)
    images.write_segmentation(root / "overlap" / "A.dcm", Segmentation(masks, named, grid), root / "ct")
    return root


def values(folders, predictions, references, **options):
    """Return the values of an evaluation by the names of labels and metrics."""
    results = evaluate_folders(folders / predictions, folders / references, metrics=METRICS, **options)
    assert {row.status for row in results} == {"ok"}, [row.reason for row in results]
    return {(row.label, row.metric): row.value for row in results}


def test_labels_and_names_come_from_the_files_and_values_are_those_of_other_formats(folders):
    names = {1: "liver", 2: "spleen", 3: "tumour"}
    expected = values(folders, "nii", "nii_true", labels=names)
    assert len(expected) == 6
    assert values(folders, "dcm", "dcm_true") == expected
    # Segments are what their names say, whatever their numbers.
    assert values(folders, "renumbered", "dcm_true") == expected
    # A file without names lies on all slices, and the segmentation only on some.
    assert images.read_geometry(folders / "dcm" / "A.dcm").shape[0] < SHAPE[0]
    for pair in (("dcm", "nii_true"), ("nii", "dcm_true")):
        assert values(folders, *pair, labels=names) == expected


def test_a_partner_without_names_needs_labels(folders):
    words = r"`labels` must be given, as .*A\.nii\.gz does not name its labels; got none, and .*A\.dcm names 1=liver 2="
    for pair in (("dcm", "nii_true"), ("nii", "dcm_true")):
        with pytest.raises(ValueError, match=f"^evaluate_folders: {words}"):
            evaluate_folders(folders / pair[0], folders / pair[1], metrics=METRICS)


def test_segments_that_overlap_are_evaluated_as_channels(folders):
    (row, *_) = evaluate_folders(folders / "overlap", folders / "dcm_true", metrics=["DICE"])
    assert row.status == "failed"
    assert "its 3 segments overlap" in row.reason
    found = evaluate_folders(
        folders / "overlap", folders / "dcm_true", metrics=["DICE"], channels={0: "all", 2: "tumour"}
    )
    assert [row.label for row in found] == ["all", "tumour"]
    assert found[1].value == values(folders, "dcm", "dcm_true")["tumour", "DICE"]


def test_files_that_are_damaged_fail_alone(folders, tmp_path):
    whole = (folders / "dcm" / "A.dcm").read_bytes()
    (tmp_path / "A.dcm").write_bytes(whole)
    (tmp_path / "B.dcm").write_bytes(whole[:-100])
    truth = tmp_path / "truth"
    truth.mkdir()
    for name in "AB":
        (truth / f"{name}.dcm").write_bytes((folders / "dcm_true" / "A.dcm").read_bytes())
    results = evaluate_folders(tmp_path, truth, metrics=["DICE"])
    assert {row.subject: row.status for row in results} == {"A": "ok", "B": "failed"}
    reason = next(row.reason for row in results if row.subject == "B")
    assert reason.startswith("evaluate_folders: `predictions` must name a complete, well-formed image file")


def test_the_command_lists_segments_and_evaluates_them(folders, capsys):
    path = folders / "dcm" / "A.dcm"
    assert main(["info", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: 3 segments"
    assert [line.split() for line in lines[2:]] == [
        [str(number), name, "Tissue", "manual"] for number, name in enumerate(("liver", "spleen", "tumour"), start=1)
    ]
    assert main(["info", str(folders / "nii" / "A.nii.gz")]) == 0
    assert capsys.readouterr().out.endswith("9 x 6 x 7 voxels\nspacing in mm: 2.5 x 0.75 x 0.5\n")
    assert main(["evaluate", str(folders / "dcm"), str(folders / "dcm_true"), "--metrics", "DICE"]) == 0
    assert "spleen" in capsys.readouterr().out


@pytest.mark.slow
def test_checks_and_pictures_put_both_files_onto_one_grid(folders):
    assert check_folders(folders / "dcm", folders / "nii_true", labels={1: "a", 2: "b", 3: "c"}) == ()
    results = evaluate_folders(folders / "renumbered", folders / "dcm_true", metrics=["DICE"])
    places = {"predictions": {"renumbered": folders / "renumbered"}, "references": folders / "dcm_true"}
    pictures = list(case_pictures("write_html", results.rows, results, **places))
    assert [picture.reason for picture in pictures] == ["", "", ""]
    assert all(picture.png.startswith(b"\x89PNG") for picture in pictures)


@pytest.mark.parametrize("broken", [("prediction",), ("reference",), ("prediction", "reference")])
def test_each_file_that_cannot_be_read_is_found_beside_segmentations(folders, tmp_path, broken):
    paths = {"prediction": tmp_path / "net" / "A.nii.gz", "reference": tmp_path / "truth" / "A.dcm"}
    for role, source in (("prediction", "nii/A.nii.gz"), ("reference", "dcm_true/A.dcm")):
        content = (folders / source).read_bytes()
        paths[role].parent.mkdir()
        # Of the reference the pixels end too early, of the prediction the header.
        kept = len(content) - 20 if role == "reference" else 20
        paths[role].write_bytes(content[:kept] if role in broken else content)
    findings = check_folders(tmp_path / "net", tmp_path / "truth", labels={1: "a", 2: "b", 3: "c"})
    assert [(finding.kind, finding.path) for finding in findings] == [
        ("unreadable", str(paths[role])) for role in broken
    ]


def test_datasets_are_made_of_segmentations_as_of_other_label_maps(folders, tmp_path):
    subjects = mia.dataset.discover(folders, {"labels": {"truth": "dcm_true/{subject}.dcm"}})
    expected = images.read_labels(folders / "dcm_true" / "A.dcm")[0]
    assert expected.shape[0] < SHAPE[0]
    for metadata_only in (False, True):
        path = tmp_path / f"{metadata_only}.h5"
        mia.dataset.create(path, subjects, metadata_only=metadata_only)
        stored = mia.dataset.read(mia.dataset.open(path, root=folders / "dcm_true"), "A", "labels")
        np.testing.assert_array_equal(stored[..., 0], expected)


def test_segmentations_lie_beside_the_images_of_a_dataset(folders, tmp_path):
    """Although they end with the last slice in which there is something."""
    patterns = {"images": {"ct": "nii/{subject}.nii.gz"}, "labels": {"truth": "dcm_true/{subject}.dcm"}}
    subjects = mia.dataset.discover(folders, patterns)
    for metadata_only in (False, True):
        path = tmp_path / f"{metadata_only}.h5"
        mia.dataset.create(path, subjects, metadata_only=metadata_only)
        stored = mia.dataset.read(mia.dataset.open(path, root=folders), "A", "labels")
        np.testing.assert_array_equal(stored[..., 0], TRUE)


@pytest.mark.full
def test_pictures_of_the_command_lie_on_one_grid(folders, tmp_path, capsys):
    drawn = {}
    for name, files in {
        "dcm": ("dcm/A.dcm", "dcm_true/A.dcm"),
        "renumbered": ("renumbered/A.dcm", "dcm_true/A.dcm"),
        "image": ("dcm/A.dcm", "dcm_true/A.dcm", "ct"),
        "mixed": ("dcm/A.dcm", "nii_true/A.nii.gz"),
        "plain": ("nii/A.nii.gz", "nii_true/A.nii.gz"),
    }.items():
        options = ["--labels", "1=liver", "2=spleen", "3=tumour"] if name in ("mixed", "plain") else []
        point = ["--point", *("3 2 2" if name in ("mixed", "plain", "image") else "2 2 2").split()]
        output = tmp_path / f"{name}.png"
        words = ["plot", "overlay", *(str(folders / file) for file in files), *options, *point]
        assert main([*words, "--style", "errors", "--output", str(output)]) == 0, capsys.readouterr().err
        drawn[name] = output.read_bytes()
    assert drawn["mixed"] == drawn["plain"]
    assert drawn["dcm"] == drawn["renumbered"]
    capsys.readouterr()
    words = ["plot", "overlay", str(folders / "dcm" / "A.dcm"), str(folders / "nii_true" / "A.nii.gz")]
    assert main([*words, "--output", str(tmp_path / "x.png")]) == 2
    assert "plot: `--labels` must be given, as " in capsys.readouterr().err
