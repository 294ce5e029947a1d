"""What packages are asked about two masks: by package, functions without arguments under our names."""

import sys
import types
from functools import partial
from importlib import metadata

import numpy as np
from scenes import TOLERANCE

# Names that packages still use and NumPy 2 no longer has.
for alias, value in {"Inf": np.inf, "NaN": np.nan}.items():
    if not hasattr(np, alias):
        setattr(np, alias, value)

NSD = f"SURFDICE@{TOLERANCE}mm"


def deepmind(prediction, reference, spacing):
    """surface-distance."""
    import surface_distance as theirs

    distances = theirs.compute_surface_distances(reference, prediction, spacing)
    overlaps = partial(theirs.compute_surface_overlap_at_tolerance, distances, TOLERANCE)
    return {
        "DICE": partial(theirs.compute_dice_coefficient, reference, prediction),
        "HDRFDST": partial(theirs.compute_robust_hausdorff, distances, 100),
        "HDRFDST95": partial(theirs.compute_robust_hausdorff, distances, 95),
        "ASD_PR": lambda: theirs.compute_average_surface_distance(distances)[1],
        "ASD_RP": lambda: theirs.compute_average_surface_distance(distances)[0],
        f"SURFOVLP@{TOLERANCE}mm": lambda: overlaps()[1],
        NSD: partial(theirs.compute_surface_dice_at_tolerance, distances, TOLERANCE),
    }


def monai(prediction, reference, spacing):
    """MONAI: batches of one, with the mask as their only channel."""
    import torch
    from monai import metrics as theirs

    pair = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference)]
    counts = theirs.get_confusion_matrix(*pair, include_background=True)
    rates = {
        "SNSVTY": "sensitivity", "SPCFTY": "specificity", "PRCISON": "precision", "NPV": "negative predictive value",
        "FNR": "miss rate", "FALLOUT": "fall out", "ACURCY": "accuracy", "BALACC": "balanced accuracy",
        "MCC": "matthews correlation coefficient", "FMEASR": "f1 score", "YOUDEN": "informedness",
    }  # fmt: skip
    given = {"include_background": True, "spacing": spacing}
    return {
        "DICE": partial(theirs.compute_dice, *pair, include_background=True),
        "JACRD": partial(theirs.compute_iou, *pair, include_background=True),
        **{name: partial(theirs.compute_confusion_matrix_metric, word, counts) for name, word in rates.items()},
        **{name: partial(float, counts[0, 0, place]) for place, name in enumerate(("TP", "FP", "TN", "FN"))},
        "HDRFDST": partial(theirs.compute_hausdorff_distance, *pair, **given),
        "HDRFDST95": partial(theirs.compute_hausdorff_distance, *pair, percentile=95, **given),
        "ASD_PR": partial(theirs.compute_average_surface_distance, *pair, **given),
        "ASSD": partial(theirs.compute_average_surface_distance, *pair, symmetric=True, **given),
        NSD: partial(theirs.compute_surface_dice, *pair, class_thresholds=[TOLERANCE], **given),
    }


def metrics_reloaded(prediction, reference, spacing):
    """Metrics Reloaded, by its class of two masks."""
    from MetricsReloaded.metrics.pairwise_measures import BinaryPairwiseMeasures

    masks = [mask.astype(np.uint8) for mask in (prediction, reference)]
    theirs = BinaryPairwiseMeasures(*masks, pixdim=spacing, dict_args={"nsd": TOLERANCE, "hd_perc": 95, "beta": 1})
    return {
        "DICE": theirs.dsc, "JACRD": theirs.intersection_over_union, "FMEASR": theirs.fbeta,
        "SNSVTY": theirs.sensitivity, "SPCFTY": theirs.specificity, "PRCISON": theirs.positive_predictive_value,
        "NPV": theirs.negative_predictive_value, "FALLOUT": theirs.false_positive_rate, "ACURCY": theirs.accuracy,
        "BALACC": theirs.balanced_accuracy, "YOUDEN": theirs.youden_index, "KAPPA": theirs.cohens_kappa,
        "MCC": theirs.matthews_correlation_coefficient, "RVD": theirs.absolute_volume_difference_ratio,
        "HDRFDST": theirs.measured_hausdorff_distance, "HDRFDST95": theirs.measured_hausdorff_distance_perc,
        "ASSD": theirs.measured_average_distance, "MASD": theirs.measured_masd,
        NSD: theirs.normalised_surface_distance, "CENDST": theirs.com_dist,
    }  # fmt: skip


def medpy(prediction, reference, spacing):
    """medpy."""
    from medpy.metric import binary as theirs

    plain = {
        "DICE": theirs.dc, "JACRD": theirs.jc, "PRCISON": theirs.precision, "SNSVTY": theirs.sensitivity,
        "SPCFTY": theirs.specificity, "RVD": theirs.ravd,
    }  # fmt: skip
    distances = {"HDRFDST": theirs.hd, "HDRFDST95": theirs.hd95, "ASD_PR": theirs.asd, "ASSD": theirs.assd}
    return {
        **{name: partial(function, prediction, reference) for name, function in plain.items()},
        **{name: partial(function, prediction, reference, spacing) for name, function in distances.items()},
    }


