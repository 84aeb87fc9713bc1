"""Communicators: what sums, spreads and collects arrays over processes.

A program that was started without a launcher is one process, and its communicator has one member. Every call then does
what it does among several, so that a script for many GPUs also runs alone.
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .. import parameter
from .._nd_array import NdArray
from ..context import Context
from ..errors import ArgumentError, CommunicationError, ShapeError
from ..graph.hooks import CommunicatorBackwardCallback
from ..graph.variable import Variable
from . import transport
from .agreement import check_agreement, is_wanted
from .launchers import ALONE, Place, place_in
from .overlap import OverlappedSum
from .packing import Piece, pieces, travelling_type

WORLD = "world"

# Types that `bcast` tells the other processes by their number here.
_TYPES = (
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool),
    *(torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
    *(torch.complex64, torch.complex128, torch.float8_e4m3fn, torch.float8_e5m2),
)
# How many names of arrays an error lists.
_NAMED = 4


class Communicator:
    """The processes of a program; made by `MultiProcessCommunicator`.

    All processes of a group make the same calls, in the same order, with arrays of the same shapes and types. Processes
    that are no members of a group do nothing in its calls. Arrays may be views, empty, or without values, which count
    as zeros. Sums of half precision are made in single precision where CPUs exchange them.

    Every call can raise CommunicationError: a process has ended, or has not made the call within ``collective_timeout``
    of the configuration. Nothing can be exchanged after that.

    Args:
        name: what `name` says.
        context: that the arrays are computed in.
        place: of this process.

    Example:
        >>> import nnabla as nn
        >>> import nnabla.communicators as C
        >>> comm = C.MultiProcessCommunicator(nn.get_current_context())
        >>> comm.init()
        >>> comm.rank, comm.size
        (0, 1)
        >>> gradient = nn.NdArray.from_numpy_array([2.0, 4.0])
        >>> comm.all_reduce([gradient], division=True)
        >>> gradient.data
        array([2., 4.])
    """

    def __init__(self, name: str = "Communicator", context: Context | None = None, place: Place = ALONE) -> None:
        self._name = name
        self._context = Context() if context is None else context
        self._place = place
        self._groups = {WORLD: transport.Group(range(place.size), None)}
        self._is_connected = place.size == 1
        self._parameters: list[Mapping[str, Variable]] = []

    @property
    def name(self) -> str:
        """Which communicator it is."""
        return self._name

    @property
    def size(self) -> int:
        """Number of processes."""
        return self._place.size

    @property
    def rank(self) -> int:
        """Number of this process among all, from 0."""
        return self._place.rank

    @property
    def local_rank(self) -> int:
        """Number of this process among those of its machine, from 0: which GPU it takes."""
        return self._place.local_rank

    def init(self) -> None:
        """Connect the processes; to be called before anything else, in all of them.

        Raises:
            ExtensionError: they cannot be connected.
        """
        if not self._is_connected:
            self._groups[WORLD] = transport.connect(self._place, self._context.device.type == "cuda")
            self._is_connected = True

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        group = self._active("barrier", WORLD)
        if group is not None:
            transport.finish(transport.start_barrier(group), lambda: "barrier")

    def abort(self) -> None:
        """End this process, and with it the others: they fail in the next call that waits for it."""
        sys.exit(1)

    # ---- groups ------------------------------------------------------------------------------------------

    def new_group(self, name_ranks: tuple[str, Sequence[int]]) -> str:
        """Make a group of processes. All processes make it, also those that are no members.

        Args:
            name_ranks: a name, and the ranks of the members, each once.

        Returns:
            The name.

        Raises:
            ArgumentError: there is a group of that name, or a rank is none.
        """
        name, given = name_ranks
        ranks = [operator.index(rank) for rank in given]
        if name in self._groups:
            raise ArgumentError(f"new_group: there is a group {name!r} already")
        if not ranks or any(rank not in range(self.size) for rank in ranks) or len(set(ranks)) < len(ranks):
            raise ArgumentError(f"new_group: ranks must be below {self.size}, and each given once, not {ranks}")
        self._require_connection("new_group")
        self._groups[name] = transport.Group(ranks, None) if self.size == 1 else transport.new_group(ranks)
        return name

    def list_groups(self) -> dict[str, list[int]]:
        """The ranks of each group by its name."""
        return {name: list(group.ranks) for name, group in self._groups.items()}

    def find_group(self, group: str) -> list[int]:
        """The ranks of a group; none if there is no such group."""
        return list(self._groups[group].ranks) if group in self._groups else []

    # ---- arrays ------------------------------------------------------------------------------------------

    def all_reduce(
        self,
        data: NdArray | Sequence[NdArray],
        division: bool = False,
        inplace: bool = False,
        group: str = WORLD,
    ) -> None:
        """Let each array be the sum over the processes, in all of them.

        Args:
            data: one or several arrays; they are written to.
            division: divide by the number of processes; of integers, the fraction is cut off.
            inplace: send the arrays one by one, in their own memory where they are in one piece. Otherwise they are put
                together.
            group: which processes take part.
        """
        self._sum("all_reduce", data, group, transport.start_sum, division, inplace)

    def reduce(
        self,
        data: NdArray | Sequence[NdArray],
        dst: int,
        division: bool = False,
        inplace: bool = False,
        group: str = WORLD,
    ) -> None:
        """As `all_reduce`, but only process `dst` has the sum. The arrays of the others stay as they are."""
        self._check("reduce", data, group, dst=dst)
        start = lambda flat, members: transport.start_sum_in(flat, dst, members)  # noqa: E731
        self._sum("reduce", data, group, start, division, inplace, only=dst)

    def bcast(self, data: NdArray | Sequence[NdArray], src: int, inplace: bool = False, group: str = WORLD) -> None:
        """Let each array be what it is in process `src`: its values, and their type.

        Args:
            data: one or several arrays, of the same shapes in all processes.
            src: process.
            inplace: accepted for compatibility.
            group: which processes take part.

        Raises:
            ShapeError: an array has another number of elements than that of `src`.
        """
        arrays = self._check("bcast", data, group, src=src)
        members = self._active("bcast", group)
        if members is None or not arrays:
            return
        is_source = self.rank == src
        tensors = self._tensors(arrays)
        self._agree("bcast", [], members)
        told = torch.tensor([[_TYPES.index(t.dtype), t.numel()] for t in tensors], dtype=torch.int64).view(-1, 2)
        what = partial(self._described, "bcast", arrays)
        transport.finish(transport.start_spreading(told, src, members), what)
        # Those that do not fit take part all the same: the others would wait.
        for array, tensor, (number, size) in zip(arrays, tensors, told.tolist(), strict=True):
            if not size:
                continue
            if not is_source:
                tensor = torch.empty(size, dtype=_TYPES[number], device=tensor.device)
            values = tensor.contiguous()
            transport.finish(transport.start_spreading(values, src, members), what)
            if not is_source and size == array.size:
                _give(array, values.view(array.shape))
        for array, (_, size) in zip(arrays, told.tolist(), strict=True):
            if size != array.size:
                raise ShapeError(
                    f"bcast: process {self.rank} has an array of shape {array.shape}, "
                    f"process {src} one of {size} elements"
                )

    def all_gather(self, ndarray: NdArray, ndarray_list: Sequence[NdArray], group: str = WORLD) -> None:
        """Copy `ndarray` of each process to its place in `ndarray_list` of all.

        Args:
            ndarray: of the same shape and type in all processes.
            ndarray_list: as many arrays of that shape as the group has members.
            group: which processes take part.

        Raises:
            ShapeError: the number of arrays is another, or their shapes.
        """
        self._check("all_gather", [ndarray, *ndarray_list], group)
        self._check_list("all_gather", ndarray_list, ndarray, group)
        members = self._active("all_gather", group)
        mine = self._tensors([ndarray])[0].contiguous()
        if members is None:
            if self.rank in self._groups[group].ranks:
                _give(ndarray_list[0], mine.clone())
            return
        self._agree("all_gather", [mine], members)
        everyones = [torch.empty_like(mine) for _ in ndarray_list]
        if mine.numel():
            what = partial(self._described, "all_gather", [ndarray])
            transport.finish(transport.start_collecting(mine, everyones, members), what)
        for array, values in zip(ndarray_list, everyones, strict=True):
            _give(array, values)

    def reduce_scatter(
        self, ndarray_list: Sequence[NdArray], ndarray: NdArray, division: bool = False, group: str = WORLD
    ) -> None:
        """Let `ndarray` of each process be the sum over the processes of what stands at its place in their lists.

        Args:
            ndarray_list: as many arrays as the group has members.
            ndarray: is written to; it has their shape, and gets the type of the first of them.
            division: divide by the number of processes; of integers, the fraction is cut off.
            group: which processes take part.

        Raises:
            ShapeError: the number of arrays is another, or their shapes.
        """
        self._check("reduce_scatter", [*ndarray_list, ndarray], group)
        self._check_list("reduce_scatter", ndarray_list, ndarray, group)
        members = self._active("reduce_scatter", group)
        tensors = self._tensors(ndarray_list)
        if members is None:
            if self.rank in self._groups[group].ranks:
                _give(ndarray, tensors[0].clone(memory_format=torch.contiguous_format))
            return
        self._agree("reduce_scatter", tensors, members)
        kept = tensors[0].dtype
        dtype = travelling_type(kept, tensors[0].is_cuda, division)
        parts = [Piece([(a, t.to(kept))], dtype).flat for a, t in zip(ndarray_list, tensors, strict=True)]
        result = NdArray.from_torch(torch.empty(parts[0].shape, dtype=dtype, device=parts[0].device))
        summed = Piece([(result, result._realize())], dtype)
        if parts[0].numel():
            what = partial(self._described, "reduce_scatter", [ndarray])
            transport.finish(transport.start_scattered_sum(parts, summed.flat, members), what)
            summed.take(len(members.ranks) if division else 1)
        values = summed.flat.view(torch.uint64) if kept is torch.uint64 else summed.flat.to(kept)
        _give(ndarray, values.view(ndarray.shape))

    def all_reduce_callback(
        self,
        data: NdArray | Sequence[NdArray],
        pack_size: int,
        division: bool = False,
        group: str = WORLD,
        scale_grad: float = 1,
        keep_dtype: bool = False,
    ) -> CommunicatorBackwardCallback:
        """What `Variable.backward` takes as `communicator_callbacks`, to sum gradients while others are computed.

        The sums are there when backward returns.

        Args:
            data: gradients of parameters.
            pack_size: number of elements that are sent together; the last ones may be fewer.
            division: divide by the number of processes.
            group: which processes take part.
            scale_grad: multiply by this number, too.
            keep_dtype: accepted for compatibility; gradients always keep their type.

        Raises:
            ArgumentError: `pack_size` is not positive.
        """
        arrays = self._check("all_reduce_callback", data, group)
        if operator.index(pack_size) < 1:
            raise ArgumentError(f"all_reduce_callback: pack_size must be at least 1, not {pack_size}")
        members = self._active("all_reduce_callback", group)
        if members is None:
            return _Scaling(arrays, float(scale_grad))
        self._agree("all_reduce_callback", [], members)
        read = lambda array: self._tensors([array])[0]  # noqa: E731
        return OverlappedSum(arrays, pack_size, members, division, float(scale_grad), read, named)

    # ---- parameters --------------------------------------------------------------------------------------

    def add_context_and_parameters(self, ctx_param_dict: tuple[Context, Mapping[str, Variable]]) -> None:
        """Have `allreduce` sum the gradients of these parameters.

        Args:
            ctx_param_dict: the context that they are computed in, and the parameters by name.
        """
        context, parameters = ctx_param_dict
        if not isinstance(context, Context) or not all(isinstance(v, Variable) for v in parameters.values()):
            raise TypeError("add_context_and_parameters: takes a pair of a Context and a dict of Variables")
        self._parameters.append(parameters)

    def clear_context_parameters(self) -> None:
        """Forget the parameters that were added."""
        self._parameters.clear()

    def allreduce(self, division: bool = False, inplace: bool = False) -> None:
        """`all_reduce` of the gradients of all parameters that were added."""
        self.all_reduce([v.grad for parameters in self._parameters for v in parameters.values()], division, inplace)

    # ---- for functions -----------------------------------------------------------------------------------

    def sum_tensor(self, values: Tensor, group: str = WORLD) -> Tensor:
        """The sum of a tensor over the processes, in all of them: for functions that compute with all their batches.

        Args:
            values: is written to if it is in one piece.
            group: which processes take part.
        """
        members = self._active("sum_tensor", group)
        values = values.contiguous()
        if members is not None:
            transport.finish(transport.start_sum(values, members), lambda: "a sum over processes within a function")
        return values

    def gather_bytes(self, data: bytes) -> list[bytes]:
        """What each process has given, in all of them, by rank."""
        members = self._active("gather_bytes", WORLD)
        if members is None:
            return [data]
        lengths = torch.zeros(self.size, dtype=torch.int64)
        lengths[self.rank] = len(data)
        transport.finish(transport.start_sum(lengths, members), lambda: "gather_bytes")
        mine = torch.zeros(max(1, int(lengths.max())), dtype=torch.uint8)
        if data:
            mine[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        everyones = [torch.empty_like(mine) for _ in range(self.size)]
        transport.finish(transport.start_collecting(mine, everyones, members), lambda: "gather_bytes")
        return [e[:n].numpy().tobytes() for e, n in zip(everyones, lengths.tolist(), strict=True)]

    # ---- what calls share --------------------------------------------------------------------------------

    def _sum(
        self,
        function: str,
        data: Any,
        group: str,
        start: Callable[[Tensor, transport.Group], transport.Work],
        division: bool,
        inplace: bool,
        only: int | None = None,
    ) -> None:
        """Sum arrays; `only` one process has the sums, and the others keep what they have."""
        arrays = self._check(function, data, group)
        members = self._active(function, group)
        if members is None:
            return
        takes = only is None or only == self.rank
        pairs = list(zip(arrays, self._tensors(arrays), strict=True))
        self._agree(function, [tensor for _, tensor in pairs], members)
        started = [(p, start(p.flat, members)) for p in pieces(pairs, division, inplace, apart=not takes)]
        for piece, work in started:
            transport.finish(work, partial(self._described, function, piece.arrays))
            if takes:
                piece.take(len(members.ranks) if division else 1)

    def _active(self, function: str, group: str) -> transport.Group | None:
        """A group, if this process has something to exchange with others in it."""
        self._require_connection(function)
        members = self._groups[group]
        return members if members.is_active else None

    def _require_connection(self, function: str) -> None:
        if not self._is_connected:
            raise CommunicationError(f"{function}: the {self.size} processes are not connected; call init() first")

    def _tensors(self, arrays: Iterable[NdArray]) -> list[Tensor]:
        """The arrays' own tensors, on the device of the context."""
        device = self._context.device
        tensors = []
        for array in arrays:
            tensor = array._as_is(device)
            if 0 in tensor.stride():
                # Several elements may be one in memory.
                tensor = tensor.clone(memory_format=torch.contiguous_format)
                array._set(tensor)
            tensors.append(tensor)
        return tensors

    def _agree(self, function: str, tensors: Sequence[Tensor], members: transport.Group) -> None:
        if is_wanted():
            check_agreement(function, tensors, members, self.rank)

    def _described(self, function: str, arrays: Sequence[NdArray]) -> str:
        return f"{function} of {named(arrays)}"

    def _check(self, function: str, data: Any, group: str, **ranks: int) -> list[NdArray]:
        """The arrays of a call."""
        arrays = [data] if isinstance(data, NdArray) else list(data) if isinstance(data, Iterable) else [data]
        for array in arrays:
            if not isinstance(array, NdArray):
                raise TypeError(f"{function}: data must be NdArrays, not {type(array).__name__}")
        if group not in self._groups:
            raise ArgumentError(f"{function}: there is no group {group!r}, only {list(self._groups)}")
        for name, rank in ranks.items():
            if rank not in self._groups[group].ranks:
                raise ArgumentError(f"{function}: {name} must be one of {self._groups[group].ranks}, not {rank}")
        return arrays

    def _check_list(self, function: str, arrays: Sequence[NdArray], one: NdArray, group: str) -> None:
        count = len(self._groups[group].ranks)
        if len(arrays) != count:
            raise ShapeError(f"{function}: ndarray_list must have {count} entries, one each, not {len(arrays)}")
        for array in arrays:
            if array.shape != one.shape:
                raise ShapeError(f"{function}: ndarray_list must have arrays of shape {one.shape}, not {array.shape}")


