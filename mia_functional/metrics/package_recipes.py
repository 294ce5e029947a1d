"""How other packages compute their numbers, as data: which options of our functions reproduce each.

There is a record for each package, of the version that it was compared with on a hundred pairs of masks, label maps or
images (`tests/metrics/conventions/`).
"""

import math
from typing import Any, NamedTuple, TypeAlias

from mia_functional.metrics.boundaries import solid, surfels, voxels
from mia_functional.metrics.image_quality import gaussian_window
from mia_functional.metrics.regression import reference_mean, reference_norm
from mia_functional.metrics.table import Empties

__all__ = ["PACKAGES", "Choices", "Convention", "Recipe"]

Choices: TypeAlias = tuple[tuple[str, Any], ...]
"""Keywords and values."""


class Recipe(NamedTuple):
    """How a function of ours gives the number of a package.

    Attributes:
        function: Name of the function in `metrics`.
        theirs: Name of theirs.
        options: What to call it with.
        defaults: What to call it with unless something else is asked for, as theirs has this default.
        only: The recipe is for these values of options alone, each with those that are possible.
        empties: Values where masks are empty that no option gives; NaN where the package raises an error.
        note: Where the numbers differ all the same, or what they are in.
    """

    function: str
    theirs: str
    options: Choices = ()
    defaults: Choices = ()
    only: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    empties: Empties = Empties()
    note: str = ""


class Convention(NamedTuple):
    """How a package computes its numbers.

    Attributes:
        name: What it is called by.
        package: Name of the package.
        version: What was compared.
        recipes: How each of its metrics is reproduced; the first that fits counts.
        absent: Metrics that no option reproduces, by the name of our function, and why.
    """

    name: str
    package: str
    version: str
    recipes: tuple[Recipe, ...]
    absent: tuple[tuple[str, str], ...] = ()


def _plain(theirs: str, *functions: str) -> tuple[Recipe, ...]:
    """Return recipes of functions that need no options, all with one function of the package."""
    return tuple(Recipe(function, theirs) for function in functions)


_NAN, _INF = math.nan, math.inf
_ERROR = Empties(_NAN, _NAN, _NAN)
_VOXELS: Choices = (("boundary", voxels),)
_POOLED: Choices = (("boundary", voxels), ("pooled", True))
_SURFELS: Choices = (("boundary", surfels), ("pooled", False))
_LARGER: Choices = (("boundary", voxels), ("pooled", False))
_HD = (("percentile", (100.0,)),)
_HD95 = (("percentile", (95.0,)),)
_FORWARD = (("direction", ("prediction_to_reference",)),)
_BACKWARD = (("direction", ("reference_to_prediction",)),)
_CELLS = ("true_positives", "false_positives", "false_negatives", "true_negatives")
_TWO_SIDES = "it has the mean of the two shares, which `surface_overlap` gives for each direction"

_DEEPMIND = Convention(
    "deepmind", "DeepMind's surface-distance", "0.1",
    recipes=(
        Recipe("dice", "compute_dice_coefficient"),
        Recipe("hausdorff_distance", "compute_robust_hausdorff", _SURFELS, empties=Empties(both=_INF),
               note="a percentile may be the next larger distance where exactly that share lies within one"),
        Recipe("average_surface_distance", "compute_average_surface_distance", (("boundary", surfels),),
               only=_FORWARD, empties=Empties(prediction=_NAN)),
        Recipe("average_surface_distance", "compute_average_surface_distance", (("boundary", surfels),),
               only=_BACKWARD, empties=Empties(reference=_NAN)),
        Recipe("surface_overlap", "compute_surface_overlap_at_tolerance", (("boundary", surfels),)),
        Recipe("normalized_surface_dice", "compute_surface_dice_at_tolerance", (("boundary", surfels),),
               note="a distance that is the tolerance but for rounding may count as beyond it"),
    ),
    absent=(
        ("average_symmetric_surface_distance", "it has the two directed means alone (ASD_PR, ASD_RP)"),
        ("mean_average_surface_distance", "it has the two directed means alone (ASD_PR, ASD_RP)"),
    ),
)  # fmt: skip

