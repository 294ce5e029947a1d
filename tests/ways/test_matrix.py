"""Every public function of arrays, in every way of calling it."""

import numpy as np
import pytest

import mia_functional as mia

from .cases import CASES
from .public_names import NAMESPACES, NO_ARRAYS, ON_HOST

WAYS = (
    "eager",
    "jit",
    "vmap",
    "jit of vmap",
    "map",
    "scan",
    "nnx.jit",
    "mixtures",
    "gradients",
    "x64",
    "strict promotion",
    "rank promotion",
    "watched",
    "export",
    "export of any batch",
    "export of any size",
)

CALLED_BACK = 'A program that calls the host back cannot be exported: leave out `method="host"`.'

NEEDS_VALUES = "The values of an array are needed here, which has none within a program or vmap of JAX."

REFUSED = {
    (name, way): CALLED_BACK
    for name in ("metrics.hausdorff_distance called back", "morphology.distance_transform called back")
    for way in ("export", "export of any batch")
} | {("morphology.distance_transform called back", "export of any size"): CALLED_BACK}
"""Calls that are errors in some way, and their texts."""

ALL = {f"{name} {case.label}": case for name, cases in CASES.items() for case in cases}

_OF_VOLUMES = ("assembly.merge_planes", "assembly.sliding_window", "assembly.predict_labels", "assembly.tta")

OF_NO_IMAGE = {name for name in ALL if name.startswith(("transforms.random_", "assembly."))} - {
    *(name for name in ALL if name.startswith(_OF_VOLUMES)),
}
"""Calls of keys, and of patches of a grid that lies in images of one shape."""

_BY_SIZE = (
    "metrics.hausdorff_distance metrics.average_distance metrics.average_symmetric_surface_distance "
    "metrics.mean_average_surface_distance metrics.average_surface_distance metrics.surface_overlap "
    "metrics.normalized_surface_dice metrics.boundary_iou metrics.surface_distances "
    "metrics.structural_similarity metrics.prediction_area metrics.reference_area metrics.area transforms.affine "
    "transforms.bias_field transforms.blur transforms.crop_or_pad transforms.elastic transforms.pad "
    "transforms.reorient_onto transforms.resample transforms.resample_onto transforms.reshape transforms.shift "
    "transforms.sharpen transforms.local_gamma transforms.ghosting transforms.spikes transforms.motion "
    "transforms.low_resolution transforms.cutout transforms.cutmix transforms.carvemix transforms.label_dilation "
    "assembly.merge_planes assembly.sliding_window assembly.predict_labels assembly.tta "
    "morphology.distance_transform extraction.extract_batch"
)
"""Functions that take other steps, or return other sizes, for images of other sizes."""

NEEDS_SIZES = {
    *(name for name in ALL if name.partition(" ")[0] in _BY_SIZE.split()),
    *(
        "transforms.rot90 by an array",
        "transforms.randomly by a key",
        "transforms.swap by numbers",
        "extraction.extract beyond",
    ),
    "metrics.conformal_threshold of columns",
} - {name for name, way in REFUSED if way == "export of any size"}
"""Calls of which sizes have to be numbers: what they do or return depends on them."""


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_public_function_of_arrays_has_a_case(namespace):
    calls = {name.partition(".")[2] for name in [*CASES, *ON_HOST] if name.startswith(f"{namespace}.")}
    others = set(NO_ARRAYS[namespace].split())
    assert calls | others == set(getattr(mia, namespace).__all__)
    assert not calls & others


@pytest.mark.parametrize("function", [name for name in ON_HOST if name.startswith("morphology.")])
def test_what_needs_values_says_so_in_a_program(function):
    import jax

    namespace, _, name = function.partition(".")
    call, mask = getattr(getattr(mia, namespace), name), np.ones((4, 3, 2, 2), bool)
    for change, array in ((jax.jit, mask[0]), (jax.vmap, mask)):
        with pytest.raises(TypeError) as raised:
            change(call)(array)
        assert str(raised.value) == NEEDS_VALUES


@pytest.mark.slow
@pytest.mark.sampled(14)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ALL)
def test_every_way_gives_what_numpy_gives(name, way):
    # JAX is not imported where these tests are only collected.
    from .ways import check

    if way == "export":
        pytest.importorskip("flatbuffers", reason="JAX writes programs with it")
    if way == "export of any size":
        if name in OF_NO_IMAGE:
            pytest.skip("has no image")
        if name in NEEDS_SIZES:
            # Mostly in words of JAX: that a comparison of sizes is inconclusive, that a size is no number.
            with pytest.raises(Exception, match=r"(?i)symbolic|abstract tracer|traced array|must|indices"):
                check(way, ALL[name])
            return
    if (name, way) not in REFUSED:
        check(way, ALL[name])
        return
    with pytest.raises(TypeError) as raised:
        check(way, ALL[name])
    assert str(raised.value) == REFUSED[name, way]
