"""Values for `claims.py`, ours and those of peers: each function returns figures by the names of their claims."""

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from claims_speed import Figure, Figures

import mia_functional as mia


def square_pair() -> Figures:
    """Measure a square of 5 x 5 pixels and the same grown by three columns, with a spike of two pixels."""
    pair = np.zeros((2, 11, 14), dtype=bool)
    pair[0, 3:8, 3:8] = pair[1, 3:8, 3:11] = pair[1, 5, 11:13] = True
    options: dict[str, Any] = {"spacing": (1.0, 1.0)}
    figures = {
        "pair: average distance": mia.metrics.average_distance(*pair, **options),
        "pair: boundary IoU": mia.metrics.boundary_iou(*pair, **options),
    }
    for boundary in (mia.metrics.surfels, mia.metrics.voxels):
        record = mia.metrics.surface_distances(*pair, boundary=boundary, **options)
        values = {
            "Hausdorff distance": mia.metrics.hausdorff_distance(record),
            "HD95, larger": mia.metrics.hausdorff_distance(record, percentile=95),
            "HD95, pooled": mia.metrics.hausdorff_distance(record, percentile=95, pooled=True),
            "ASSD": mia.metrics.average_symmetric_surface_distance(record),
            "MASD": mia.metrics.mean_average_surface_distance(record),
            "surface Dice at 1 mm": mia.metrics.normalized_surface_dice(record),
        }
        figures |= {f"pair, {boundary.__name__}: {name}": value for name, value in values.items()}
    return {name: Figure(float(value)) for name, value in figures.items()}


def square_pair_of_peers() -> Figures:
    """Measure the same pair by the packages whose numbers stand in its table."""
    pair = np.zeros((2, 11, 14), dtype=bool)
    pair[0, 3:8, 3:8] = pair[1, 3:8, 3:11] = pair[1, 5, 11:13] = True
    values: dict[str, Any] = {}
    if find_spec("medpy") is not None:
        from medpy.metric import binary

        values |= {"medpy HD95": binary.hd95(*pair), "medpy ASSD": binary.assd(*pair)}
    if find_spec("monai") is not None:
        import monai.metrics as monai
        import torch

        batch = [torch.from_numpy(mask)[None, None].float() for mask in pair]
        values |= {
            "MONAI HD95": monai.compute_hausdorff_distance(*batch, include_background=True, percentile=95),
            "MONAI ASSD": monai.compute_average_surface_distance(*batch, include_background=True, symmetric=True),
            "MONAI surface Dice": monai.compute_surface_dice(*batch, class_thresholds=[1.0], include_background=True),
        }
    if find_spec("surface_distance") is not None:
        import surface_distance as deepmind

        found = deepmind.compute_surface_distances(pair[1], pair[0], (1.0, 1.0))
        values |= {
            "DeepMind HD95": deepmind.compute_robust_hausdorff(found, 95),
            "DeepMind surface Dice": deepmind.compute_surface_dice_at_tolerance(found, 1.0),
        }
    if find_spec("SimpleITK") is not None:
        import SimpleITK

        hausdorff = SimpleITK.HausdorffDistanceImageFilter()
        hausdorff.Execute(*(SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in pair))
        values["SimpleITK average distance"] = hausdorff.GetAverageHausdorffDistance()
    return {f"pair: {name}": Figure(float(value)) for name, value in values.items()}


def tissues() -> Figures:
    """Measure brain tissues against a shifted and dilated copy, as both surfaces have them."""
    import distances

    maps, spacing, labels = distances.scenes()["real pair, 1 mm, both labels"]
    figures: Figures = {}
    for boundary in (mia.metrics.surfels, mia.metrics.voxels):
        record = mia.metrics.surface_distances(*maps, spacing=spacing, labels=labels, boundary=boundary)
        values = {
            "HD95": mia.metrics.hausdorff_distance(record, percentile=95),
            "ASSD": mia.metrics.average_symmetric_surface_distance(record),
            "surface Dice": mia.metrics.normalized_surface_dice(record),
        }
        for name, pair in values.items():
            for tissue, value in zip(("grey", "white"), pair, strict=True):
                figures[f"tissues, {boundary.__name__}: {name}, {tissue}"] = Figure(float(value))
    record = mia.metrics.surface_distances(*(one == 1 for one in maps), spacing=spacing)
    distance = np.asarray(record.reference_to_prediction)
    # In single precision the square of the root of two is less than two.
    assert np.float32(np.sqrt(2)) ** 2 < np.float32(2)
    figures["tissues: elements"] = Figure(distance.size)
    figures["tissues: elements lost"] = Figure(int(np.isclose(distance**2, 2).sum()))
    return figures