_MONAI = Convention(
    "monai", "MONAI", "1.6.1",
    recipes=(
        Recipe("dice", "compute_dice", empties=Empties(reference=_NAN)),
        Recipe("jaccard", "compute_iou", empties=Empties(reference=_NAN)),
        *_plain(
            "compute_confusion_matrix_metric", "sensitivity", "specificity", "precision", "negative_predictive_value",
            "false_negative_rate", "fallout", "accuracy", "balanced_accuracy", "matthews_correlation", "youden_index",
        ),
        Recipe("f_measure", "compute_confusion_matrix_metric", only=(("beta", (1.0,)),)),
        *_plain("get_confusion_matrix", *_CELLS),
        Recipe("hausdorff_distance", "compute_hausdorff_distance", _LARGER, only=_HD),
        Recipe("hausdorff_distance", "compute_hausdorff_distance", _LARGER,
               empties=Empties(prediction=_NAN, reference=_NAN), note="its percentile of 0 is the maximum"),
        Recipe("average_surface_distance", "compute_average_surface_distance", _VOXELS, only=_FORWARD),
        Recipe("average_symmetric_surface_distance", "compute_average_surface_distance", _VOXELS),
        Recipe("normalized_surface_dice", "compute_surface_dice", _VOXELS,
               note="with `use_subvoxels=True` it is that of surfels"),
        Recipe("generalized_dice", "compute_generalized_dice", (("zero_division", 1.0),)),
        *_plain("MAEMetric", "mean_absolute_error"),
        *_plain("MSEMetric", "mean_squared_error"),
        *_plain("RMSEMetric", "root_mean_squared_error"),
        Recipe("peak_signal_noise_ratio", "PSNRMetric", note="it has to be told the range: `PSNR@data_range=1`"),
        Recipe("structural_similarity", "SSIMMetric",
               (("window", gaussian_window()), ("sample_covariance", False)), (("data_range", 1.0),)),
        *(Recipe(name, "CalibrationErrorMetric", defaults=(("bins", 20),)) for name in (
            "expected_calibration_error", "average_calibration_error", "maximum_calibration_error",
        )),
    ),
    absent=(
        ("mean_average_surface_distance", "it has no mean of the two directed means"),
        ("panoptic_quality", "its `compute_panoptic_quality` was not compared"),
        ("area_under_roc_curve", "its `compute_roc_auc` takes every value as a threshold: ours with "
                                 "`thresholds=numpy.unique(probabilities)`"),
        ("average_precision", "its `compute_average_precision` takes every value as a threshold: ours with "
                              "`thresholds=numpy.unique(probabilities)`"),
    ),
)  # fmt: skip

_METRICS_RELOADED = Convention(
    "metrics_reloaded", "Metrics Reloaded", "0.1.0, commit cb38dfc",
    recipes=(
        Recipe("dice", "dsc", (("zero_division", 1.0),)),
        Recipe("jaccard", "intersection_over_union"),
        Recipe("f_measure", "fbeta", (("zero_division", 1.0),)),
        Recipe("sensitivity", "sensitivity"),
        Recipe("specificity", "specificity"),
        Recipe("precision", "positive_predictive_value", empties=Empties(prediction=0.0)),
        Recipe("negative_predictive_value", "negative_predictive_value",
               note="of a prediction that fills the image it is 0, unless the reference does"),
        Recipe("fallout", "false_positive_rate"),
        Recipe("accuracy", "accuracy"),
        Recipe("balanced_accuracy", "balanced_accuracy"),
        Recipe("youden_index", "youden_index"),
        Recipe("cohen_kappa", "cohens_kappa"),
        Recipe("matthews_correlation", "matthews_correlation_coefficient"),
        Recipe("relative_volume_difference", "absolute_volume_difference_ratio", (("signed", False),),
               empties=Empties(reference=_NAN)),
        Recipe("hausdorff_distance", "measured_hausdorff_distance_perc", _LARGER, empties=Empties(0.0, _NAN, _NAN)),
        Recipe("average_symmetric_surface_distance", "measured_average_distance", _VOXELS,
               empties=Empties(0.0, _NAN, _NAN)),
        Recipe("mean_average_surface_distance", "measured_masd", _VOXELS, empties=Empties(0.0, _NAN, _NAN)),
        Recipe("normalized_surface_dice", "normalised_surface_distance", (*_VOXELS, ("zero_division", 1.0)),
               note="of a single empty mask it may be above 0, as there are distances to a border that is not there"),
        Recipe("centroid_distance", "com_dist", empties=Empties(-1.0, -1.0, -1.0)),
        Recipe("expected_cost", "expected_cost, normalised_expected_cost", defaults=(("costs", "inverse_prior"),)),
    ),
    absent=(
        ("boundary_iou", "its distance is in voxels, whatever their size, and a voxel at that distance is outside"),
        ("centerline_dice", "its skeletons are those of scikit-image, which lose components that are solid cubes"),
        ("weighted_kappa", "its weights are 1 for every mistake, unless they are given: `cohen_kappa` of the matrix"),
        ("brier_score", "it was not compared"),
        ("panoptic_quality", "it was not compared"),
    ),
)  # fmt: skip

