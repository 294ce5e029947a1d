"""Metrics with the mistakes that people make, and which laws each breaks."""

import functools
from typing import NamedTuple

import hypothesis.strategies as st
import numpy as np
import scipy.ndimage as ndi
from scipy.spatial.distance import cdist
from skimage.measure import euler_number

from mia_functional import metrics, testing


class Faulty(NamedTuple):
    """A faulty function: what is wrong, what it is, how it is checked, and the laws any of which finds it."""

    mistake: str
    function: object
    options: dict
    laws: tuple


def ratio(part, whole):
    """Return a quotient, or NaN."""
    return float(part) / float(whole) if whole else np.nan


def jaccard(p, r):
    """Return the Jaccard index."""
    return ratio((p & r).sum(), (p | r).sum())


def dice(p, r):
    """Return the Dice coefficient."""
    return ratio(2 * (p & r).sum(), p.sum() + r.sum())


def border(mask, **options):
    """Return the voxels of a mask that touch the outside by a face."""
    return mask & ~ndi.binary_erosion(mask, **options)


def voxel_distances(p, r, spacing, edge=border):
    """Return the distances from each border voxel to the nearest one of the other mask, both ways."""
    points = [np.argwhere(edge(mask)) * np.asarray(spacing) for mask in (p, r)]
    if not len(points[0]) or not len(points[1]):
        return None
    apart = cdist(*points)
    return apart.min(1), apart.min(0)


def hausdorff(p, r, spacing, *, edge=border, combine=lambda d, e: max(d.max(), e.max())):
    """Return the Hausdorff distance of border voxels, or something else of both distances."""
    found = voxel_distances(p, r, spacing, edge)
    if found is None:
        return np.inf if p.any() or r.any() else np.nan
    return float(combine(*found))


def hd95(p, r, spacing):
    """Return the larger one of both 95th percentiles."""
    return hausdorff(p, r, spacing, combine=lambda d, e: max(np.percentile(d, 95), np.percentile(e, 95)))


def rolled_border(mask):
    """Return borders by neighbours that come round from the other side of the image."""
    inside = [np.roll(mask, step, axis) for axis in range(mask.ndim) for step in (1, -1)]
    return mask & ~np.logical_and.reduce(inside)


def forgets(p, r, calls=[]):  # noqa: B006  # the mistake
    """Return a running mean over all calls."""
    calls.append(np.nan_to_num(dice(p, r)))
    return float(np.mean(calls))


def writes(p, r):
    """Count in place."""
    union = (p | r).sum()
    p &= r
    return ratio(p.sum(), union)


def squeezes(p, r):
    """Drop axes of length 1, and then take the first for the slices."""
    values = [dice(a, b) for a, b in zip(np.atleast_1d(p.squeeze()), np.atleast_1d(r.squeeze()), strict=True)]
    return float(np.nanmean(values)) if not np.all(np.isnan(values)) else np.nan


