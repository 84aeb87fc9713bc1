"""Communicators: what sums, spreads and collects arrays over processes.

A program that was started without a launcher is one process, and its communicator has one member. Every call then does
what it does among several, so that a script for many GPUs also runs alone.
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._nd_array import NdArray
from ..context import Context
from ..errors import ArgumentError, ExtensionError, ShapeError
from ..graph.hooks import CommunicatorBackwardCallback
from ..graph.variable import Variable

# What torchrun, Open MPI and MPICH tell a process about how many there are.
SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")

WORLD = "world"


class Communicator:
    """The processes of a program, here one; made by `MultiProcessCommunicator`.

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

    def __init__(self, name: str = "Communicator") -> None:
        self._name = name
        self._groups: dict[str, list[int]] = {WORLD: [0]}
        self._parameters: list[Mapping[str, Variable]] = []

    @property
    def name(self) -> str:
        """Which communicator it is."""
        return self._name

    @property
    def size(self) -> int:
        """Number of processes."""
        return 1

    @property
    def rank(self) -> int:
        """Number of this process among all, from 0."""
        return 0

    @property
    def local_rank(self) -> int:
        """Number of this process among those of its machine, from 0: which GPU it takes."""
        return 0

    def init(self) -> None:
        """Connect the processes; to be called before anything else."""

    def barrier(self) -> None:
        """Wait until all processes have come here."""

    def abort(self) -> None:
        """End all processes."""
        sys.exit(1)

    # ---- groups ------------------------------------------------------------------------------------------

    def new_group(self, name_ranks: tuple[str, Sequence[int]]) -> str:
        """Make a group of processes.

        Args:
            name_ranks: a name, and the ranks of the members.

        Returns:
            The name.

        Raises:
            ArgumentError: there is a group of that name, or a rank is none.
        """
        name, ranks = name_ranks
        if name in self._groups:
            raise ArgumentError(f"new_group: there is a group {name!r} already")
        if not ranks or any(rank not in range(self.size) for rank in ranks):
            raise ArgumentError(f"new_group: ranks must be below {self.size}, not {list(ranks)}")
        self._groups[name] = list(ranks)
        return name

    def list_groups(self) -> dict[str, list[int]]:
        """The ranks of each group by its name."""
        return {name: list(ranks) for name, ranks in self._groups.items()}

    def find_group(self, group: str) -> list[int]:
        """The ranks of a group; none if there is no such group."""
        return list(self._groups.get(group, []))

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
            division: divide by the number of processes.
            inplace: send the arrays one by one, without a buffer for all.
            group: which processes take part.
        """
        self._check("all_reduce", data, group)

    def reduce(
        self,
        data: NdArray | Sequence[NdArray],
        dst: int,
        division: bool = False,
        inplace: bool = False,
        group: str = WORLD,
    ) -> None:
        """As `all_reduce`, but only process `dst` has the sum."""
        self._check("reduce", data, group, dst=dst)

    def bcast(self, data: NdArray | Sequence[NdArray], src: int, inplace: bool = False, group: str = WORLD) -> None:
        """Let each array be what it is in process `src`."""
        self._check("bcast", data, group, src=src)

    def all_gather(self, ndarray: NdArray, ndarray_list: Sequence[NdArray], group: str = WORLD) -> None:
        """Copy `ndarray` of each process to its place in `ndarray_list` of all."""
        self._check("all_gather", [ndarray, *ndarray_list], group)
        self._check_count("all_gather", ndarray_list, group)
        ndarray_list[0].copy_from(ndarray, use_current_context=False)

    def reduce_scatter(
        self, ndarray_list: Sequence[NdArray], ndarray: NdArray, division: bool = False, group: str = WORLD
    ) -> None:
        """Let `ndarray` of each process be the sum over the processes of what stands at its place in their lists."""
        self._check("reduce_scatter", [*ndarray_list, ndarray], group)
        self._check_count("reduce_scatter", ndarray_list, group)
        ndarray.copy_from(ndarray_list[0], use_current_context=False)

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

        Args:
            data: gradients of parameters.
            pack_size: bytes that are sent together.
            division: divide by the number of processes.
            group: which processes take part.
            scale_grad: multiply by this number, too.
            keep_dtype: keep the type of each array.
        """
        return _Scaling(self._check("all_reduce_callback", data, group), float(scale_grad))

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

    # ---- checks ------------------------------------------------------------------------------------------

    def _check(self, function: str, data: Any, group: str, **ranks: int) -> list[NdArray]:
        """The arrays of a call."""
        arrays = [data] if isinstance(data, NdArray) else list(data) if isinstance(data, Iterable) else [data]
        for array in arrays:
            if not isinstance(array, NdArray):
                raise TypeError(f"{function}: data must be NdArrays, not {type(array).__name__}")
        if group not in self._groups:
            raise ArgumentError(f"{function}: there is no group {group!r}, only {list(self._groups)}")
        for name, rank in ranks.items():
            if rank not in self._groups[group]:
                raise ArgumentError(f"{function}: {name} must be one of {self._groups[group]}, not {rank}")
        return arrays

    def _check_count(self, function: str, arrays: Sequence[NdArray], group: str) -> None:
        count = len(self._groups[group])
        if len(arrays) != count:
            raise ShapeError(f"{function}: ndarray_list must have {count} entries, one each, not {len(arrays)}")


class _Scaling(CommunicatorBackwardCallback):
    """All that is left to do for gradients of which there is one."""

    def __init__(self, data: list[NdArray], scale: float) -> None:
        self._data = data
        self._scale = scale

    def on_finish_backward(self) -> None:
        if self._scale != 1:
            for array in self._data:
                operator.imul(array, self._scale)


def _made(name: str, ctx: Context) -> Communicator:
    if not isinstance(ctx, Context):
        raise TypeError(f"{name}: ctx must be a nnabla.Context, not {type(ctx).__name__}")
    for variable in SIZES:
        size = os.environ.get(variable, "1")
        if size != "1":
            raise ExtensionError(
                f"{name}: {variable} says that there are {size} processes, and they cannot be connected yet; "
                "start the script alone"
            )
    return Communicator(name)


def MultiProcessDataParallelCommunicator(ctx: Context) -> Communicator:
    """The communicator of all processes that the program was started with.

    Args:
        ctx: the context that the arrays are computed in.

    Raises:
        ExtensionError: there are several processes.
    """
    return _made("MultiProcessDataParallelCommunicator", ctx)


def DataParallelCommunicator(ctx: Context) -> Communicator:
    """The communicator of one process; see `MultiProcessDataParallelCommunicator`."""
    return _made("DataParallelCommunicator", ctx)
