"""Calls of metrics of other packages: each makes the arrays that the package asks for, and returns its number.

A call does what a user of the package does, in the order of axes and spacing that it documents. Peers are imported
where they are called, so that the rows of `peers_adapters.py` can be read without any.
"""

import functools
from typing import Any

import numpy as np

__all__ = [
    "medpy",
    "monai",
    "monai_confusion",
    "monai_metric",
    "monai_panoptic",
    "monai_ranked",
    "panoptica",
    "scikit_image",
    "scikit_image_partitions",
    "seg_metrics",
    "simpleitk",
    "surface_distance",
    "surface_distance_dice",
    "torchmetrics",
    "torchmetrics_binary",
    "torchmetrics_images",
    "torchmetrics_panoptic",
    "torchmetrics_partitions",
    "torchmetrics_values",
]


def _tensor(array: Any, dtype: str) -> Any:
    """Return a tensor of PyTorch with a copy of the entries."""
    import torch

    return torch.tensor(np.ascontiguousarray(array).astype(dtype))


def monai(name: str, prediction: Any, reference: Any, **options: Any) -> Any:
    """Return what a function of MONAI gives of one case with one structure."""
    import monai.metrics

    if "spacing" in options:
        options["spacing"] = list(options["spacing"])
    pair = [_tensor(array, "float32")[None, None] for array in (prediction, reference)]
    return getattr(monai.metrics, name)(*pair, **options).numpy().reshape(-1)[0]


def monai_confusion(name: str, prediction: Any, reference: Any) -> Any:
    """Return a quotient of counts by MONAI, by its name there."""
    import monai.metrics

    pair = [_tensor(array, "float32")[None, None] for array in (prediction, reference)]
    counts = monai.metrics.get_confusion_matrix(*pair)
    return monai.metrics.compute_confusion_matrix_metric(name, counts).numpy().reshape(-1)[0]


def monai_metric(name: str, prediction: Any, reference: Any, **options: Any) -> Any:
    """Return what a class of MONAI gives of one image with one channel."""
    import monai.metrics

    if name == "SSIMMetric":
        options["spatial_dims"] = reference.ndim
    metric = getattr(monai.metrics, name)(**options)
    metric(_tensor(prediction, "float32")[None, None], _tensor(reference, "float32")[None, None])
    return metric.aggregate().numpy().reshape(-1)[0]


def monai_panoptic(prediction: Any, reference: Any) -> Any:
    """Return MONAI's panoptic quality of two maps of instances."""
    from monai.metrics import compute_panoptic_quality

    return compute_panoptic_quality(_tensor(prediction, "int64"), _tensor(reference, "int64"), metric_name="pq").numpy()


def monai_ranked(name: str, prediction: Any, reference: Any) -> Any:
    """Return the area under a curve of MONAI, which takes one axis."""
    import monai.metrics

    pair = _tensor(prediction, "float32").reshape(-1), _tensor(reference, "float32").reshape(-1)
    return getattr(monai.metrics, name)(*pair)


def torchmetrics(name: str, prediction: Any, reference: Any, **options: Any) -> Any:
    """Return what a function of torchmetrics gives of one case with one structure, one-hot."""
    import torchmetrics.functional.segmentation as functions

    if "spacing" in options:
        options["spacing"] = list(options["spacing"])
    pair = [_tensor(array, "int64")[None, None] for array in (prediction, reference)]
    result = getattr(functions, name)(*pair, num_classes=1, include_background=True, **options)
    return result.numpy().reshape(-1)[0]


def torchmetrics_binary(name: str, prediction: Any, reference: Any, **options: Any) -> Any:
    """Return what a function of torchmetrics gives of a mask, or of probabilities, and a reference."""
    import torchmetrics.functional.classification as functions

    dtype = "float32" if prediction.dtype.kind == "f" else "int64"
    return getattr(functions, name)(_tensor(prediction, dtype), _tensor(reference, "int64"), **options).numpy()


def torchmetrics_images(name: str, prediction: Any, reference: Any, **options: Any) -> Any:
    """Return what a function of torchmetrics gives of one image with one channel."""
    import torchmetrics.functional as functions

    pair = [_tensor(array, "float32")[None, None] for array in (prediction, reference)]
    return getattr(functions, name)(*pair, **options).numpy()


def torchmetrics_values(name: str, prediction: Any, reference: Any, **options: Any) -> Any:
    """Return what a function of torchmetrics gives of two lists of numbers."""
    import torchmetrics.functional as functions

    pair = [_tensor(array, "float32").reshape(-1) for array in (prediction, reference)]
    return getattr(functions, name)(*pair, **options).numpy().reshape(-1)[0]


