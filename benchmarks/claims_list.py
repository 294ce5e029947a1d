"""What README and CORRECTNESS.md claim: the words, the function or the tests that measure it, and what it needs."""

import math
from typing import NamedTuple


class Claim(NamedTuple):
    """A claim whose figure is measured.

    Args:
        name: The name of the figure.
        measured_by: The function of `claims_speed.py` or `claims_values.py` that returns it.
        page: The page that states it.
        says: What is claimed, in words.
        low: The least figure with which it holds.
        high: The largest.
        needs: Packages without which it is not checked, by the names that are imported.
        stated: Text of the page that is right if the claim holds; none where the page is written from the figure.
    """

    name: str
    measured_by: str
    page: str
    says: str
    low: float = -math.inf
    high: float = math.inf
    needs: tuple[str, ...] = ()
    stated: str = ""


def faster(name: str, measured_by: str, what: str, times: float, *needs: str) -> Claim:
    """Return a claim of the README: at least so many times as fast as a peer."""
    return Claim(name, measured_by, "README.md", what, low=times, needs=needs)


_TISSUES = "HD95 of two brain tissues"
_FIVE = "Dice, HD, HD95, ASSD and surface Dice of two brain tissues"

SPEED = (
    faster("HD95: DeepMind", "hausdorff_distances", _TISSUES, 15, "surface_distance", "nilearn"),
    faster("HD95: MONAI", "hausdorff_distances", _TISSUES, 5, "monai", "nilearn"),
    faster("HD95: SimpleITK", "hausdorff_distances", _TISSUES, 5, "SimpleITK", "nilearn"),
    faster("five metrics: DeepMind", "boundary_metrics", _FIVE, 12, "surface_distance", "nilearn"),
    faster("five metrics: MONAI", "boundary_metrics", _FIVE, 20, "monai", "nilearn"),
    faster("five metrics: medpy", "boundary_metrics", _FIVE, 30, "medpy", "nilearn"),
    faster("Dice: medpy", "dice", "Dice of two structures", 1.3, "medpy"),
    faster("Dice: pymia", "dice", "Dice of two structures", 6, "pymia"),
    faster("Dice: monai", "dice", "Dice of two structures", 20, "monai"),
    faster("component Dice: MONAI", "lesions", "Dice of each of 50 lesions in its region", 15, "monai"),
    faster("components: SciPy", "lesions", "connected components of 50 lesions", 2.5, "scipy"),
    faster("Euler: scikit-image", "euler", "Euler characteristic of smooth noise", 6, "skimage"),
    faster("SSIM: scikit-image", "similarity", "structural similarity with a Gaussian window", 2.5, "skimage"),
    faster("SSIM: scikit-image, jit", "similarity", "structural similarity in a program of JAX", 3, "skimage", "jax"),
    faster("assembly: TorchIO", "windows", "80 windows into a volume, in a program of JAX", 1.5, "torchio", "jax"),
    faster("sliding window: MONAI", "windows", "a network over a volume, in a program of JAX", 1.3, "monai", "jax"),
    faster("affine: TorchIO", "warps", "affine map of an image and its labels", 1.5, "torchio"),
    faster("affine: MONAI", "warps", "affine map of an image and its labels", 2, "monai"),
    faster("elastic: TorchIO", "warps", "elastic deformation of an image and its labels", 10, "torchio"),
    faster("elastic: MONAI", "warps", "elastic deformation of an image and its labels", 5, "monai"),
    faster("patch: pymia", "loading", "a patch out of a dataset", 1.2, "pymia", "torch", "matplotlib"),
    faster("patch: .nii.gz", "loading", "a patch out of a dataset", 40, "pymia", "torch", "matplotlib"),
)
"""The README's table is written from them."""

PEERS = {
    "DeepMind": "surface-distance",
    "monai": "MONAI",
    "scikit-image, jit": "scikit-image",
    ".nii.gz": "out of two `.nii.gz` files",
}
"""How the README calls what a figure is compared with, where its name has another word."""


