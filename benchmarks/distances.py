"""Distances against the other packages that are installed, all in one process and in turns; the best of each counts.

    python benchmarks/distances.py [scenes] [five] [transform] [jit]

The real pair is the grey and white matter of MNI152 at 1 mm (from nilearn) against a shifted and dilated copy.
"""

import importlib.util
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

import mia_functional as mia
from mia_functional import morphology
from mia_functional.metrics import boundaries, distance, spatial, surface, surface_agreement
from mia_functional.metrics.overlap import dice

PEERS = {"surface_distance": "DeepMind", "monai": "MONAI", "panoptica": "panoptica", "medpy": "medpy",
         "MetricsReloaded": "Metrics Reloaded", "SimpleITK": "SimpleITK", "edt": "edt"}  # fmt: skip
LABELS = (1, 2)
Maps = tuple[np.ndarray, np.ndarray]


def has(package: str) -> bool:
    """Tell whether a package is installed."""
    return importlib.util.find_spec(package) is not None


def in_turns(calls: dict[str, Callable[[], Any]], repeats: int = 5) -> dict[str, float]:
    """Return the least milliseconds of each call; every round makes all calls once."""
    best = dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
    return best


def report(title: str, best: dict[str, float], ours: str = "ours") -> None:
    """Print the times of a scene, and how many times longer than ours each takes."""
    print(f"\n{title}")
    for name, milliseconds in best.items():
        print(f"  {name:<44}{milliseconds:10.1f} ms{milliseconds / best[ours]:9.2f} x")


# The scenes: each is a pair of label maps and a spacing.


def real_pair() -> Maps:
    """Return MNI152's grey (1) and white matter (2), shifted and dilated as the prediction."""
    import nibabel
    import nilearn

    folder = Path(nilearn.__file__).parent / "datasets" / "data"
    names = [f"mni_icbm152_{tissue}_tal_nlin_sym_09a_converted.nii.gz" for tissue in ("gm", "wm")]
    grey, white = (np.asarray(nibabel.load(folder / name).dataobj) > 127 for name in names)
    reference = np.where(white, 2, grey).astype(np.uint8)
    prediction = np.roll(reference, (2, -1, 1), (0, 1, 2))
    for label, into in ((1, 0), (2, 1)):
        grown = ndimage.binary_dilation(prediction == label)
        prediction[grown & (prediction == into)] = label
    return prediction, reference


def ellipsoid() -> Maps:
    """Return an ellipsoid of 20 x 16 x 12 voxels in 256 x 256 x 200, shifted and dilated as the prediction."""
    z, y, x = np.ogrid[-128:128, -128:128, -100:100]
    reference = (z / 10.0) ** 2 + (y / 8.0) ** 2 + (x / 6.0) ** 2 <= 1
    prediction = ndimage.binary_dilation(np.roll(reference, (1, -1, 1), (0, 1, 2)))
    return prediction.astype(np.uint8), reference.astype(np.uint8)


def blobs() -> Maps:
    """Return two unrelated blobs in one volume."""
    noise = np.random.default_rng(0).random((2, 160, 160, 160))
    smooth = [ndimage.gaussian_filter(one, 12) for one in noise]
    masks = [one > np.quantile(one, 0.97) for one in smooth]
    return masks[0].astype(np.uint8), masks[1].astype(np.uint8)


def scenes() -> dict[str, tuple[Maps, tuple[float, ...], tuple[int, ...]]]:
    """Return label maps, spacing and labels by name."""
    prediction, reference = real_pair()
    near = (prediction, reference)
    one = (1.0, 1.0, 1.0)
    return {
        "real pair, 1 mm, both labels": (near, one, LABELS),
        "real pair, 1 x 1 x 5 mm": (near, (1.0, 1.0, 5.0), LABELS),
        "real pair, 0.5 x 0.5 x 3 mm": (near, (0.5, 0.5, 3.0), LABELS),
        "masks 15 voxels apart": ((np.roll(reference, 15, 0), reference), one, LABELS),
        "masks 30 voxels apart": ((np.roll(reference, 30, 0), reference), one, LABELS),
        "unrelated blobs": (blobs(), one, (1,)),
        "ellipsoid of 20 mm in 256 x 256 x 200": (ellipsoid(), (0.8, 0.8, 1.2), (1,)),
    }


# What is measured: from label maps to numbers, one list of values per label.


