"""A stand-in for CuPy over NumPy, for machines without a GPU: it refuses what CuPy refuses, and counts what it moves.

What it does was read in the sources of CuPy 13.6 and 14.2, and what it has is there in both, or in 14.2 alone
(`SINCE_14`). Unlike CuPy it computes on the host, and counts positions beyond the end of an array as errors, where CuPy
wraps them around without a word.

- An array never becomes NumPy's by itself: `numpy.asarray` raises, and so does arithmetic with arrays of NumPy. They
  are taken as indices, and with those as values, for which CuPy copies them to the GPU; a slice cannot be set to one.
- Results are arrays of no axes, not scalars. `bool`, `int`, `float`, `item`, `tolist` and `get` wait for the GPU and
  move values to the host; what asks how many entries of a mask are true waits for one number. There is no `__index__`.
- Everything is computed and made on the current device; arrays of others are an error (CuPy reads them with a warning
  where devices can read each other). Views stay where they are.
"""

import operator
from collections.abc import Callable, Iterator
from types import ModuleType, TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEVICES = 2

SINCE_14 = (
    "acos acosh asin asinh astype atan atan2 atanh bitwise_invert bitwise_left_shift bitwise_right_shift bool concat "
    "cumulative_prod cumulative_sum isdtype permute_dims pow unique_all unique_counts unique_inverse unique_values"
)
"""Names that CuPy 13 does not have."""

_DTYPES = "?bhilqBHILQefdFD"
"""Characters of all dtypes of numbers; there is neither bfloat16 nor any other of ml_dtypes."""

_FUNCTIONS = (
    "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or bitwise_xor ceil "
    "copysign cos cosh divide equal exp expm1 floor floor_divide greater greater_equal hypot invert isfinite isinf "
    "isnan left_shift less less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor "
    "maximum minimum multiply negative nextafter not_equal positive power reciprocal remainder right_shift sign "
    "signbit sin sinh sqrt square subtract tan tanh true_divide trunc "
    "all any argmax argmin argsort clip copy count_nonzero cumprod cumsum diff einsum expand_dims flip full_like isin "
    "matmul max mean meshgrid min moveaxis ones_like outer pad prod ravel repeat roll round searchsorted sort std sum "
    "swapaxes take take_along_axis tensordot tile trace tril triu var vdot zeros_like empty_like "
    "arange empty eye full linspace ones zeros"
)
_VIEWS = "broadcast_to reshape squeeze transpose"
_COUNTING = "argwhere nonzero unique unique_all unique_counts unique_inverse unique_values"
"""What has a shape that depends on values: CuPy waits for one number."""

_METHODS = (
    "all any argmax argmin argsort clip copy cumsum max mean min nonzero prod ravel repeat round squeeze std sum "
    "swapaxes take var"
)
_CONSTANTS = (
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128 intp "
    "integer signedinteger unsignedinteger floating complexfloating inexact number generic dtype finfo iinfo "
    "issubdtype promote_types broadcast_shapes newaxis inf nan pi e"
)
"""What CuPy takes from NumPy."""

moved: list[int] = []
"""How many values each move to the host took; tests clear it."""


class _Current:
    """The number of the current device."""

    number = 0


class Device:
    """A device: a context in which it is the current one."""

    def __init__(self, device: Any = None) -> None:
        """Make a device of a number or another device; the current one of None."""
        self.id = _Current.number if device is None else int(device)
        self._before: list[int] = []

    def __enter__(self) -> "Device":
        """Make this the current device."""
        self._before.append(_Current.number)
        _Current.number = self.id
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Go back to the device before."""
        _Current.number = self._before.pop()

    def __int__(self) -> int:
        """Return the number."""
        return self.id

    def __eq__(self, other: object) -> bool:
        """Compare by numbers."""
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        """Hash the number."""
        return hash(self.id)

    def __repr__(self) -> str:
        """Return CuPy's text."""
        return f"<CUDA Device {self.id}>"


