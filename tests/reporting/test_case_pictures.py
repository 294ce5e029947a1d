"""What pictures of single cases show: the structure that the table names, in label maps and in channels."""

import numpy as np
import pytest

from mia_functional import images
from mia_functional.evaluation import evaluate_folders
from mia_functional.geometry import Geometry
from mia_functional.reporting import case_pictures as room
from mia_functional.reporting import write_html

GRID = Geometry(shape=(4, 6, 7), spacing=(2.0, 1.0, 1.0))


@pytest.fixture
def drawn(monkeypatch):
    """Masks that were drawn."""
    masks = []
    plot = room.plot_overlay

    def recorded(image, *pair, **options):
        masks.append((next(iter(options["labels"].values())), *pair))
        return plot(image, *pair, **options)

    monkeypatch.setattr(room, "plot_overlay", recorded)
    return masks


def write(folder, arrays, grid=GRID):
    for name, array in zip(("found", "truth"), arrays, strict=True):
        (folder / name).mkdir()
        images.write(folder / name / "A.mha", array, grid)
    return folder / "found", folder / "truth"


@pytest.mark.slow
@pytest.mark.parametrize("fourth", [False, True])
def test_a_channel_is_drawn_where_structures_overlap(tmp_path, drawn, fourth):
    pair = (np.random.default_rng(0).random((2, *GRID.shape, 2)) < 0.5).astype(np.uint8)
    grid = Geometry(shape=(2, *GRID.shape), spacing=(1.0, *GRID.spacing)) if fourth else GRID
    folders = write(tmp_path, np.moveaxis(pair, -1, 1) if fourth else pair, grid)
    results = evaluate_folders(*folders, metrics=["DICE"], channels={1: "heart", 0: "lung"})
    write_html(tmp_path / "x.html", results, predictions=folders[0], references=folders[1])
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert text.count("data:image/png") == 2
    assert "There is no picture" not in text
    for name, prediction, reference in drawn:
        np.testing.assert_array_equal((prediction, reference), pair[..., {"heart": 1, "lung": 0}[name]])
    assert [name for name, *_ in drawn] == ["heart", "lung"]


@pytest.mark.slow
def test_voxels_of_which_nothing_is_known_are_no_errors(tmp_path, drawn):
    reference = np.zeros(GRID.shape, np.uint8)
    reference[1:3, 1:4, 1:4] = 1
    prediction = reference.copy()
    prediction[1:3, 1:4, 4:6] = 1
    reference[:, :, 5:] = 255
    folders = write(tmp_path, (prediction, reference))
    results = evaluate_folders(*folders, metrics=["DICE"], labels={1: "cube"}, ignore=255)
    write_html(tmp_path / "x.html", results, predictions=folders[0], references=folders[1])
    ((_, found, right),) = drawn
    assert (found != right).sum() == 2 * 3  # of a plane that is known, not of one that is not
    assert not found[reference == 255].any()