def correct(name: str, measured_by: str, value: float, digits: int, says: str, *needs: str, stated: str = "") -> Claim:
    """Return a claim of CORRECTNESS.md: a value, which holds to its last digit."""
    half = 0.5000001 * 10.0**-digits
    return Claim(name, measured_by, "CORRECTNESS.md", says, value - half, value + half, needs, stated)


def agree(name: str, measured_by: str, difference: float, says: str, *needs: str, stated: str = "") -> Claim:
    """Return a claim of CORRECTNESS.md: the largest relative difference between values of ours and of a peer."""
    return Claim(name, measured_by, "CORRECTNESS.md", says, 0, difference, needs, stated)


PAIR = {
    "Hausdorff distance": (5.0, 5.0),
    "HD95, larger": (5.0, 3.9),
    "HD95, pooled": (4.0, 3.1),
    "ASSD": (0.894, 0.795),
    "MASD": (0.802, 0.712),
    "surface Dice at 1 mm": (0.737, 0.769),
}
"""The square pair of CORRECTNESS.md under `surfels` and `voxels`."""

TISSUES = {
    "HD95": ((2.449, 2.449), (2.828, 3.0)),
    "ASSD": ((0.914, 0.979), (1.189, 1.255)),
    "surface Dice": ((0.694, 0.662), (0.588, 0.557)),
}
"""Grey and white matter against a shifted and dilated copy, under `surfels` and `voxels`."""

_OURS_ON_THE_PAIR = tuple(
    correct(f"pair, {boundary}: {name}", "square_pair", value, 3, f"{name} of the pair of squares, {boundary}")
    for name, values in PAIR.items()
    for boundary, value in zip(("surfels", "voxels"), values, strict=True)
)
_TISSUE_VALUES = tuple(
    correct(
        f"tissues, {boundary}: {name}, {tissue}",
        "tissues",
        value,
        3,
        f"{name} of {tissue} matter, {boundary}",
        "nilearn",
    )
    for name, both in TISSUES.items()
    for boundary, values in zip(("surfels", "voxels"), both, strict=True)
    for tissue, value in zip(("grey", "white"), values, strict=True)
)

