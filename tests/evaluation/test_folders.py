"""Folders: files are paired by subject, grids have to agree, and what is missing or damaged fails alone."""

import dataclasses
import re
from functools import partial

import nibabel
import numpy as np
import pytest

from mia_functional import images, metrics
from mia_functional.evaluation import evaluate, evaluate_folders, reference_labels, select_rows
from mia_functional.geometry import Geometry

from ..images.dicom_cases import heights, write_stack

GRID = Geometry(shape=(5, 6, 7), spacing=(2.0, 1.0, 0.5))
REFERENCE = np.zeros(GRID.shape, dtype=np.uint8)
REFERENCE[1:4, 1:4, 1:4] = 1


@pytest.fixture
def folders(tmp_path):
    """A is right, B lies on another grid, C is damaged, D has no prediction and E no reference."""
    for folder in ("found", "truth"):
        (tmp_path / folder).mkdir()
    for name in "ABCD":
        images.write(tmp_path / "truth" / f"{name}_GT.mha", REFERENCE, GRID)
    images.write(tmp_path / "found" / "A.nii.gz", REFERENCE, GRID)
    images.write(tmp_path / "found" / "B.mha", REFERENCE, Geometry(shape=GRID.shape, spacing=(2.0, 1.0, 1.0)))
    (tmp_path / "found" / "C.mha").write_bytes(b"no image")
    images.write(tmp_path / "found" / "E.mha", REFERENCE, GRID)
    return tmp_path


def test_files_are_paired_by_subject_and_what_fails_fails_alone(folders):
    steps = []
    with pytest.warns(UserWarning, match=r"^found has predictions without a reference, which are not evaluated: E\.$"):
        results = evaluate_folders(
            folders / "found", folders / "truth" / "{subject}_GT.mha", metrics=["DICE", "HDRFDST"], labels={1: "cube"},
            progress=lambda *step: steps.append(step),
        )  # fmt: skip
    assert [(row.subject, row.metric) for row in results] == [(s, m) for s in "ABCD" for m in ("DICE", "HDRFDST")]
    (extra,) = [case for case in results.runs[0].cases if not case.reference]
    assert (extra.method, extra.subject, extra.prediction) == ("found", "E", "E.mha")
    assert [(row.method, row.label, row.value) for row in results][:2] == [("found", "cube", 1), ("found", "cube", 0)]
    statuses = {"A": "ok", "B": "failed", "C": "failed", "D": "missing"}
    assert {row.subject: row.status for row in results} == statuses
    assert steps == [(number, 4, name) for number, name in enumerate("ABCD", start=1)]
    messages = {row.subject: row.reason for row in results}
    assert messages["B"] == (
        f"evaluate_folders: `predictions` must lie on the grid of the reference, {folders / 'truth' / 'B_GT.mha'}; "
        "got corners up to 6.5 voxels (3.25 mm) apart: spacing (2.0, 1.0, 1.0) and not (2.0, 1.0, 0.5) "
        '(cured by `align="resample"`).'
    )
    assert messages["C"].startswith(
        "evaluate_folders: `predictions` must name a complete, well-formed image file; got "
    )
    assert messages["D"] == "there is no prediction"


def test_names_that_no_prediction_shares_with_a_reference_are_cured_by_a_pattern(folders):
    for path in (folders / "found").iterdir():
        path.rename(path.with_stem(f"{path.name.partition('.')[0]}_pred").with_suffix(".mha"))
    asked = {"metrics": ["DICE"], "labels": {1: "cube"}}
    general = "A_pred, B_pred, C_pred, E_pred; give a pattern such as `folder/{subject}_seg.nii.gz`."
    with pytest.warns(UserWarning, match=re.escape(general)):
        results = evaluate_folders(folders / "found", folders / "truth", **asked)
    assert {row.status for row in results} == {"missing"}
    (folders / "found" / "E_pred.mha").unlink()
    named = f"`{folders / 'found'}/{{subject}}_pred.*` is a pattern that gives them the same names."
    with pytest.warns(UserWarning, match=re.escape(named)):
        evaluate_folders(folders / "found", folders / "truth" / "{subject}_GT.mha", **asked)