class ndarray:  # noqa: N801  # the name that array_api_compat looks for
    """An array on a device; `host` is for this module and for tests that look at the values of an input."""

    __slots__ = ("device", "host")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 100

    def __init__(self, host: NDArray[Any], device: int) -> None:
        """Wrap an array of NumPy."""
        self.host, self.device = host, Device(device)

    shape = property(lambda self: self.host.shape)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    dtype = property(lambda self: self.host.dtype)
    nbytes = property(lambda self: self.host.nbytes)
    itemsize = property(lambda self: self.host.itemsize)
    strides = property(lambda self: self.host.strides)
    T = property(lambda self: _view(self, self.host.T))

    def get(self) -> NDArray[Any]:
        """Return a copy on the host."""
        moved.append(self.size)
        return self.host.copy()

    def __array__(self, dtype: Any = None) -> NDArray[Any]:
        """Refuse to become an array of NumPy."""
        message = "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array"
        raise TypeError(f"{message} explicitly.")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Do what NumPy's function of the same name does, but with arrays of this library alone."""
        known = all(isinstance(entry, (ndarray, np.ndarray, np.generic, int, float, complex)) for entry in inputs)
        if method != "__call__" or not known or not hasattr(_CUPY, ufunc.__name__):
            return NotImplemented
        if "out" in options:
            (options["out"],) = options["out"]
        if ufunc.__name__ in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
            inputs = tuple(x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs)
        return getattr(_CUPY, ufunc.__name__)(*inputs, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        """Do what NumPy's function of the same name does."""
        own = getattr(_CUPY, function.__name__, None)
        return NotImplemented if own is None else own(*args, **options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the code of CUDA, and the number."""
        return (2, self.device.id)

    def __dlpack__(self, **options: Any) -> Any:
        """Refuse: nothing here could read the memory of a GPU."""
        raise BufferError("unsupported device requested.")

    def __bool__(self) -> bool:
        """Wait for the value."""
        if self.size == 0:
            raise DeprecationWarning("The truth value of an empty array is ambiguous.")
        if self.size > 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous.")
        return bool(self.get())

    def __int__(self) -> int:
        """Wait for the value."""
        return int(self.get())

    def __float__(self) -> float:
        """Wait for the value."""
        return float(self.get())

    def item(self) -> Any:
        """Wait for the value."""
        return self.get().item()

    def tolist(self) -> Any:
        """Wait for the values."""
        return self.get().tolist()

    def __len__(self) -> int:
        """Return the size of the first axis."""
        return len(self.host)

    def __iter__(self) -> Iterator["ndarray"]:
        """Yield views along the first axis."""
        return (self[row] for row in range(len(self)))

    def __getitem__(self, index: Any) -> "ndarray":
        """Return a view, or a copy of chosen entries."""
        own, chosen = _index(index)
        found = np.asarray(self.host[own])
        return _kernel(lambda _: found.copy())(self) if chosen else _view(self, found)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write a value: of NumPy only scalars, but where indices are arrays."""
        own, chosen = _index(index)
        if isinstance(value, np.ndarray) and value.ndim and not chosen:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self.host[own] = value if isinstance(value, np.ndarray) else _host(value)
        _host(self)

    def __repr__(self) -> str:
        """Return the values, which is no part of a function's work."""
        return repr(self.host)

    def astype(self, dtype: Any, *, copy: bool = True) -> "ndarray":
        """Return the array in another dtype."""
        if not copy and self.dtype == dtype:
            return self
        return _kernel(lambda host: host.astype(_checked(np.dtype(dtype))))(self)

    def view(self, dtype: Any = None) -> "ndarray":
        """Return the same memory, perhaps in another dtype."""
        return _view(self, self.host.view() if dtype is None else self.host.view(_checked(np.dtype(dtype))))

    def fill(self, value: Any) -> None:
        """Set all entries."""
        self[...] = value


def _index(index: Any) -> tuple[Any, bool]:
    """Return an index with arrays of NumPy, and whether there is an array in it, which makes a copy of the result."""
    entries = index if isinstance(index, tuple) else (index,)
    own, chosen = [], False
    for entry in entries:
        array = isinstance(entry, (ndarray, np.ndarray, list))
        chosen |= array
        if isinstance(entry, ndarray) and entry.dtype == np.bool_:
            moved.append(1)
        if isinstance(entry, slice) and ndarray in map(type, (entry.start, entry.stop, entry.step)):
            raise TypeError("slice indices must be integers or None or have an __index__ method")
        own.append(_host(entry) if isinstance(entry, ndarray) else entry)
    return tuple(own), chosen


def _checked(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype in the machine's byte order; raise if there is none like it on a GPU."""
    if dtype.char not in _DTYPES:
        raise ValueError(f"Unsupported dtype {dtype}")
    return dtype.newbyteorder("=")


def _host(value: Any) -> Any:
    """Return what NumPy computes with: arrays that lie on the current device, and scalars."""
    if isinstance(value, ndarray):
        if value.device.id != _Current.number:
            where = f"The device where the array resides ({value.device.id}) is different from the current device"
            raise ValueError(f"{where} ({_Current.number}). Peer access is unavailable between these devices.")
        return value.host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, (list, tuple)):
        return type(value)(map(_host, value))
    return value


def _view(array: ndarray, host: NDArray[Any]) -> ndarray:
    """Return a view, which lies where the array does."""
    return ndarray(host, array.device.id)


def _wrapped(result: Any) -> Any:
    """Return results as arrays on the current device."""
    if isinstance(result, (np.ndarray, np.generic)):
        _checked(result.dtype)
        return ndarray(np.asarray(result), _Current.number)
    if isinstance(result, tuple):
        return tuple(map(_wrapped, result))
    return result


def _kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of NumPy as one of arrays on the current device."""

    def launch(*args: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        if isinstance(out, np.ndarray):
            raise TypeError("Output arguments must be cupy.ndarray")
        own = {name: _host(value) for name, value in options.items()}
        # CuPy computes in IEEE arithmetic, and warns of nothing.
        with np.errstate(all="ignore"):
            result = function(*map(_host, args), **own, **({} if out is None else {"out": _host(out)}))
        return _wrapped(result) if out is None else out

    launch.__name__ = getattr(function, "__name__", "kernel")
    return launch


def _viewing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of NumPy that changes the shape of an array, and leaves it where it is."""
    return lambda array, *args, **options: _view(array, function(array.host, *args, **options))


def _counting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of NumPy whose result has a shape that depends on values."""

    def launch(*args: Any, **options: Any) -> Any:
        moved.append(1)
        return _kernel(function)(*args, **options)

    return launch


def _where(condition: Any, *choices: Any) -> Any:
    """Return chosen entries, or where a condition holds, which is an array."""
    if not isinstance(condition, ndarray):
        raise TypeError(f"Unsupported type {type(condition)}")
    if not choices:
        moved.append(1)
    return _kernel(np.where)(condition, *choices)


def _joining(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of NumPy that joins arrays."""

    def launch(arrays: Any, *args: Any, **options: Any) -> Any:
        if not all(isinstance(array, ndarray) for array in arrays):
            raise TypeError("Only cupy arrays can be concatenated")
        return _kernel(function)(list(arrays), *args, **options)

    return launch


def array(obj: Any, dtype: Any = None, *, copy: bool | None = True) -> ndarray:
    """Return an array on the current device."""
    if isinstance(obj, ndarray):
        if obj.device.id != _Current.number:
            return ndarray(np.array(obj.host, dtype), _Current.number)
        return obj.astype(obj.dtype if dtype is None else dtype, copy=bool(copy))
    if isinstance(obj, (list, tuple)) and any(isinstance(entry, ndarray) for entry in obj):
        return _kernel(np.array)(obj, dtype=dtype)  # type: ignore[no-any-return]
    host = np.array(obj, dtype)
    return ndarray(host.astype(_checked(host.dtype)), _Current.number)


def asarray(obj: Any, dtype: Any = None) -> ndarray:
    """Return an array on the current device, without a copy if it is one."""
    return array(obj, dtype, copy=None)


def asnumpy(obj: Any) -> NDArray[Any]:
    """Return an array on the host."""
    return obj.get() if isinstance(obj, ndarray) else np.asarray(obj)


def _result_type(*arrays: Any) -> Any:
    """Return the dtype of a result."""
    return np.result_type(*(entry.dtype if isinstance(entry, ndarray) else entry for entry in arrays))


def _can_cast(source: Any, target: Any, casting: str = "safe") -> bool:
    """Return whether a dtype can be cast."""
    return np.can_cast(getattr(source, "dtype", source), target, casting=casting)  # type: ignore[arg-type]


def distance_transform_edt(image: ndarray, sampling: Any = None) -> ndarray:
    """Return distances to the nearest zero, of two or three axes; where there is none, what SciPy makes of that."""
    if image.ndim not in (2, 3):
        raise NotImplementedError("Only 2D and 3D distance transforms are supported.")
    from scipy import ndimage

    transformed.append(image.shape)
    result: ndarray = _kernel(ndimage.distance_transform_edt)(image, sampling=sampling)
    return result


transformed: list[tuple[int, ...]] = []
"""The shapes whose distances were computed by CuPy's own transform; tests clear it."""


def _add_methods() -> None:
    """Give arrays the operators and methods that are functions of the library too."""
    binary = "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul eq ne lt le gt ge"
    functions = {"sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide"}
    functions |= {"mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}
    functions |= {"lshift": "left_shift", "rshift": "right_shift", "eq": "equal", "ne": "not_equal", "lt": "less"}
    functions |= {"le": "less_equal", "gt": "greater", "ge": "greater_equal"}
    for name in binary.split():
        ufunc = getattr(np, functions.get(name, name))
        # By NumPy's function, as CuPy does it: it comes back by `__array_ufunc__`.
        setattr(ndarray, f"__{name}__", lambda self, other, ufunc=ufunc: ufunc(self, other))
        if name not in ("matmul", "eq", "ne", "lt", "le", "gt", "ge"):
            setattr(ndarray, f"__r{name}__", lambda self, other, ufunc=ufunc: ufunc(other, self))
            setattr(ndarray, f"__i{name}__", lambda self, other, ufunc=ufunc: ufunc(self, other, out=(self,)))
    for name, function in {"neg": operator.neg, "invert": operator.invert, "abs": operator.abs}.items():
        setattr(ndarray, f"__{name}__", _kernel(function))
    for name in _METHODS.split():
        setattr(ndarray, name, getattr(_CUPY, name))
    for name, method in {"reshape": np.ndarray.reshape, "transpose": np.ndarray.transpose}.items():
        setattr(ndarray, name, lambda self, *args, method=method, **own: _view(self, method(self.host, *args, **own)))


def _module(name: str, **members: Any) -> ModuleType:
    """Return a module with some members."""
    module = ModuleType(name)
    module.__dict__.update(members)
    return module


def _library(version: str) -> ModuleType:
    """Return the module `cupy` of a version."""
    cupy = _module("cupy", ndarray=ndarray, array=array, asarray=asarray, asnumpy=asnumpy, where=_where)
    members: dict[str, Any] = {name: getattr(np, name) for name in _CONSTANTS.split()}
    members |= {name: _kernel(getattr(np, name)) for name in _FUNCTIONS.split()}
    members |= {name: _viewing(getattr(np, name)) for name in _VIEWS.split()}
    members |= {name: _counting(getattr(np, name)) for name in _COUNTING.split()}
    members |= {name: _joining(getattr(np, name)) for name in ("concatenate", "stack")}
    members |= {"result_type": _result_type, "can_cast": _can_cast}
    members |= {"broadcast_arrays": lambda *arrays: list(map(_view, arrays, np.broadcast_arrays(*map(_host, arrays))))}
    members |= {"isdtype": np.isdtype, "bool": np.bool_}
    members |= {"concat": members["concatenate"], "permute_dims": members["transpose"], "pow": members["power"]}
    members |= {"astype": lambda array, dtype, *, copy=True: array.astype(dtype, copy=copy)}
    absent = () if version >= "14" else SINCE_14.split()
    cupy.__dict__.update({name: member for name, member in members.items() if name not in absent})
    return cupy


def modules(version: str = "14.2.0") -> dict[str, ModuleType]:
    """Return the modules of CuPy of a version, by their names, to be put in `sys.modules`."""
    cupy = _library(version) if version < "14" else _CUPY
    device = _module("cupy.cuda.device", Device=Device)
    cupy.cuda = _module("cupy.cuda", Device=Device, device=device)  # type: ignore[attr-defined]
    cupy.linalg = _module("cupy.linalg", lstsq=_kernel(np.linalg.lstsq))  # type: ignore[attr-defined]
    cupy.fft = _module("cupy.fft")  # type: ignore[attr-defined]
    ndimage = _module("cupyx.scipy.ndimage", distance_transform_edt=distance_transform_edt)
    scipy = _module("cupyx.scipy", ndimage=ndimage)
    own = [cupy, cupy.cuda, device, cupy.linalg, cupy.fft, _module("cupyx", scipy=scipy), scipy, ndimage]
    return {module.__name__: module for module in own}


_CUPY = _library("14.2.0")
_add_methods()
