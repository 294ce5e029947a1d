"""Samples for the adapters: patches of a dataset for loaders, and a head for transforms of other libraries."""

from functools import partial

import numpy as np
import pytest

from mia_functional import dataset, images, indexing, phantoms, transforms
from mia_functional.geometry import Geometry

PATCH = (8, 8, 8)
ROTATION, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """Sixteen augmented patches of two small heads."""
    folder = tmp_path_factory.mktemp("cohort")
    for name, seed in (("A", 0), ("B", 1)):
        head = phantoms.head((16, 16, 16), rng=np.random.default_rng(seed))
        for entry, array in (("T1", head.t1), ("T2", head.t2), ("GT", head.labels)):
            images.write(folder / f"{name}_{entry}.nii.gz", array, head.geometry)
    patterns = {
        "images": {"T1": "{subject}_T1.nii.gz", "T2": "{subject}_T2.nii.gz"},
        "labels": {"GT": "{subject}_GT.nii.gz"},
    }
    dataset.create(folder / "cohort.h5", dataset.discover(folder, patterns))
    return dataset.samples(
        dataset.open(folder / "cohort.h5"),
        indexing=partial(indexing.patches, patch_shape=PATCH),
        extract=("images", "labels"),
        transform=transforms.randomly(("images", "labels"), transforms.random_flip, transforms.flip),
    )


def head_sample(seed=0):
    """Return a sample of a head that lies obliquely, with a source of randomness."""
    head = phantoms.head((12, 14, 16), spacing=(2.0, 1.0, 1.5), rng=np.random.default_rng(1))
    place = Geometry(
        shape=(12, 14, 16), spacing=(2.0, 1.0, 1.5), origin=(4.0, -5.0, 6.0), direction=tuple(map(tuple, ROTATION))
    )
    images = np.stack([head.t1, head.t2], axis=-1)
    images.flags.writeable = False
    return {
        "images": images,
        "labels": head.labels[..., None],
        "geometry": place,
        "subject": "A",
        "rng": np.random.default_rng(seed),
    }