_MEDPY = Convention(
    "medpy", "MedPy", "0.5.2",
    recipes=(
        Recipe("dice", "dc"),
        Recipe("jaccard", "jc", (("zero_division", 1.0),)),
        Recipe("precision", "precision"),
        Recipe("sensitivity", "sensitivity, recall"),
        Recipe("specificity", "specificity"),
        Recipe("relative_volume_difference", "ravd", (("signed", True),), empties=Empties(reference=_NAN)),
        Recipe("hausdorff_distance", "hd", _POOLED, only=_HD, empties=_ERROR),
        Recipe("hausdorff_distance", "hd95", _POOLED, only=_HD95, empties=_ERROR),
        Recipe("average_surface_distance", "asd", _VOXELS, only=_FORWARD, empties=_ERROR),
        Recipe("average_symmetric_surface_distance", "assd", _VOXELS, empties=_ERROR),
    ),
    absent=(
        ("lesion_recall", "its `obj_tpr` divides by the number of objects of the other image than it documents"),
        ("mutual_information", "its `mutual_information` is of histograms of images"),
    ),
)  # fmt: skip

_PANOPTICA = Convention(
    "panoptica", "panoptica", "2.1.7",
    recipes=(
        Recipe("dice", "Metric.DSC", (("zero_division", 0.0),),
               note="`Metric.DSC` of instance maps adds up their labels; that of masks, and `global_bin_dsc`, do not"),
        Recipe("jaccard", "Metric.IOU", (("zero_division", 0.0),)),
        Recipe("relative_volume_difference", "Metric.RVD", (("signed", True),), empties=Empties(0.0, None, _NAN)),
        Recipe("hausdorff_distance", "Metric.HD", _POOLED, only=_HD, empties=_ERROR),
        Recipe("hausdorff_distance", "Metric.HD95", _POOLED, only=_HD95, empties=_ERROR,
               note="where one mask is empty its metric has a number without meaning, and its evaluator an error"),
        Recipe("mean_average_surface_distance", "Metric.ASSD", _VOXELS, empties=_ERROR),
        Recipe("centroid_distance", "Metric.CEDI", empties=_ERROR),
        Recipe("recognition_quality", "Panoptica_Evaluator"),
        Recipe("segmentation_quality", "Panoptica_Evaluator", (("zero_division", 0.0),), empties=Empties(both=_NAN)),
        Recipe("panoptic_quality", "Panoptica_Evaluator"),
    ),
    absent=(
        ("normalized_surface_dice", _TWO_SIDES),
        ("average_symmetric_surface_distance", "what it calls ASSD is the mean of the two directed means (MASD)"),
        ("centerline_dice", "its skeletons are those of scikit-image, which lose components that are solid cubes"),
    ),
)  # fmt: skip