VALUES = (
    *_OURS_ON_THE_PAIR,
    correct("pair: average distance", "square_pair", 0.929, 3, "average distance of the pair"),
    correct("pair: boundary IoU", "square_pair", 0.5, 3, "boundary IoU of the pair"),
    correct("pair: medpy HD95", "square_pair_of_peers", 3.1, 3, "medpy's HD95 of the pair", "medpy"),
    correct("pair: medpy ASSD", "square_pair_of_peers", 0.795, 3, "medpy's ASSD of the pair", "medpy"),
    correct("pair: MONAI HD95", "square_pair_of_peers", 3.9, 3, "MONAI's HD95 of the pair", "monai"),
    correct("pair: MONAI ASSD", "square_pair_of_peers", 0.795, 3, "MONAI's ASSD of the pair", "monai"),
    correct("pair: MONAI surface Dice", "square_pair_of_peers", 0.769, 3, "MONAI's surface Dice of the pair", "monai"),
    correct("pair: DeepMind HD95", "square_pair_of_peers", 5.0, 3, "DeepMind's HD95 of the pair", "surface_distance"),
    correct(
        "pair: DeepMind surface Dice",
        "square_pair_of_peers",
        0.737,
        3,
        "DeepMind's surface Dice of the pair",
        "surface_distance",
    ),
    correct(
        "pair: SimpleITK average distance",
        "square_pair_of_peers",
        0.464,
        3,
        "ITK's average distance of the pair",
        "SimpleITK",
    ),
    *_TISSUE_VALUES,
    correct(
        "tissues: elements", "tissues", 534_618, 0, "surface elements of the grey matter", "nilearn", stated="534,618"
    ),
    correct(
        "tissues: elements lost",
        "tissues",
        71_313,
        0,
        "elements that lie sqrt(2) mm away, which comparing squares in single precision loses",
        "nilearn",
        stated="71,313",
    ),
    agree(
        "surfaces: DeepMind",
        "agreement_on_surfaces",
        1e-6,
        "HD95 and surface Dice of 100 random pairs are DeepMind's",
        "surface_distance",
        stated="metrics to 1e-6",
    ),
    agree(
        "surfaces: medpy",
        "agreement_on_surfaces",
        1e-6,
        "pooled HD95 and ASSD of 100 random pairs are medpy's",
        "medpy",
    ),
    agree(
        "surfaces: MONAI",
        "agreement_on_surfaces",
        1e-5,
        "HD95 and surface Dice of 100 random pairs are MONAI's",
        "monai",
    ),
    agree(
        "probabilities: scikit-learn",
        "agreement_on_probabilities",
        1e-9,
        "AUROC, AP, Brier score and log loss are scikit-learn's",
        "sklearn",
        stated="scikit-learn's to 1e-9",
    ),
    agree(
        "transform: double",
        "agreement_of_transforms",
        1e-12,
        "the distance transform is SciPy's in double precision",
        "jax",
        stated="1e-12 in double precision",
    ),
    agree(
        "transform: single",
        "agreement_of_transforms",
        3e-7,
        "and in a program in single precision",
        "jax",
        stated="3e-7 in single",
    ),
    *(
        correct(
            f"policy: {policy}",
            "policies",
            value,
            3,
            f"mean of the cohort under the policy `{policy}`",
            stated="0.45, 0.56, 0.6, 0.6, 0.56, NaN",
        )
        for policy, value in {
            "mia": 0.45,
            "metrics_reloaded": 0.56,
            "monai": 0.6,
            "nnunet": 0.6,
            "brats": 0.56,
            "pymia, NaN": 1,
        }.items()
    ),
    correct(
        "optimal masks: share of the best",
        "optimal_masks",
        99.4,
        1,
        "percent of the best expected Dice that Dice-optimal masks have",
        stated="99.4 % of the best expected Dice",
    ),
    correct(
        "optimal masks: share at 0.5",
        "optimal_masks",
        83,
        0,
        "percent that a threshold of 0.5 has",
        stated="threshold of 0.5 has 83 %",
    ),
    correct("thresholds: number", "few_thresholds", 267, 0, "thresholds of uncertainties", stated="267 from 0 to 1"),
    correct(
        "thresholds: percent above",
        "few_thresholds",
        1.5,
        1,
        "percent by which AURC at these thresholds is above that of all values",
        stated="1.5 % above that of all values",
    ),
    agree(
        "thresholds: all",
        "few_thresholds",
        1e-6,
        "AURC at every uncertainty that occurs is that of all voxels",
        stated="gives to 1e-6",
    ),
)

OF_PEERS = (
    correct(
        "panoptica: ASSD",
        "peer:panoptica",
        0.712,
        3,
        "panoptica's ASSD of the pair, which is MASD",
        stated="0.712 and 0.795",
    ),
    correct("panoptica: NSD", "peer:panoptica", 0.795, 3, "panoptica's NSD of the pair", stated="0.712 and 0.795"),
    correct(
        "torchmetrics: Hausdorff distance",
        "peer:torchmetrics",
        9.0,
        1,
        "torchmetrics' Hausdorff distance of a square that is moved by one",
        stated="Hausdorff distance 9.0",
    ),
    correct(
        "MONAI: calibration error",
        "peer:monai",
        0.125,
        3,
        "MONAI's ECE of 0.25 and 0.5 in two bins",
        stated="ECE 0.125",
    ),
    correct(
        "seg-metrics: HD95",
        "peer:seg_metrics",
        0,
        1,
        "seg-metrics' HD95 of an empty prediction",
        stated="an empty prediction scores HD95 = 0",
    ),
    correct(
        "miseval: Hausdorff distance",
        "peer:miseval",
        0.0,
        1,
        "miseval's Hausdorff distance of a mask that is moved by twelve rows",
        stated="shifted by 12 rows is 0.0",
    ),
)
"""Faults of packages that may need an environment of their own."""