def panoptica(prediction, reference, spacing):
    """panoptica: its metrics of two masks, and those of components by its evaluator."""
    from panoptica import (
        ConnectedComponentsInstanceApproximator,
        InputType,
        NaiveThresholdMatching,
        Panoptica_Evaluator,
    )
    from panoptica.metrics import Metric as theirs  # noqa: N813

    plain = {"DICE": theirs.DSC, "JACRD": theirs.IOU, "RVD": theirs.RVD}
    distances = {
        "HDRFDST": theirs.HD, "HDRFDST95": theirs.HD95, "MASD": theirs.ASSD, "CENDST": theirs.CEDI,
    }  # fmt: skip
    evaluator = Panoptica_Evaluator(
        expected_input=InputType.SEMANTIC, instance_matcher=NaiveThresholdMatching(matching_threshold=0.5),
        instance_approximator=ConnectedComponentsInstanceApproximator(), instance_metrics=[theirs.DSC, theirs.IOU],
    )  # fmt: skip
    masks = [mask.astype(np.uint8) for mask in (prediction, reference)]

    def components(name):
        found = evaluator.evaluate(*masks, verbose=False)["ungrouped"]
        return getattr(found, name)

    return {
        **{name: partial(function, reference, prediction) for name, function in plain.items()},
        **{
            name: partial(function, masks[1].copy(), masks[0].copy(), voxelspacing=spacing)
            for name, function in distances.items()
        },
        **{name: partial(components, word) for name, word in {"RQ": "rq", "SQ": "sq", "PQ": "pq"}.items()},
    }


def torchmetrics(prediction, reference, _spacing):
    """torchmetrics: the masks as samples of two classes, and as the only class of a segmentation."""
    import torch
    from torchmetrics.functional import classification as theirs
    from torchmetrics.functional.segmentation import dice_score, mean_iou

    pair = [torch.from_numpy(mask.astype(np.int64)).reshape(-1) for mask in (prediction, reference)]
    channels = [mask.reshape(1, 1, -1) for mask in pair]
    samples = {
        "SNSVTY": theirs.binary_recall, "SPCFTY": theirs.binary_specificity, "PRCISON": theirs.binary_precision,
        "NPV": theirs.binary_negative_predictive_value, "FMEASR": theirs.binary_f1_score,
        "ACURCY": theirs.binary_accuracy, "KAPPA": theirs.binary_cohen_kappa, "MCC": theirs.binary_matthews_corrcoef,
    }  # fmt: skip
    return {
        "DICE": partial(dice_score, *channels, num_classes=1),
        "JACRD": partial(mean_iou, *channels, num_classes=1),
        **{name: partial(function, *pair) for name, function in samples.items()},
    }


def simpleitk(prediction, reference, spacing):
    """SimpleITK: the prediction is the source, the reference the target."""
    import SimpleITK

    images = [SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in (prediction, reference)]
    for image in images:
        image.SetSpacing(spacing[::-1])
    overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*images)

    def distance(name):
        found = SimpleITK.HausdorffDistanceImageFilter()
        found.Execute(*images)
        return getattr(found, name)()

    return {
        "DICE": overlap.GetDiceCoefficient, "JACRD": overlap.GetJaccardCoefficient,
        "FNR": overlap.GetFalseNegativeError, "FALLOUT": overlap.GetFalsePositiveError,
        "volume_similarity": overlap.GetVolumeSimilarity,
        "HDRFDST": partial(distance, "GetHausdorffDistance"), "MASD": partial(distance, "GetAverageHausdorffDistance"),
    }  # fmt: skip


def skimage(prediction, reference, _spacing):
    """scikit-image, which counts voxels."""
    from skimage import metrics as theirs

    return {
        "HDRFDST": partial(theirs.hausdorff_distance, prediction, reference),
        "AVGDIST": partial(theirs.hausdorff_distance, prediction, reference, method="modified"),
        "VARINFO": lambda: sum(theirs.variation_of_information(reference.astype(int), prediction.astype(int))),
    }


def nnunet(prediction, reference, _spacing):
    """nnU-Net: two files of label maps, read by a stand-in for its readers."""
    from nnunetv2.evaluation.evaluate_predictions import compute_metrics

    arrays = {"prediction": prediction, "reference": reference}
    reader = types.SimpleNamespace(read_seg=lambda path: (arrays[path][None].astype(np.uint8), {}))
    found = compute_metrics("reference", "prediction", reader, [1])["metrics"][1]
    words = {"DICE": "Dice", "JACRD": "IoU", "TP": "TP", "FP": "FP", "FN": "FN", "TN": "TN"}
    return {name: partial(found.get, word) for name, word in words.items()}


