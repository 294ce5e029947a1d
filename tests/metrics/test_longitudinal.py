"""Lesions at two times: every kind by hand, groups and links by a walk over sets of voxels, laws, cases together."""

from functools import partial

import jax
import numpy as np
import pytest

from mia_functional.metrics import CHANGE_KINDS, change_counts, identity, lesion_changes, merge

from ..morphology.test_components import brute_components
from .test_instances import OVERLAPS, SHAPES, SPACINGS, scene, voxel_sets


def brute_links(earlier, later, step, overlap, threshold, distance):
    """Return the pairs of lesions, given as sets of voxels, that are linked."""
    measure = OVERLAPS[overlap]
    links = [
        (a, b) for a, one in enumerate(earlier) for b, other in enumerate(later)
        if one & other and measure(other, one) >= threshold
    ]  # fmt: skip
    centres = [[np.mean(sorted(lesion), axis=0) * step for lesion in lesions] for lesions in (earlier, later)]
    apart = sorted(
        (float(np.linalg.norm(one - other)), b, a)
        for a, one in enumerate(centres[0]) for b, other in enumerate(centres[1])
    )  # fmt: skip
    for length, b, a in apart:
        if distance is not None and length <= distance and all(a != one and b != other for one, other in links):
            links.append((a, b))
    return links


def brute_groups(earlier, later, links):
    """Return the groups of linked lesions as two lists of positions each, in order of their first lesions."""
    nodes = [("earlier", a) for a in range(len(earlier))] + [("later", b) for b in range(len(later))]
    groups = []
    for node in nodes:
        if any(node in group for group in groups):
            continue
        group, grown = {node}, True
        while grown:
            more = {
                end for a, b in links for end in (("earlier", a), ("later", b))
                if ("earlier", a) in group or ("later", b) in group
            }  # fmt: skip
            grown, group = not more <= group, group | more
        groups.append(group)
    return [[sorted(at for time, at in group if time == name) for name in ("earlier", "later")] for group in groups]


KINDS = {(0, 1): 0, (1, 0): 1, (1, 1): 2, (1, 2): 3, (2, 1): 4, (2, 2): 5}


@pytest.mark.parametrize("options", [{}, {"overlap": "ior", "threshold": 0.5}, {"threshold": 0.3, "distance": 2.5}])
@pytest.mark.parametrize("shape", SHAPES)
def test_groups_equal_a_walk_over_sets_of_voxels(shape, options):
    step = SPACINGS[: len(shape)]
    for seed in range(6):
        masks = scene(seed, shape)
        earlier, later = (voxel_sets(mask, 1) for mask in masks)
        chosen = {"overlap": "iou", "threshold": 0.0, "distance": None, **options}
        groups = brute_groups(earlier, later, brute_links(earlier, later, step, **chosen))
        changes = lesion_changes(*masks, spacing=step, connectivity=1, **options)
        assert changes.kind.tolist() == [KINDS[min(len(a), 2), min(len(b), 2)] for a, b in groups]
        for number, group in enumerate(groups):
            members = [
                np.flatnonzero(field == number).tolist() for field in (changes.earlier_group, changes.later_group)
            ]
            assert members == group
        volumes = np.array(
            [[sum(len(sets[at]) for at in side) for sets, side in zip((earlier, later), group, strict=True)]
             for group in groups]
        ) * np.prod(step)  # fmt: skip
        np.testing.assert_allclose(np.stack([changes.earlier_volume, changes.later_volume], axis=1), volumes)
        np.testing.assert_allclose(changes.growth, volumes[:, 1] - volumes[:, 0])
        with np.errstate(divide="ignore"):
            right = np.where(volumes[:, 0] > 0, volumes[:, 1] / volumes[:, 0] - 1, np.nan)
        np.testing.assert_allclose(changes.relative_growth, right)


#            grown, then split into two     two merged        two merged, then new   gone, new
EARLIER = [1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0]
LATER = [1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 1, 1]


def test_kinds_by_hand(xp):
    if xp.name == "jax-jit":
        pytest.skip("runs on the host")
    changes = xp.run(partial(lesion_changes, spacing=(2.0,)), np.array(EARLIER), np.array(LATER))
    # The last part of what is split and merged touches nothing earlier: it is new.
    assert [CHANGE_KINDS[kind] for kind in changes.kind] == [
        "stable",
        "split",
        "merged",
        "merged",
        "gone",
        "new",
        "new",
    ]
    assert changes.earlier_count.tolist() == [1, 1, 2, 2, 1, 0, 0]
    assert changes.later_count.tolist() == [1, 2, 1, 1, 0, 1, 1]
    assert changes.growth.tolist() == [2, -4, 0, 0, -4, 2, 4]
    np.testing.assert_allclose(changes.relative_growth, [0.5, -0.4, 0, 0, -1, np.nan, np.nan], rtol=1e-6)
    # In one dimension a ball is as long as its volume.
    np.testing.assert_allclose(changes.diameter_growth, changes.growth, atol=1e-5)
    assert changes.earlier_group.tolist() == [0, 1, 2, 2, 3, 3, 4]
    assert changes.later_group.tolist() == [0, 1, 1, 2, 3, 5, 6]
    counts = change_counts(changes)
    assert tuple(map(int, counts)) == (2, 1, 1, 1, 2, 0, 1, 1)
    assert int(change_counts(changes, growth=0.6).grown) == 0


