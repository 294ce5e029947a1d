"""Pure functions from arrays to arrays, their random parameters, and how both are applied to samples.

`on` lifts a function of one array to samples and `compose` joins them. A random transform is two functions: a sampler
`random_*`, which draws a record of parameters from a generator, and the function that takes the record's entries:
`affine(image, *draw)`. So an image and its labels share one draw, a draw can be stored and replayed, and the function
traces under `jit`.
"""

from mia_functional.transforms.axes import flip, permute, reshape, rot90, squeeze, unsqueeze
from mia_functional.transforms.composition import Sample, Transform, compose, on
from mia_functional.transforms.intensity import clip_percentile, mask_outside, rescale, standardize
from mia_functional.transforms.labels import argmax, one_hot, relabel
from mia_functional.transforms.spatial import crop, crop_or_pad, pad, shift

__all__ = [
    "Sample",
    "Transform",
    "argmax",
    "clip_percentile",
    "compose",
    "crop",
    "crop_or_pad",
    "flip",
    "mask_outside",
    "on",
    "one_hot",
    "pad",
    "permute",
    "relabel",
    "rescale",
    "reshape",
    "rot90",
    "shift",
    "squeeze",
    "standardize",
    "unsqueeze",
]