def test_layers_and_frames_of_labels_are_never_pooled(tmp_path):
    layers = np.zeros((*GRID.shape, 2), np.uint8)
    layers[:2, ..., 0] = layers[1:3, ..., 1] = 1
    frames = Geometry(shape=(2, *GRID.shape), spacing=(1.0, *GRID.spacing))
    reasons = {
        "A.seg.nrrd": (layers, GRID, r"`predictions` must name a label map.*A\.seg\.nrrd: it has 2 channels"),
        "B.mha": (layers, GRID, r"`predictions` must name a label map.*B\.mha: it has 2 channels"),
        "C.nii": (np.moveaxis(layers, -1, 0), frames, r"`references` must be label maps of two or three axes"),
    }
    for folder in ("found", "truth"):
        (tmp_path / folder).mkdir()
        for name, (array, grid, _) in reasons.items():
            images.write(tmp_path / folder / name, array, grid)
    # HDRFDST refuses four axes itself; counts would take them as one mask.
    for options in ({"labels": {1: "one"}}, {}):
        results = evaluate_folders(tmp_path / "found", tmp_path / "truth", metrics=["DICE", "SNSVTY"], **options)
        assert {row.status for row in results} == {"failed"}
        for row, (_, _, reason) in zip(select_rows(results, metric="DICE"), reasons.values(), strict=True):
            assert re.match(f"evaluate_folders: {reason}", row.reason)
    # Images may have channels and frames.
    results = evaluate_folders(tmp_path / "found", tmp_path / "truth", metrics=["MSE"])
    assert [row.value for row in results] == [0, 0, 0]


def test_labels_as_floats_are_compared_and_fractions_refused(tmp_path):
    for folder in ("found", "truth"):
        (tmp_path / folder).mkdir()
        images.write(tmp_path / folder / "A.nii", REFERENCE.astype(np.float32 if folder == "found" else np.int16), GRID)
    images.write(tmp_path / "found" / "B.nii", REFERENCE * np.float32(0.25), GRID)
    images.write(tmp_path / "truth" / "B.nii", REFERENCE, GRID)
    for options in ({"labels": {1: "cube"}}, {}):
        results = evaluate_folders(tmp_path / "found", tmp_path / "truth", metrics=["DICE"], **options)
        assert [(row.subject, row.status) for row in results] == [("A", "ok"), ("B", "failed")]
        assert results[0].value == 1
        assert "B.nii: it holds 0.25; probabilities have to be thresholded" in results[1].reason
    # A soft statistic takes probabilities as they are: 2 x 0.25 n / (0.25 n + n).
    soft = dataclasses.replace(metrics.find("DICE"), statistic=metrics.soft_confusion_counts)
    results = evaluate_folders(tmp_path / "found", tmp_path / "truth" / "{subject}.nii", metrics=[soft])
    assert {row.subject: row.value for row in results} == {"A": 1, "B": pytest.approx(0.4)}


def pair_of_folders(tmp_path, prediction, place, reference, grid):
    """Folders with one subject, whose files lie where they are said to."""
    for name, array, where in (("found", prediction, place), ("truth", reference, grid)):
        (tmp_path / name).mkdir()
        images.write(tmp_path / name / "A.mha", array, where)
    return tmp_path / "found", tmp_path / "truth"


