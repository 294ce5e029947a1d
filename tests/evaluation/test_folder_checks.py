"""Every planted mistake gives one sentence, with the file and the cure; folders that are right give none."""

import json
import re
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from mia_functional import cli, images
from mia_functional.evaluation import check_folders, evaluate_folders
from mia_functional.geometry import Geometry

GRID = Geometry(shape=(6, 7, 8), spacing=(2.0, 1.0, 0.5), origin=(5.0, -3.0, 1.0))
FLIPPED = Geometry(
    shape=GRID.shape, spacing=GRID.spacing, origin=(5.0, -3.0, 4.5), direction=((1, 0, 0), (0, 1, 0), (0, 0, -1))
)
LABELS = {1: "liver", 2: "tumour"}


def label_map(seed):
    """Return a map of both labels that no other seed gives."""
    labels = np.zeros(GRID.shape, np.uint8)
    rng = np.random.default_rng(seed)
    labels[1:5, 1:6, 1:6] = rng.integers(0, 2, (4, 5, 5))
    labels[3:5, 3:5, 5:7] = 2
    return labels


@pytest.fixture
def folders(tmp_path):
    for name in ("found", "truth"):
        (tmp_path / name).mkdir()
    for number in range(4):
        images.write(tmp_path / "truth" / f"case{number}.mha", label_map(number), GRID)
        images.write(tmp_path / "found" / f"case{number}.mha", label_map(number + 10), GRID)
    return tmp_path


def write(array, grid=GRID, name="found/case1.mha"):
    return lambda folder: images.write(folder / name, array, grid, overwrite=True)


def two_poses(folder):
    image = nibabel.Nifti1Image(label_map(11).T, np.eye(4))
    image.set_sform(np.diag([2.0, 2, 2, 1]), 4)
    image.set_qform(np.eye(4), 1)
    (folder / "found" / "case1.mha").unlink()
    nibabel.save(image, folder / "found" / "case1.nii.gz")


def flat(folder):
    (folder / "found" / "case1.mha").unlink()
    images.write(folder / "found" / "case1.nii.gz", label_map(11)[3], Geometry(shape=(7, 8), spacing=(1.0, 0.5)))


def hexadecimal(folder):
    (folder / "found" / "case1.mha").unlink()
    path = folder / "found" / "case1.nrrd"
    images.write(path, label_map(11), GRID)
    path.write_bytes(re.sub(rb"encoding: \w+", b"encoding: hex", path.read_bytes()))


def cut_off(folder):
    path = folder / "found" / "case1.mha"
    path.write_bytes(path.read_bytes()[:-40])


def with_suffix(folder):
    for path in (folder / "found").iterdir():
        path.rename(path.with_name(path.name.replace(".mha", "_pred.mha")))


def with_value(value, dtype=np.int16):
    array = label_map(11).astype(dtype)
    array[1, 1, 1] = value
    return array


