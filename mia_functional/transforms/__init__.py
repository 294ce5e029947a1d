"""Pure functions from arrays to arrays, their random parameters, and how both are applied to samples.

`on` lifts a function of one array to samples and `compose` joins them. A random transform is two functions: a sampler
`random_*`, which draws a record of parameters from a generator, and the function that takes the record's entries:
`affine(image, *random_affine(rng, spatial_shape=image.shape[:-1]))`. So an image and its labels share one draw, a draw
can be stored and replayed, and the function traces under `jit`; `randomly` lifts both to samples. What a category is
(`roles`) decides on how it is interpolated, not its dtype.

Transforms are differentiable by the values of a floating image, and by what they take as arrays of floats: fields of
noise, exponents, coefficients, deviations, matrices, offsets, coordinates and control points; with `nearest` by values
only. Labels, masks and drawn parameters have no derivative. At kinks (a coordinate at a voxel's centre, equal extremes,
a constant channel) gradients are numbers all the same: that of one side, a share, or 0.
"""

from mia_functional.extraction import constant, edge, reflect
from mia_functional.transforms import alignment  # noqa: F401 - other rooms reach it as `mia.transforms.alignment`
from mia_functional.transforms.appearance import *
from mia_functional.transforms.axes import *
from mia_functional.transforms.composition import Sample, Transform, compose, on, randomly
from mia_functional.transforms.grid_transforms import *
from mia_functional.transforms.histogram_standardization import *
from mia_functional.transforms.intensity import *
from mia_functional.transforms.interpolation import linear, nearest
from mia_functional.transforms.inversion import inverse
from mia_functional.transforms.kspace import *
from mia_functional.transforms.labels import *
from mia_functional.transforms.mixing import *
from mia_functional.transforms.random import *
from mia_functional.transforms.random_appearance import *
from mia_functional.transforms.random_artefacts import *
from mia_functional.transforms.random_regions import *
from mia_functional.transforms.regions import cutout, resized_crop, swap
from mia_functional.transforms.resolution import *
from mia_functional.transforms.scanner_artefacts import bias_field, gamma, noise, rician_noise
from mia_functional.transforms.smoothing import blur
from mia_functional.transforms.spatial import *
from mia_functional.transforms.synthesis import *
from mia_functional.transforms.warping import *

__all__ = [
    "HistogramLandmarks",
    "Sample",
    "Transform",
    "affine",
    "argmax",
    "bias_field",
    "blur",
    "brightness",
    "carvemix",
    "clip_percentile",
    "compose",
    "constant",
    "contrast",
    "crop",
    "crop_or_pad",
    "cutmix",
    "cutout",
    "edge",
    "elastic",
    "flip",
    "gamma",
    "ghosting",
    "histogram_landmarks",
    "inverse",
    "label_dilation",
    "labels_to_image",
    "linear",
    "local_gamma",
    "low_resolution",
    "mask_outside",
    "merge_landmarks",
    "mix",
    "mixup",
    "motion",
    "nearest",
    "noise",
    "on",
    "one_hot",
    "pad",
    "permute",
    "random_affine",
    "random_anisotropy",
    "random_bias_field",
    "random_blur",
    "random_brightness",
    "random_carvemix",
    "random_contrast",
    "random_crop",
    "random_cutout",
    "random_elastic",
    "random_flip",
    "random_gamma",
    "random_ghosting",
    "random_label_dilation",
    "random_labels_to_image",
    "random_local_gamma",
    "random_low_resolution",
    "random_mixup",
    "random_motion",
    "random_noise",
    "random_resized_crop",
    "random_rician_noise",
    "random_rot90",
    "random_sharpen",
    "random_shift",
    "random_spikes",
    "random_swap",
    "randomly",
    "reflect",
    "relabel",
    "reorient_onto",
    "resample",
    "resample_onto",
    "resample_to",
    "rescale",
    "reshape",
    "resized_crop",
    "rician_noise",
    "rot90",
    "sharpen",
    "shift",
    "spikes",
    "squeeze",
    "standardize",
    "standardize_histogram",
    "swap",
    "to_canonical",
    "unsqueeze",
    "warp",
]

__dir__ = __all__.copy  # dir() shows what users may touch