def test_turned_predictions_are_aligned_on_demand(tmp_path):
    rng = np.random.default_rng(0)
    reference, prediction = (rng.integers(0, 3, (5, 5, 5)).astype(np.uint8) for _ in range(2))
    grid = Geometry(shape=(5, 5, 5), spacing=(2.0, 1.0, 0.5))
    # Axes in the order y, x, z, of which y runs the other way.
    place = Geometry(
        shape=(5, 5, 5), spacing=(1.0, 0.5, 2.0), origin=(0, 4, 0), direction=((0, 0, 1), (-1, 0, 0), (0, 1, 0))
    )
    pair = pair_of_folders(tmp_path, prediction.transpose(1, 2, 0)[::-1], place, reference, grid)
    options = {"metrics": ["DICE", "HDRFDST", "VOLSMTY"], "labels": {1: "one", 2: "two"}}
    expected = evaluate(prediction, reference, spacing=grid.spacing, subject="A", **options)
    for align in ("reorient", "resample"):
        rows = evaluate_folders(*pair, align=align, **options)
        assert [(row.label, row.metric, row.value) for row in rows] == [
            (row.label, row.metric, row.value) for row in expected
        ]
        assert {row.status for row in rows} == {"aligned"}
        assert re.fullmatch(
            r"axes turned onto the reference: corners up to .* apart: axes in the order \(2, 0, 1\), axis 1 flipped",
            rows[0].reason,
        )
    refused = evaluate_folders(*pair, **options)[0].reason
    assert refused.endswith('apart: axes in the order (2, 0, 1), axis 1 flipped (cured by `align="reorient"`).')
    with pytest.raises(ValueError, match=r"^evaluate_folders: `align` must be one of reorient, resample; got 'x'\.$"):
        evaluate_folders(*pair, align="x", **options)


def test_predictions_on_other_grids_are_resampled_on_demand(tmp_path):
    grid, half = Geometry(shape=(1, 6), spacing=(1.0, 1.0)), Geometry(shape=(1, 3), spacing=(1.0, 2.0), origin=(0, 0.5))
    reference = np.array([[0, 4, 4, 4, 0, 0]], np.uint8)
    pair = pair_of_folders(tmp_path, np.array([[4, 4, 0]], np.uint8), half, reference, grid)
    # Every voxel becomes two: 4 4 4 4 0 0, of which three are right, and the reference has three. Interpolated, there
    # would be labels 3 and 1 at the end.
    results = evaluate_folders(*pair, align="resample", metrics=["DICE"], labels=(4,))
    assert results[0].value == pytest.approx(2 * 3 / (4 + 3))
    assert results[0].status == "aligned"
    assert results[0].reason.startswith("resampled onto the reference: corners up to ")
    assert evaluate_folders(*pair, align="reorient", metrics=["DICE"], labels=(4,))[0].reason.endswith(
        "shape (1, 3) and not (1, 6), spacing (1.0, 2.0) and not (1.0, 1.0), shift of 0.5 mm "
        '(cured by `align="resample"`).'
    )


def test_images_are_interpolated_where_all_metrics_are_of_images(tmp_path):
    grid, half = Geometry(shape=(1, 4), spacing=(1.0, 1.0)), Geometry(shape=(1, 2), spacing=(1.0, 2.0), origin=(0, 0.5))
    reference = np.array([[0.0, 1.0, 3.0, 4.0]], np.float32)
    pair = pair_of_folders(tmp_path, np.array([[0.0, 4.0]], np.float32), half, reference, grid)
    # The centres of the old voxels are at 0.5 and 2.5; beyond them the edge is repeated.
    assert evaluate_folders(*pair, align="resample", metrics=["MAE"])[0].value == 0


@pytest.fixture
def label_maps(tmp_path):
    """Predictions and references: of the latter one is empty, one has labels 2 and 300, one 7, and one is broken."""
    home = tmp_path / "maps"
    for folder in ("found", "truth"):
        (home / folder).mkdir(parents=True)
    grid = Geometry(shape=(2, 3), spacing=(1.0, 1.0))
    for name, values in {"A": [0, 0, 0], "B": [2, 300, 2], "C": [7, 7, 0], "D": [0, 1, 0]}.items():
        reference = np.array([values, [0, 0, 0]], np.int16)
        images.write(home / "truth" / f"{name}.mha", reference, grid)
        images.write(home / "found" / f"{name}.mha", np.where(reference == 300, 9, reference), grid)
    (home / "truth" / "D.mha").write_bytes(b"no image")
    return home