def ours(maps: Maps, spacing: tuple[float, ...], labels: tuple[int, ...], *, boundary: Any) -> Any:
    """Dice, HD, HD95, ASSD, MASD and surface Dice."""
    record = surface.surface_distances(*maps, spacing=spacing, labels=labels, boundary=boundary)
    return (
        dice(*maps, labels=labels),
        distance.hausdorff_distance(record),
        distance.hausdorff_distance(record, percentile=95),
        distance.average_symmetric_surface_distance(record),
        distance.mean_average_surface_distance(record),
        surface_agreement.normalized_surface_dice(record),
    )


def our_hd95(maps: Maps, spacing: tuple[float, ...], labels: tuple[int, ...], *, boundary: Any) -> Any:
    """HD95 alone."""
    return distance.hausdorff_distance(*maps, spacing=spacing, labels=labels, boundary=boundary, percentile=95)


def deepmind(maps: Maps, spacing: tuple[float, ...], labels: tuple[int, ...]) -> Any:
    """Dice, HD, HD95, both averages and surface Dice."""
    import surface_distance as peer

    values = []
    for label in labels:
        prediction, reference = maps[0] == label, maps[1] == label
        found = peer.compute_surface_distances(reference, prediction, spacing)
        values.append(
            (
                peer.compute_dice_coefficient(reference, prediction),
                peer.compute_robust_hausdorff(found, 100),
                peer.compute_robust_hausdorff(found, 95),
                peer.compute_average_surface_distance(found),
                peer.compute_surface_dice_at_tolerance(found, 1.0),
            )
        )
    return values


def deepmind_hd95(maps: Maps, spacing: tuple[float, ...], labels: tuple[int, ...]) -> Any:
    """HD95 alone."""
    import surface_distance as peer

    pairs = [(maps[1] == label, maps[0] == label) for label in labels]
    return [peer.compute_robust_hausdorff(peer.compute_surface_distances(*pair, spacing), 95) for pair in pairs]


def one_hot(maps: Maps, labels: tuple[int, ...]) -> Any:
    """Return MONAI's input."""
    import torch

    return [torch.from_numpy(np.stack([one == label for label in labels])[None]) for one in maps]


def monai(maps: Maps, spacing: tuple[float, ...], labels: tuple[int, ...]) -> Any:
    """Dice, HD, HD95, ASSD and surface Dice."""
    import monai.metrics as peer

    batch = one_hot(maps, labels)
    options = {"include_background": True, "spacing": spacing}
    return (
        peer.compute_dice(*batch, include_background=True),
        peer.compute_hausdorff_distance(*batch, **options),
        peer.compute_hausdorff_distance(*batch, percentile=95, **options),
        peer.compute_average_surface_distance(*batch, symmetric=True, **options),
        peer.compute_surface_dice(*batch, class_thresholds=[1.0] * len(labels), **options),
    )


def monai_hd95(maps: Maps, spacing: tuple[float, ...], labels: tuple[int, ...]) -> Any:
    """HD95 alone."""
    import monai.metrics as peer

    batch = one_hot(maps, labels)
    return peer.compute_hausdorff_distance(*batch, include_background=True, spacing=spacing, percentile=95)


def panoptica(maps: Maps, spacing: tuple[float, ...], labels: tuple[int, ...]) -> Any:
    """Dice, HD, HD95, MASD (under the name ASSD) and surface Dice of each class as one instance."""
    from panoptica import InputType, Metric, Panoptica_Evaluator
    from panoptica.utils.segmentation_class import LabelGroup, SegmentationClassGroups

    groups = SegmentationClassGroups({str(label): LabelGroup(label, single_instance=True) for label in labels})
    wanted = [Metric.DSC, Metric.HD, Metric.HD95, Metric.ASSD, Metric.NSD]
    evaluator = Panoptica_Evaluator(
        expected_input=InputType.MATCHED_INSTANCE,
        segmentation_class_groups=groups,
        instance_metrics=wanted,
        global_metrics=[],
    )
    return evaluator.evaluate(*maps, voxelspacing=spacing, result_all=False)


def medpy(maps: Maps, spacing: tuple[float, ...], labels: tuple[int, ...]) -> Any:
    """Dice, HD, HD95 and ASSD."""
    from medpy.metric import binary as peer

    pairs = [(maps[0] == label, maps[1] == label) for label in labels]
    measures = (peer.hd, peer.hd95, peer.assd)
    return [(peer.dc(*pair), *(m(*pair, voxelspacing=spacing) for m in measures)) for pair in pairs]


