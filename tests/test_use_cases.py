"""Every use case of the paper's table 1: the lines of the table in `docs/tour.md` run, and give the volume back."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mia_functional import assembly, extraction, indexing

PAGE = (Path(__file__).parents[1] / "docs" / "tour.md").read_text(encoding="utf-8")
_, TABLE, _ = re.split("<!-- /?use cases -->\n", PAGE)
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines()[2:]]
NAMES = {**vars(indexing), **vars(extraction), **vars(assembly)}
NETWORKS = {
    "2-D: slices with their neighbours": lambda sample: sample[1],
    "3-D patches, padded, output smaller than input": lambda sample: sample[4:-4, 4:-4, 4:-4],
}
"""Networks without weights: they return their input, or its middle."""


LIBRARIES = {"numpy": np, "jax": pytest.param(jnp, marks=pytest.mark.slow), "torch": torch}


@pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_of_the_table_runs_and_gives_the_volume_back(row, library):
    case, indices, sample, volume = row
    shape = (12, 17) if "2-D image" in case else (12, 17, 10)
    image = np.random.default_rng(0).normal(size=(*shape, 2)).astype(np.float32)
    network = NETWORKS.get(case, lambda sample: sample)
    names = {**NAMES, "image": library.asarray(image), "shape": shape}
    names["indices"] = eval(indices.strip("`"), names)
    samples = [eval(sample.strip("`"), {**names, "index": index}) for index in names["indices"]]
    assert len(samples) == len(names["indices"])
    predictions = [network(sample) for sample in samples]
    found = eval(volume.strip("`"), {**names, "predictions": predictions})
    assert type(found) is type(names["image"])
    np.testing.assert_array_equal(found, image)


def test_planes_may_be_assembled_one_by_one_and_merged():
    image = np.random.default_rng(0).normal(size=(5, 6, 7, 2))
    shape = image.shape[:3]
    volumes = []
    for axis in range(3):
        indices = indexing.slices(shape, axis=axis)
        predictions = [image[index] + axis for index in indices]
        volumes.append(assembly.assemble(predictions, indices, shape))
    np.testing.assert_allclose(assembly.merge_planes(volumes), image + 1)
    indices = indexing.slices(shape, axis=(0, 1, 2))
    offsets = np.repeat([0, 1, 2], shape)
    predictions = [image[index] + offset for index, offset in zip(indices, offsets, strict=True)]
    np.testing.assert_allclose(assembly.assemble(predictions, indices, shape), image + 1)