class _Scaling(CommunicatorBackwardCallback):
    """All that is left to do for gradients of which there is one."""

    may_write = False

    def __init__(self, data: list[NdArray], scale: float) -> None:
        self._data = data
        self._scale = scale

    def on_finish_backward(self) -> None:
        if self._scale != 1:
            for array in self._data:
                operator.imul(array, self._scale)


def _give(array: NdArray, values: Tensor) -> None:
    """Write values of the array's shape, which nothing else holds, to it."""
    tensor = array._tensor
    if tensor is not None and tensor.dtype is values.dtype and tensor.device == values.device:
        tensor.copy_(values)
    else:
        array._set(values)


def named(arrays: Sequence[NdArray]) -> str:
    """What arrays are, by the parameters that they belong to."""
    names = {}
    for name, variable in parameter.get_parameters(grad_only=False).items():
        names[id(variable._buffers.data)] = repr(name)
        if variable._buffers._grad is not None:
            names[id(variable._buffers._grad)] = f"the gradient of {name!r}"
    found = [names.get(id(array), f"an array of shape {array.shape}") for array in arrays[:_NAMED]]
    more = len(arrays) - len(found)
    return ", ".join(found) + (f" and {more} more" if more else "")


def _made(name: str, ctx: Context, place: Place) -> Communicator:
    if not isinstance(ctx, Context):
        raise TypeError(f"{name}: ctx must be a nnabla.Context, not {type(ctx).__name__}")
    return Communicator(name, ctx, place)


def MultiProcessDataParallelCommunicator(ctx: Context) -> Communicator:
    """The communicator of all processes that the program was started with.

    Args:
        ctx: the context that the arrays are computed in.

    Raises:
        ExtensionError: the launcher's variables are not what they should be.
    """
    return _made("MultiProcessDataParallelCommunicator", ctx, place_in(os.environ))


def DataParallelCommunicator(ctx: Context) -> Communicator:
    """The communicator of one process; see `MultiProcessDataParallelCommunicator`."""
    return _made("DataParallelCommunicator", ctx, ALONE)
