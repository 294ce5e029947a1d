"""What we make of each law that a peer breaks: a fault, a convention of its own, or an error by which it refuses pairs.

Each was looked at by hand on the smallest example that was found. A convention is one that the package documents, or
that its definition implies; a fault is a number that no definition of the package gives.
"""

from typing import NamedTuple

__all__ = ["READINGS", "Reading"]


class Reading(NamedTuple):
    """A note on laws that metrics of a peer break.

    Attributes:
        peer: Name of the package, as in `PEERS`.
        kind: "fault", "convention", "error", or "rounding" in single precision.
        metrics: Names of its metrics, as in `ADAPTERS`.
        laws: Names of the laws.
        says: What happens, and the right value.
    """

    peer: str
    kind: str
    metrics: tuple[str, ...]
    laws: tuple[str, ...]
    says: str


_TORCH_SHARES = (
    *("binary_recall", "binary_specificity", "binary_precision", "binary_negative_predictive_value"),
    *("binary_jaccard_index", "binary_f1_score"),
)
_SURFACE_DISTANCE = (
    *("compute_dice_coefficient", "compute_robust_hausdorff, 100", "compute_robust_hausdorff, 95"),
    "compute_average_surface_distance, of the reference",
    "compute_average_surface_distance, of the prediction",
    "compute_surface_dice_at_tolerance",
    "compute_surface_overlap_at_tolerance, of the prediction",
)
_ITK_OVERLAPS = (
    *("LabelOverlapMeasuresImage.GetJaccardCoefficient", "LabelOverlapMeasuresImage.GetVolumeSimilarity"),
    *("LabelOverlapMeasuresImage.GetFalseNegativeError", "LabelOverlapMeasuresImage.GetDiceCoefficient"),
)
_PANOPTICA_DISTANCES = ("global HD", "global HD95", "global CEDI", "global NSD")