_TORCHMETRICS = Convention(
    "torchmetrics", "torchmetrics", "1.9.0",
    recipes=(
        Recipe("dice", "segmentation.dice_score"),
        Recipe("jaccard", "segmentation.mean_iou"),
        *(Recipe(name, f"classification.{theirs}", (("zero_division", 0.0),)) for name, theirs in (
            ("sensitivity", "binary_recall"), ("specificity", "binary_specificity"), ("precision", "binary_precision"),
            ("negative_predictive_value", "binary_negative_predictive_value"),
        )),
        Recipe("f_measure", "classification.binary_f1_score, binary_fbeta_score", (("zero_division", 0.0),)),
        Recipe("accuracy", "classification.binary_accuracy"),
        Recipe("cohen_kappa", "classification.binary_cohen_kappa"),
        Recipe("weighted_kappa", "classification.multiclass_cohen_kappa",
               note="its quadratic weights are `power=2`; positions are those of all classes that it is told of"),
        *_plain("mean_absolute_error", "mean_absolute_error"),
        *_plain("mean_squared_error", "mean_squared_error"),
        *_plain("mean_squared_error(squared=False)", "root_mean_squared_error"),
        *_plain("r2_score", "r_squared"),
        *_plain("pearson_corrcoef", "pearson_correlation"),
        Recipe("concordance_correlation", "concordance_corrcoef", (("sample_covariance", True),)),
        Recipe("normalized_root_mean_squared_error", "normalized_root_mean_squared_error",
               defaults=(("normalization", reference_mean),),
               note="its norm `l2` is not divided by the root of n, as that of `reference_norm` is"),
        Recipe("peak_signal_noise_ratio", "peak_signal_noise_ratio",
               note="it has to be told the range: `PSNR@data_range=1`"),
        *(Recipe(name, "classification.binary_calibration_error", (("closed", "left"),), (("bins", 15),)) for name in (
            "expected_calibration_error", "maximum_calibration_error", "root_mean_square_calibration_error",
        )),
    ),
    absent=(
        ("matthews_correlation", "of an empty or full mask it is a number that depends on a small constant"),
        ("generalized_dice", "a label that the reference lacks has a weight of other cases of the batch, alone none; "
                             "no label at all is 0"),
        ("hausdorff_distance", "in images that are not square its distances are wrong, and it has no 3-D"),
        ("structural_similarity", "it reflects images at their border, where ours has windows inside them alone"),
    ),
)  # fmt: skip

_SIMPLEITK = Convention(
    "simpleitk", "SimpleITK", "2.5.7",
    recipes=(
        Recipe("dice", "GetDiceCoefficient", (("zero_division", _INF),)),
        Recipe("jaccard", "GetJaccardCoefficient, GetUnionOverlap", (("zero_division", _INF),)),
        Recipe("false_negative_rate", "GetFalseNegativeError", (("zero_division", _INF),)),
        Recipe("fallout", "GetFalsePositiveError", empties=Empties(both=_INF)),
        Recipe("hausdorff_distance", "GetHausdorffDistance", (("boundary", solid),), only=_HD, empties=_ERROR),
        Recipe("mean_average_surface_distance", "GetAverageHausdorffDistance", (("boundary", solid),), empties=_ERROR),
    ),
    absent=(
        ("average_distance", "it has the mean of the two directed means and not the larger (MASD)"),
        ("volume_similarity", "it has twice the signed difference of the volumes over their sum"),
    ),
)  # fmt: skip

_IN_VOXELS = "it is in voxels: give a spacing of ones"
_SKIMAGE = Convention(
    "skimage", "scikit-image", "0.26.0",
    recipes=(
        Recipe("hausdorff_distance", "hausdorff_distance", (("boundary", solid),), only=_HD,
               empties=Empties(both=0.0), note=_IN_VOXELS),
        Recipe("average_distance", 'hausdorff_distance(method="modified")', empties=Empties(both=0.0),
               note=_IN_VOXELS),
        Recipe("variation_of_information", "variation_of_information", note="it is the sum of its two numbers"),
        *_plain("mean_squared_error", "mean_squared_error"),
        Recipe("normalized_root_mean_squared_error", "normalized_root_mse",
               defaults=(("normalization", reference_norm),)),
        Recipe("peak_signal_noise_ratio", "peak_signal_noise_ratio",
               note="its range is that of the dtype, unless it is told: `PSNR@data_range=1`"),
        Recipe("structural_similarity", "structural_similarity",
               note="it has to be told the range of floats: `SSIM@data_range=1`"),
    ),
    absent=(("adjusted_rand_index", "its `adapted_rand_error` is one minus an F-score of pairs of voxels"),),
)  # fmt: skip

_NNUNET = Convention("nnunet", "nnU-Net", "2.8.1", recipes=_plain("compute_metrics", "dice", "jaccard", *_CELLS))