def random_pairs(number: int, seed: int) -> Iterator[tuple[Any, Any, tuple[float, ...]]]:
    """Yield masks of smooth noise, and a spacing for each pair."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    for _ in range(number):
        noise = rng.normal(size=(2, *rng.integers(6, 14, 3)))
        pair = [ndimage.gaussian_filter(one, 1.5) > 0 for one in noise]
        yield *pair, tuple(rng.uniform(0.5, 4.0, 3).tolist())


def largest(pairs: Any) -> Figure:
    """Return the largest relative difference of pairs of values, ours and theirs."""
    ours, theirs = np.array([[float(ours), float(theirs)] for ours, theirs in pairs]).T
    return Figure(float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-12))))


def agreement_on_surfaces() -> Figures:
    """Compare distances and surface Dice of 100 random pairs with DeepMind, medpy and MONAI."""
    found: dict[str, list[Any]] = {"DeepMind": [], "medpy": [], "MONAI": []}
    for pair in random_pairs(100, 5):
        if find_spec("surface_distance") is not None:
            found["DeepMind"] += beside_deepmind(*pair)
        if find_spec("medpy") is not None:
            found["medpy"] += beside_medpy(*pair)
        if find_spec("monai") is not None:
            found["MONAI"] += beside_monai(*pair)
    return {f"surfaces: {name}": largest(values) for name, values in found.items() if values}


def beside_deepmind(prediction: Any, reference: Any, spacing: tuple[float, ...]) -> list[Any]:
    """Return HD95 and surface Dice of areas, ours and DeepMind's."""
    import surface_distance as peer

    ours = mia.metrics.surface_distances(prediction, reference, spacing=spacing)
    theirs = peer.compute_surface_distances(reference, prediction, spacing)
    dice = mia.metrics.normalized_surface_dice(ours, tolerance=1.3)
    return [
        (mia.metrics.hausdorff_distance(ours, percentile=95), peer.compute_robust_hausdorff(theirs, 95)),
        (dice, peer.compute_surface_dice_at_tolerance(theirs, 1.3)),
    ]


def beside_medpy(prediction: Any, reference: Any, spacing: tuple[float, ...]) -> list[Any]:
    """Return pooled HD95 and ASSD of border voxels, ours and medpy's."""
    from medpy.metric import binary

    ours = mia.metrics.surface_distances(prediction, reference, spacing=spacing, boundary=mia.metrics.voxels)
    pooled = mia.metrics.hausdorff_distance(ours, percentile=95, pooled=True)
    return [
        (pooled, binary.hd95(prediction, reference, voxelspacing=spacing)),
        (
            mia.metrics.average_symmetric_surface_distance(ours),
            binary.assd(prediction, reference, voxelspacing=spacing),
        ),
    ]


def beside_monai(prediction: Any, reference: Any, spacing: tuple[float, ...]) -> list[Any]:
    """Return HD95 and surface Dice of border voxels, ours and MONAI's."""
    import monai.metrics as peer
    import torch

    ours = mia.metrics.surface_distances(prediction, reference, spacing=spacing, boundary=mia.metrics.voxels)
    dice = mia.metrics.normalized_surface_dice(ours, tolerance=1.3)
    batch = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference)]
    options: dict[str, Any] = {"include_background": True, "spacing": spacing}
    return [
        (
            mia.metrics.hausdorff_distance(ours, percentile=95),
            peer.compute_hausdorff_distance(*batch, percentile=95, **options),
        ),
        (dice, peer.compute_surface_dice(*batch, class_thresholds=[1.3], **options)),
    ]


def agreement_on_probabilities() -> Figures:
    """Compare areas, Brier score and log loss of 30 random scenes with scikit-learn."""
    from sklearn import metrics as peer

    rng, m, differences = np.random.default_rng(3), mia.metrics, list[Any]()
    for _ in range(30):
        truth = rng.random(500) < 0.3
        probabilities = np.clip(rng.normal(0.3 + 0.3 * truth, 0.2), 0.001, 0.999)
        curve = m.threshold_counts(probabilities, truth, thresholds=np.unique(probabilities))
        bins = m.calibration_bins(probabilities, truth)
        differences += [
            (m.area_under_roc_curve(curve), peer.roc_auc_score(truth, probabilities)),
            (m.average_precision(curve), peer.average_precision_score(truth, probabilities)),
            (m.brier_score(bins), peer.brier_score_loss(truth, probabilities)),
            (m.negative_log_likelihood(bins), peer.log_loss(truth, probabilities)),
        ]
    return {"probabilities: scikit-learn": largest(differences)}