def metrics_reloaded(maps: Maps, spacing: tuple[float, ...], labels: tuple[int, ...]) -> Any:
    """Dice, HD, HD95, ASSD, MASD and NSD."""
    from MetricsReloaded.metrics.pairwise_measures import BinaryPairwiseMeasures

    names = ["dsc", "hd", "hd_perc", "assd", "masd", "nsd"]
    options = {"hd_perc": 95, "nsd": 1}
    pairs = [((maps[0] == label).astype(int), (maps[1] == label).astype(int)) for label in labels]
    return [
        BinaryPairwiseMeasures(*pair, measures=names, pixdim=spacing, dict_args=options).to_dict_meas()
        for pair in pairs
    ]


def maurer(image: Any) -> Any:
    """Return SimpleITK's exact distance map in millimetres."""
    import SimpleITK

    options = {"insideIsPositive": False, "squaredDistance": False, "useImageSpacing": True}
    return SimpleITK.SignedMaurerDistanceMap(image, **options)


def simpleitk_hd95(maps: Maps, spacing: tuple[float, ...], labels: tuple[int, ...]) -> Any:
    """HD95 of the label contours by Maurer's distance maps."""
    import SimpleITK

    values = []
    for label in labels:
        images = [SimpleITK.GetImageFromArray((one == label).astype(np.uint8)) for one in maps]
        for image in images:
            image.SetSpacing(spacing[::-1])
        fields = [SimpleITK.GetArrayFromImage(maurer(image)) for image in images]
        edges = [SimpleITK.GetArrayFromImage(SimpleITK.LabelContour(image)) != 0 for image in images]
        values.append(max(np.percentile(abs(fields[1 - k][edges[k]]), 95) for k in range(2)))
    return values


EVERYTHING = {"surface_distance": deepmind, "monai": monai, "panoptica": panoptica, "medpy": medpy,
              "MetricsReloaded": metrics_reloaded}  # fmt: skip
HD95 = {"surface_distance": deepmind_hd95, "monai": monai_hd95, "SimpleITK": simpleitk_hd95}


def compare_scenes() -> None:
    """Everything from label maps to numbers, and HD95 alone, for every scene."""
    for title, scene in scenes().items():
        first = title.startswith("real pair, 1 mm")
        for what, mine, peers in (("everything", ours, EVERYTHING), ("HD95", our_hd95, HD95)):
            calls = {
                f"ours, {b.__name__}": partial(mine, *scene, boundary=b)
                for b in (boundaries.surfels, boundaries.voxels)
            }
            chosen = {PEERS[name]: partial(peer, *scene) for name, peer in peers.items() if has(name)}
            if not first:
                chosen = {name: chosen[name] for name in ("DeepMind", "MONAI", "SimpleITK") if name in chosen}
            report(f"{title}: {what}", in_turns(calls | chosen, 3), "ours, surfels")


def five_structures() -> Maps:
    """Return the real pair with the tissues of either half of the brain apart, and the upper grey matter of one."""
    maps = []
    for tissues in real_pair():
        sides = np.arange(tissues.shape[0])[:, None, None] > tissues.shape[0] // 2
        parts = np.where(tissues > 0, tissues + 2 * sides, 0)
        upper = np.arange(tissues.shape[2]) > 0.6 * tissues.shape[2]
        maps.append(np.where((parts == 1) & upper, 5, parts).astype(np.uint8))
    return maps[0], maps[1]


def compare_averages() -> None:
    """All boundary metrics of five labels against HD95 alone."""
    maps = five_structures()
    options: dict[str, Any] = {"spacing": (1.0, 1.0, 1.0), "labels": (1, 2, 3, 4, 5)}

    def of_one_set() -> Any:
        record = surface.surface_distances(*maps, **options)
        return (
            distance.hausdorff_distance(record, percentile=(95, 100)),
            distance.average_symmetric_surface_distance(record),
            distance.mean_average_surface_distance(record),
            distance.average_surface_distance(record),
            distance.average_surface_distance(record, direction="reference_to_prediction"),
            surface_agreement.surface_overlap(record),
            surface_agreement.normalized_surface_dice(record, tolerance=(1.0, 2.0)),
        )

    def of_centroids() -> Any:
        moments = spatial.paired_spatial_moments(*maps, **options)
        return spatial.centroid_distance(moments), spatial.mahalanobis_distance(moments)

    others = {
        "average distance": partial(distance.average_distance, *maps, **options),
        "boundary IoU": partial(surface_agreement.boundary_iou, *maps, **options),
        "centroid and Mahalanobis distance": of_centroids,
    }
    calls = {
        "HD95 alone": partial(distance.hausdorff_distance, *maps, percentile=95, **options),
        "all metrics of one set of surface distances": of_one_set,
        **others,
        "all of them": lambda: (of_one_set(), [call() for call in others.values()]),
    }
    report("five labels of the real pair", in_turns(calls, 5), "HD95 alone")
    tracemalloc.start()
    calls["all of them"]()
    print(f"  most extra memory {tracemalloc.get_traced_memory()[1] / 2**20:.0f} MB")
    tracemalloc.stop()