MISTAKES = {
    "missing": (lambda f: (f / "found/case1.mha").unlink(), "found", "there is no prediction for case1; predict it, "),
    "extra": (write(label_map(30), name="found/case9.mha"), "case9.mha", "there is no reference for case9 in "),
    "names": (with_suffix, "found", r"it has no subject in common .*; `.*found/\{subject\}_pred\.\*` is a pat"),
    "broken": (lambda f: (f / "found/case1.mha").write_bytes(b"no"), "case1.mha",
               "its header has no ElementDataFile; write or download it anew$"),
    "encoding": (hexadecimal, "case1.nrrd", "encoding is hex; raw, gzip and bzip2 are read; write or download it anew"),
    "cut off": (cut_off, "case1.mha", "the header announces 336 bytes of pixels, and there are 296; write or downlo"),
    "shape": (write(label_map(11)[:5], replace(GRID, shape=(5, 7, 8))), "case1.mha",
              r"not on the grid of the reference: .*shape \(5, 7, 8\) and not \(6, 7, 8\); `align=\"resample\"` "),
    "spacing": (write(label_map(11), replace(GRID, spacing=(2.0, 1.0, 1.0))),
                "case1.mha", r"not on the grid .*: spacing \(2.0, 1.0, 1.0\) and not .*; `align=\"resample\"` "),
    "shift": (write(label_map(11), Geometry(shape=GRID.shape, spacing=GRID.spacing)), "case1.mha",
              "not on the grid of the reference: corners up to .*: shift of 5.92 mm; `align="),
    "flip": (write(label_map(11)[:, :, ::-1], FLIPPED), "case1.mha",
             "not on the grid of the reference: .*axis 2 flipped; `align=\"reorient\"` brings it there"),
    "axes": (flat, "case1.nii.gz",
             r"not on the grid of the reference: shape \(7, 8\) and not \(6, 7, 8\); write it with its 3 axes$"),
    "twins": (write(label_map(11), name="found/case1.nii.gz"), "found/case1.mha",
              r"of case1 there is /.*/found/case1\.nii\.gz, too; take all but one out, or give a pattern that one alo"),
    "twins of a reference": (write(label_map(11), name="truth/case1.nii.gz"), "truth/case1.mha",
                             "of case1 there is /.*truth/case1.nii.gz, too; take all but one out, or "),
    "absent from a prediction": (write(label_map(11) % 2), "found/case1.mha",
                                 r"tumour \(label 2\) is not predicted; check the labels or the export, or it cou"),
    "absent from a reference": (write(2 * (label_map(1) // 2), name="truth/case1.mha"), "truth/case1.mha",
                                r"liver \(label 1\) is not in the reference; check the labels or the export, or dis"),
    "poses": (two_poses, "case1.nii.gz", ".*whose sform .* and qform .* place a corner"),
    "unit": (write(label_map(11), replace(GRID, spacing=(2000.0, 1000.0, 500.0))),
             "case1.mha", r"its spacing is \(2000.0, 1000.0, 500.0\) mm; check the unit"),
    "unknown label": (write(with_value(7)), "case1.mha", "it holds label 7, which is not among those asked for; "),
    "negative label": (write(with_value(-1)), "case1.mha", "it holds the negative label -1; relabel the file, as "),
    "white": (write((label_map(11) == 1) * np.uint8(255)), "case1.mha", "it is a mask of 0 and 255; write it as 0 "),
    "fraction": (write(with_value(0.5, np.float32)), "case1.mha", "it holds 0.5; probabilities have to be thresholded"),
    "channels": (write(np.stack([label_map(11)] * 2, axis=-1)), "case1.mha", "it has 2 channels; write each one"),
    "empty prediction": (write(np.zeros(GRID.shape, np.uint8)), "found/case1.mha",
                         "none of its structures is predicted; check the labels or the export, or it counts as "),
    "empty reference": (write(np.zeros(GRID.shape, np.uint8), name="truth/case1.mha"), "truth/case1.mha",
                        "none of its structures is in the reference; check the labels or the export, or distan"),
    "copy": (write(label_map(12)), "case2.mha", "it holds the same voxels as .*case1.mha; one of them is a copy"),
    "reference as prediction": (write(label_map(1)), "case1.mha", "it is equal to its reference, .*truth/case1.mha; "),
}  # fmt: skip


def test_folders_that_are_right_give_nothing(folders):
    steps = []
    for options in ({"labels": LABELS}, {"labels": (1, 2), "pixels": False}):
        assert (
            check_folders(folders / "found", folders / "truth", progress=lambda *step: steps.append(step), **options)
            == ()
        )
    assert steps[:4] == [(number + 1, 4, f"case{number}") for number in range(4)]
    both = {"old": folders / "found", "new": folders / "found"}
    check_folders(both, folders / "truth", labels=LABELS, progress=lambda *step: steps.append(step))
    names = [f"{method}, case{number}" for method in both for number in range(4)]
    assert [name for _, _, name in steps[8:]] == names
    for name in ("found", "truth"):
        for path in (folders / name).iterdir():
            array, grid = images.read(path)
            images.write(path, (array == 1).astype(np.uint8), grid, overwrite=True)
    assert check_folders(folders / "found", folders / "truth") == ()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_gives_one_sentence_with_file_and_cure(folders, mistake):
    plant, file, words = MISTAKES[mistake]
    plant(folders)
    (finding,) = check_folders(folders / "found", folders / "truth", labels=LABELS)
    assert finding.path.endswith(file)
    assert re.match(words, finding.message), finding.message
    assert "\n" not in finding.message
    assert ";" in finding.message  # behind it stands what to do
    assert finding.path not in finding.message.replace(f"{finding.path}/", "")
    assert not finding.message.endswith(".")


def test_what_only_the_cohort_shows_and_what_options_cure(folders):
    images.write(folders / "found" / "case1.mha", label_map(11)[:, :, ::-1], FLIPPED, overwrite=True)
    assert check_folders(folders / "found", folders / "truth", labels=LABELS, align="reorient") == ()
    (finding,) = check_folders(folders / "found", folders / "truth", labels={**LABELS, 3: "vessel"}, align="reorient")
    assert (finding.kind, finding.message) == (
        "labels",
        "no reference holds label 3; check the labels, or leave it out",
    )
    assert finding.path == str(folders / "truth")
    (folders / "dataset.json").write_text('{"labels": {"background": 0, "liver": 1, "tumour": 2}}')
    methods = {"a": folders / "found", "b": folders / "found"}
    labels = folders / "dataset.json"
    assert check_folders(methods, folders / "truth", labels=labels, align="reorient") == ()
    # Without labels, those of the references count.
    assert check_folders(folders / "found", folders / "truth", align="reorient") == ()
    write(with_value(9))(folders)
    (finding,) = check_folders(folders / "found", folders / "truth", align="reorient")
    assert (finding.kind, finding.message.partition(";")[0]) == (
        "labels",
        "it holds label 9, which is not among those asked for",
    )
    for path in (folders / "truth").iterdir():
        array, grid = images.read(path)
        images.write(path, (array > 0).astype(np.uint8), grid, overwrite=True)
    assert {finding.message for finding in check_folders(folders / "found", folders / "truth", align="reorient")} == {
        "it is no mask but holds 3 values; give `labels`", "it is no mask but holds 4 values; give `labels`",
    }  # fmt: skip


def test_a_value_that_is_ignored_is_neither_unknown_nor_a_structure(folders):
    (folders / "dataset.json").write_text('{"labels": {"background": 0, "liver": 1, "tumour": 2, "ignore": 9}}')
    labels = folders / "dataset.json"
    assert check_folders(folders / "found", folders / "truth", labels=labels) == ()  # no file has to hold it
    write(with_value(9), name="truth/case1.mha")(folders)
    assert check_folders(folders / "found", folders / "truth", labels=labels) == ()
    (finding,) = check_folders(folders / "found", folders / "truth", labels=LABELS)
    assert (finding.kind, finding.method) == ("labels", "")
    write(9 * (label_map(11) == 1).astype(np.uint8), name="truth/case1.mha")(folders)
    (finding,) = check_folders(folders / "found", folders / "truth", labels=labels)
    assert (finding.kind, finding.path) == ("empty", str(folders / "truth" / "case1.mha"))


def test_the_command_prints_what_it_found_and_exits_with_one(folders, capsys):
    arguments = [
        "check",
        str(folders / "found"),
        str(folders / "truth"),
        "--labels",
        "1=liver",
        "2=tumour",
        "--jobs",
        "2",
    ]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == "Nothing was found that should be looked at.\n"
    images.write(folders / "found" / "case1.mha", label_map(11)[:, :, ::-1], FLIPPED, overwrite=True)
    assert cli.main(arguments) == 1
    line = capsys.readouterr().out
    assert line.startswith(f"{folders}/found/case1.mha: not on the grid of the reference: corners up to ")
    assert line.endswith("axis 2 flipped; `--align` brings it there.\n")
    assert cli.main([*arguments, "--json", "--headers-only"]) == 1
    assert '"kind": "grid"' in capsys.readouterr().out
    assert cli.main(["check", str(folders / "nowhere"), str(folders / "truth")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("mia: check: `predictions` must be a folder; got ")


@pytest.mark.parametrize("wrong", [5, [5], {"a": 5}, [None]])
def test_what_is_no_folder_is_one_sentence(folders, wrong):
    with pytest.raises(TypeError, match=r"^check_folders: `predictions` must be a folder, several, or a mapping; got "):
        check_folders(wrong, folders / "truth")


@pytest.mark.parametrize("align", [None, "reorient", "resample"])
def test_no_alignment_is_offered_for_another_number_of_axes(folders, align):
    flat(folders)
    (finding,) = check_folders(folders / "found", folders / "truth", labels=LABELS, align=align)
    assert (finding.kind, "align" in finding.message) == ("grid", False)
    rows = evaluate_folders(folders / "found", folders / "truth", metrics=["DICE"], labels=LABELS, align=align)
    assert {row.status for row in rows if row.subject == "case1"} == {"failed"}


def test_a_structure_that_one_file_of_a_pair_lacks_is_found_with_its_name(folders):
    def messages(labels, **options):
        return [
            (finding.kind, finding.path.removeprefix(f"{folders}/"), finding.method, finding.message.partition(";")[0])
            for finding in check_folders(folders / "found", folders / "truth", labels=labels, **options)
        ]

    write(label_map(11) % 2)(folders)
    write(label_map(12) % 2, name="found/case2.mha")(folders)
    write(label_map(2) % 2, name="truth/case2.mha")(folders)
    write(label_map(3) % 2, name="truth/case3.mha")(folders)
    # Both files of case2 lack it.
    assert messages(LABELS) == [
        ("absent", "found/case1.mha", "found", "tumour (label 2) is not predicted"),
        ("absent", "truth/case3.mha", "", "tumour (label 2) is not in the reference"),
    ]
    assert messages((1, 2))[0][3] == "label 2 is not predicted"
    # Something of the whole is there.
    assert messages({1: "liver", (1, 2): "whole"}) == []
    write(label_map(11) % 2)(folders)
    assert messages({**LABELS, (2, 3): "lesions"})[1] == (
        "absent", "found/case1.mha", "found", "lesions (labels 2+3) is not predicted",
    )  # fmt: skip
    assert messages(LABELS, pixels=False) == []
    # A reference is one file, whatever the number of methods.
    findings = check_folders({"a": folders / "found", "b": folders / "found"}, folders / "truth", labels=LABELS)
    assert [(finding.method, finding.subject) for finding in findings] == [
        ("a", "case1"),
        ("", "case3"),
        ("b", "case1"),
    ]


def test_twins_are_found_and_the_rest_is_checked(folders, capsys):
    write(label_map(11), name="found/case1.nii.gz")(folders)
    write(label_map(2), name="truth/case2.nrrd")(folders)
    write(np.zeros(GRID.shape, np.uint8), name="found/case3.mha")(folders)
    (folders / "found" / "case0.mha").unlink()
    expected = [
        ("twins", "found/case1.mha"), ("twins", "truth/case2.mha"), ("missing", "found"), ("empty", "found/case3.mha"),
    ]  # fmt: skip
    steps = []
    for places in (("found", "truth"), ("found/{subject}.*", "truth/{subject}.*")):
        predictions, references = (folders / place for place in places)
        steps.clear()
        findings = check_folders(predictions, references, labels=LABELS, progress=lambda *step: steps.append(step))
        assert [finding.kind for finding in findings] == [kind for kind, _ in expected]
        assert [finding.path.removeprefix(f"{folders}/") for finding in findings[::3]] == [
            expected[0][1],
            expected[3][1],
        ]
        assert steps == [(1, 1, "case3")]
        arguments = [str(predictions), str(references), "--labels", "1=liver", "2=tumour"]
        assert cli.main(["check", *arguments]) == 1
        assert (
            f"{folders}/found/case1.mha: of case1 there is {folders}/found/case1.nii.gz, too; "
            in capsys.readouterr().out
        )
        # What is evaluated has to be clear.
        with pytest.raises(ValueError, match=r"must hold one file of every subject; got .*case1\.mha and .*case1\.nii"):
            evaluate_folders(predictions, references, metrics=["DICE"], labels=LABELS)
    # A pattern that fits one alone is a cure where it is offered.
    assert findings[0].message.endswith("; take all but one out, or give a pattern that one alone fits")
    found, truth = folders / "found" / "{subject}.mha", folders / "truth" / "{subject}.mha"
    assert "twins" not in {finding.kind for finding in check_folders(found, truth, labels=LABELS)}
    (folders / "found" / "case1.nii").touch()
    finding = check_folders(folders / "found" / "{subject}.nii.gz", truth, labels=LABELS)[0]
    assert finding.path == f"{folders}/found/case1.nii.gz"
    assert (finding.kind, finding.message) == (
        "twins", f"of case1 there is {folders}/found/case1.nii, too; take all but one out",
    )  # fmt: skip


def test_a_file_that_may_not_be_read_is_named_once(folders, monkeypatch):
    def denied(path, **_):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(images, "read_geometry", denied)
    findings = check_folders(folders / "found", folders / "truth", labels=LABELS)
    assert {finding.message for finding in findings} == {"Permission denied; change who may read it"}
    assert len(findings) == 8


def test_json_says_what_the_command_says(folders, capsys):
    (folders / "found" / "case0.mha").unlink()
    write(label_map(11), replace(GRID, spacing=(2.0, 1.0, 1.0)))(folders)
    flat_map = np.stack([label_map(12)] * 2)
    images.write(
        folders / "found" / "case2.mha", flat_map, Geometry(shape=flat_map.shape, spacing=(1.0,) * 4), overwrite=True
    )
    arguments = ["check", str(folders / "found"), str(folders / "truth"), "--labels", "1=liver", "2=tumour"]
    assert cli.main(arguments) == 1
    lines = capsys.readouterr().out.splitlines()
    assert cli.main([*arguments, "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [f"{finding['path']}: {finding['message']}." for finding in findings] == lines
    ends = [
        "by the policy `--missing`.",
        "; `--align resample` brings it there.",
        "split it, or evaluate `--channels`.",
    ]
    assert all(line.endswith(end) for line, end in zip(lines, ends, strict=True))
