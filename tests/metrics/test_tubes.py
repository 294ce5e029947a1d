"""Branches, splits and merges of tubes: vessels by hand, on every library."""

import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.evaluation import evaluate
from mia_functional.metrics import branch_error, tube_counts, tube_merges, tube_splits


def vessel(shape=(9, 31, 41)):
    """Return a vessel of three voxels that forks once."""
    mask = np.zeros(shape, bool)
    mask[3:6, 13:16, 2:39] = True
    mask[3:6, 13:29, 19:22] = True
    return mask


def numbers(counts):
    """Return the fields as lists."""
    return [np.asarray(field).tolist() for field in counts]


def test_a_vessel_that_is_cut_twice(xp):
    if xp.name == "jax-jit":
        pytest.skip("thins on the host")
    reference = vessel()
    prediction = reference.copy()
    prediction[:, :, 9:11] = prediction[:, 22:24] = False
    counts = xp.run(tube_counts, prediction, reference)
    assert numbers(counts) == [[5, 1, 7], [3, 1, 3], 1, 0]
    assert float(xp.run(tube_splits, prediction, reference)) == 1
    assert float(xp.run(tube_merges, reference, prediction)) == 1
    assert numbers(xp.run(tube_counts, reference, reference)) == [[3, 1, 3], [3, 1, 3], 0, 0]


def test_tubes_that_touch_beside_their_centre_lines_do_not_merge():
    reference = np.zeros((30, 40), bool)
    reference[5:10, 3:37] = reference[20:25, 3:37] = True
    prediction = reference.copy()
    prediction[10:21, 3:6] = True
    counts = tube_counts(prediction, reference)
    assert (int(counts.splits), int(counts.merges)) == (0, 1)
    wide = np.zeros_like(reference)
    wide[5:21, 3:37] = True  # reaches the second tube, with a centre line in none
    assert int(tube_counts(wide, reference).merges) == 0


def test_labels_masks_and_evaluate():
    reference = np.zeros((20, 60), np.uint8)
    reference[4:7, 2:58], reference[13:16, 2:58] = 1, 2
    prediction = reference.copy()
    prediction[:, 20:22] = 0
    inside = np.arange(60) < 30
    counts = tube_counts(prediction, reference, labels=iter((1, 2, (1, 2))))
    assert numbers(counts) == [
        [[2, 0, 4], [2, 0, 4], [4, 0, 8]],
        [[1, 0, 2], [1, 0, 2], [2, 0, 4]],
        [1, 1, 2],
        [0, 0, 0],
    ]
    masked = tube_counts(prediction == 1, reference == 1, mask=np.broadcast_to(~inside, reference.shape))
    assert numbers(masked) == [[1, 0, 2], [1, 0, 2], 0, 0]
    rows = evaluate(
        prediction, reference, metrics=["BRANCHERR", "BRANCHERR@part=end_points", "TUBESPLITS"], labels=(1, 2)
    )
    assert [row.value for row in rows] == [1, 2, 1] * 2
    assert branch_error(counts, part="branch_points").tolist() == [0, 0, 0]


def test_empty_masks_and_wrong_arguments():
    empty = np.zeros((5, 6), bool)
    assert numbers(tube_counts(empty, empty)) == [[0, 0, 0], [0, 0, 0], 0, 0]
    with pytest.raises(ValueError, match="branch_error: `part` must be one of branches, branch_points, end_points"):
        branch_error(empty, empty, part="ends")
    with pytest.raises(ValueError, match="tube_splits: `prediction` must have 2 or 3 axes"):
        tube_splits(empty[0], empty[0])
    with pytest.raises(TypeError, match="tube_merges"):
        tube_merges(metrics.confusion_counts(empty, empty))