_BRATS = Convention(
    "brats", "BraTS 2023", "commit 43c9052",
    recipes=(
        Recipe("brats_dice", "LesionWise_Score_Dice"),
        Recipe("brats_hausdorff_distance", "LesionWise_Score_HD95"),
        Recipe("dice", "Legacy_Dice", (("zero_division", 1.0),)),
        Recipe("hausdorff_distance", "Legacy_HD95", _SURFELS, only=_HD95, empties=Empties(0.0, 374.0, 374.0),
               note="as DeepMind's"),
        Recipe("sensitivity", "Sensitivity", (("zero_division", 0.0),), empties=Empties(both=1.0)),
        Recipe("specificity", "Specificity", (("zero_division", 0.0),)),
    ),
    absent=(("brats_surface_dice", "its program of 2023 has no surface Dice"),),
)  # fmt: skip

_LOST: Choices = (("zero_division", -_INF),)
_PYMIA = Convention(
    "pymia", "pymia", "0.3.4",
    recipes=(
        Recipe("dice", "DiceCoefficient", (("zero_division", 1.0),)),
        Recipe("jaccard", "JaccardCoefficient", (("zero_division", 1.0),)),
        Recipe("sensitivity", "Sensitivity", _LOST),
        Recipe("specificity", "Specificity"),
        Recipe("fallout", "Fallout"),
        Recipe("false_negative_rate", "FalseNegativeRate"),
        Recipe("accuracy", "Accuracy", note="of no voxels it is 0"),
        Recipe("precision", "Precision", (("zero_division", 0.0),)),
        *_plain("TruePositive, ...", *_CELLS),
        Recipe("f_measure", "FMeasure", empties=Empties(reference=_NAN)),
        Recipe("volume_similarity", "VolumeSimilarity", _LOST),
        Recipe("area_under_curve", "AreaUnderCurve", _LOST, note="of a reference that fills the image it is NaN"),
        Recipe("cohen_kappa", "CohenKappaCoefficient", _LOST),
        Recipe("global_consistency_error", "GlobalConsistencyError", empties=Empties(_INF, _INF, _INF),
               note="of a mask that fills the image it is inf, too"),
        Recipe("rand_index", "RandIndex"),
        Recipe("adjusted_rand_index", "AdjustedRandIndex", empties=Empties(both=0.0)),
        Recipe("mutual_information", "MutualInformation", empties=Empties(-_INF, -_INF, -_INF),
               note="of a mask that fills the image it is -inf, too"),
        Recipe("variation_of_information", "VariationOfInformation", empties=Empties(-_INF, -_INF, -_INF),
               note="of a mask that fills the image it is -inf, too"),
        Recipe("intraclass_correlation", "InterclassCorrelation", _LOST,
               note="of masks of unsigned integers its differences wrap around"),
        Recipe("probabilistic_distance", "ProbabilisticDistance", empties=Empties(-1.0, -1.0, -1.0),
               note="of masks that do not meet it is -1, where ours is inf"),
        Recipe("hausdorff_distance", "HausdorffDistance", _SURFELS, empties=Empties(both=_INF)),
        Recipe("surface_overlap", "SurfaceOverlap", (("boundary", surfels), *_LOST), only=_FORWARD),
        Recipe("normalized_surface_dice", "SurfaceDiceOverlap", (("boundary", surfels), *_LOST)),
        Recipe("mahalanobis_distance", "MahalanobisDistance", empties=Empties(both=_INF)),
        Recipe("prediction_volume", "PredictionVolume"),
        Recipe("reference_volume", "ReferenceVolume"),
        *_plain("MeanAbsoluteError", "mean_absolute_error"),
        *_plain("MeanSquaredError", "mean_squared_error"),
        *_plain("RootMeanSquaredError", "root_mean_squared_error"),
        *_plain("NormalizedRootMeanSquaredError", "normalized_root_mean_squared_error"),
        *_plain("CoefficientOfDetermination", "r_squared"),
        *_plain("PeakSignalToNoiseRatio", "peak_signal_noise_ratio"),
        Recipe("structural_similarity", "StructuralSimilarityIndexMeasure", note="of three axes it raises an error"),
    ),
    absent=(
        ("average_distance", "it has ITK's, the mean of the two directed means: `MASD` under simpleitk"),
        ("prediction_area", "it was not compared"),
        ("reference_area", "it was not compared"),
    ),
)  # fmt: skip

PACKAGES = (
    _DEEPMIND, _MONAI, _METRICS_RELOADED, _MEDPY, _PANOPTICA, _TORCHMETRICS, _SIMPLEITK, _SKIMAGE, _NNUNET, _BRATS,
    _PYMIA,
)  # fmt: skip
"""All packages."""