def small_matthews(p, r):
    """Multiply counts of 8 bits."""
    tp, fp, fn, tn = (np.int8((a & b).sum() % 256) for a, b in ((p, r), (p, ~r), (~p, r), (~p, ~r)))
    with np.errstate(all="ignore"):
        below = np.sqrt(float((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))
        return ratio(float(tp * tn - fp * fn), below)


def matthews_of_32_bits(p, r):
    """Multiply counts of 32 bits, which takes a thousand voxels to go wrong."""
    tp, fp, fn, tn = (np.int32((a & b).sum()) for a, b in ((p, r), (p, ~r), (~p, r), (~p, ~r)))
    with np.errstate(all="ignore"):
        below = np.sqrt(float((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))
        return ratio(float(tp * tn - fp * fn), below)


def without_border(p, r):
    """Leave the outer voxels of the image out."""
    inner = tuple(slice(1, -1) if side > 2 else slice(None) for side in p.shape)
    return dice(p[inner], r[inner])


def over_labels(p, r, labels, *, absent=np.nan):
    """Return the mean Dice coefficient of some labels."""
    values = [dice(p == label, r == label) for label in labels]
    values = [absent if np.isnan(value) else value for value in values]
    return float(np.nanmean(values)) if values and not np.all(np.isnan(values)) else np.nan


def found_instances(p, r):
    """Return the F1 score of instances, for which numbers have to agree."""
    numbers = [set(np.unique(array).tolist()) - {0} for array in (p, r)]
    return ratio(2 * len(numbers[0] & numbers[1]), len(numbers[0]) + len(numbers[1]))


def matched_twice(p, r):
    """Return the F1 score of instances, where one of the reference may stand for several."""
    numbers = [np.unique(array[array > 0]) for array in (p, r)]
    hits = sum((r[p == number] > 0).any() for number in numbers[0])
    return ratio(2 * hits, sum(map(len, numbers)))


def matched_in_order(p, r):
    """Return the F1 score of instances, each of which gets the first free one that it touches, in order of number."""
    numbers = [set(np.unique(array[array > 0]).tolist()) for array in (p, r)]
    free, hits = set(numbers[1]), 0
    for number in sorted(numbers[0]):
        touched = sorted(free & set(r[p == number].tolist()))
        free -= set(touched[:1])
        hits += len(touched[:1])
    return ratio(2 * hits, len(numbers[0]) + len(numbers[1]))


def auroc_by_rank(probabilities, reference):
    """Sort, and let the order of the array decide among equal ones."""
    order = np.argsort(probabilities.ravel(), kind="stable")
    ranks = np.empty(order.size)
    ranks[order] = np.arange(1, order.size + 1)
    inside = reference.ravel()
    positives, negatives = inside.sum(), (~inside).sum()
    if not positives or not negatives:
        return np.nan
    return float((ranks[inside].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def log_loss(probabilities, reference):
    """Multiply by a logarithm of 0."""
    with np.errstate(all="ignore"):
        terms = np.where(reference, 1, 0) * np.log(probabilities) + (1 - reference) * np.log(1 - probabilities)
    return float(-terms.mean())


def binned(probabilities, reference):
    """Put probabilities into ten bins, the last of which ends before 1."""
    counts = np.zeros((10, 3))
    for probability, inside in zip(probabilities.ravel(), reference.ravel(), strict=True):
        counts[int(probability * 10)] += 1, probability, inside
    return float(np.abs(counts[:, 1] - counts[:, 2]).sum() / probabilities.size)


def betti(mask, *, structure, background):
    """Return components and holes of the plane, each of voxels that touch by edges alone or at corners too."""
    around = [np.ones((3, 3)) if corners else None for corners in (structure, background)]
    holes = ndi.label(np.pad(~mask, 1, constant_values=True), around[1])[1] - 1
    return ndi.label(mask, around[0])[1], holes, 0


def holes_are_cavities(mask):
    """Count holes of the plane as cavities."""
    components, holes, _ = betti(mask, structure=True, background=False)
    return components, 0, holes


def solid_parts(mask):
    """Return components by corners and cavities by faces, of three axes."""
    return ndi.label(mask, np.ones((3, 3, 3)))[1], ndi.label(np.pad(~mask, 1, constant_values=True))[1] - 1


def euler_of_faces(mask):
    """Take tunnels from the Euler number of voxels that touch by faces alone."""
    components, cavities = solid_parts(mask)
    return components, components + cavities - euler_number(mask, connectivity=1), cavities


def tunnels_by_slice(mask):
    """Count holes slice by slice as tunnels."""
    components, cavities = solid_parts(mask)
    return components, sum(ndi.label(np.pad(~plane, 1, constant_values=True))[1] - 1 for plane in mask), cavities


def cavities_at_the_border(mask):
    """Count what the image cuts off from the outside as cavities."""
    components, cavities = solid_parts(mask)
    tunnels = components + cavities - euler_number(mask, connectivity=3)
    return components, tunnels, ndi.label(~mask)[1] - 1


def small_counts(p, r):
    """Add counts of bytes."""
    sizes = [mask.sum(dtype=np.uint8) for mask in (p & r, p, r)]
    with np.errstate(over="ignore"):
        return ratio(2 * sizes[0], sizes[1] + sizes[2])


class Moments(NamedTuple):
    """The number of voxels, and the mean squared difference."""

    count: float
    error: float


def squared_error(p, r):
    """Return the record of a pair."""
    return Moments(p.size, float(((p - r) ** 2).mean()))


def counted_in_float32(p, r):
    """Return false positives as the difference of two counts in single precision."""
    everything, diagonal = np.float32(p.sum()), np.float32(np.trace(p))
    return float(everything - diagonal) + 0 * float(r.sum())


TABLES = testing.contingency_tables(classes=(2, 3), largest=2**30)
DISTANCE = {"like": "HDRFDST"}
MASK_LABELS = {"like": "DICE", "inputs": "labels", "without": ("defined",)}
OF_LABELS = {"like": "DICE", "inputs": "labels"}
IMAGES = {"like": "MAE"}
SOLID = {"best": 0.0, "pairs": testing.mask_pairs(dimensions=(3, 3))}
PLANE = {"best": 0.0, "pairs": testing.mask_pairs(dimensions=(2, 2))}

METRICS = (
    Faulty(
        "the union counted twice",
        lambda p, r: ratio((p & r).sum(), p.sum() + r.sum()),
        {"like": "JACRD"},
        ("identity",),
    ),
    Faulty("a factor of 2 too many", lambda p, r: 2 * dice(p, r), {"like": "DICE"}, ("range",)),
    Faulty("0 where both are empty", lambda p, r: np.nan_to_num(dice(p, r)), {"like": "DICE"}, ("identity",)),
    Faulty("NaN without overlap", lambda p, r: dice(p, r) or np.nan, {"like": "DICE"}, ("defined",)),
    Faulty(
        "1 where one is empty", lambda p, r: dice(p, r) if p.any() and r.any() else 1.0, {"like": "DICE"}, ("misses",)
    ),
    Faulty(
        "sensitivity for Dice", lambda p, r: ratio((p & r).sum(), r.sum()), {"like": "DICE"}, ("symmetry", "misses")
    ),
    Faulty(
        "sizes for overlap",
        lambda p, r: 1 - ratio(abs(int(p.sum()) - int(r.sum())), p.sum() + r.sum()),
        {"like": "DICE"},
        ("monotonicity",),
    ),
    Faulty(
        "smoothed by 1",
        lambda p, r: (2 * (p & r).sum() + 1) / (p.sum() + r.sum() + 1),
        {"like": "DICE", "oracle": dice},
        ("oracle",),
    ),
    Faulty(
        "counts of 8 bits",
        small_counts,
        {"like": "DICE", "oracle": dice},
        ("range", "oracle", "identity", "misses", "monotonicity"),
    ),
    Faulty(
        "products of 32 bits",
        matthews_of_32_bits,
        {"like": "MCC", "pairs": testing.mask_pairs(dimensions=(3, 3), largest=12)},
        ("range", "defined", "identity"),
    ),
    Faulty("products of 8 bits", small_matthews, {"like": "MCC"}, ("runs", "range", "defined", "identity")),
    Faulty(
        "an inverted byte",
        lambda p, r: ratio((~p & ~r).astype(bool).sum(), (~r).astype(bool).sum()),
        {"like": "SPCFTY", "dtypes": ("bool", "uint8")},
        ("dtypes",),
    ),
    Faulty(
        "wraps below 0",
        lambda p, r: float(np.abs(p - r).mean()),
        IMAGES | {"dtypes": ("float32", "uint8")},
        ("dtypes",),
    ),
    Faulty(
        "squares of bytes",
        lambda p, r: float(((p - r) ** 2).mean()),
        {"like": "MSE", "dtypes": ("float32", "uint8")},
        ("dtypes",),
    ),
    Faulty(
        "half precision",
        lambda p, r: float((p.astype(np.float16) - r.astype(np.float16)).__abs__().sum(dtype=np.float16)) / p.size,
        IMAGES | {"oracle": metrics.mean_absolute_error},
        ("range", "oracle", "flips", "axes", "triangle", "monotonicity"),
    ),
    Faulty(
        "counts of single precision",
        counted_in_float32,
        {"laws": ("oracle",), "oracle": lambda p, _: p.sum() - np.trace(p), "pairs": st.tuples(TABLES, TABLES)},
        ("oracle",),
    ),
    Faulty("writes to its argument", writes, {"like": "JACRD"}, ("runs", "no mutation")),
    Faulty("remembers calls", forgets, {"like": "DICE"}, ("no mutation", "symmetry")),
    Faulty(
        "the first slice alone",
        lambda p, r: dice(p[0], r[0]),
        {"like": "DICE"},
        ("flips", "axes", "defined", "padding", "misses"),
    ),
    Faulty("a projection", lambda p, r: dice(p.any(-1), r.any(-1)), {"like": "DICE"}, ("axes", "monotonicity")),
    Faulty("the mean over slices", squeezes, {"like": "DICE"}, ("axes", "misses", "monotonicity", "padding")),
    Faulty(
        "the image's border left out", without_border, {"like": "DICE"}, ("defined", "misses", "padding", "identity")
    ),
    Faulty("off by one voxel", lambda p, r: dice(p[1:], r[:-1]), {"like": "DICE"}, ("identity", "defined", "padding")),
    Faulty(
        "order of memory",
        lambda p, r: dice(p.ravel("K"), r.ravel("K")),
        {"like": "DICE"},
        ("memory order", "flips", "axes"),
    ),
    Faulty("spacing reversed", lambda p, r, spacing: hausdorff(p, r, spacing[::-1]), DISTANCE, ("axes",)),
    Faulty(
        "spacing of the first axis", lambda p, r, spacing: hausdorff(p, r, spacing[:1] * p.ndim), DISTANCE, ("axes",)
    ),
    Faulty("spacing left out", lambda p, r, spacing: hausdorff(p, r, (1,) * len(spacing)), DISTANCE, ("scaling",)),
    Faulty("spacing squared", lambda p, r, spacing: hausdorff(p, r, np.square(spacing)), DISTANCE, ("scaling",)),
    Faulty("distances squared", lambda p, r, spacing: hausdorff(p, r, spacing) ** 2, DISTANCE, ("scaling", "triangle")),
    Faulty(
        "an area for a volume",
        lambda p, r, spacing: abs(int(p.sum()) - int(r.sum())) * np.prod(spacing[:2]),
        {"like": "AVD"},
        ("axes", "scaling"),
    ),
    Faulty(
        "one direction",
        lambda p, r, spacing: hausdorff(p, r, spacing, combine=lambda d, _: d.max()),
        DISTANCE,
        ("symmetry",),
    ),
    Faulty(
        "pooled for the larger percentile",
        lambda p, r, spacing: hausdorff(p, r, spacing, combine=lambda d, e: np.percentile(np.concatenate([d, e]), 95)),
        {"like": "HDRFDST95", "oracle": hd95},
        ("oracle",),
    ),
    Faulty(
        "the mean for the largest",
        lambda p, r, spacing: hausdorff(p, r, spacing, combine=lambda d, e: (d.mean() + e.mean()) / 2),
        DISTANCE | {"oracle": hausdorff},
        ("oracle", "triangle"),
    ),
    Faulty(
        "voxels at the image's border inside",
        lambda p, r, spacing: hausdorff(p, r, spacing, edge=lambda m: border(m, border_value=1)),
        DISTANCE,
        ("padding", "identity", "defined"),
    ),
    Faulty(
        "neighbours from the other side",
        lambda p, r, spacing: hausdorff(p, r, spacing, edge=rolled_border),
        DISTANCE,
        ("padding", "defined", "identity"),
    ),
    Faulty(
        "0 where a structure is missed",
        lambda p, r, spacing: hausdorff(p, r, spacing) if p.any() and r.any() else 0.0,
        DISTANCE,
        ("misses",),
    ),
    Faulty(
        "labels of the reference alone", lambda p, r: over_labels(p, r, np.unique(r[r > 0])), MASK_LABELS, ("symmetry",)
    ),
    Faulty(
        "labels up to the largest",
        lambda p, r: over_labels(p, r, range(1, max(p.max(), r.max()) + 1), absent=0.0),
        MASK_LABELS,
        ("renumbering", "identity"),
    ),
    Faulty(
        "sums of label values",
        lambda p, r: ratio(2 * np.where(p == r, r, 0).sum(), p.sum() + r.sum(dtype=np.int64)),
        MASK_LABELS,
        ("renumbering",),
    ),
    Faulty(
        "labels taken as given",
        lambda p, r, labels: [dice(p == label, r == label) for label in range(1, len(labels) + 1)],
        OF_LABELS | {"labels": (1, 2, 3)},
        ("renumbering",),
    ),
    Faulty("instances by number", found_instances, {"like": "LESION_F1", "inputs": "instances"}, ("renumbering",)),
    Faulty(
        "matched in order of number",
        matched_in_order,
        {"like": "LESION_F1", "inputs": "instances"},
        ("renumbering", "symmetry"),
    ),
    Faulty(
        "a reference matched twice",
        matched_twice,
        {"like": "LESION_F1", "inputs": "instances"},
        ("symmetry", "range"),
    ),
    Faulty(
        "tunnels of the other adjacency",
        lambda _p, _r: 0.0,
        PLANE | {"betti": functools.partial(betti, structure=False, background=False)},
        ("euler",),
    ),
    Faulty(
        "one adjacency for both",
        lambda _p, _r: 0.0,
        PLANE | {"betti": functools.partial(betti, structure=True, background=True)},
        ("euler",),
    ),
    Faulty("tunnels by another Euler number", lambda _p, _r: 0.0, SOLID | {"betti": euler_of_faces}, ("euler",)),
    Faulty("tunnels slice by slice", lambda _p, _r: 0.0, SOLID | {"betti": tunnels_by_slice}, ("euler",)),
    Faulty("cavities at the border", lambda _p, _r: 0.0, SOLID | {"betti": cavities_at_the_border}, ("euler",)),
    Faulty("holes for cavities", lambda _p, _r: 0.0, PLANE | {"betti": holes_are_cavities}, ("euler",)),
    Faulty(
        "the mean of means",
        lambda record: record.error,
        {
            "like": "MSE",
            "statistic": squared_error,
            "merge": lambda a, b: Moments(a.count + b.count, (a.error + b.error) / 2),
        },
        ("merging",),
    ),
    Faulty(
        "the mean over defined cases",
        lambda record: record.error,
        {
            "like": "DICE",
            "statistic": lambda p, r: Moments(1, dice(p, r)),
            "merge": lambda a, b: Moments(2, np.nanmean([0, a.error, b.error])),
        },
        ("merging",),
    ),
    Faulty("ties by position", auroc_by_rank, {"like": "AUROC"}, ("flips", "axes")),
    Faulty("the logarithm of 0", log_loss, {"like": "NLL"}, ("defined",)),
    Faulty("probability 1 in no bin", binned, {"like": "ECE"}, ("runs",)),
    Faulty(
        "residuals over the prediction",
        lambda p, r: 1 - ratio(((p - r) ** 2).sum(), ((p - p.mean()) ** 2).sum()),
        {"like": "R2", "oracle": lambda p, r: metrics.r_squared(p, r)},
        ("oracle", "monotonicity"),
    ),
)
"""Faulty metrics of arrays of NumPy."""