def torchmetrics_partitions(name: str, prediction: Any, reference: Any) -> Any:
    """Return what a function of torchmetrics gives of two lists of numbers of clusters."""
    import torchmetrics.functional.clustering as functions

    pair = [_tensor(array, "int64").reshape(-1) for array in (prediction, reference)]
    return getattr(functions, name)(*pair).numpy()


def torchmetrics_panoptic(prediction: Any, reference: Any) -> Any:
    """Return the panoptic quality of instances of one category; what is in none is stuff."""
    from torchmetrics.functional.detection import panoptic_quality

    pair = [
        np.stack([(array > 0).astype("int64"), array.astype("int64")], axis=-1) for array in (prediction, reference)
    ]
    result = panoptic_quality(
        *(_tensor(array, "int64")[None] for array in pair), things={1}, stuffs={0}, return_per_class=True
    )
    return result.numpy().reshape(-1)[0]


def medpy(name: str, prediction: Any, reference: Any, **options: Any) -> Any:
    """Return what a function of `medpy.metric.binary` gives of a pair."""
    from medpy.metric import binary

    if "spacing" in options:
        options["voxelspacing"] = options.pop("spacing")
    return getattr(binary, name)(prediction, reference, **options)


def surface_distance(
    name: str,
    prediction: Any,
    reference: Any,
    *,
    spacing: Any,
    numbers: tuple[float, ...] = (),
    part: int | None = None,
) -> Any:
    """Return what a function of surface-distance gives of the distances of a pair, whose reference comes first."""
    import surface_distance

    distances = surface_distance.compute_surface_distances(reference, prediction, spacing)
    result = getattr(surface_distance, name)(distances, *numbers)
    return result if part is None else result[part]


def surface_distance_dice(prediction: Any, reference: Any) -> Any:
    """Return the Dice coefficient of surface-distance, which takes the reference first."""
    import surface_distance

    return surface_distance.compute_dice_coefficient(reference, prediction)


def simpleitk(kind: str, result: str, prediction: Any, reference: Any, *, spacing: Any = None) -> Any:
    """Return what a filter of SimpleITK gives of a pair, whose spacing ITK has in reverse order."""
    import SimpleITK

    images = [
        SimpleITK.GetImageFromArray(np.ascontiguousarray(array).astype("uint8")) for array in (prediction, reference)
    ]
    if spacing is not None:
        for image in images:
            image.SetSpacing([float(step) for step in reversed(spacing)])
    measured = getattr(SimpleITK, kind)()
    measured.Execute(*images)
    return getattr(measured, result)()


def scikit_image(name: str, prediction: Any, reference: Any, **options: Any) -> Any:
    """Return what a function of `skimage.metrics` gives of a pair, whose reference comes first."""
    import skimage.metrics

    return getattr(skimage.metrics, name)(reference, prediction, **options)


def scikit_image_partitions(name: str, prediction: Any, reference: Any) -> Any:
    """Return the error of two maps of numbers; scikit-image takes no truth values here."""
    import skimage.metrics

    result = getattr(skimage.metrics, name)(reference.astype("uint8"), prediction.astype("uint8"))
    return result[0] if name == "adapted_rand_error" else sum(result)


@functools.cache
def _panoptica_evaluator(metric: str | None) -> Any:
    import panoptica

    return panoptica.Panoptica_Evaluator(
        expected_input=panoptica.InputType.SEMANTIC,
        instance_approximator=panoptica.ConnectedComponentsInstanceApproximator(),
        instance_matcher=panoptica.NaiveThresholdMatching(),
        instance_metrics=[panoptica.Metric.IOU],
        global_metrics=[] if metric is None else [panoptica.Metric[metric]],
    )


def panoptica(metric: str | None, result: str, prediction: Any, reference: Any, *, spacing: Any = None) -> Any:
    """Return a metric of two masks as one, or of their components, by an evaluator of panoptica."""
    known = {} if spacing is None else {"voxelspacing": tuple(spacing)}
    found = _panoptica_evaluator(metric).evaluate(
        prediction.astype("uint8"), reference.astype("uint8"), verbose=False, **known
    )
    return getattr(found["ungrouped"], result)


def seg_metrics(name: str, prediction: Any, reference: Any, *, spacing: Any = None) -> Any:
    """Return what seg-metrics gives of arrays, whose spacing it takes in the order of their axes."""
    import seg_metrics.seg_metrics

    steps = None if spacing is None else list(spacing)
    found = seg_metrics.seg_metrics.write_metrics(
        labels=[1], gdth_img=reference.astype("uint8"), pred_img=prediction.astype("uint8"), spacing=steps,
        metrics=[name], TPTNFPFN=False, verbose=False,
    )  # fmt: skip
    return found[0][name][0]