READINGS: tuple[Reading, ...] = (
    Reading(
        "MONAI",
        "convention",
        ("compute_dice", "compute_iou"),
        ("symmetry",),
        "By `ignore_empty=True`, the default, an empty reference has NaN whatever is predicted, and an empty "
        "prediction 0: made-up structures are left out of means. Ours has 0 both ways; so has "
        "`ignore_empty=False`.",
    ),
    Reading(
        "MONAI",
        "convention",
        ("compute_panoptic_quality",),
        ("identity",),
        "Where there is no instance and none is predicted the quality is 0 / 0. A small number in the denominator "
        "makes 0 of it, the worst value. Ours has NaN, or `zero_division=`.",
    ),
    Reading(
        "torchmetrics",
        "fault",
        ("hausdorff_distance",),
        ("runs", "defined", "identity", "flips", "axes", "padding", "oracle"),
        "Images with unequal sides: a mask is at a distance from itself, and tall images are an IndexError. Right: 0.",
    ),
    Reading(
        "torchmetrics",
        "convention",
        _TORCH_SHARES,
        ("identity",),
        "0 / 0 is 0 by default, the worst value, though all voxels are right. `zero_division=` changes it, but for "
        "specificity. Ours has NaN, or `zero_division=`.",
    ),
    Reading(
        "torchmetrics",
        "convention",
        ("panoptic_quality",),
        ("identity",),
        "Where there is no instance and none is predicted the quality is 0 / 0, and 0 is given. Ours has NaN.",
    ),
    Reading(
        "torchmetrics",
        "fault",
        ("structural_similarity_index_measure",),
        ("identity",),
        "A constant volume against itself is not 1, by up to 0.005, where a constant picture is: variances are "
        "differences of squares in single precision, and those below 0 are cut off, covariances are not. In double "
        "precision it is 1.",
    ),
    Reading(
        "torchmetrics",
        "error",
        ("r2_score",),
        ("runs",),
        "A single voxel has no variance.",
    ),
    Reading(
        "torchmetrics",
        "convention",
        ("concordance_corrcoef",),
        ("oracle",),
        "Variances and covariance are divided by n - 1, and the difference of means is not: of (0, 1) and (2, 0) "
        "-2 / (2.5 + 0.25). Lin's coefficient divides by n: -1 / (1.25 + 0.25).",
    ),
    Reading(
        "medpy",
        "error",
        ("ravd", "hd", "hd95", "asd", "assd", "obj_tpr"),
        ("runs", "misses"),
        "An empty mask ends in an exception, as documented (of `obj_tpr` another one than documented), in the "
        "middle of an evaluation.",
    ),
    Reading(
        "medpy",
        "fault",
        ("obj_tpr",),
        ("oracle",),
        "The one object of the reference is found: 1. It divides by the objects of the prediction, against its own "
        "docstring (`findings/medpy_lesions_exchanged.sh`).",
    ),
    Reading(
        "surface-distance",
        "error",
        _SURFACE_DISTANCE,
        ("runs", "misses"),
        "The release on the package index was written for NumPy 1, where an empty mask has inf, NaN or 0. With "
        "NumPy 2 it ends in an exception.",
    ),
    Reading(
        "SimpleITK",
        "error",
        ("HausdorffDistanceImage.GetHausdorffDistance", "HausdorffDistanceImage.GetAverageHausdorffDistance"),
        ("runs", "misses"),
        "An empty mask ends in an exception.",
    ),
    Reading(
        "SimpleITK",
        "fault",
        ("HausdorffDistanceImage.GetAverageHausdorffDistance",),
        ("oracle",),
        "It is the mean of both directed averages: of 0.125 (from the reference) and 0.1509 (of 0.125 and 0.1768, "
        "from the prediction). The definition that ITK refers to takes the larger.",
    ),
    Reading(
        "SimpleITK",
        "fault",
        _ITK_OVERLAPS,
        ("range", "identity"),
        "0 / 0 is the largest finite number, of Dice inf (`findings/simpleitk_undefined_overlap.sh`). Right: NaN, "
        "or a value of the range.",
    ),
    Reading(
        "SimpleITK",
        "convention",
        ("SimilarityIndexImage.GetSimilarityIndex",),
        ("identity",),
        "The index of two empty masks is 0 / 0, and 0 is given. Ours has NaN, or `zero_division=`.",
    ),
    Reading(
        "scikit-image",
        "convention",
        ("adapted_rand_error",),
        ("defined", "identity"),
        "It is about pairs of voxels of the reference's structures, as documented: a single voxel has none.",
    ),
    Reading(
        "panoptica",
        "fault",
        _PANOPTICA_DISTANCES,
        ("runs", "defined", "triangle"),
        "Masks that share no voxel are taken for a missed structure, which these metrics have no value for unless "
        "an `EdgeCaseHandler` gives one (`findings/panoptica_masks_apart.sh`). Right: the distance, 0.125.",
    ),
    Reading(
        "panoptica",
        "fault",
        ("global RVD", "global RVAE"),
        ("defined", "oracle"),
        "The same: the volumes are equal, and the difference is 0.",
    ),
    Reading(
        "panoptica",
        "error",
        _PANOPTICA_DISTANCES,
        ("misses",),
        "An empty mask ends in an exception unless an `EdgeCaseHandler` says what it has.",
    ),
    Reading(
        "panoptica",
        "fault",
        ("global HD", "global HD95", "global ASSD", "global CEDI"),
        ("scaling", "oracle"),
        "Metrics of whole masks are in voxels, whatever `voxelspacing=` says "
        "(`findings/panoptica_global_metrics_in_voxels.sh`). Right: 0.125, and 0.5 with steps four times as long.",
    ),
    Reading(
        "panoptica",
        "fault",
        ("global clDSC",),
        ("defined", "identity", "padding"),
        "Small masks have no skeleton by scikit-image, and 0 / 0 is NaN, also of a mask against itself. Right: 1. "
        "A mask of one plane is thinned in another way than the same plane within a volume: 2 voxels, and none.",
    ),
    Reading(
        "seg-metrics",
        "rounding",
        ("hd", "hd95"),
        ("identity",),
        "Distances are computed in single precision. Right: 0.",
    ),
    Reading(
        "seg-metrics",
        "fault",
        ("hd", "hd95", "msd"),
        ("misses", "triangle"),
        "If one mask is empty, all distances are taken for 0: a missed structure has the best value. Right: inf.",
    ),
    Reading(
        "seg-metrics",
        "fault",
        ("hd", "hd95", "msd"),
        ("padding", "scaling"),
        "A mask that fills the image has no surface, and distances to it are 1.8e19. Right: 0.125, as with background "
        "around.",
    ),
)
"""All notes, by package."""
