"""Arrays between libraries: what is moved, what is shared, and what libraries would silently change."""

import array_api_strict
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mia_functional import _array


def test_numpy_joins_another_library_and_two_others_do_not_meet():
    xp, (first, second) = _array.to_common_library("f", a=np.arange(3), b=jnp.ones(3))
    assert xp is jnp
    assert _array.is_jax(first)
    assert _array.is_jax(second)
    with pytest.raises(TypeError, match=r"f: all arrays must belong to one array library; got a: .*torch.*, b: jax"):
        _array.to_common_library("f", a=torch.ones(3), b=jnp.ones(3), c=np.ones(3))
    with pytest.raises(TypeError, match=r"f: all arrays must lie on one device; got a: cpu, b: meta"):
        _array.to_common_library("f", a=torch.ones(3), b=torch.ones(3, device="meta"))
    with pytest.raises(TypeError, match=r"f: `b` must be an array; got list"):
        _array.to_common_library("f", a=np.ones(3), b=[1.0])


@pytest.mark.parametrize("model", [torch.ones(1), jnp.ones(1)])
def test_numpy_arrays_of_any_layout_are_moved(model):
    xp = _array.array_namespace(model)
    read_only = np.arange(6)
    read_only.flags.writeable = False
    for array in (np.arange(6)[::-2], np.arange(6).astype(">i4"), np.arange(6).reshape(2, 3).T, read_only):
        np.testing.assert_array_equal(_array.to_numpy(_array.from_numpy(array, xp, model)), array)


def test_tensors_do_not_share_memory_with_numpy():
    array = np.arange(3)
    tensor = _array.from_numpy(array, _array.array_namespace(torch.ones(1)), torch.ones(1))
    array[0] = 9
    assert tensor[0] == 0


def test_integers_that_jax_would_cut_are_an_error():
    with pytest.raises(OverflowError, match="holds integers from -2147483648 to 2147483647 here; remap the labels"):
        _array.from_numpy(np.array([2**40]), jnp, jnp.ones(1))


def test_bfloat16_of_torch_is_float32_in_numpy():
    assert _array.to_numpy(torch.asarray([1.5]).bfloat16()).dtype == np.float32
    with pytest.raises(
        TypeError,
        match=r"values of a tensor are needed here, which it does not have within torch.func.vmap or torch.compile",
    ):
        torch.func.vmap(_array.to_numpy)(torch.ones(2))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # PyTorch's own, of its forward mode
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "int64", "float16", "bfloat16", "float64"])
def test_levels_of_derivatives_leave_other_tensors_their_values(dtype):
    outside = torch.tensor([[0, 1], [1, 0]]).to(getattr(torch, dtype))
    found = []

    def look(tensor, other):
        found.extend(map(_array.to_numpy, (outside, other, outside[:0])))
        return tensor.sum()

    torch.func.grad(look)(torch.ones(2), outside)
    torch.func.jvp(lambda tensor: look(tensor, outside), (torch.ones(2),), (torch.ones(2),))
    assert {array.dtype.name for array in found} == {"float32" if dtype == "bfloat16" else dtype}
    assert [array.tolist() for array in found] == [[[0, 1], [1, 0]], [[0, 1], [1, 0]], []] * 2
    assert found[2].shape == (0, 2)


def test_kinds_of_elements():
    kinds = {
        "bool": "bool",
        "uint8": "integer",
        "float16": "float",
        ">f8": "float",
        "complex64": "complex",
        "S3": "other",
    }
    for dtype, kind in kinds.items():
        assert _array.dtype_kind(np.zeros(1, dtype)) == kind


def test_sums_are_held_in_single_precision_unless_the_array_is_double():
    for dtype, expected in ((np.float16, np.float32), (np.int64, np.float32), (">f8", np.float64)):
        assert _array.accumulator_dtype(np.zeros(1, dtype)) == expected
    assert _array.accumulator_dtype(jnp.zeros(1)) == jnp.float32


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", ">f4", "bool", "complex64"])
@pytest.mark.parametrize(
    "model", [jnp.ones(1), torch.ones(1), array_api_strict.ones(1)], ids=["jax", "torch", "strict"]
)
def test_what_was_given_is_what_is_used_though_the_buffer_is_filled_again(model, dtype):
    xp = _array.array_namespace(model)
    for shape in ((), (3,), (0, 4), (5, 64, 64)):
        buffer = np.ones(shape, dtype)
        moved = _array.from_numpy(buffer, xp, model)
        buffer[...] = 0
        assert moved.shape == shape
        host = np.asarray(moved)
        assert host.all()
        assert not np.shares_memory(host, buffer)


def test_a_reused_buffer_never_overtakes_the_transfer_to_jax():
    """Without the copy 40 of these 50 arrays had the value of the next round (JAX 0.10 on the CPU)."""
    buffer = np.empty((40, 64, 64, 2), np.float32)
    found = []
    for number in range(50):
        buffer[:] = number
        found.append(_array.from_numpy(buffer, jnp, jnp.ones(1)))
    buffer[:] = -1
    assert [(float(array.min()), float(array.max())) for array in found] == [(k, k) for k in range(50)]


def test_a_snapshot_lies_where_xla_takes_it_over():
    for dtype in ("uint8", "float32", "complex64"):
        for shape in ((70_001,), (301, 500)):  # smaller arrays are not worth it
            own = _array.snapshot(np.ones(shape, dtype).T, jnp)
            assert own.ctypes.data % 64 == 0
            assert own.flags.c_contiguous
            assert jax.device_put(own).unsafe_buffer_pointer() == own.ctypes.data
    with pytest.raises(TypeError, match="object"):
        _array.from_numpy(np.array([None]), jnp, jnp.ones(1))