@pytest.mark.parametrize("workers", [1, 3])
def test_without_labels_those_of_the_references_are_evaluated(label_maps, workers):
    """Every one of them in every case; what predictions alone have is none."""
    words = r"^no labels are given: all that occur in the references are evaluated, 2, 7, 300\.$"
    folders = label_maps / "found", label_maps / "truth"
    with pytest.warns(UserWarning, match=words):
        results = evaluate_folders(*folders, metrics=["DICE"], workers=workers)
    values = {(row.subject, row.label): row.value for row in results}
    assert values["B", "2"] == values["C", "7"] == 1
    assert values["B", "300"] == 0
    assert np.isnan(values["A", "2"])
    assert [(row.label, row.status) for row in results if row.subject == "D"] == [
        (label, "failed") for label in ("2", "7", "300")
    ]
    assert dict(results.runs[0].options)["labels"] == ((2, "2"), (7, "7"), (300, "300"))
    with pytest.warns(UserWarning, match=r"evaluated, 7, 300\.$"):
        evaluate_folders(*folders, metrics=["DICE"], ignore=2)


def test_references_are_read_for_labels_only_where_they_are_no_masks(folders, label_maps, monkeypatch):
    read = []
    monkeypatch.setattr(reference_labels, "labels_in", lambda array: read.append(1) or set(np.unique(array).tolist()))
    with pytest.warns(UserWarning, match="without a reference"):
        results = evaluate_folders(folders / "found", folders / "truth" / "{subject}_GT.mha", metrics=["DICE"])
    assert (results[0].value, results[0].label, len(read)) == (1.0, "", 1)
    # Not for metrics of images, which take no labels, nor where somebody else reads the files.
    pair = label_maps / "found", label_maps / "truth"
    for options in ({"metrics": ["DICE", "MAE"]}, {"metrics": ["DICE"], "load": images.read_labels}):
        results = evaluate_folders(*pair, **options)
        assert "pass `labels`" in next(row.reason for row in results if row.subject == "B")
    assert len(read) == 1


def test_values_of_an_image_are_no_labels(tmp_path):
    grid = Geometry(shape=(40, 40), spacing=(1.0, 1.0))
    pair = pair_of_folders(tmp_path, *(np.arange(1600, dtype=np.int16).reshape(40, 40), grid) * 2)
    with pytest.raises(
        ValueError, match=r"^evaluate_folders: `labels` must be given where so many occur; got none, and"
    ):
        evaluate_folders(*pair, metrics=["DICE"])


def test_folders_without_files_are_named(folders):
    with pytest.raises(FileNotFoundError, match=r"^evaluate_folders: `predictions` must be a folder; got .*nowhere"):
        evaluate_folders(folders / "nowhere", folders / "truth", metrics=["DICE"])
    with pytest.raises(ValueError, match=r"^evaluate_folders: `references` must hold files that match \{subject\}.nii"):
        evaluate_folders(folders / "found", folders / "truth" / "{subject}.nii", metrics=["DICE"])


@pytest.mark.parametrize("affine", ["sform", "qform"])
def test_the_pose_of_nifti_files_that_state_two_is_chosen(tmp_path, affine):
    """The prediction lies on the grid of the reference by its sform, and elsewhere by its qform, or the other way."""
    image = nibabel.Nifti1Image(REFERENCE.T, np.eye(4))
    moved = np.diag([2.0, 2, 2, 1])
    image.set_sform(np.eye(4) if affine == "sform" else moved, 4)
    image.set_qform(moved if affine == "sform" else np.eye(4), 1)
    for folder in ("found", "truth"):
        (tmp_path / folder).mkdir()
    nibabel.save(image, tmp_path / "found" / "A.nii.gz")
    nibabel.save(nibabel.Nifti1Image(REFERENCE.T, np.eye(4)), tmp_path / "truth" / "A.nii.gz")
    run = partial(evaluate_folders, tmp_path / "found", tmp_path / "truth", metrics=["VOLSMTY", "DICE"], labels=(1,))
    refused = run()[0].reason
    assert refused.startswith("evaluate_folders: `affine` must be 'sform' or 'qform' for a NIfTI file that states two")
    assert [row.value for row in run(affine=affine)] == [1, 1]
    assert {row.status for row in run(affine="qform" if affine == "sform" else "sform")} == {"failed"}
    with pytest.raises(ValueError, match="evaluate_folders: `affine` must be one of sform, qform; got 'mine'"):
        run(affine="mine")


