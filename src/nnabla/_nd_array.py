"""`NdArray`: one tensor, lazily zeroed or filled, seen as NumPy without a copy."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch

from ._private_torch import version_of
from ._transfers import copy_into, moved
from ._write_counts import count_writes
from .context import Context, current
from .dtypes import NUMPY_FROM_TORCH, TORCH_FROM_NUMPY, torch_dtype, whole_numbers
from .errors import ArgumentError, GraphError, ShapeError
from .logger import logger

_HOST = torch.device("cpu")

# Whether the values of an array were freed: not at all, by its user, or by a clear option of forward or backward.
KEPT, CLEARED, FREED = 0, 1, 2


# Who must know what becomes of an array, as bits: a plan that computes gradients from what another one left here, which
# looks at `moves`; a layer that keeps a value made of this one, which goes by torch's count of writes; and nobody can,
# as others write to the memory whenever they want.
MOVES, FOLDED, SHARED = 1, 2, 4


class _Count:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


moves = _Count()
"""How often followed arrays were given other memory, or a value to be filled with, by anybody but a plan."""

# Whether a warning about reading a cleared array was given.
_told = False

# A fill value is kept as float64, which is exact for integers up to this.
_LARGEST_EXACT_FILL = 2**53


def scalar(value: Any) -> Any:
    """The number in a NumPy scalar or an array of one element; anything else as it is."""
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value


def integer(value: Any) -> int:
    """`value` as a whole number. A fraction is cut off, as NNabla does: scripts divide sizes with ``/``.

    Raises:
        TypeError, ValueError: it is no real number, or not one.
        OverflowError: it has more than 64 bits.
    """
    value = scalar(value)
    number = int(value) if isinstance(value, float) else operator.index(value)
    # The size that kernels and model files have for it.
    if not -(1 << 63) <= number < 1 << 63:
        raise OverflowError
    return number


def integers(values: Any) -> tuple[int, ...]:
    """One number or several, as `integer` has them."""
    if type(values) is int:
        return (values,)
    if type(values) is not tuple and type(values) is not list and not isinstance(values, Iterable):
        values = (values,)
    return tuple([v if type(v) is int else integer(v) for v in values])


def checked_shape(shape: Iterable[int] | int, what: str) -> tuple[int, ...]:
    """`shape` as a tuple of non-negative integers."""
    try:
        dims = integers(shape)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{what}: shape must be a sequence of integers, not {shape!r}") from None
    if any(d < 0 for d in dims):
        raise ShapeError(f"{what}: shape must not have negative dimensions, got {dims}")
    return dims


def size_from_axis(shape: tuple[int, ...], axis: int) -> int:
    """Number of elements over the dimensions from `axis` on; all of them where `axis` is negative."""
    if axis > len(shape):
        raise ShapeError(f"size_from_axis: axis must be at most {len(shape)}, the number of dimensions, not {axis}")
    return math.prod(shape[max(axis, 0) :])


class NdArray:
    """Array of numbers that lives where the computation does.

    Holds no memory until it is first written or read; `zero` and `fill` are remembered and carried out when
    values are needed. Arithmetic (``+ - * / ** @``), comparisons, indexing and every function of
    `nnabla.functions` called with an NdArray compute at once and return an NdArray.

    Args:
        shape: lengths of the axes; default ``()``, a scalar.

    Example:
        >>> a = NdArray((2, 3))
        >>> a.fill(2)
        >>> a.data
        array([[2., 2., 2.],
               [2., 2., 2.]], dtype=float32)
    """

    # _tensor: the memory, or None; then _fill is the value that all elements have, or None for no value yet. It is a
    # float where it comes from `fill`, and the integer 0 where it comes from `zero`.
    # _dtype: torch type that a filled or new array will get. _view: the last NumPy view that was made, and the
    # tensor that it belongs to. _cleared: who gave up the values, where there are none; see below. _adopted: whether a
    # variable that no function made was given this array, so that clear options leave it alone. _followed: who must
    # know what becomes of it, see above.
    __slots__ = ("__weakref__", "_adopted", "_cleared", "_dtype", "_fill", "_followed", "_shape", "_tensor", "_view")

    _show: ClassVar[Callable[..., NdArray]]
    """`ArrayView`, which derives from this class and is set where it is defined."""

    _tensor: torch.Tensor | None
    _fill: float | int | None

    def __init__(self, shape: Iterable[int] | int = ()) -> None:
        self._shape = shape if type(shape) is torch.Size else checked_shape(shape, "NdArray")
        self._tensor = None
        self._fill = None
        self._dtype: torch.dtype | None = None
        self._cleared = KEPT
        self._adopted = False
        self._followed = 0
        self._view: tuple[torch.Tensor, np.ndarray] | None = None

    @staticmethod
    def _new(shape: tuple[int, ...], tensor: torch.Tensor | None = None) -> NdArray:
        """An array of a shape that is known to be right."""
        array = NdArray.__new__(NdArray)
        array._shape = shape
        array._tensor = tensor
        array._fill = None
        array._dtype = None
        array._cleared = KEPT
        array._adopted = False
        array._followed = 0
        array._view = None
        return array

    @staticmethod
    def from_numpy_array(nparr: np.ndarray) -> NdArray:
        """A new array with the values and the type of a NumPy array, which is copied."""
        source = np.asarray(nparr)
        array = NdArray._new(source.shape)
        array.data = source
        return array

    @staticmethod
    def from_torch(tensor: torch.Tensor) -> NdArray:
        """An array on the memory of a torch tensor (shared, not copied; detached from autograd)."""
        array = NdArray._new(tuple(tensor.shape), tensor.detach())
        array._followed = SHARED
        return array

    # ---- shape -------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(self._shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self._shape)

    @property
    def strides(self) -> list[int]:
        """Distance of neighbours along each axis, in elements, of the C-contiguous layout."""
        return [math.prod(self._shape[i + 1 :]) for i in range(len(self._shape))]

    def size_from_axis(self, axis: int = -1) -> int:
        """Number of elements over the axes from `axis` on; of all axes where `axis` is negative.

        Example:
            >>> a = NdArray((10, 9))
            >>> a.size_from_axis(), a.size_from_axis(0), a.size_from_axis(1), a.size_from_axis(2)
            (90, 90, 9, 1)
        """
        return size_from_axis(self._shape, axis)

    def __len__(self) -> int:
        if not self._shape:
            raise TypeError("len() of a 0-d NdArray")
        return self._shape[0]

    def __bool__(self) -> bool:
        # As in NNabla an array is an object, not a truth value: `if x:` asks whether there is one.
        return True

    # ---- memory ------------------------------------------------------------------------------------------

    def _realize(self) -> torch.Tensor:
        """The tensor, made now if it is only promised. Elements without a value are 0."""
        tensor = self._tensor
        if tensor is None:
            if self._cleared and self._fill is None:
                self._tell_cleared()
            dtype = self._dtype or torch.float32
            tensor = torch.full(self._shape, self._fill or 0, dtype=dtype)
            self._fill = None
            self._tensor = tensor
        return tensor

    def _has_values(self) -> bool:
        """Whether anything was written to it, or it was filled."""
        return self._tensor is not None or self._fill is not None

    def _as(self, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """The values as a tensor of `dtype` on `device`; the array's own tensor where it is that already.

        An array without memory is made in `dtype`. One that lives on another device moves there for good.
        """
        if self._tensor is None:
            if self._cleared and self._fill is None:
                self._tell_cleared()
            if self._dtype is None:
                self._dtype = dtype
            self._tensor = torch.full(self._shape, self._fill or 0, dtype=self._dtype, device=device)
            self._fill = None
        elif self._tensor.device != device:
            self._tensor = moved(self._tensor, device)
        if self._tensor.dtype is dtype:
            return self._tensor
        return whole_numbers(self._tensor) if dtype is torch.int64 else self._tensor.to(dtype)

    def _tell_cleared(self) -> None:
        """Say that there are no values to be read any more."""
        global _told
        if self._cleared == FREED:
            raise GraphError(
                "this array has no values any more: a clear option (clear_buffer or clear_no_need_grad of forward, "
                "clear_buffer of backward) freed them. To keep them, set persistent=True on the variable; to write new "
                "ones, assign to .d (or .g, .data)"
            )
        if not _told:
            _told = True
            logger.warning("An array is read whose values clear() has freed: it holds zeros now.")

    def _as_is(self, device: torch.device) -> torch.Tensor:
        """The values as a tensor of the type that they have."""
        dtype = self._dtype if self._tensor is None else self._tensor.dtype
        return self._as(dtype or torch.float32, device)

    def _whole_type(self) -> torch.dtype | None:
        """The type of the values if they are integers."""
        dtype = self._dtype if self._tensor is None else self._tensor.dtype
        return None if dtype is None or dtype.is_floating_point or dtype is torch.bool else dtype

    def _own(self, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Like `_as`, but the array itself is converted, so that writing to the tensor writes to the array."""
        tensor = self._as(dtype, device)
        if tensor is not self._tensor:
            self._set(tensor)
        return tensor

    def _set(self, tensor: torch.Tensor) -> None:
        """Take `tensor`, of this array's shape, as the memory."""
        self._tensor = tensor
        self._fill = None
        if self._followed:
            moves.value += 1

    def _share(self) -> None:
        """Note that others may write to the memory whenever they want."""
        if self._followed & FOLDED:
            count_writes((self._tensor,))
        self._followed |= SHARED

    def _adopt(self, values: np.ndarray) -> None:
        """Take an array of this shape as the memory, which nobody else may use; it is copied where that cannot be."""
        if values.flags.writeable and values.flags.c_contiguous and values.dtype.isnative:
            self._set(torch.from_numpy(values))
        else:
            self.data = values

    def _resize(self, shape: tuple[int, ...]) -> None:
        """Change the shape; values are kept where their number stays the same."""
        if self._tensor is not None:
            if math.prod(shape) == math.prod(self._shape):
                self._tensor = self._tensor.reshape(shape)
            else:
                self._drop()
        self._shape = shape

    def _drop(self) -> None:
        """Give up the memory and the values, as if there had never been any. The type stays."""
        tensor = self._tensor
        if tensor is not None:
            self._dtype = tensor.dtype
            self._tensor = None
        self._fill = None

    def get_data(self, mode: str = "rw", dtype: np.typing.DTypeLike | None = None) -> np.ndarray:
        """The values as a NumPy array on the array's own memory.

        Args:
            mode: ``"r"`` to read (the result is read-only), ``"w"`` to write (values may be lost if `dtype`
                changes the type), ``"rw"`` for both.
            dtype: convert the array to this type first.

        Raises:
            ArgumentError: `mode` is another string.
        """
        if mode not in ("r", "w", "rw"):
            raise ArgumentError(f"get_data: mode must be 'r', 'w' or 'rw', not {mode!r}")
        wanted = None if dtype is None else torch_dtype(dtype)
        if self._tensor is None:
            if wanted is not None:
                self._dtype = wanted
            if mode == "w" and self._fill is None:
                self._fill = 0
        tensor = self._realize()
        if wanted is None and tensor.dtype is torch.bfloat16:
            wanted = torch.float32
        if wanted is not None and tensor.dtype is not wanted:
            tensor = tensor.to(wanted)
            self._set(tensor)
        if tensor.device.type != "cpu":
            tensor = moved(tensor, _HOST)
            self._set(tensor)
        tensor = self._contiguous()
        if mode == "r":
            view = tensor.numpy()
            view.flags.writeable = False
            return view
        if self._followed & FOLDED:
            count_writes((tensor,))
        return self._numpy(tensor)

    def _numpy(self, tensor: torch.Tensor) -> np.ndarray:
        """The NumPy view of the array's tensor, made once."""
        if self._view is None or self._view[0] is not tensor:
            self._view = (tensor, tensor.numpy())
        return self._view[1]

    @property
    def data(self) -> np.ndarray:
        """The values as a NumPy array on the same memory: writing to it writes to the NdArray.

        Setting a scalar fills the array and keeps its type. Setting anything else copies it, broadcast to the
        array's shape (axes of length 1 in front may be too many), and takes on its type.
        """
        return self.get_data()

    @data.setter
    def data(self, value: Any) -> None:
        if type(value) is np.ndarray:
            # The usual case, a batch like the last one: no memory is taken, no type is looked up.
            if self._view is not None and self._view[0] is self._tensor and not self._followed & FOLDED:
                view = self._view[1]
                if view.dtype is value.dtype and view.shape == value.shape:
                    view[...] = value
                    return
            dtype = TORCH_FROM_NUMPY.get(value.dtype)
            if self._tensor is None and dtype is not None and value.shape == self._shape:
                memory = torch.empty(self._shape, dtype=dtype)
                self._numpy(memory)[...] = value
                self._set(memory)
                return
        elif isinstance(value, (int, float, np.integer, np.floating, np.bool_)):
            if isinstance(value, (float, np.floating)) or abs(int(value)) <= _LARGEST_EXACT_FILL:
                self.fill(value.item() if isinstance(value, np.generic) else value)
                return
        elif isinstance(value, NdArray):
            value = value._realize()
        if isinstance(value, torch.Tensor):
            source = value.detach()
        else:
            array = np.asarray(value)
            torch_dtype(array.dtype)
            array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)).reshape(array.shape)
            # torch warns of memory that must not be written to, though here it is only read.
            source = torch.as_tensor(array if array.flags.writeable else array.copy())
        if source.shape != self._shape:
            # As in NumPy, axes of length 1 in front may be too many.
            extra = source.ndim - len(self._shape)
            if extra > 0 and source.shape[:extra].numel() == 1:
                source = source.reshape(source.shape[extra:])
            try:
                source = source.expand(self._shape)
            except RuntimeError:
                raise ShapeError(
                    f"NdArray.data: cannot broadcast a value of shape {tuple(source.shape)} to shape {self.shape}"
                ) from None
        tensor = self._tensor
        if tensor is not None and tensor.dtype is source.dtype and tensor.is_contiguous():
            copy_into(tensor, source)
        else:
            tensor = source.clone(memory_format=torch.contiguous_format)
            self._set(tensor)
        if tensor.is_cpu and tensor.dtype is not torch.bfloat16:
            self._numpy(tensor)

    def zero(self) -> None:
        """Set all elements to 0, when they are next needed."""
        self._promise(0)

    def fill(self, value: float) -> None:
        """Set all elements to `value`, when they are next needed.

        Raises:
            TypeError: `value` is not a real number.
            ArgumentError: the array holds integers, and `value` is infinite or NaN.
        """
        try:
            number = float(scalar(value))
        except (TypeError, ValueError):
            number = None
        if number is None or isinstance(value, (str, bytes)):
            raise TypeError(f"NdArray.fill: value must be a number, not {value!r}")
        if not math.isfinite(number) and self._whole_type() is not None:
            raise ArgumentError(f"NdArray.fill: an array of {self.dtype} cannot hold {number}")
        self._promise(number)

    def _promise(self, value: float) -> None:
        """Set all elements to `value`, and keep the type."""
        tensor = self._tensor
        if tensor is not None:
            self._dtype = tensor.dtype
            self._tensor = None
        self._fill = value
        if self._followed:
            moves.value += 1

    @property
    def zeroing(self) -> bool:
        """Whether `zero` was called, and nothing has asked for the values since."""
        return self._tensor is None and type(self._fill) is int

    def clear(self) -> None:
        """Give up the memory and the values. The type stays. Reading the array all the same gives zeros."""
        self._drop()
        self._cleared = CLEARED

    @property
    def clear_called(self) -> bool:
        """Whether the array was cleared and not written since."""
        return self._cleared != KEPT and self._tensor is None and self._fill is None

    @property
    def modification_count(self) -> int:
        """How often the values were set since their memory was taken: 0 without values, 1 after the first time."""
        if self._tensor is None:
            return int(self._fill is not None)
        return 1 + version_of(self._tensor)

    @property
    def dtype(self) -> np.dtype:
        """NumPy type of the elements; float32 for an array that has no values yet."""
        dtype = self._dtype if self._tensor is None else self._tensor.dtype
        return NUMPY_FROM_TORCH[dtype or torch.float32]

    def cast(self, dtype: np.typing.DTypeLike, ctx: Context | None = None) -> np.ndarray | None:
        """Convert the array itself to another type.

        Args:
            dtype: NumPy type.
            ctx: where the values shall be; ``None`` for NumPy.

        Returns:
            The values as a NumPy array, or ``None`` where `ctx` is given.
        """
        if ctx is None:
            return self.get_data("rw", dtype)
        self._own(torch_dtype(dtype), ctx.device)
        return None

    def data_ptr(self, dtype: np.typing.DTypeLike, ctx: Context | None = None, write_only: bool = False) -> int:
        """Address of the memory, converted to `dtype` and brought to the device of `ctx` (default: the current).

        The address is valid until the array is next written by something else.
        """
        self._share()
        self._own(torch_dtype(dtype), (ctx or current.context).device)
        return self._contiguous().data_ptr()

    def copy_from(self, arr: NdArray, use_current_context: bool = True) -> NdArray:
        """Copy the values of `arr`, which has the same shape.

        Args:
            arr: the source.
            use_current_context: take type and device from the current context; else from `arr`.

        Returns:
            This array.
        """
        if not isinstance(arr, NdArray):
            raise TypeError(f"NdArray.copy_from: arr must be an NdArray, not {type(arr).__name__}")
        if arr._shape != self._shape:
            raise ShapeError(f"NdArray.copy_from: shape of arr must be {self.shape}, not {arr.shape}")
        source = arr._realize()
        dtype, device = source.dtype, source.device
        if use_current_context:
            dtype, device = current.context.dtype, current.context.device
        tensor = self._tensor
        if tensor is not None and tensor.dtype is dtype and tensor.device == device:
            tensor.copy_(source)
        else:
            self._set(source.to(device=device, dtype=dtype, memory_format=torch.contiguous_format, copy=True))
        return self

    # ---- views and masked writes -------------------------------------------------------------------------

    def _contiguous(self) -> torch.Tensor:
        tensor = self._realize()
        if not tensor.is_contiguous():
            # Not counted in `moves`: type and values stay, and plans do this, too.
            tensor = self._tensor = tensor.contiguous()
        return tensor

    def view(self, shape: Iterable[int]) -> NdArray:
        """An array of another shape on the same memory; one dimension may be -1."""
        try:
            # The shape without its -1, before there is memory.
            dims = tuple(torch.empty(self._shape, device="meta").view(tuple(shape)).shape)
        except RuntimeError:
            raise ShapeError(f"NdArray.view: cannot view shape {self.shape} as {tuple(shape)}") from None
        return self._show(self, dims)

    def narrow(self, dim: int, start: int, length: int) -> NdArray:
        """The part from `start` to ``start + length`` along the first axis, on the same memory.

        Args:
            dim: 0, the only axis along which a part lies in one piece.
            start: at least 0.
            length: of the part.

        Raises:
            ShapeError: there is no such part.
        """
        dim, start, length = integer(dim), integer(start), integer(length)
        if dim != 0 or not self._shape:
            raise ShapeError(f"NdArray.narrow: dim must be 0, not {dim}, and the array have an axis")
        if start < 0 or length < 0 or start + length > self._shape[0]:
            raise ShapeError(
                f"NdArray.narrow: start {start} and length {length} leave axis 0 of length {self._shape[0]}"
            )
        dims = (length, *self._shape[1:])
        return self._show(self, dims, lambda tensor, dims: tensor.narrow(0, start, length), whole=False)

    def masked_fill(self, mask: NdArray | np.ndarray, value: float) -> NdArray:
        """Set the elements where `mask` (broadcast to this shape) is not 0 to `value`; returns this array."""
        selected = torch.as_tensor(np.asarray(mask)) != 0
        tensor = self._realize()
        try:
            tensor.masked_fill_(selected.to(tensor.device), value)
        except RuntimeError:
            raise ShapeError(
                f"NdArray.masked_fill: cannot broadcast a mask of shape {tuple(selected.shape)} to {self.shape}"
            ) from None
        return self

    def bool_fill(self, mask: NdArray | np.ndarray, value: float) -> NdArray:
        """The same as `masked_fill`."""
        return self.masked_fill(mask, value)

    # ---- other libraries ---------------------------------------------------------------------------------

    def to_torch(self) -> torch.Tensor:
        """The memory as a torch tensor (shared, not copied)."""
        self._share()
        return self._contiguous()

    def __array__(self, dtype: np.typing.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        view = self.data
        if dtype is not None and view.dtype != dtype:
            return view.astype(dtype)
        return view.copy() if copy else view

    def __dlpack__(self, **kw: Any) -> Any:
        self._share()
        return self._contiguous().__dlpack__(**kw)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._realize().__dlpack_device__()

    # ---- copies ------------------------------------------------------------------------------------------

    def __copy__(self) -> NdArray:
        """An array with the same values in memory of its own."""
        tensor = self._tensor
        twin = NdArray._new(self._shape, None if tensor is None else tensor.clone())
        twin._fill, twin._dtype, twin._cleared = self._fill, self._dtype, self._cleared
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> NdArray:
        memo[id(self)] = twin = self.__copy__()
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("an NdArray cannot be pickled; use the NumPy array that `data` is")

    # ---- identity and display ----------------------------------------------------------------------------

    # Two arrays are equal if they are the same one; element-wise comparison is F.equal.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self) >> 4

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))  # type: ignore[index]

    def __repr__(self) -> str:
        return f"<NdArray({self.shape}) at {id(self):#x}>"

    def _repr_html_(self) -> str:
        """Representation in a notebook: type, shape and the values, shortened."""
        from html import escape

        if self.clear_called:
            return f"<code>NdArray {self.shape} {self.dtype}, freed</code>"
        values = np.array2string(self.get_data("r"), threshold=100, precision=4)
        return f"<code>NdArray {self.shape} {self.dtype}</code><pre>{escape(values)}</pre>"
