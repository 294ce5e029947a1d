"""Metrics of other packages and what each claims to be, for `peers_laws.py`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import peers_calls as of

__all__ = ["ADAPTERS", "Adapter"]


class Adapter(NamedTuple):
    """A metric of a peer.

    Attributes:
        peer: Name of the environment, as in `PEERS` of `peers_laws.py`.
        name: What its package calls it.
        function: `function(prediction, reference)`, with `spacing=` where that is claimed.
        like: The metric of our table that it is like, which claims limits, best value, symmetry and unit.
        claims: Options of `check_metric` that claim more or other than that.
        same_as: Our metric, by name and options, that is the peer's documented definition; it is compared where neither
            mask is empty. None where we have no such metric.
        axes: Fewest and most axes that it takes.
        smallest: Fewest voxels along an axis.
        copies: Whether arrays have to be copied into the peer's own ones, so that laws about memory are not its own.
    """

    peer: str
    name: str
    function: Callable[..., Any]
    like: str
    claims: Mapping[str, Any] = {}
    same_as: str | None = None
    axes: tuple[int, int] = (2, 3)
    smallest: int = 1
    copies: bool = True


_SPACED = {"spacing": True}
_ALL = {"include_background": True}
_NO_IDENTITY = {"best": float("nan")}
_IN_100 = {"data_range": 100.0}
_SINGLE = {"tolerance": 1e-3}  # differences of squares in single precision

_MONAI = (
    Adapter("MONAI", "compute_dice", partial(of.monai, "compute_dice"), "DICE", {}, "DICE"),
    Adapter("MONAI", "compute_iou", partial(of.monai, "compute_iou"), "JACRD", {}, "JACRD"),
    Adapter("MONAI", "compute_hausdorff_distance", partial(of.monai, "compute_hausdorff_distance", **_ALL), "HDRFDST",
            _SPACED, "HDRFDST@boundary=voxels"),
    Adapter("MONAI", "compute_hausdorff_distance, percentile=95",
            partial(of.monai, "compute_hausdorff_distance", percentile=95, **_ALL), "HDRFDST95",
            _SPACED, "HDRFDST95@boundary=voxels"),
    Adapter("MONAI", "compute_average_surface_distance",
            partial(of.monai, "compute_average_surface_distance", **_ALL), "ASD_PR", _SPACED, "ASD_PR@boundary=voxels"),
    Adapter("MONAI", "compute_average_surface_distance, symmetric=True",
            partial(of.monai, "compute_average_surface_distance", symmetric=True, **_ALL), "ASSD",
            _SPACED, "ASSD@boundary=voxels"),
    Adapter("MONAI", "compute_surface_dice", partial(of.monai, "compute_surface_dice", class_thresholds=[1.0], **_ALL),
            "SURFDICE", _SPACED, "SURFDICE@1mm,boundary=voxels"),
    Adapter("MONAI", "compute_surface_dice, use_subvoxels=True",
            partial(of.monai, "compute_surface_dice", class_thresholds=[1.0], use_subvoxels=True, **_ALL),
            "SURFDICE", _SPACED, "SURFDICE@1mm"),
    Adapter("MONAI", "compute_absolute_volume_difference", partial(of.monai, "compute_absolute_volume_difference"),
            "RVD"),
    *(
        Adapter("MONAI", name, partial(of.monai_confusion, name), like, {}, like)
        for name, like in (
            ("sensitivity", "SNSVTY"), ("specificity", "SPCFTY"), ("precision", "PRCISON"),
            ("negative predictive value", "NPV"), ("accuracy", "ACURCY"), ("balanced accuracy", "BALACC"),
            ("informedness", "YOUDEN"), ("f1 score", "FMEASR"), ("matthews correlation coefficient", "MCC"),
        )
    ),
    Adapter("MONAI", "compute_panoptic_quality", of.monai_panoptic, "PQ", {"inputs": "instances"}, axes=(2, 2)),
    Adapter("MONAI", "CalibrationErrorMetric, num_bins=10",
            partial(of.monai_metric, "CalibrationErrorMetric", num_bins=10),
            "ECE", {"inputs": "probabilities"}, "ECE@bins=10"),
    Adapter("MONAI", "compute_roc_auc",
            partial(of.monai_ranked, "compute_roc_auc"), "AUROC", {"inputs": "probabilities"}),
    Adapter("MONAI", "compute_average_precision", partial(of.monai_ranked, "compute_average_precision"), "AP",
            {"inputs": "probabilities"}),
    Adapter("MONAI", "SSIMMetric", partial(of.monai_metric, "SSIMMetric", **_IN_100), "SSIM", _SINGLE, smallest=11),
    Adapter("MONAI", "PSNRMetric", partial(of.monai_metric, "PSNRMetric", max_val=100.0), "PSNR"),
    Adapter("MONAI", "MAEMetric", partial(of.monai_metric, "MAEMetric"), "MAE", {}, "MAE"),
    Adapter("MONAI", "MSEMetric", partial(of.monai_metric, "MSEMetric"), "MSE", {}, "MSE"),
    Adapter("MONAI", "RMSEMetric", partial(of.monai_metric, "RMSEMetric"), "RMSE", {}, "RMSE"),
)  # fmt: skip

_TORCHMETRICS = (
    Adapter("torchmetrics", "dice_score", partial(of.torchmetrics, "dice_score"), "DICE", {}, "DICE"),
    Adapter("torchmetrics", "mean_iou", partial(of.torchmetrics, "mean_iou"), "JACRD", {}, "JACRD"),
    Adapter("torchmetrics", "hausdorff_distance", partial(of.torchmetrics, "hausdorff_distance"), "HDRFDST",
            _SPACED, "HDRFDST@boundary=voxels", axes=(2, 2)),
    *(
        Adapter("torchmetrics", name, partial(of.torchmetrics_binary, name), like, {}, like)
        for name, like in (
            ("binary_recall", "SNSVTY"), ("binary_specificity", "SPCFTY"), ("binary_precision", "PRCISON"),
            ("binary_negative_predictive_value", "NPV"), ("binary_accuracy", "ACURCY"),
            ("binary_jaccard_index", "JACRD"), ("binary_f1_score", "FMEASR"), ("binary_matthews_corrcoef", "MCC"),
            ("binary_cohen_kappa", "KAPPA"),
        )
    ),
    *(
        Adapter("torchmetrics", name, partial(of.torchmetrics_partitions, name), like, {"symmetric": True}, same)
        for name, like, same in (("rand_score", "RNDIND", "RNDIND"), ("adjusted_rand_score", "ADJRIND", "ADJRIND"))
    ),
    Adapter("torchmetrics", "panoptic_quality", of.torchmetrics_panoptic, "PQ", {"inputs": "instances"}),
    Adapter("torchmetrics", "binary_calibration_error, n_bins=10",
            partial(of.torchmetrics_binary, "binary_calibration_error", n_bins=10), "ECE",
            {"inputs": "probabilities"}, "ECE@bins=10,closed=left"),
    Adapter("torchmetrics", "binary_auroc", partial(of.torchmetrics_binary, "binary_auroc"), "AUROC",
            {"inputs": "probabilities"}),
    Adapter("torchmetrics", "binary_average_precision",
            partial(of.torchmetrics_binary, "binary_average_precision"), "AP",
            {"inputs": "probabilities"}),
    Adapter("torchmetrics", "structural_similarity_index_measure",
            partial(of.torchmetrics_images, "structural_similarity_index_measure", **_IN_100), "SSIM", _SINGLE,
            smallest=11),
    Adapter("torchmetrics", "peak_signal_noise_ratio",
            partial(of.torchmetrics_images, "peak_signal_noise_ratio", **_IN_100),
            "PSNR"),
    *(
        Adapter("torchmetrics", name, partial(of.torchmetrics_values, name), like, {}, like)
        for name, like in (
            ("mean_absolute_error", "MAE"), ("mean_squared_error", "MSE"), ("r2_score", "R2"),
            ("pearson_corrcoef", "PCC"), ("concordance_corrcoef", "CCC"),
        )
    ),
)  # fmt: skip

_MEDPY = (
    *(
        Adapter(
            "medpy",
            name,
            partial(of.medpy, name),
            like,
            {"dtypes": ("bool", "uint8")} | claims,
            same,
            copies=False,
        )
        for name, like, claims, same in (
            ("dc", "DICE", {}, "DICE"),
            ("jc", "JACRD", {}, "JACRD"),
            ("recall", "SNSVTY", {}, "SNSVTY"),
            ("specificity", "SPCFTY", {}, "SPCFTY"),
            ("precision", "PRCISON", {}, "PRCISON"),
            ("ravd", "RVD", {"limits": (-1.0, float("inf"))}, "RVD@signed=True"),
            ("hd", "HDRFDST", _SPACED, "HDRFDST@boundary=voxels"),
            ("hd95", "HDRFDST95", _SPACED, "HDRFDST95@boundary=voxels,pooled=True"),
            ("asd", "ASD_PR", _SPACED, "ASD_PR@boundary=voxels"),
            ("assd", "ASSD", _SPACED, "ASSD@boundary=voxels"),
            ("obj_tpr", "LESION_RECALL", {}, "LESION_RECALL@matching=any_overlap,connectivity=1"),
        )
    ),
)

_SURFACE_DISTANCE = (
    Adapter("surface-distance", "compute_dice_coefficient", of.surface_distance_dice, "DICE", {}, "DICE", copies=False),
    *(
        Adapter("surface-distance", title,
                partial(of.surface_distance, name, **options), like, _SPACED, same, copies=False)
        for title, name, options, like, same in (
            ("compute_robust_hausdorff, 100", "compute_robust_hausdorff", {"numbers": (100,)}, "HDRFDST", "HDRFDST"),
            ("compute_robust_hausdorff, 95", "compute_robust_hausdorff", {"numbers": (95,)}, "HDRFDST95", "HDRFDST95"),
            ("compute_average_surface_distance, of the reference", "compute_average_surface_distance", {"part": 0},
             "ASD_RP", "ASD_RP"),
            ("compute_average_surface_distance, of the prediction", "compute_average_surface_distance", {"part": 1},
             "ASD_PR", "ASD_PR"),
            ("compute_surface_dice_at_tolerance", "compute_surface_dice_at_tolerance", {"numbers": (1.0,)},
             "SURFDICE", "SURFDICE@1mm"),
            ("compute_surface_overlap_at_tolerance, of the prediction", "compute_surface_overlap_at_tolerance",
             {"numbers": (1.0,), "part": 1}, "SURFOVLP", None),
        )
    ),
)  # fmt: skip

_SIMPLEITK = tuple(
    Adapter("SimpleITK", f"{kind}.{result}", partial(of.simpleitk, f"{kind}Filter", result), like, claims, same)
    for kind, result, like, claims, same in (
        ("HausdorffDistanceImage", "GetHausdorffDistance", "HDRFDST", _SPACED, "HDRFDST@boundary=solid"),
        ("HausdorffDistanceImage", "GetAverageHausdorffDistance", "AVGDIST", _SPACED, "AVGDIST"),
        ("LabelOverlapMeasuresImage", "GetDiceCoefficient", "DICE", {}, "DICE"),
        ("LabelOverlapMeasuresImage", "GetJaccardCoefficient", "JACRD", {}, "JACRD"),
        ("LabelOverlapMeasuresImage", "GetVolumeSimilarity", "RVD", {"limits": (-2.0, 2.0)}, None),
        ("LabelOverlapMeasuresImage", "GetFalseNegativeError", "FNR", {}, "FNR"),
        ("SimilarityIndexImage", "GetSimilarityIndex", "DICE", {}, "DICE"),
    )
)

_SCIKIT_IMAGE = (
    *(
        Adapter("scikit-image", title, partial(of.scikit_image, name, **options), like, claims, same, copies=False)
        for title, name, options, like, claims, same in (
            ("hausdorff_distance", "hausdorff_distance", {}, "HDRFDST", {}, None),
            (
                'hausdorff_distance, method="modified"',
                "hausdorff_distance",
                {"method": "modified"},
                "AVGDIST",
                {},
                None,
            ),
        )
    ),
    Adapter(
        "scikit-image",
        "adapted_rand_error",
        partial(of.scikit_image_partitions, "adapted_rand_error"),
        "VARINFO",
        {"limits": (0.0, 1.0), "symmetric": False, "triangle": False},
    ),
    Adapter(
        "scikit-image",
        "variation_of_information",
        partial(of.scikit_image_partitions, "variation_of_information"),
        "VARINFO",
        {},
        "VARINFO",
    ),
    *(
        Adapter(
            "scikit-image",
            name,
            partial(of.scikit_image, name, **options),
            like,
            claims,
            same,
            smallest=size,
            copies=False,
        )
        for name, options, like, claims, same, size in (
            ("structural_similarity", _IN_100, "SSIM", {}, None, 7),
            ("peak_signal_noise_ratio", _IN_100, "PSNR", {}, None, 1),
            ("mean_squared_error", {}, "MSE", {}, "MSE", 1),
            ("normalized_root_mse", {}, "NRMSE", {}, None, 1),
            ("normalized_mutual_information", {}, "PCC", {"limits": (1.0, 2.0), "best": 2.0}, None, 1),
        )
    ),
)

_PANOPTICA = (
    *(
        Adapter("panoptica", f"global {metric}",
                partial(of.panoptica, metric, f"global_bin_{metric.lower()}"), like, claims,
                same)
        for metric, like, claims, same in (
            ("DSC", "DICE", {}, "DICE"),
            ("IOU", "JACRD", {}, "JACRD"),
            ("RVD", "RVD", {"limits": (-1.0, float("inf"))}, "RVD@signed=True"),
            ("RVAE", "RVD", {}, "RVD"),
            ("HD", "HDRFDST", _SPACED, "HDRFDST@boundary=voxels"),
            ("HD95", "HDRFDST95", _SPACED, "HDRFDST95@boundary=voxels,pooled=True"),
            ("ASSD", "MASD", _SPACED, "MASD@boundary=voxels"),
            ("NSD", "SURFDICE", _SPACED, None),
            ("CEDI", "CENDST", _SPACED, "CENDST"),
            ("clDSC", "CLDICE", {}, None),
        )
    ),
    *(
        Adapter("panoptica", result, partial(of.panoptica, None, result), like, {}, None)
        for result, like in (("pq", "PQ"), ("rq", "RQ"), ("sq", "SQ"))
    ),
)  # fmt: skip

_SEG_METRICS = tuple(
    Adapter("seg-metrics", name, partial(of.seg_metrics, name), like, claims, same)
    for name, like, claims, same in (
        ("dice", "DICE", {}, "DICE"),
        ("jaccard", "JACRD", {}, "JACRD"),
        ("precision", "PRCISON", {}, "PRCISON"),
        ("recall", "SNSVTY", {}, "SNSVTY"),
        ("fpr", "FALLOUT", {}, "FALLOUT"),
        ("fnr", "FNR", {}, "FNR"),
        ("vs", "RVD", {"limits": (-2.0, 2.0)}, None),
        ("hd", "HDRFDST", _SPACED, None),
        ("hd95", "HDRFDST95", _SPACED, None),
        ("msd", "ASSD", _SPACED, None),
    )
)

ADAPTERS: tuple[Adapter, ...] = (
    *_MONAI, *_TORCHMETRICS, *_MEDPY, *_SURFACE_DISTANCE, *_SIMPLEITK, *_SCIKIT_IMAGE, *_PANOPTICA, *_SEG_METRICS,
)  # fmt: skip
"""All metrics, by package."""
