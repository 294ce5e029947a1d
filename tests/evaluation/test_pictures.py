"""Folders of masks as PNG and TIFF pictures, by function and command: the same table as of the formats with a place."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from mia_functional import images
from mia_functional.cli import main
from mia_functional.evaluation import check_folders, evaluate_folders
from mia_functional.geometry import Geometry
from mia_functional.reporting import render_csv

GRID = Geometry(shape=(30, 40), spacing=(0.5, 0.25))
OPTIONS = {"metrics": ["DICE", "HDRFDST95"], "labels": {1: "spot", 2: "rim"}}
UNSTATED = "files without a spacing have 1 everywhere, which need not be millimetres; pass `spacing`"


def write(path, array):
    if path.suffix == ".png":
        Image.fromarray(array).save(path, dpi=(96, 96))
    elif path.suffix == ".tif":
        tifffile.imwrite(path, array, compression="lzw")
    else:
        images.write(path, array, GRID)


@pytest.fixture
def cohort(tmp_path):
    """Return a function that writes four pairs of label maps in one format."""

    def write_all(suffix):
        rng = np.random.default_rng(0)
        for number in range(4):
            for name in ("found", "truth"):
                folder = tmp_path / suffix.strip(".") / name
                folder.mkdir(parents=True, exist_ok=True)
                array = np.zeros(GRID.shape, np.uint8)
                low, high = rng.integers(2, 8), rng.integers(20, 28)
                array[low:high, low : high + 8] = 2
                array[low + 3 : high - 3, low + 4 : high] = 1
                if (name, number) != ("found", 3):
                    write(folder / f"mole {number}{suffix}", array)
            (folder / "notes.pdf").write_bytes(b"no mask")
        return tmp_path / suffix.strip(".")

    return write_all


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_table_is_that_of_another_format(cohort, suffix):
    expected = evaluate_folders(*both(cohort(".mha")), **OPTIONS)
    folders = both(cohort(suffix))
    for workers in (1, 2) if suffix == ".png" else (1,):
        results = evaluate_folders(*folders, spacing=GRID.spacing, workers=workers, **OPTIONS)
        assert render_csv(results) == render_csv(expected)
    with pytest.warns(UserWarning, match=UNSTATED):
        in_pixels = evaluate_folders(*folders, **OPTIONS)
    dice, distance = zip(expected[:2], in_pixels[:2], strict=True)
    assert dice[0].value == dice[1].value
    assert distance[0].value < distance[1].value


def test_beside_volumes_pictures_are_previews(cohort):
    folder = cohort(".mha")
    expected = render_csv(evaluate_folders(*both(folder), **OPTIONS))
    for name in ("progress.png", "mole 1.png", "mole 2.tif"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "found" / name)
    # Surfaces and probabilities lie there as well.
    (folder / "found" / "mole 1.stl").write_bytes(b"solid")
    np.savez(folder / "found" / "mole 2.npz", probabilities=np.zeros((2, 4, 4)))
    assert render_csv(evaluate_folders(*both(folder), **OPTIONS)) == expected


def both(folder):
    return folder / "found", folder / "truth"


@pytest.mark.filterwarnings("default:read. PNG files without a spacing")
def test_the_command_and_the_check(cohort, tmp_path, capsys):
    folders = both(cohort(".png"))
    command = [
        "evaluate",
        *map(str, folders),
        "--labels",
        "1=spot",
        "2=rim",
        "--metrics",
        "DICE",
        "HD95",
        "--jobs",
        "1",
    ]
    assert main([*command, "--spacing", "0.5", "0.25", "--output", str(tmp_path / "out.csv")]) == 1  # one is missing
    assert (tmp_path / "out.csv").read_text() == render_csv(evaluate_folders(*both(cohort(".mha")), **OPTIONS))
    assert json.loads((tmp_path / "out.run.json").read_text())
    capsys.readouterr()
    assert main(command) == 1
    assert f"mia: note: evaluate: PNG {UNSTATED.replace('`spacing`', '`--spacing`')}." in capsys.readouterr().err
    found = check_folders(*folders, labels=(1, 2), spacing=GRID.spacing)
    assert [(finding.kind, finding.subject) for finding in found] == [("missing", "mole 3")]
    Image.fromarray(np.full(GRID.shape, 255, np.uint8)).save(folders[0] / "mole 1.png")
    Image.fromarray(np.zeros((*GRID.shape, 3), np.uint8)).save(folders[0] / "mole 2.png")
    found = check_folders(*folders, labels=(1, 2), spacing=GRID.spacing)
    assert [(finding.kind, finding.subject) for finding in found] == [
        ("missing", "mole 3"), ("labels", "mole 1"), ("unreadable", "mole 2")
    ]  # fmt: skip
    assert "it holds colours; give every colour a label of its own" in found[2].message