def brats(prediction, reference, spacing):
    """BraTS 2023: its program on files of the label 2, of which the whole tumour is measured.

    Files are stand-ins, and components SciPy's, as cc3d does not survive all masks.
    """
    import pandas as pd
    from scipy import ndimage

    def components(mask, connectivity):
        assert connectivity == 26
        return ndimage.label(mask, np.ones((3, 3, 3)))[0]

    def load(array):
        return types.SimpleNamespace(
            get_fdata=lambda: array * 2.0, header=types.SimpleNamespace(get_zooms=lambda: spacing)
        )

    def replaced(frame, old, new, *, inplace=False):
        result = frame if inplace else frame.copy()
        for column in result.columns:
            result[column] = [new if isinstance(one, float) and one == old else one for one in result[column]]
        return None if inplace else result

    sys.modules["cc3d"] = types.SimpleNamespace(connected_components=components)
    sys.modules["nibabel"] = types.SimpleNamespace(load=load)
    pd.DataFrame.append = lambda frame, other: pd.concat([frame, other])
    pd.DataFrame.replace = replaced
    sys.modules.pop("metrics", None)
    import metrics as theirs  # their file of this name, from PYTHONPATH

    found = {
        challenge: theirs.get_LesionWiseResults(prediction, reference, challenge).iloc[0]
        for challenge in ("BraTS-GLI", "BraTS-MET")
    }
    small = "@dilation=1,minimum_volume=2"
    return {
        "BRATS_DICE": partial(found["BraTS-GLI"].get, "LesionWise_Score_Dice"),
        "BRATS_HD95": partial(found["BraTS-GLI"].get, "LesionWise_Score_HD95"),
        f"BRATS_DICE{small}": partial(found["BraTS-MET"].get, "LesionWise_Score_Dice"),
        f"BRATS_HD95{small}": partial(found["BraTS-MET"].get, "LesionWise_Score_HD95"),
        "DICE": partial(found["BraTS-GLI"].get, "Legacy_Dice"),
        "HDRFDST95": partial(found["BraTS-GLI"].get, "Legacy_HD95"),
        "SNSVTY": partial(found["BraTS-GLI"].get, "Sensitivity"),
        "SPCFTY": partial(found["BraTS-GLI"].get, "Specificity"),
    }


def pymia(prediction, reference, spacing):
    """pymia."""
    from pymia.evaluation import metric as theirs
    from pymia.evaluation.metric import base

    masks = [mask.astype(np.uint8) for mask in (prediction, reference)]
    given = [
        theirs.HausdorffDistance(), theirs.HausdorffDistance(percentile=95, metric="HDRFDST95"),
        theirs.SurfaceDiceOverlap(tolerance=TOLERANCE, metric=NSD),
        theirs.SurfaceOverlap(tolerance=TOLERANCE, metric=f"SURFOVLP@{TOLERANCE}mm"),
    ]  # fmt: skip
    plain = [*theirs.get_overlap_metrics(), *theirs.get_distance_metrics(), *theirs.get_classical_metrics()]
    special = ("HDRFDST", "SURFDICE", "SURFOVLP")
    found = {}
    for one in [*given, *(one for one in plain if one.metric not in special)]:
        if isinstance(one, base.ConfusionMatrixMetric):
            one.confusion_matrix = base.ConfusionMatrix(*masks)
        elif isinstance(one, base.DistanceMetric):
            one.distances = base.Distances(*masks, spacing)
        else:
            # Its integers wrap around below 0 where they have no sign.
            one.prediction, one.reference = (mask.astype(np.int64) for mask in masks)
            if isinstance(one, base.SpacingMetric):
                one.prediction, one.reference, one.spacing = *masks, spacing
        found[one.metric] = one.calculate
    return found


_ASKED = (deepmind, monai, metrics_reloaded, medpy, panoptica, torchmetrics, simpleitk, skimage, nnunet, brats, pymia)
PACKAGES = {function.__name__: {"masks": function} for function in _ASKED}

VERSIONS = {
    "deepmind": lambda: f"surface-distance {metadata.version('surface-distance')}",
    "monai": lambda: f"MONAI {metadata.version('monai')}",
    "metrics_reloaded": lambda: "MetricsReloaded 0.1.0, commit cb38dfc",
    "medpy": lambda: f"MedPy {metadata.version('medpy')}",
    "panoptica": lambda: f"panoptica {metadata.version('panoptica')}",
    "torchmetrics": lambda: f"torchmetrics {metadata.version('torchmetrics')}",
    "simpleitk": lambda: f"SimpleITK {metadata.version('SimpleITK')}",
    "skimage": lambda: f"scikit-image {metadata.version('scikit-image')}",
    "nnunet": lambda: f"nnU-Net {metadata.version('nnunetv2')}",
    "brats": lambda: "BraTS-2023-Metrics, commit 43c9052, with components of SciPy",
    "pymia": lambda: f"pymia {metadata.version('pymia')}",
}
