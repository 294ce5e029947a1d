"""Statistics of parts, merged, are the statistics of the whole: in loops, batches and on shards."""

from functools import partial, reduce

import numpy as np
import pytest

from mia_functional.metrics import (
    ConfusionCounts,
    ConfusionMatrix,
    PairedMoments,
    calibration_bins,
    confusion_counts,
    confusion_matrix,
    identity,
    merge,
    paired_moments,
    paired_spatial_moments,
    soft_confusion_counts,
    spatial_moments,
    threshold_counts,
)

RNG = np.random.default_rng(61)
LABELS = (1, 2, (1, 2), 3)
SPACING = (2.0, 1.0, 0.5)
MAPS = RNG.integers(0, 4, (2, 12, 5, 6))
IMAGES = 100 + RNG.standard_normal((2, 12, 5, 6))


def masks_of(mask, *, first=0):
    """Return the spatial moments of a part that begins at plane `first`."""
    return spatial_moments(mask, spacing=SPACING, labels=(1, 2), origin=(first * SPACING[0], 0.0, 0.0))


def pairs_of(prediction, reference, *, first=0):
    """Return the same of a pair."""
    return paired_spatial_moments(
        prediction, reference, spacing=SPACING, labels=(1, 2), origin=(first * SPACING[0], 0.0, 0.0)
    )


def ignore_place(function):
    """Return a statistic that does not depend on where the part lies."""
    return lambda *arrays, first=0: function(*arrays)  # noqa: ARG005


CASES = {
    "counts": (ignore_place(partial(confusion_counts, labels=LABELS)), MAPS, 0),
    "matrix": (ignore_place(partial(confusion_matrix, labels=(0, 1, 2, 3))), MAPS, 0),
    "soft": (ignore_place(soft_confusion_counts), (RNG.random(MAPS[0].shape), MAPS[1] > 1), 1e-6),
    "bins": (
        ignore_place(partial(calibration_bins, labels=(1, 2, 3), bins=4)),
        (RNG.dirichlet((1, 1, 1), MAPS[0].shape), MAPS[1]),
        1e-5,
    ),
    "thresholds": (
        ignore_place(partial(threshold_counts, labels=(1, 2, 3), thresholds=5)),
        (RNG.dirichlet((1, 1, 1), MAPS[0].shape), MAPS[1]),
        1e-6,
    ),
    "moments": (ignore_place(paired_moments), IMAGES, 2e-5),
    "places": (masks_of, MAPS[:1], 1e-5),
    "pairs": (pairs_of, MAPS, 1e-5),
}


def flat(statistic):
    """Return the arrays of a statistic, nested or not."""
    return [array for field in statistic for array in (flat(field) if isinstance(field, tuple) else [field])]