def agreement_of_transforms() -> Figures:
    """Compare the distance transform with SciPy's, in double precision and in a program in single precision."""
    import jax
    from scipy import ndimage

    rng, differences = np.random.default_rng(0), dict[str, list[Any]](double=[], single=[])
    program = jax.jit(partial(mia.morphology.distance_transform, spacing=(0.9, 0.8, 3.0)))
    for share in (0.02, 0.3):
        mask = rng.random((48, 52, 40)) < share
        theirs = ndimage.distance_transform_edt(~mask, sampling=(0.9, 0.8, 3.0))
        ours = mia.morphology.distance_transform(mask, spacing=(0.9, 0.8, 3.0))
        for name, found in (("double", ours), ("single", program(mask))):
            differences[name].append(np.stack([np.asarray(found, float), theirs], axis=-1)[theirs > 0])
    return {f"transform: {name}": largest(np.concatenate(pairs)) for name, pairs in differences.items()}


def policies() -> Figures:
    """Take the mean of the cohort 1, 0.8, both empty, missed (0), no prediction under each policy."""
    from mia_functional.evaluation import Result, Results

    cases = (("ok", 1.0, ""), ("ok", 0.8, ""), ("ok", np.nan, ""), ("ok", 0.0, ""), ("missing", np.nan, "no file"))
    rows = [
        Result(subject=f"S{number}", label="liver", metric="DICE", value=value, status=status, reason=reason)
        for number, (status, value, reason) in enumerate(cases)
    ]
    means = {}
    for policy in mia.analysis.POLICIES:
        (entry,) = mia.analysis.summarize(Results(rows=tuple(rows)), functions={"MEAN": np.mean}, policy=policy)
        # No bound holds NaN: whether it is one is the figure.
        name, value = (policy, entry.value) if np.isfinite(entry.value) else (f"{policy}, NaN", 1)
        means[f"policy: {name}"] = Figure(float(value))
    return means


def optimal_masks() -> Figures:
    """Measure the expected Dice of Dice-optimal masks of up to eight voxels beside that of the best of all masks."""
    rng, shares, halves = np.random.default_rng(0), list[float](), list[float]()

    def expected(p: Any, masks: Any) -> Any:
        """Return the exact expectation of Dice of each mask over all references of independent voxels."""
        references = ((np.arange(2**p.size)[:, None] >> np.arange(p.size)) & 1) == 1
        weights = np.where(references, p, 1 - p).prod(axis=1)
        sizes = masks.sum(axis=1)[:, None] + references.sum(axis=1)
        both = masks.astype(float) @ references.T.astype(float)
        return np.where(sizes == 0, 0, 2 * both / np.maximum(sizes, 1)) @ weights

    for _ in range(2000):
        p = rng.beta(*rng.choice([0.3, 0.7, 1, 2], 2), size=rng.integers(2, 9))
        masks = ((np.arange(2**p.size)[:, None] >> np.arange(p.size)) & 1) == 1
        best = expected(p, masks).max()
        chosen = np.stack([mia.metrics.dice_optimal_mask(p), p > 0.5])
        share, half = expected(p, chosen) / best
        shares.append(share)
        halves.append(half)
    return {
        "optimal masks: share of the best": Figure(100 * float(np.mean(shares))),
        "optimal masks: share at 0.5": Figure(100 * float(np.mean(halves))),
    }


def few_thresholds() -> Figures:
    """Compare the area under a risk-coverage curve at our thresholds with that at all uncertainties that occur."""
    rng, m = np.random.default_rng(0), mia.metrics
    uncertainty = 2.0 ** -rng.uniform(0, 24, 200_000)
    probabilities = uncertainty / 2
    # Voxels are wrong as often as they say.
    truth = rng.random(uncertainty.size) < probabilities
    every = {"uncertainty": uncertainty, "thresholds": np.unique(uncertainty)}
    ours = m.decision_counts(probabilities, truth)
    exact = m.area_under_risk_coverage_curve(m.uncertainty_counts(probabilities > 0.5, truth, **every))
    direct = m.area_under_risk_coverage_curve(m.risk_coverage_curve(uncertainty, truth.astype(float)))
    return {
        "thresholds: number": Figure(len(ours.thresholds)),
        "thresholds: percent above": Figure(100 * float(m.area_under_risk_coverage_curve(ours) / direct - 1)),
        "thresholds: all": largest([(exact, direct)]),
    }
