"""Which laws metrics of the table keep beside those of all metrics, and which they do not, and why."""

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["DISTANCES", "MONOTONE", "ROW_EXCEPTIONS", "SEES_MISSES", "UNMERGED", "RowException", "broken_laws", "is_of"]

MONOTONE = (
    *("DICE", "JACRD", "SNSVTY", "SPCFTY", "FALLOUT", "FNR", "ACURCY", "PRCISON", "NPV", "TP", "FP", "TN", "FN"),
    *("FMEASR", "BALACC", "YOUDEN", "AUC", "MCC", "KAPPA", "ICCORR", "PROBDST"),
    *("R2", "MAE", "MSE", "RMSE", "NRMSE", "NMSE", "PSNR", "BRIER", "NLL", "AUROC"),
)
"""Metrics for which one more right voxel is never worse. False voxels may lie near the reference.

AP is none: one that joins others of a precision below the share of all positives lowers the mean.
"""

SEES_MISSES = (
    *("DICE", "JACRD", "FMEASR", "VOLSMTY", "MCC", "KAPPA", "ICCORR", "PROBDST", "HDRFDST", "AVGDIST", "ASSD", "MASD"),
    *("SURFDICE", "CENDST", "AVD", "RVD", "LESION_F1", "RQ", "PQ", "AUTC", "LESION_COUNT"),
)
"""Metrics that never have the best value where one of two structures is empty: that is missed, or made up."""

DISTANCES = (
    *("FP", "FN", "VARINFO", "HDRFDST", "CENDST", "AVD", "BETTI0", "BETTI1", "BETTI2", "EULER", "LESION_COUNT"),
    *("BRANCHERR", "MAE", "RMSE"),
)
"""Metrics for which no detour is shorter; percentiles and means of distances are none."""


class RowException(NamedTuple):
    """Laws that some metrics do not keep: what a metric is, not what is wrong with it.

    Attributes:
        laws: Names of the laws.
        metrics: Abbreviations of the metrics, without parameters.
        reason: Why.
    """

    laws: tuple[str, ...]
    metrics: tuple[str, ...]
    reason: str


_OF_PROGRAMS = ("jit", "vmap", "compile")

_SKELETONS = ("CLDICE", "CLPRECISION", "CLSENSITIVITY", "BRANCHERR", "TUBESPLITS", "TUBEMERGES")

ROW_EXCEPTIONS: tuple[RowException, ...] = (
    RowException(("identity",), ("TP", "TN", "MUTINF"), "The best value is a bound that depends on the reference."),
    RowException(
        ("padding",),
        (
            *("SPCFTY", "FALLOUT", "ACURCY", "NPV", "TN", "BALACC", "YOUDEN", "MCC", "AUC", "KAPPA", "GCOERR"),
            *("RNDIND", "ADJRIND", "MUTINF", "VARINFO", "ICCORR"),
        ),
        "Voxels that are rightly background count.",
    ),
    RowException(
        ("defined", "identity"), ("BIOU",), "Bands thinner than a voxel are empty, also those of a structure."
    ),
    RowException(("defined",), ("MAHLNBS",), "A structure of one voxel, or a flat one, has no covariance."),
    RowException(
        ("defined", "identity"), ("UEDICE",), "Nothing may be wrong, and nothing uncertain."
    ),
    RowException(("defined",), ("SQ",), "It is a mean over components that are found, of which there may be none."),
    RowException(
        ("scaling",), ("SURFOVLP", "SURFDICE", "BIOU", "BRATS_DICE", "BRATS_HD95", "BRATS_NSD"),
        "Tolerances, penalties and smallest volumes are in millimetres.",
    ),
    RowException(("dtypes",), ("SSIM",), "It computes in single precision but for float64."),
    RowException(("merging",), ("LESION_FP",), "It is counted per case, and parts are cases of their own."),
    RowException(("flips", "axes"), _SKELETONS, "Thinning takes voxels away in the order of the array."),
    RowException(_OF_PROGRAMS, _SKELETONS, "Skeletons are made on the host, by scikit-image."),
    RowException(
        _OF_PROGRAMS, ("BRATS_DICE", "BRATS_HD95", "BRATS_NSD", "CCDICE"), "Regions of lesions are made on the host."
    ),
    RowException(("flips",), ("CCDICE",), "Of two components equally near, the first one of the array counts."),
    RowException(
        ("flips", "axes", "padding"), ("PREDAREA", "REFAREA"), "Of an even number of slices the middle one is a choice."
    ),
)  # fmt: skip
"""All exceptions."""


UNMERGED: tuple[RowException, ...] = (
    RowException(
        ("merging",), ("HDRFDST", "ASSD", "MASD", "ASD_PR", "ASD_RP", "SURFOVLP", "SURFDICE"),
        "`merge` takes no surface distances: the surface of a part has an end where it is cut off.",
    ),
    RowException(
        ("merging",), ("BETTI0", "BETTI1", "BETTI2", "EULER"),
        "`merge` takes no Betti numbers: tunnels and cavities of the whole may lie in no part.",
    ),
    RowException(
        ("merging",), ("BRANCHERR", "TUBESPLITS", "TUBEMERGES"),
        "`merge` takes no counts of tubes: a tube that is cut has more ends.",
    ),
    RowException(
        ("merging",), ("CLDICE", "CLPRECISION", "CLSENSITIVITY"),
        "Those of cases are merged; cases in one volume may have other skeletons, as scikit-image (0.26) thins a mask"
        " of one plane in another way.",
    ),
    RowException(
        ("merging",), ("AVGDIST", "BIOU", "PREDAREA", "REFAREA", "SSIM"),
        "They are computed from the pair, without a record."
    ),
)  # fmt: skip
"""Metrics whose records of parts cannot be merged, so that the law is not about them, and why."""


def broken_laws(abbreviation: str) -> frozenset[str]:
    """Return the names of the laws that a metric of the table does not keep, whatever its parameters."""
    return frozenset(law for entry in ROW_EXCEPTIONS if is_of(abbreviation, entry.metrics) for law in entry.laws)


def is_of(abbreviation: str, names: Iterable[str]) -> bool:
    """Return whether a metric is one of some, with any parameter: HDRFDST95 is of HDRFDST."""
    for name in names:
        rest = abbreviation.removeprefix(name)
        if abbreviation.startswith(name) and (rest == "" or rest[0] == "@" or rest[0].isdigit()):
            return True
    return False
