"""Metrics in the Voronoi region of every component: brute force, CC-Metrics' and MONAI's numbers, merging."""

from functools import partial

import jax
import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.evaluation import evaluate
from mia_functional.metrics import component_counts, component_mean, merge, per_component

from .test_instance_values import value_of
from .test_instances import SHAPES, SPACINGS, boxes, brute_components, scene

NAMES = ("DICE", "ACURCY", "HD95", "NSD@2mm", "HDRFDST@boundary=voxels", "BIOU", "CENDST", "BETTI0", "LESION_F1")
SQRT3 = 3**0.5


def brute_regions(prediction, labels, step):
    """Return the number of the nearest component for every predicted voxel, by all distances; the first of equals."""
    owners = np.zeros(labels.shape, int)
    places = [np.argwhere(labels == number) * step for number in range(1, labels.max() + 1)]
    for voxel in np.argwhere(prediction):
        nearest = [float(((place - voxel * step) ** 2).sum(axis=1).min()) for place in places]
        owners[tuple(voxel)] = 1 + next(k for k, value in enumerate(nearest) if value <= min(nearest) * (1 + 1e-12))
    return owners


@pytest.mark.sampled(8)
@pytest.mark.parametrize("step", [SPACINGS, (1.0, 1.0, 1.0), (0.7, SQRT3, 1.3)])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_are_those_of_all_distances(shape, step):
    step = step[: len(shape)]
    names = [name for name in NAMES if name != "BETTI0" or len(shape) > 1]
    for share in (0.03, 0.2):
        pair = scene(7, shape, share=share)
        labels = brute_components(pair[1], len(shape))
        owners = brute_regions(pair[0], labels, step)
        masks = [(owners == number, labels == number) for number in range(1, labels.max() + 1)]
        found = per_component(*pair, spacing=step, metrics=names)
        right = [[value_of(name, one, step) for name in names] for one in masks]
        np.testing.assert_allclose(found.values, np.array(right).reshape(-1, len(names)), rtol=1e-9)
        counts = found.regions.counts
        assert counts.tp.tolist() == [int((one & other).sum()) for one, other in masks]
        assert counts.fp.tolist() == [int((one & ~other).sum()) for one, other in masks]
        assert counts.fn.tolist() == [int((other & ~one).sum()) for one, other in masks]
        np.testing.assert_allclose(found.regions.volumes, [other.sum() * np.prod(step) for _, other in masks])
        if masks:
            mean = np.mean([value_of("DICE", one, step) for one in masks])
            assert metrics.component_dice(*pair, spacing=step) == pytest.approx(mean)


def test_the_first_of_many_equally_near_components_gets_a_voxel():
    # On a sphere around the middle there are more voxels at one distance than are asked for at first.
    grid = np.stack(np.meshgrid(*[np.arange(-7, 8)] * 3, indexing="ij"))
    reference = (grid**2).sum(axis=0) == 41
    prediction = (grid**2).sum(axis=0) == 0
    for connectivity in (1, 3):
        count = brute_components(reference, connectivity).max()
        found = component_counts(prediction, reference, spacing=(1, 1, 1), connectivity=connectivity)
        assert found.counts.fp.tolist() == [1] + [0] * (count - 1)
    assert count > 1


CC_METRICS = {
    32: (0.49836066365242004, 8.30901700258255, 0.7090163975954056, 7.77872010320425),
    43: (0.22500000149011612, 8.353553384542465, 0.7112068980932236, 8.05486173927784),
    63: (0.45238097012043, 1.2071067690849304, 0.9107142984867096, 0.5846023857593536),
    112: (0.5031135529279709, 1.2071067690849304, 0.9178030490875244, 0.5593378394842148),
    7: (0.17777778208255768, 11.463272094726562, 0.45777777830759686, 10.695756236712137),
    8: (0.3194444514811039, 1.161396086215973, 0.9479166716337204, 0.7021291628479958),
}
"""By the seed of a scene at 1 mm, what CC-Metrics gives (commit 20a704b, with MONAI 1.6.1), where a missed component
has a distance of 30 mm: Dice, HD95, surface Dice at 1 mm and ASSD, means over the components."""

ONE_TRANSFORM = {32: 0.4802631735801697}
"""Where predicted voxels are equally near to two components, CC-Metrics 0.0.3 and MONAI 1.6.1 give any of them."""

MONAI = {seed: values[0] for seed, values in CC_METRICS.items()} | ONE_TRANSFORM
"""What MONAI 1.6.1 and CC-Metrics 0.0.3 give as Dice: `DiceMetric(per_component=True)` and `CCDiceMetric`."""


@pytest.mark.parametrize("seed", CC_METRICS)
def test_cc_metrics_numbers(seed):
    names = ("DICE", "HD95@boundary=voxels", "NSD@1mm,boundary=voxels", "ASSD@boundary=voxels")
    found = per_component(*boxes(seed), spacing=(1, 1, 1), metrics=names)
    means = [component_mean(found, name, infinite=30) for name in names]
    np.testing.assert_allclose(means, CC_METRICS[seed], rtol=1e-6)
    if seed not in ONE_TRANSFORM:
        assert means[0] == pytest.approx(MONAI[seed], rel=1e-6)