def test_the_spacing_of_files_that_have_none_is_an_argument(tmp_path):
    shifted = np.roll(REFERENCE, 1, axis=0)
    for folder, array in (("found", shifted), ("truth", REFERENCE)):
        for place in (tmp_path / folder, tmp_path / f"series_{folder}" / "A"):
            place.mkdir(parents=True)
        np.save(tmp_path / folder / "A.npy", array)
        write_stack(place, heights([0, 2, 4, 6, 8]), array.astype(np.int16), PixelSpacing=None)
    evaluated = partial(evaluate_folders, metrics=["HDRFDST"], labels=(1,))
    files = tmp_path / "found", tmp_path / "truth"
    assert evaluated(*files)[0].value == 1
    assert evaluated(*files, spacing=(3.5, 1, 1))[0].value == 3.5
    series = tmp_path / "series_found/{subject}", tmp_path / "series_truth/{subject}"
    assert "state it by `spacing=(slices, rows, columns)`" in evaluated(*series)[0].reason
    assert "evaluate_folders: `spacing` must be what" in evaluated(*series, spacing=(3, 1, 1))[0].reason
    assert evaluated(*series, spacing=(2, 1, 1))[0].value == 2
    for spacing, error in (((0, 1, 1), ValueError), ("3", TypeError), (3.0, TypeError)):
        with pytest.raises(error, match=r"^evaluate_folders: `spacing` must"):
            evaluated(*files, spacing=spacing)


def test_errors_of_the_system_are_one_sentence(folders):
    (folders / "found" / "E.mha").unlink()
    gone = folders / "truth" / "B_GT.mha"
    results = evaluate_folders(
        folders / "found", folders / "truth" / "{subject}_GT.mha", metrics=["DICE"], labels=(1,),
        progress=lambda *_: gone.unlink(missing_ok=True),
    )  # fmt: skip
    assert results[1].reason == f"evaluate_folders: {gone}: No such file or directory."


def test_several_methods_are_one_table(folders):
    (folders / "other").mkdir()
    for name, shift in (("A", 1), ("C", 0), ("D", 0)):
        images.write(folders / "other" / f"{name}.mha", np.roll(REFERENCE, shift, axis=0), GRID)
    methods = {"best": folders / "other", "old": folders / "found" / "{subject}.*"}
    steps = []
    with pytest.warns(UserWarning, match="old has predictions without a reference"):
        results = evaluate_folders(
            methods, folders / "truth" / "{subject}_GT.mha", metrics=["DICE"], labels=(1,),
            progress=lambda *step: steps.append(step),
        )  # fmt: skip
    names = [f"{method}, {name}" for method in methods for name in "ABCD"]
    assert steps == [(number, 8, name) for number, name in enumerate(names, start=1)]
    found = {(row.method, row.subject): (row.status, row.value) for row in results}
    assert found["best", "A"] == ("ok", pytest.approx(2 / 3))
    assert found["best", "B"][0] == "missing"
    assert found["best", "C"] == found["best", "D"] == found["old", "A"] == ("ok", 1)
    assert [key for key, (status, _) in found.items() if status == "failed"] == [("old", name) for name in "BC"]
    assert list(found) == [("best", name) for name in "ABCD"] + [("old", name) for name in "ABCD"]
    for wrong in ({}, {"": folders / "other"}, {1: folders / "other"}):
        with pytest.raises(ValueError, match=r"^evaluate_folders: `predictions` must name at least one method; got"):
            evaluate_folders(wrong, folders / "truth", metrics=["DICE"])


def test_masks_as_floats_are_masks_to_all_metrics_of_masks(tmp_path):
    mask = np.zeros((6, 6, 6), np.float32)
    mask[1:3, 1:3, 1:3] = mask[4, 4, 4] = 1
    missed = mask.copy()
    missed[4, 4, 4] = 0
    for folder, array in (("found", missed), ("truth", mask)):
        (tmp_path / folder).mkdir()
        images.write(tmp_path / folder / "A.nii.gz", array, Geometry(shape=mask.shape, spacing=(1.0, 1.0, 1.0)))
    names = ["LESION_F1", "BETTI0"]  # without a metric of overlap beside them
    results = evaluate_folders(tmp_path / "found", tmp_path / "truth", metrics=names)
    assert [(row.status, row.value) for row in results] == [("ok", pytest.approx(2 / 3)), ("ok", 1.0)]
