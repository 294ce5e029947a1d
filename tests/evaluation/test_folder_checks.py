"""Twenty planted mistakes give twenty sentences, each with the file and the cure; folders that are right give none."""

import re
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from mia_functional import cli, images
from mia_functional.evaluation import check_folders
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
    "missing": (lambda f: (f / "found/case1.mha").unlink(), "found", "there is no prediction for case1; it co"),
    "extra": (write(label_map(30), name="found/case9.mha"), "case9.mha", "there is no reference for case9 in "),
    "names": (with_suffix, "found", r"it has no subject in common .*; `.*found/\{subject\}_pred\.\*` is a pat"),
    "broken": (lambda f: (f / "found/case1.mha").write_bytes(b"no"), "case1.mha", "its header has no ElementDataFile"),
    "cut off": (cut_off, "case1.mha", "the header announces 336 bytes of pixels, and there are 296"),
    "shape": (write(label_map(11)[:5], replace(GRID, shape=(5, 7, 8))), "case1.mha",
              r"not on the grid of the reference: .*shape \(5, 7, 8\) and not \(6, 7, 8\); `align=\"resample\"` "),
    "spacing": (write(label_map(11), replace(GRID, spacing=(2.0, 1.0, 1.0))),
                "case1.mha", r"not on the grid .*: spacing \(2.0, 1.0, 1.0\) and not .*; `align=\"resample\"` "),
    "shift": (write(label_map(11), Geometry(shape=GRID.shape, spacing=GRID.spacing)), "case1.mha",
              "not on the grid of the reference: corners up to .*: shift of 5.92 mm; `align="),
    "flip": (write(label_map(11)[:, :, ::-1], FLIPPED), "case1.mha",
             "not on the grid of the reference: .*axis 2 flipped; `align=\"reorient\"` brings it there"),
    "poses": (two_poses, "case1.nii.gz", ".*whose sform .* and qform .* place a corner"),
    "unit": (write(label_map(11), replace(GRID, spacing=(2000.0, 1000.0, 500.0))),
             "case1.mha", r"its spacing is \(2000.0, 1000.0, 500.0\) mm; check the unit"),
    "unknown label": (write(with_value(7)), "case1.mha", "it holds label 7, which is not among those asked for; "),
    "negative label": (write(with_value(-1)), "case1.mha", "it holds the negative label -1; labels count from 0"),
    "white": (write((label_map(11) == 1) * np.uint8(255)), "case1.mha", "it is a mask of 0 and 255; write it as 0 "),
    "fraction": (write(with_value(0.5, np.float32)), "case1.mha", "it holds 0.5; probabilities have to be thresholded"),
    "channels": (write(np.stack([label_map(11)] * 2, axis=-1)), "case1.mha", "it has 2 channels; write each one"),
    "empty prediction": (write(np.zeros(GRID.shape, np.uint8)), "found/case1.mha", "none of its structures is pre"),
    "empty reference": (write(np.zeros(GRID.shape, np.uint8), name="truth/case1.mha"), "truth/case1.mha",
                        "none of its structures is in the reference; distances to it are undefined"),
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
    for name in ("found", "truth"):
        assert "it is no mask but holds 3 values; give `labels`" in {
            finding.message for finding in check_folders(folders / name, folders / "truth", align="reorient")
        }


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