@pytest.mark.full
@pytest.mark.parametrize("seed", [43, 8])
def test_monais_numbers(seed):
    import torch
    from monai.metrics import DiceMetric

    pair = [np.stack([mask == 0, mask == 1])[None].astype(np.float32) for mask in boxes(seed)]
    measure = DiceMetric(include_background=False, per_component=True, reduction="none")
    with pytest.warns(UserWarning, match="Voronoi computation is running on CPU"):
        value = float(measure(*map(torch.from_numpy, pair)))
    assert value == pytest.approx(MONAI[seed], rel=1e-6)
    assert value == pytest.approx(float(metrics.component_dice(*boxes(seed), spacing=(1, 1, 1))), rel=1e-6)


def test_every_library(xp):
    pair = scene(5, (6, 5, 7), share=0.05)
    right = per_component(*pair, spacing=SPACINGS)
    if xp.name == "jax-jit":
        for function in (per_component, metrics.component_dice):
            with pytest.raises(TypeError, match="values of an array are needed"):
                xp.run(partial(function, spacing=SPACINGS), *pair)
        return
    found = xp.run(lambda *arrays: per_component(*arrays, spacing=SPACINGS)[::2], *pair)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(right[::2]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_labels_ignored_voxels_threads_and_evaluate():
    rng = np.random.default_rng(5)
    maps = rng.integers(0, 3, (2, 9, 8)).astype(np.uint8)
    maps[maps == rng.integers(0, 3, maps.shape)] = 0
    ignored = rng.random((9, 8)) < 0.2
    labels, options = {1: "core", (1, 2): "whole"}, {"spacing": (2.0, 1.0), "ignore": ignored}
    records = per_component(*maps, labels=labels, workers=2, **options)
    table = evaluate(*maps, metrics=["CCDICE"], labels=labels, spacing=(2.0, 1.0), ignore=ignored)
    for record, label, row in zip(records, labels, table, strict=True):
        masks = [np.isin(one, label) for one in maps]
        np.testing.assert_array_equal(record.values, per_component(*masks, **options).values)
        known = [mask & ~ignored for mask in masks]
        dices = per_component(*known, spacing=(2.0, 1.0), metrics=["DICE", "ACURCY"]).values
        np.testing.assert_array_equal(record.values[:, 0], dices[:, 0])
        assert row.value == pytest.approx(dices[:, 0].mean())
        accuracy = per_component(*masks, metrics=["ACURCY"], **options).values[:, 0]
        voxels = (~ignored).sum()
        np.testing.assert_allclose(1 - accuracy, (1 - dices[:, 1]) * 72 / voxels)


def test_merged_records_are_those_of_all_cases():
    records = [per_component(*boxes(seed), spacing=(1, 1, 1), metrics=("DICE", "NSD")) for seed in CC_METRICS]
    pooled = merge(metrics.identity(records[0]), *records)
    np.testing.assert_array_equal(pooled.values, np.concatenate([record.values for record in records]))
    assert component_mean(pooled, "dsc") == pytest.approx(float(metrics.component_dice(pooled.regions)))
    assert pooled.regions.volumes.shape == (len(pooled.values),)
    with pytest.raises(ValueError, match="merge: `others` must have the metrics DICE, SURFDICE@1mm; got DICE"):
        merge(records[0], per_component(*boxes(32), spacing=(1, 1, 1), metrics=("DICE",)))


def test_empty_masks():
    none, some = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    for prediction in (none, some):
        found = per_component(prediction, none, spacing=(1, 2))
        assert found.values.shape == (0, 5)
        assert np.isnan(component_mean(found, "DICE"))
        assert component_mean(found, "HD95", zero_division=0.0) == 0
        assert metrics.component_dice(prediction, none, spacing=(1, 2), zero_division=1.0) == 1
    missed = per_component(none, some, spacing=(1, 2), metrics=("DICE", "HD95"))
    assert missed.values.tolist() == [[0.0, np.inf]]
    assert component_mean(missed, "HD95", infinite=374) == 374


MASK = np.ones((2, 3), bool)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"metrics": ("MAE",)}, ValueError, "`metrics` must be metrics of masks that do not depend on their place"),
        ({"workers": 0}, ValueError, "`workers` must be at least 1"),
        ({"spacing": (1,)}, ValueError, "`spacing` must have 2 entries"),
        ({"connectivity": 3}, ValueError, "`connectivity` must be at most 2"),
        ({"ignore": MASK[:1]}, ValueError, "`ignore` must have the shape of the pair"),
    ],
)
def test_wrong_options(options, error, words):
    with pytest.raises(error, match=f"per_component: {words}"):
        per_component(MASK, MASK, **{"spacing": (1, 1), **options})


def test_wrong_records():
    found = per_component(MASK, MASK, spacing=(1, 1))
    with pytest.raises(TypeError, match="component_mean: `found` must be a record of `per_component`"):
        component_mean(found.regions, "DICE")
    with pytest.raises(ValueError, match="component_mean: `metric` must be one of DICE"):
        component_mean(found, "CENDST")
    with pytest.raises(TypeError, match="component_mean: `infinite` must be a number"):
        component_mean(found, "DICE", infinite="diagonal")
    with pytest.raises(TypeError, match="component_dice: `regions` must be ComponentCounts"):
        metrics.component_dice(found)
