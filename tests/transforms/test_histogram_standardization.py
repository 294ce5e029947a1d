"""Histograms of a cohort on one scale: hand-made landmarks, records that add up, and TorchIO."""

import itertools
import pickle

import jax
import numpy as np
import pytest
import torch

from mia_functional.transforms import histogram_landmarks, merge_landmarks, standardize_histogram

rng = np.random.default_rng(0)
COHORT = [(rng.gamma(2.0, size=(6, 7, 8, 2)) * scale + scale).astype(np.float32) for scale in (1.0, 40.0, 300.0)]
LEARNT = merge_landmarks(*map(histogram_landmarks, COHORT))
FEW = (0, 50, 100)


def line(*values):
    """Return an image of one axis and one channel."""
    return np.array(values, np.float64)[:, None]


def definition(values, learnt, channel):
    """Return the values of a channel on the common scale, segment by segment."""
    old = np.percentile(values, learnt.percentiles)
    new = np.array(learnt.totals[channel]) / learnt.counts[channel]
    segment = np.clip(np.searchsorted(old, values, side="right") - 1, 0, len(old) - 2)
    return new[segment] + (new[segment + 1] - new[segment]) * (values - old[segment]) / (
        old[segment + 1] - old[segment]
    )


@pytest.mark.sampled(7)
def test_values_are_those_of_the_definition(xp):
    for image in COHORT[:2]:
        expected = [definition(image[..., c].astype(np.float64), LEARNT, c) for c in range(2)]
        found = xp.run(lambda values: standardize_histogram(values, LEARNT), image)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, np.stack(expected, axis=-1), rtol=1e-4, atol=1e-3)


def test_the_unit_of_an_image_does_not_matter():
    expected = standardize_histogram(COHORT[0].astype(np.float64), LEARNT)
    found = standardize_histogram(COHORT[0].astype(np.float64) * 1e6 - 17, LEARNT)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    one = histogram_landmarks(COHORT[0].astype(np.float64))
    np.testing.assert_allclose(histogram_landmarks(COHORT[0] * 5.0 - 3).totals, one.totals, atol=1e-3)


def test_landmarks_move_to_the_mean_of_the_cohort_and_lines_go_on_beyond():
    learnt = merge_landmarks(
        histogram_landmarks(line(0, 2, 8), percentiles=FEW), histogram_landmarks(line(0, 4, 8), percentiles=FEW)
    )
    assert learnt.counts == (2,)
    assert learnt.totals == ((0.0, 75.0, 200.0),)
    inner = histogram_landmarks(line(*range(101)), percentiles=(10, 90))
    found = standardize_histogram(line(*range(101)), inner)[:, 0]
    np.testing.assert_allclose(found, (np.arange(101) - 10) / 0.8, atol=1e-9)


def test_the_order_of_the_cohort_makes_no_difference_and_records_are_plain():
    records = list(map(histogram_landmarks, COHORT))
    merged = {merge_landmarks(*order) for order in itertools.permutations(records)}
    assert merged == {LEARNT}
    assert merge_landmarks(merge_landmarks(*records[:2]), records[2]).counts == LEARNT.counts
    assert pickle.loads(pickle.dumps(LEARNT)) == LEARNT
    for array in (jax.numpy.asarray, torch.asarray):
        np.testing.assert_allclose(histogram_landmarks(array(COHORT[0])).totals, records[0].totals, atol=1e-3)


def test_inside_a_mask_the_background_plays_no_part():
    image = np.concatenate([COHORT[0], np.zeros_like(COHORT[0])])
    mask = np.arange(12)[:, None, None, None] < 6 + np.zeros((12, 7, 8, 1))
    assert histogram_landmarks(image, mask=mask) == histogram_landmarks(COHORT[0])
    found = standardize_histogram(image, LEARNT, mask=mask)
    np.testing.assert_allclose(found[:6], standardize_histogram(COHORT[0], LEARNT), rtol=1e-6)
    assert np.isfinite(found).all()


def test_constant_channels_do_not_count_and_equal_percentiles_have_nothing_between_them():
    flat = histogram_landmarks(np.full((5, 1), 3.0), percentiles=FEW)
    assert (flat.totals, flat.counts) == (((0.0, 0.0, 0.0),), (0,))
    with pytest.raises(ValueError, match="`landmarks` must be of an image at least; got none, channel 0"):
        standardize_histogram(line(0, 1, 2), flat)
    learnt = merge_landmarks(flat, histogram_landmarks(line(0, 2, 8), percentiles=FEW))
    assert learnt.counts == (1,)
    assert standardize_histogram(np.full((5, 1), 3.0), learnt)[:, 0].tolist() == [0.0] * 5
    # The median is the minimum: both landmarks are at 0, the later one counts.
    np.testing.assert_allclose(standardize_histogram(line(0, 0, 0, 0, 8), learnt)[:, 0], [25, 25, 25, 25, 100])
    nothing = standardize_histogram(line(0, 1, 2), learnt, mask=np.zeros((3, 1), bool))
    assert np.isnan(nothing).all()
    assert histogram_landmarks(line(0, 1, 2), mask=np.zeros((3, 1), bool), percentiles=FEW).counts == (0,)


@pytest.mark.slow
def test_torchio_learns_and_applies_the_same(tmp_path):
    """TorchIO 1.2.1, which learns quartiles too and does not use them."""
    import torchio

    paths = []
    for number, image in enumerate(COHORT):
        paths.append(tmp_path / f"{number}.nii.gz")
        torchio.ScalarImage(tensor=image[..., :1].T.copy()).save(paths[-1])
    theirs = torchio.HistogramStandardization.train(paths, progress=False)
    np.testing.assert_allclose(np.array(LEARNT.totals[0]) / 3, np.delete(theirs, (3, 9)), rtol=1e-4, atol=1e-4)
    subject = torchio.Subject(t1=torchio.ScalarImage(tensor=COHORT[1][..., :1].T.copy()))
    applied = torchio.HistogramStandardization({"t1": theirs})(subject)["t1"].numpy().T
    ours = merge_landmarks(*(histogram_landmarks(image[..., :1]) for image in COHORT))
    np.testing.assert_allclose(standardize_histogram(COHORT[1][..., :1], ours), applied, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: histogram_landmarks(COHORT[0], percentiles=(50,)), ValueError, "`percentiles` must be in order"),
        (lambda: histogram_landmarks(COHORT[0], percentiles=(9, 5)), ValueError, "`percentiles` must be in order"),
        (lambda: histogram_landmarks(COHORT[0], percentiles=(0, 101)), ValueError, "`percentiles` must be in order"),
        (lambda: merge_landmarks(), ValueError, "`landmarks` must be at least one record"),
        (
            lambda: merge_landmarks(LEARNT, histogram_landmarks(line(0, 1))),
            ValueError,
            r"`landmarks` must be of the percentiles \(1.0, .*\) and 2 channels; got",
        ),
        (lambda: merge_landmarks(3), TypeError, "`landmarks` must be records of"),
        (lambda: standardize_histogram(COHORT[0], 3), TypeError, "`landmarks` must be a record of"),
        (lambda: standardize_histogram(COHORT[0][..., :1], LEARNT), ValueError, "`image` must have 2 channels"),
        (lambda: jax.jit(histogram_landmarks)(COHORT[0]), TypeError, "The values of an array are needed here"),
    ],
)
def test_bad_input_is_one_sentence(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
