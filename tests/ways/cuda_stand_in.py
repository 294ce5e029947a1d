"""A stand-in for tensors on CUDA, over those on the CPU, which counts what moves to the host.

Within `Cuda()`, tensors that are made with `device="cuda"` say that they lie there, as does all that is computed from
them. As on CUDA, NumPy refuses to read them, and a tensor of the CPU beside one of them is an error, unless it is a
single number or an index. `bool`, `int`, `float`, `item`, `tolist` and `cpu` wait for the GPU; so does what has a shape
that depends on values.
"""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

DEVICE = torch.device("cuda", 0)

moved: list[int] = []
"""How many values each move to the host took; tests clear it."""

_LOOKS = ("item", "tolist", "__bool__", "__int__", "__float__", "__index__")
_COUNTING = (torch.nonzero, torch.unique, torch.masked_select, torch.Tensor.nonzero, torch.Tensor.unique)
_TAKES_INDICES = (torch.Tensor.__getitem__, torch.Tensor.__setitem__)


class OnCuda(torch.Tensor):
    """A tensor that says that it lies on the GPU."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Return the device of all of them."""
        return DEVICE

    def numpy(self, *_: Any, **__: Any) -> Any:
        """Refuse, as tensors on CUDA do."""
        message = "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory"
        raise TypeError(f"{message} first.")

    __array__ = numpy

    def cpu(self) -> torch.Tensor:  # type: ignore[override]
        """Return a copy on the host."""
        moved.append(self.numel())
        return self.as_subclass(torch.Tensor).clone()


class Cuda(TorchFunctionMode):
    """Within this context CUDA is there."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of PyTorch; results are on CUDA if an argument is, or if they were asked for there."""
        del types
        options = dict(kwargs or {})
        flat = torch.utils._pytree.tree_leaves((args, options))
        tensors = [leaf for leaf in flat if isinstance(leaf, torch.Tensor)]
        on_cuda = any(isinstance(tensor, OnCuda) for tensor in tensors)
        asked = options.get("device")
        if asked is not None:
            on_cuda = torch.device(asked).type == "cuda"
            options["device"] = "cpu"
        elif on_cuda and function not in _TAKES_INDICES:
            others = [tensor for tensor in tensors if not isinstance(tensor, OnCuda) and tensor.ndim]
            if others:
                raise RuntimeError("Expected all tensors to be on the same device, but found at least two devices.")
        if on_cuda and (function in _COUNTING or getattr(function, "__name__", "") in _LOOKS):
            moved.append(1)
        result = function(*args, **options)
        place = OnCuda if on_cuda else torch.Tensor
        return torch.utils._pytree.tree_map_only(torch.Tensor, lambda leaf: leaf.as_subclass(place), result)
