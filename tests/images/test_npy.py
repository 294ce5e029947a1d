"""NumPy's own files: read without running anything, on a grid of spacing 1."""

import numpy as np
import pytest

from mia_functional import images
from mia_functional.geometry import Geometry


@pytest.mark.parametrize("dtype", ["bool", "uint8", ">i2", "float16", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numpy_files_come_back(tmp_path, dtype, order):
    array = np.asarray(np.arange(24).reshape(2, 3, 4) % 5, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    again, geometry = images.read(tmp_path / "x.npy")
    np.testing.assert_array_equal(again, array)
    assert again.dtype == array.dtype
    assert geometry == Geometry(shape=(2, 3, 4), spacing=(1.0, 1.0, 1.0))
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4, 2)))
    assert images.read(tmp_path / "x.npy")[1].shape == (2, 3, 4)


def test_hostile_numpy_files_are_refused(tmp_path):
    np.save(tmp_path / "good.npy", np.zeros((4, 4, 4), np.int16))
    good = (tmp_path / "good.npy").read_bytes()
    np.save(tmp_path / "object.npy", np.array([{}, "x"], dtype=object), allow_pickle=True)
    np.save(tmp_path / "record.npy", np.zeros(3, dtype=[("a", "f4")]))
    np.save(tmp_path / "axes.npy", np.zeros((1,) * 33))
    wrong = {
        "empty": b"", "magic": b"x" + good[1:], "cut": good[:-1], "long": good + b"\0", "header": good[:30],
        "huge": good.replace(b"(4, 4, 4)", b"(4444444,)"), "version": good[:6] + b"\7" + good[7:],
        "unclosed": good.replace(b"(4, 4, 4)", b"(4, 4, 4 "),
        "code": good.replace(b"False, 'shape'", b"exit(), 'shape'"),
    }  # fmt: skip
    for name, raw in wrong.items():
        (tmp_path / f"{name}.npy").write_bytes(raw)
    for name in (*wrong, "object", "record", "axes"):
        with pytest.raises(ValueError, match=f"{name}.npy: "):
            images.read(tmp_path / f"{name}.npy")
    with pytest.raises(ValueError, match="`max_bytes` is 100"):
        images.read(tmp_path / "good.npy", max_bytes=100)
