"""Samples: every index of every subject, in any loader, the same for any number of workers."""

from functools import partial

import numpy as np

from mia_functional import assembly, dataset, indexing

PATCHES = partial(indexing.patches, patch_shape=(4, 4, 4))


def test_predictions_go_back_to_volumes(cohort):
    for cut in (indexing.whole, indexing.slices, partial(indexing.slices, axis=(0, 1, 2)), PATCHES):
        samples = dataset.samples(cohort, indexing=cut, extract=["images", "shape"])
        for name in cohort.subjects:
            mine = [sample for sample in samples if sample["subject"] == name]
            patches, places = [s["images"] * 2 for s in mine], [s["index"] for s in mine]
            volume = assembly.assemble(patches, places, mine[0]["shape"])
            np.testing.assert_allclose(volume, dataset.read(cohort, name, "images") * 2, rtol=1e-6)
