"""Batches on the device of JAX."""

import subprocess
import sys

import numpy as np
import pytest

from mia_functional import dataset
from mia_functional.adapters import flax


def test_batches_come_to_the_device_in_order_and_compile(samples):
    import jax

    total = jax.jit(lambda batch: batch["images"].sum())
    batches = dataset.prefetch(samples, batch_size=4)
    found = [float(total(batch)) for batch in flax.to_device(batches, ahead=2)]
    expected = [sum(float(samples[0, k + i]["images"].sum()) for i in range(4)) for k in range(0, 16, 4)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert list(flax.to_device([], ahead=1)) == []


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_a_reader_may_fill_its_array_again(ahead):
    buffer = {"x": np.zeros((4, 64, 64), np.float32), "y": np.zeros(3, np.int16)}

    def reader():
        for number in range(20):
            for array in buffer.values():
                array[...] = number
            yield buffer

    found = list(flax.to_device(reader(), ahead=ahead))
    for name, array in buffer.items():
        array[...] = -1
        assert [set(np.asarray(batch[name]).ravel().tolist()) for batch in found] == [{k} for k in range(20)]
        assert not np.shares_memory(np.asarray(found[-1][name]), array)


def test_arrays_of_two_shapes_are_tuples():
    import jax

    batch = dataset.collate([{"subject": "A", "x": np.ones((4, 2))}, {"subject": "B", "x": np.full((3, 2), 2.0)}])
    assert set(flax.arrays(batch)) == {"x"}
    (sent,) = flax.to_device([batch])
    assert [float(total) for total in jax.jit(lambda x: [one.sum() for one in x])(sent["x"])] == [8, 12]
    assert list(sent) == ["x"]


def test_integers_that_jax_would_cut_are_an_error():
    with pytest.raises(OverflowError, match="holds integers from -2147483648 to 2147483647"):
        list(flax.to_device([{"x": np.array([2**31])}]))


@pytest.mark.slow
def test_programs_with_records_are_written_and_read_in_other_processes(tmp_path):
    pytest.importorskip("flatbuffers", reason="JAX writes programs with it")
    import jax

    import mia_functional as mia

    mask = np.zeros((5, 4, 4), bool)
    mask[1:4, 1:3, 1:3] = True
    spacing = (1.0, 1.0, 1.0)

    def records(mask):
        placement = mia.assembly.Placement(np.zeros(3, int), tuple(np.ones((2, size)) for size in mask.shape))
        return (
            mia.metrics.confusion_counts(mask, mask),
            mia.metrics.confusion_matrix(mask, mask, labels=(0, 1)),
            mia.metrics.surface_distances(mask, mask, spacing=spacing),
            mia.metrics.paired_moments(mask * 1.0, mask * 1.0),
            mia.metrics.paired_spatial_moments(mask, mask, spacing=spacing),
            mia.metrics.surfels(mask, spacing=spacing),
            mia.transforms.random_affine(jax.random.key(0), spatial_shape=mask.shape, rotation=5, spacing=spacing),
            placement,
        )

    flax.register_records()
    flax.register_records()
    (tmp_path / "records").write_bytes(jax.export.export(jax.jit(records))(mask).serialize())
    taking = jax.export.export(jax.jit(mia.metrics.dice))(mia.metrics.confusion_counts(jax.numpy.asarray(mask), mask))
    (tmp_path / "dice").write_bytes(taking.serialize())
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
import jax, numpy as np, mia_functional as mia
from pathlib import Path
mia.adapters.flax.register_records()
read = lambda name: jax.export.deserialize(bytearray(Path({str(tmp_path)!r}, name).read_bytes())).call
mask = np.zeros((5, 4, 4), bool)
mask[1:4, 1:3, 1:3] = True
found = read("records")(mask)
print(*(type(record).__name__ for record in found), float(read("dice")(found[0])), *map(int, found[0]))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True).stdout
    kinds = (
        "ConfusionCounts ConfusionMatrix SurfaceDistances PairedMoments PairedSpatialMoments Elements Affine Placement"
    )
    assert found == f"{kinds} 1.0 12 0 0 68\n"
