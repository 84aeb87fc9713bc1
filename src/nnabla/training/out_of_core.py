"""Training networks whose arrays do not fit into the memory of a device.

On a GPU, arrays are swapped to the memory of the host while a network is trained, and back before they are read, by a
schedule that is learnt in the first iteration; see `nnabla.training.swapping`. On a CPU there is nothing to swap to:
everything here then does nothing. Training computes what it computes without it either way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from ..context import Context
from ..errors import ArgumentError
from ..logger import logger
from .swapping import GpuMemory, Swapping

_UNITS = {"": 1, **{unit: 1000 ** (i + 1) for i, unit in enumerate("KMGTP")}}
_UNITS |= {unit: 1024 ** (i + 1) for i, unit in enumerate("kmgtp")}


def str_to_num(str: str) -> int:
    """A number of bytes: ``"4000"``, ``"4G"`` (4 * 1000**3), ``"4g"`` (4 * 1024**3), ``"1e9"``; K, M, G, T and P.

    Returns:
        -1 if it is none of these.

    Example:
        >>> str_to_num("4G"), str_to_num("2k"), str_to_num("1e3"), str_to_num("many")
        (4000000000, 2048, 1000, -1)
    """
    exponential = re.fullmatch(r"([1-9]\d*)[eE](\d{1,2})", str)
    if exponential:
        return int(exponential[1]) * 10 ** int(exponential[2])
    plain = re.fullmatch(r"([1-9]\d*)([KMGTPkmgtp]?)", str)
    return int(plain[1]) * _UNITS[plain[2]] if plain else -1


def size_of(option: str, text: str | None) -> int | None:
    """The bytes that an option of the command line says; ``None`` if it is not given.

    Raises:
        ArgumentError: it is no size.
    """
    if text is None:
        return None
    size = str_to_num(text)
    if size < 0:
        raise ArgumentError(f"train: {option} must be a number of bytes such as 4G or 1e9, not {text!r}")
    return size


class SwapInOutScheduler:
    """What a training loop calls around functions and updates, so that arrays of a GPU can be swapped.

    Use it as a context manager for an iteration, its methods as hooks of all that runs in it::

        with scheduler:
            loss.forward(function_pre_hook=scheduler.function_pre_hook, ...)

    Values and gradients of intermediate variables are swapped, but those that come out of functions of Python and of
    functions that only move values (reshape, slice, concatenate). These, parameters, their gradients, the solver's
    states, inputs and what a single function needs must fit into the memory of the GPU. What is in the memory of the
    host when an iteration ends can be read (``variable.d``), but ``backward`` must be called in the iteration of its
    ``forward``.

    In the context of a CPU it does nothing.

    Args:
        h_ctx: context of the memory that is swapped to.
        d_ctx: context that is computed in.
        size: bytes of the device that may be used, as far as one function alone does not need more.
        prefetch_size: bytes of arrays that are brought back before their function is next; default 1.5 times `size`.
        save_host_mem, save_host_mem_no_abort: accepted; the memory of the host is always given back as soon as its
            values are on the GPU.

    Raises:
        ArgumentError: `size` is not positive.
    """

    def __init__(
        self,
        h_ctx: Context,
        d_ctx: Context,
        size: int,
        prefetch_size: int | None = None,
        save_host_mem: bool = False,
        save_host_mem_no_abort: bool = False,
    ) -> None:
        if size <= 0:
            raise ArgumentError(f"SwapInOutScheduler: size must be positive, not {size}")
        self.host_context = h_ctx
        self.device_context = d_ctx
        self.size = size
        self.prefetch_size = size * 3 // 2 if prefetch_size is None else prefetch_size
        self._swapping: Swapping | None = None
        if not is_on_cpu(d_ctx):
            self._swapping = Swapping(GpuMemory(d_ctx.device), size, self.prefetch_size)

    def __enter__(self) -> SwapInOutScheduler:
        self.start_scheduling()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.end_scheduling()

    def start_scheduling(self) -> None:
        """Begin an iteration."""
        if self._swapping is not None:
            self._swapping.start()

    def end_scheduling(self) -> None:
        """End an iteration."""
        if self._swapping is not None:
            self._swapping.end()

    def function_pre_hook(self, func: Any) -> None:
        """To be called before each function of forward and backward."""
        if self._swapping is not None:
            self._swapping.before(func)

    def function_post_hook(self, func: Any) -> None:
        """To be called after each function of forward and backward."""
        if self._swapping is not None:
            self._swapping.after(func)

    def update_pre_hook(self) -> None:
        """To be called before the solver updates."""

    def update_post_hook(self) -> None:
        """To be called after the solver has updated."""


class _NoScheduler:
    """Stands for a scheduler where nothing is swapped."""

    function_pre_hook = None
    function_post_hook = None
    update_pre_hook = None
    update_post_hook = None

    def start_scheduling(self) -> None:
        """Nothing to begin."""

    def end_scheduling(self) -> None:
        """Nothing to end."""


def is_on_cpu(ctx: Context | None) -> bool:
    """Whether a context computes on the CPU."""
    return ctx is None or not any(str(backend).startswith(("cuda", "cudnn")) for backend in ctx.backend)


def lms_scheduler(
    ctx: Context | None, use_lms: bool, gpu_memory_size: int | None = None, window_length: int | None = None
) -> Any:
    """The scheduler for a training in a context.

    Args:
        ctx: that is trained in.
        use_lms: whether arrays are to be swapped.
        gpu_memory_size: bytes of the device that may be used; default 4 * 10**9.
        window_length: bytes of the functions that are looked ahead; default 1.5 times `gpu_memory_size`.

    Returns:
        A `SwapInOutScheduler`; without `use_lms`, or on a CPU, something whose hooks are ``None``, as ``forward`` and
        ``backward`` take them.
    """
    if use_lms and is_on_cpu(ctx):
        logger.warning("out-of-core training is for contexts of a GPU; nothing is swapped in %s", ctx)
    if not use_lms or ctx is None or is_on_cpu(ctx):
        return _NoScheduler()
    size = 4 * 10**9 if gpu_memory_size is None else gpu_memory_size
    return SwapInOutScheduler(Context(["cpu:float"]), ctx, size, window_length)


@contextmanager
def schedule_scope(scheduler: Any) -> Iterator[Any]:
    """An iteration of a scheduler."""
    scheduler.start_scheduling()
    try:
        yield scheduler
    finally:
        scheduler.end_scheduling()