def test_split_and_merged():
    earlier, later = np.array([1, 1, 1, 0, 1, 1]), np.array([1, 0, 1, 1, 1, 0])
    changes = lesion_changes(earlier, later, spacing=(1.0,))
    assert [CHANGE_KINDS[kind] for kind in changes.kind] == ["split and merged"]
    assert (changes.earlier_count.tolist(), changes.later_count.tolist()) == ([2], [2])


def test_lesions_that_have_moved_are_linked_by_their_distance():
    earlier, later = np.zeros((2, 9, 12), bool)
    earlier[2, 2:4] = earlier[6, 8] = True
    later[3:5, 5] = later[6, 9] = True
    call = partial(lesion_changes, earlier, later, spacing=(1.0, 2.0))
    assert sorted(call().kind.tolist()) == [0, 0, 1, 1]
    assert sorted(call(distance=2.0).kind.tolist()) == [0, 1, 2]
    assert call(distance=10.0).kind.tolist() == [2, 2]
    assert sorted(call(distance=1.99).kind.tolist()) == [0, 0, 1, 1]


def test_diameters_of_balls():
    earlier, later = np.zeros((2, 6, 6, 6), bool)
    earlier[1:3, 1:3, 1:3] = later[1:5, 1:5, 1:5] = True
    changes = lesion_changes(earlier, later, spacing=(1.0, 1.0, 1.5))
    right = (6 * 96 / np.pi) ** (1 / 3) - (6 * 12 / np.pi) ** (1 / 3)
    np.testing.assert_allclose(changes.diameter_growth, [right])
    np.testing.assert_allclose(changes.relative_growth, [7.0])


def test_the_other_way_round_and_flipped():
    for seed in range(5):
        masks = scene(seed, (7, 6, 5))
        call = partial(lesion_changes, spacing=SPACINGS, connectivity=1)
        there, back = (change_counts(call(*pair)) for pair in (masks, masks[::-1]))
        assert (there.new, there.gone, there.split, there.merged) == (back.gone, back.new, back.merged, back.split)
        assert (there.stable, there.split_and_merged) == (back.stable, back.split_and_merged)
        flipped = change_counts(call(*(np.flip(mask, (0, 2)) for mask in masks)))
        assert flipped == there
        numbered = [brute_components(mask, 1) * 3 for mask in masks]
        for one, other in zip(call(*masks), lesion_changes(*numbered, spacing=SPACINGS, instances=True), strict=True):
            np.testing.assert_array_equal(one, other)


def test_cases_together_and_ignored_voxels():
    pairs = [scene(seed, (7, 6, 5)) for seed in range(3)]
    call = partial(lesion_changes, spacing=SPACINGS, connectivity=1)
    records = [call(*pair) for pair in pairs]
    merged = merge(*records)
    assert merged.cases == 3
    for kind in range(len(CHANGE_KINDS)):
        assert (merged.kind == kind).sum() == sum((record.kind == kind).sum() for record in records)
    sums = np.bincount(merged.earlier_group, minlength=merged.kind.size)
    np.testing.assert_array_equal(sums, merged.earlier_count)
    np.testing.assert_array_equal(np.bincount(merged.later_group, minlength=merged.kind.size), merged.later_count)
    empty = identity(records[0])
    for one, other in zip(merge(empty, records[0], empty), records[0], strict=True):
        np.testing.assert_array_equal(one, other)
    hidden = np.zeros((7, 6, 5), bool)
    hidden[2:5] = True
    for one, other in zip(call(*pairs[0], ignore=hidden), call(*(mask & ~hidden for mask in pairs[0])), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_lesions():
    none, some = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    call = partial(lesion_changes, spacing=(1, 1), distance=1.0)
    assert call(none, none).kind.shape == (0,)
    assert call(none, some).kind.tolist() == [0]
    assert call(some, none).relative_growth.tolist() == [-1]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"threshold": 1.5}, ValueError, "`threshold` must be between 0 and 1"),
        ({"overlap": "IoU"}, ValueError, "`overlap` must be one of iou, dice, ior"),
        ({"distance": 0}, ValueError, "`distance` must be positive"),
        ({"spacing": (1,)}, ValueError, "`spacing` must have 2 entries"),
        ({"later": np.ones((3, 3), bool)}, ValueError, "`later` must have the shape of the earlier one"),
        ({"earlier": np.full((2, 3), 7)}, ValueError, "`earlier` contains 7"),
        ({"ignore": np.ones(3, bool)}, ValueError, "`ignore` must have the shape"),
    ],
)
def test_wrong_arguments(options, error, words):
    mask = np.ones((2, 3), bool)
    with pytest.raises(error, match=f"lesion_changes: {words}"):
        lesion_changes(**{"earlier": mask, "later": mask, "spacing": (1, 1), **options})


def test_wrong_records():
    mask = np.ones((2, 3), bool)
    with pytest.raises(TypeError, match="lesion_changes: `earlier` must have values"):
        jax.jit(partial(lesion_changes, spacing=(1, 1)))(mask, mask)
    with pytest.raises(TypeError, match="change_counts: `changes` must be a record of `lesion_changes`"):
        change_counts((1, 2))
    with pytest.raises(ValueError, match="change_counts: `growth` must be positive"):
        change_counts(lesion_changes(mask, mask, spacing=(1, 1)), growth=0)
