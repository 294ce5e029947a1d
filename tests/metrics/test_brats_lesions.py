"""Lesions by the rules of BraTS 2023: the numbers of its program, a walk over all lesions, libraries, merging."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy import ndimage

from mia_functional import metrics
from mia_functional.evaluation import evaluate
from mia_functional.metrics import brats_lesion_wise, find, identity, merge

from .test_instances import SHAPES, SPACINGS, scene


def lesions(seed):
    """Return label maps of three labels, a prediction and a reference: balls that are moved, missed and invented."""
    rng = np.random.default_rng(seed)
    shape = (52, 46, 40)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    prediction, reference = np.zeros((2, *shape), np.uint8)
    for number in range(10):
        centre, radius = rng.uniform(3, np.array(shape) - 3), rng.uniform(1.2, 4.5)
        moved = centre + rng.uniform(-1, 1, 3)
        for label, share in ((2, 1.0), (1, 0.8), (3, 0.5)):
            if number > 1:
                reference[((grid - centre) ** 2).sum(axis=-1) <= (share * radius) ** 2] = label
            if number not in (5, 6):
                prediction[((grid - moved) ** 2).sum(axis=-1) <= (share * radius) ** 2] = label
    return prediction, reference


TUMOUR = {(1, 2, 3): "WT", (1, 3): "TC", 3: "ET"}
CHALLENGES = {"BraTS-GLI": (3, 50), "BraTS-MET": (1, 2)}
"""The dilation and the minimum volume of a challenge."""

RECORDED = {
    (0, "BraTS-GLI"): [
        (4, 1, 0, 0.3381736599525206, 87.07612260356423),
        (4, 1, 0, 0.31060975687841363, 86.65099951190055),
        (3, 2, 1, 0.1763888888888889, 191.0135142713372),
    ],
    (0, "BraTS-MET"): [
        (6, 2, 2, 0.4043141425969295, 150.75),
        (6, 2, 2, 0.336078019016139, 150.75),
        (6, 2, 2, 0.2135302971763418, 150.8428650381067),
    ],
    (1, "BraTS-GLI"): [
        (4, 1, 2, 0.3561634643412755, 162.4163785494015),
        (3, 1, 2, 0.2787691233415857, 189.14147630029936),
        (1, 2, 0, 0.24242424242424243, 250.0),
    ],
    (1, "BraTS-MET"): [
        (5, 1, 2, 0.4003527087179709, 142.2393312307263),
        (6, 2, 2, 0.34531670000350917, 150.67360679774998),
        (6, 2, 2, 0.2763878278584161, 150.8038843615232),
    ],
    (2, "BraTS-GLI"): [
        (3, 2, 1, 0.35571587361448614, 190.71582435486877),
        (3, 2, 2, 0.326166467864693, 214.42857142857142),
        (3, 2, 1, 0.33647427419862713, 187.75),
    ],
    (2, "BraTS-MET"): [
        (6, 2, 2, 0.4708421115812791, 150.5),
        (6, 2, 2, 0.4383758311834143, 150.55),
        (6, 2, 2, 0.3952178978525096, 150.3302775637732),
    ],
    (5, "BraTS-GLI"): [
        (3, 1, 1, 0.42114014870372546, 153.40377332299443),
        (4, 1, 1, 0.41939693959157864, 128.45878285495337),
        (2, 2, 0, 0.2765432098765432, 190.88391721190456),
    ],
    (5, "BraTS-MET"): [
        (4, 2, 2, 0.3663694186950001, 187.875),
        (4, 2, 2, 0.33643181714128745, 187.875),
        (4, 2, 3, 0.23582888156157075, 208.55555555555554),
    ],
}
"""By the seed of a scene at 1 x 1.5 x 2 mm and the challenge, what `get_LesionWiseResults` gives (BraTS-2023-Metrics,
commit 43c9052, run with NumPy 2.4 and cc3d 4.1.1): for WT, TC and ET how many lesions are found, false and missed, Dice
and HD95."""


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("seed", "challenge"), RECORDED)
def test_the_numbers_of_brats(seed, challenge):
    dilation, smallest = CHALLENGES[challenge]
    found = brats_lesion_wise(*lesions(seed), spacing=(1.0, 1.5, 2.0), labels=TUMOUR, dilation=dilation)
    dices = metrics.brats_dice(found, minimum_volume=smallest)
    distances = metrics.brats_hausdorff_distance(found, minimum_volume=smallest)
    for record, values, dice, distance in zip(found, RECORDED[seed, challenge], dices, distances, strict=True):
        near = (record.counts.tp + record.counts.fp > 0)[record.volumes > smallest]
        assert [near.sum(), record.false_lesions, (~near).sum()] == list(values[:3])
        np.testing.assert_allclose([dice, distance], values[3:], rtol=1e-9)


def brute_scores(prediction, reference, step, dilation, smallest):
    """Return Dice, HD95 and surface Dice by a walk over all lesions, each in the whole volume."""
    whole = np.ones((3,) * reference.ndim)
    near = ndimage.generate_binary_structure(reference.ndim, min(2, reference.ndim))

    def grown(mask):
        for _ in range(dilation):
            mask = ndimage.binary_dilation(mask, near)
        return mask

    parts, count = ndimage.label(prediction, whole)
    regions, total = ndimage.label(grown(reference), whole)
    scores, hits = [], set()
    for number in range(1, total + 1):
        lesion = reference & (regions == number)
        own = set(np.unique(parts[grown(lesion)])) - {0}
        hits |= own
        if lesion.sum() * np.prod(step) > smallest:
            pair = np.isin(parts, [*own]), lesion
            dice, nsd = float(metrics.dice(*pair)), float(metrics.normalized_surface_dice(*pair, spacing=step))
            far = float(metrics.hausdorff_distance(*pair, spacing=step, percentile=95))
            scores.append((dice, min(far, 374.0), nsd))
    scores += [(0.0, 374.0, 0.0)] * (count - len(hits))
    return np.mean(scores, axis=0) if scores else (1.0, 0.0, 1.0)


@pytest.mark.parametrize("dilation", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_scores_are_those_of_a_walk_over_lesions(shape, dilation):
    step = SPACINGS[: len(shape)]
    for seed, share in ((1, 0.02), (2, 0.05), (3, 0.2)):
        prediction, reference = scene(seed, shape, share=share)
        pair = prediction & (np.random.default_rng(seed).random(shape) < 0.5), reference
        found = brats_lesion_wise(*pair, spacing=step, dilation=dilation)
        for smallest in (0, 2):
            values = [
                function(found, minimum_volume=smallest)
                for function in (metrics.brats_dice, metrics.brats_hausdorff_distance, metrics.brats_surface_dice)
            ]
            np.testing.assert_allclose(values, brute_scores(*pair, step, dilation, smallest), rtol=1e-9)


#                     found by a voxel beside it, found by two parts, missed, too small and missed; one is invented
BAR_REFERENCE = np.array([0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0])
BAR_PREDICTION = np.array([1, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0])


def test_a_scene_by_hand(xp):
    if xp.name == "jax-jit":
        with pytest.raises(TypeError, match="values of an array are needed"):
            xp.run(partial(metrics.brats_dice, spacing=(1.0,)), BAR_PREDICTION, BAR_REFERENCE)
        return

    def scores(prediction, reference):
        found = brats_lesion_wise(prediction, reference, spacing=(1.0,), dilation=1)
        return (
            found.volumes, found.counts.tp, found.counts.fp, found.counts.fn, found.false_lesions,
            metrics.brats_dice(found, minimum_volume=1), metrics.brats_dice(found, minimum_volume=0),
            metrics.brats_hausdorff_distance(found, minimum_volume=1, penalty=100, percentile=100),
            metrics.brats_surface_dice(found, minimum_volume=1, tolerance=0.5),
        )  # fmt: skip

    found = xp.run(scores, BAR_PREDICTION, BAR_REFERENCE)
    for one, other in zip(found[:5], ([2, 4, 2, 1], [0, 3, 0, 0], [1, 0, 0, 0], [2, 1, 2, 1], 1), strict=True):
        np.testing.assert_array_equal(one, other)
    # The surface of a bar is its two ends. Of the second lesion those of the gap are two voxels away.
    np.testing.assert_allclose(found[5], (6 / 7) / 4, rtol=1e-6)
    np.testing.assert_allclose(found[6], (6 / 7) / 5, rtol=1e-6)
    np.testing.assert_allclose(found[7], (2 + 2 + 100 + 100) / 4, rtol=1e-6)
    np.testing.assert_allclose(found[8], (2 / 4 + 4 / 6) / 4, rtol=1e-6)


def test_empty_masks_and_what_is_too_small():
    none, some = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    for pair, dice, distance in (((none, none), 1, 0), ((some, none), 0, 374), ((none, some), 0, 374)):
        found = brats_lesion_wise(*pair, spacing=(2.0, 3.0))
        assert metrics.brats_dice(found) == metrics.brats_surface_dice(found) == dice
        assert metrics.brats_hausdorff_distance(found) == distance
    assert np.isnan(metrics.brats_dice(none, none, spacing=(2.0, 3.0), zero_division=np.nan))
    assert metrics.brats_dice(none, some, spacing=(2.0, 3.0), minimum_volume=72) == 1


def test_names_labels_and_ignored_voxels():
    prediction, reference = (part[::2, ::2, ::2] for part in lesions(3))
    ignored = np.random.default_rng(0).random(reference.shape) < 0.05
    names = ["BRATS_DICE", "BRATS_HD95@dilation=1,minimum_volume=2", "BRATS_NSD@2mm"]
    table = evaluate(prediction, reference, metrics=names, labels=TUMOUR, spacing=(2.0, 2.0, 2.0), ignore=ignored)
    assert [row.metric for row in table][:3] == [find(name).abbreviation for name in names]
    for position, label in enumerate(TUMOUR):
        pair = [np.isin(part, label) for part in (prediction, reference)]
        options = {"spacing": (2.0, 2.0, 2.0), "ignore": ignored}
        right = [
            metrics.brats_dice(*pair, **options),
            metrics.brats_hausdorff_distance(*pair, dilation=1, minimum_volume=2, **options),
            metrics.brats_surface_dice(*pair, tolerance=2, **options),
        ]
        np.testing.assert_allclose([row.value for row in table[3 * position : 3 * position + 3]], right)
        known = [mask & ~ignored for mask in pair]
        assert right[0] == pytest.approx(float(metrics.brats_dice(*known, spacing=(2.0, 2.0, 2.0))))


def test_merged_records_are_those_of_all_cases():
    pairs = [(BAR_PREDICTION, BAR_REFERENCE), (BAR_REFERENCE, BAR_PREDICTION)]
    records = [brats_lesion_wise(*pair, spacing=(1.0,), dilation=1) for pair in pairs]
    whole = brats_lesion_wise(*map(np.concatenate, zip(*pairs, strict=True)), spacing=(1.0,), dilation=1)
    merged = merge(identity(records[0]), *records)
    for function in (metrics.brats_dice, metrics.brats_hausdorff_distance, metrics.brats_surface_dice):
        np.testing.assert_allclose(function(merged, minimum_volume=0), function(whole, minimum_volume=0))
    assert len(jax.tree.leaves(merged)) == len(jax.tree.leaves(whole))


def test_wrong_options():
    mask = np.ones((2, 3), bool)
    for options, error, words in (
        ({"dilation": -1}, ValueError, "`dilation` must be at least 0"),
        ({"dilation": 1.5}, TypeError, "`dilation` must be a whole number"),
        ({"spacing": (1,)}, ValueError, "`spacing` must have 2 entries"),
        ({"ignore": mask[:1]}, ValueError, "`ignore` must have the shape of the pair"),
    ):
        with pytest.raises(error, match=f"brats_lesion_wise: {words}"):
            brats_lesion_wise(mask, mask, **{"spacing": (1, 1), **options})
    with pytest.raises(TypeError, match="brats_dice: `lesions` must be BratsLesions"):
        metrics.brats_dice(metrics.confusion_counts(mask, mask))