def same(one, other, tolerance):
    """Check that two statistics agree, exactly if there is no tolerance."""
    assert type(one) is type(other)
    for field, expected in zip(flat(one), flat(other), strict=True):
        np.testing.assert_allclose(field, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.sampled(13)
@pytest.mark.parametrize("case", CASES)
def test_parts_in_any_order_make_the_whole(xp, case):
    function, arrays, tolerance = CASES[case]
    arrays = [array.astype(np.float32) if array.dtype == np.float64 else array for array in arrays]
    whole = function(*arrays)
    cuts = ((0, 1), (1, 5), (5, 6), (6, 12))
    parts = [xp.run(partial(function, first=low), *(array[low:high] for array in arrays)) for low, high in cuts]
    same(merge(*parts), whole, tolerance)
    same(merge(merge(parts[3], parts[1]), merge(parts[2], parts[0])), whole, tolerance)
    same(merge(identity(parts[0]), *parts, identity(parts[1])), whole, tolerance)
    same(merge(parts[0]), parts[0], 0)
    same(merge(identity(whole), identity(whole)), identity(whole), 0)


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", CASES)
def test_merging_works_in_scan_and_vmap(case):
    import jax
    import jax.numpy as jnp

    function, arrays, tolerance = CASES[case]
    if case in ("places", "pairs"):
        function = partial(function, first=0)
    arrays = [jnp.asarray(array) for array in arrays]
    parts = jax.vmap(lambda *one: function(*(array[None] for array in one)))(*arrays)
    singles = [jax.tree.map(lambda field, step=step: field[step], parts) for step in range(12)]
    expected = reduce(merge, singles)

    def step(state, part):
        return merge(state, part), None

    start = identity(jax.tree.map(lambda field: field[0], parts))
    scanned, _ = jax.jit(lambda s, p: jax.lax.scan(step, s, p))(start, parts)
    same(scanned, expected, tolerance)
    halves = jax.vmap(merge)(
        *(jax.tree.map(lambda field, cut=cut: field[cut], parts) for cut in (slice(6), slice(6, 12)))
    )
    same(
        reduce(merge, [jax.tree.map(lambda field, step=step: field[step], halves) for step in range(6)]), expected, 5e-5
    )


def test_counts_up_to_2_to_the_36_are_exact():
    one = ConfusionCounts(*(np.array(2**34 + k) for k in range(4)))
    assert [int(field) for field in merge(*[one] * 4)] == [4 * (2**34 + k) for k in range(4)]
    numbers = ConfusionCounts(2**62, 2**62, 0, 1)
    assert merge(numbers, numbers, numbers).tp == 3 * 2**62


def test_sums_that_the_integers_cannot_hold_are_refused():
    import jax.numpy as jnp

    one = ConfusionCounts(*(jnp.asarray(2**30),) * 4)
    with pytest.raises(ValueError, match="integers can hold; got int32"):
        merge(one, one)
    double = ConfusionCounts(*(np.array(2**62),) * 4)
    with pytest.raises(ValueError, match="integers can hold; got int64"):
        merge(double, double)


def test_kinds_are_not_mixed():
    counts = ConfusionCounts(1, 2, 3, 4)
    for parts in ((counts, ConfusionMatrix(1, 2)), (counts, (1, 2, 3, 4)), ((1, 2),), (counts, 7)):
        with pytest.raises(TypeError, match="merge: `others` must be counts or moments of one kind"):
            merge(*parts)


def test_the_extremes_of_nothing_are_infinite():
    empty = identity(PairedMoments(*np.ones(12)))
    assert empty.reference_minimum == np.inf
    assert empty.reference_maximum == -np.inf
    assert empty.count == 0


SHARDED = """
import jax, numpy as np
from functools import partial
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from mia_functional import metrics
from mia_functional.metrics import confusion_counts, confusion_matrix, merge, paired_moments, structural_similarity

assert len(jax.devices()) == 4
rng = np.random.default_rng(0)
maps = rng.integers(0, 4, (2, 16, 6, 8)).astype(np.uint8)
images = rng.standard_normal((2, 16, 6, 8)).astype(np.float32)
images[1] += 2 * images[0]
moments = paired_moments(*images)
functions = [
    partial(confusion_counts, labels=(1, 2, (1, 2), 3)),
    partial(confusion_counts, labels=(0, 1, 2, 3)),
    partial(confusion_matrix, labels=(0, (1, 2), 3)),
]
statistics = [function(*maps) for function in functions]

def same(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)

def in_place(function, *arrays):
    text = jax.jit(function).lower(*arrays).compile().as_text()
    return "all-reduce" in text and "all-gather" not in text and "all-to-all" not in text

for kind in (AxisType.Auto, AxisType.Explicit):
    for spec in (P("x"), P(None, None, "x")):
        mesh = jax.make_mesh((4,), ("x",), axis_types=(kind,))
        place = NamedSharding(mesh, spec)
        pair = [jax.device_put(one, place) for one in maps]
        for function, expected in zip(functions, statistics):
            same(jax.jit(function)(*pair), expected)
            assert in_place(function, *pair), (kind, spec)
            with jax.set_mesh(mesh):
                same(jax.jit(lambda *pair: jax.jit(function)(*(one + 0 for one in pair)))(*pair), expected)
                same(function(*pair), expected)
        with jax.set_mesh(mesh):
            pair = [jax.device_put(one, place) for one in images]
            for field, expected in zip(jax.jit(paired_moments)(*pair), moments):
                np.testing.assert_allclose(field, expected, rtol=2e-6, atol=1e-4)
            for limit in (2.0, None):
                function = partial(structural_similarity, window=3, data_range=limit)
                np.testing.assert_allclose(jax.jit(function)(*pair), function(*images), atol=1e-6)

mesh = jax.make_mesh((4,), ("x",), axis_types=(AxisType.Auto,))
place = NamedSharding(mesh, P("x"))
batches = [jax.device_put(one.reshape(4, 4, 6, 8), place) for one in maps]
for function, expected in zip(functions, statistics):
    constrained = lambda *pair: function(*(jax.lax.with_sharding_constraint(one, place) for one in pair))
    same(jax.jit(constrained)(*maps), expected)
    assert in_place(constrained, *maps)
    same(jax.jit(function, in_shardings=(place, place))(*maps), expected)
    batched = jax.jit(jax.vmap(function))(*batches)
    same(jax.tree.map(lambda field: field.sum(axis=0), batched), expected)
    spread = jax.shard_map(
        lambda *pair: jax.lax.psum(function(*pair), "x"), mesh=mesh, in_specs=(P("x"), P("x")), out_specs=P()
    )
    same(jax.jit(spread)(*maps), expected)

@jax.jit
@partial(jax.shard_map, mesh=mesh, in_specs=(P("x"), P("x")), out_specs=P(), check_vma=False)
def gathered(prediction, reference):
    parts = jax.lax.all_gather(paired_moments(prediction, reference), "x")
    return merge(*(jax.tree.map(lambda field: field[k], parts) for k in range(4)))

for field, expected in zip(gathered(*images), moments):
    np.testing.assert_allclose(field, expected, rtol=2e-6, atol=1e-4)
print("agree")
"""


@pytest.mark.full
def test_statistics_of_volumes_on_four_devices_need_no_gathering(four_devices):
    assert four_devices(SHARDED) == "agree\n"