def compare_transforms() -> None:
    """The distance transform under jit against SciPy, SimpleITK and edt."""
    import jax

    rng = np.random.default_rng(0)
    volumes = {f"{n}^3": ndimage.gaussian_filter(rng.random((n, n, n)), 3) for n in (64, 128, 256)}
    masks = {name: noise > np.quantile(noise, 0.9) for name, noise in volumes.items()}
    masks["197 x 233 x 189"] = real_pair()[1] == 1
    for name, mask in masks.items():
        for spacing in ((1.0, 1.0, 1.0), (0.9, 0.8, 3.0)):
            array = jax.numpy.asarray(mask)
            transform = jax.jit(partial(morphology.distance_transform, spacing=spacing))
            start = time.perf_counter()
            program = transform.lower(array).compile()
            seconds = time.perf_counter() - start
            near = jax.jit(partial(morphology.distance_transform, spacing=spacing, cap=10 * min(spacing)))
            calls = {
                "ours": lambda run=program, array=array: run(array).block_until_ready(),
                "ours, cap of 10 voxels": lambda run=near, array=array: run(array).block_until_ready(),
                "SciPy": partial(ndimage.distance_transform_edt, ~mask, sampling=spacing),
            } | transform_peers(mask, spacing)
            report(f"transform of {name}, {spacing}", in_turns(calls, max(3, 2**24 // mask.size)))
            space = program.memory_analysis().temp_size_in_bytes / (4 * mask.size)
            exact = calls["SciPy"]()
            error = np.max(np.abs(np.asarray(program(array)) - exact) / np.maximum(exact, 1e-9))
            print(f"  compiled in {seconds:.2f} s, temporary memory {space:.2f} volumes, relative error {error:.1e}")


def transform_peers(mask: np.ndarray, spacing: tuple[float, ...]) -> dict[str, Callable[[], Any]]:
    """Return the transforms of the peers that are installed."""
    calls: dict[str, Callable[[], Any]] = {}
    if has("SimpleITK"):
        import SimpleITK

        image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing(spacing[::-1])
        calls["SimpleITK"] = partial(maurer, image)
    if has("edt"):
        import edt

        calls["edt, 2 threads"] = partial(edt.edt, ~mask, anisotropy=spacing, parallel=2)
    return calls


def compare_jit() -> None:
    """HD, HD95, surface Dice and both averages in one program, against HD95 alone of the peers."""
    import jax

    maps = real_pair()
    spacing = (1.0, 1.0, 1.0)

    def everything(prediction: Any, reference: Any, *, method: Any) -> Any:
        record = surface.surface_distances(prediction, reference, spacing=spacing, method=method)
        return (
            distance.hausdorff_distance(record),
            distance.hausdorff_distance(record, percentile=95),
            surface_agreement.normalized_surface_dice(record),
            distance.average_surface_distance(record),
            distance.average_surface_distance(record, direction="reference_to_prediction"),
        )

    for label in LABELS:
        pair = [jax.numpy.asarray(one == label) for one in maps]
        calls: dict[str, Callable[[], Any]] = {}
        for method in ("auto", "host"):
            program = jax.jit(partial(everything, method=method)).lower(*pair).compile()
            calls[f"ours, {method}"] = lambda run=program, pair=pair: jax.block_until_ready(run(*pair))
        peers = {PEERS[name]: partial(peer, maps, spacing, (label,)) for name, peer in HD95.items() if has(name)}
        report(f"jit, label {label}: five metrics; peers: HD95 alone", in_turns(calls | peers, 3), "ours, auto")


PARTS = {"scenes": compare_scenes, "five": compare_averages, "transform": compare_transforms, "jit": compare_jit}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(f"mia_functional {mia.__version__}; not installed:", [PEERS[name] for name in PEERS if not has(name)])
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
