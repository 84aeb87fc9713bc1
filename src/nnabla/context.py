"""Where and in which type functions compute: `Context`, and the current one.

A context names a backend and a type configuration, ``"cpu:float"`` or ``"cudnn:half"``. From the first entry of
its backend list follow the torch device and the compute type: ``float`` (float32, the default), ``half``,
``bfloat16`` or ``double``.

Two environment variables of NNabla concern GPU contexts, when the first function computes in one.
`NNABLA_CUDNN_DETERMINISTIC`, not 0: convolutions use algorithms that give the same result each time.
`NNABLA_CUDNN_WORKSPACE_LIMIT` is refused, since ATen has no such limit.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .errors import ArgumentError, ExtensionError

TYPE_CONFIGS = {
    "float": torch.float32,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "double": torch.float64,
}
BACKENDS = {"cpu": "cpu", "cuda": "cuda", "cudnn": "cuda"}


class Context:
    """Computation backend, array class and device of a function.

    Args:
        backend: entries ``"<backend>:<type config>"`` in order of preference; the first one is used. Backends are
            ``cpu``, ``cuda`` and ``cudnn``; type configurations ``float``, ``half``, ``bfloat16`` and ``double``.
            Default ``["cpu:float"]``.
        array_class: accepted for compatibility; memory is managed by torch whatever it says.
        device_id: index of the GPU, as a string; ignored on the CPU.

    Raises:
        ArgumentError: a backend or type configuration is unknown (when the context is first used).
    """

    __slots__ = ("_array_class", "_backend", "_device_id", "_resolved")

    def __init__(self, backend: list[str] | str | None = None, array_class: str = "", device_id: str = "0") -> None:
        self.backend = backend
        self.array_class = array_class
        self.device_id = device_id

    @property
    def backend(self) -> list[str]:
        return list(self._backend)

    @backend.setter
    def backend(self, backend: list[str] | str | None) -> None:
        if backend is None:
            backend = ["cpu:float"]
        self._backend = (backend,) if isinstance(backend, str) else tuple(backend)
        self._resolved: tuple[torch.device, torch.dtype, Context] | None = None

    @property
    def array_class(self) -> str:
        return self._array_class

    @array_class.setter
    def array_class(self, array_class: str) -> None:
        self._array_class = "" if array_class is None else str(array_class)
        self._resolved = None

    @property
    def device_id(self) -> str:
        return self._device_id

    @device_id.setter
    def device_id(self, device_id: str) -> None:
        self._device_id = str(device_id)
        self._resolved = None

    def __getitem__(self, key: str) -> list[str] | str:
        if key not in ("backend", "array_class", "device_id"):
            raise KeyError(key)
        return getattr(self, key)

    @property
    def resolved(self) -> tuple[torch.device, torch.dtype, Context]:
        """The torch device and floating point type that functions of this context compute on and in.

        The third is a context like this one, for functions to keep: this one may be given another backend later,
        which concerns functions that are created then.
        """
        return self._resolved or self._resolve()

    def _resolve(self) -> tuple[torch.device, torch.dtype, Context]:
        if self._resolved is None:
            name, _, config = (self._backend[0] if self._backend else "").partition(":")
            if name not in BACKENDS:
                raise ArgumentError(f"Context: backend must be one of {sorted(BACKENDS)}, not {name!r}")
            config = config or "float"
            if config not in TYPE_CONFIGS:
                raise ArgumentError(f"Context: type config must be one of {list(TYPE_CONFIGS)}, not {config!r}")
            device = torch.device("cpu")
            if BACKENDS[name] == "cuda":
                if not torch.cuda.is_available():
                    raise ExtensionError(f"Context: backend {name!r} needs a GPU, and torch sees none here")
                _set_up_cudnn()
                device = torch.device("cuda", int(self._device_id or 0))
            kept = Context(list(self._backend), self._array_class, self._device_id)
            self._resolved = kept._resolved = (device, TYPE_CONFIGS[config], kept)
        return self._resolved

    @property
    def device(self) -> torch.device:
        """The torch device that functions of this context compute on."""
        return self.resolved[0]

    @property
    def dtype(self) -> torch.dtype:
        """The floating point type that functions of this context compute in."""
        return self.resolved[1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Context) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[tuple[str, ...], str, str]:
        return self._backend, self._array_class, self._device_id

    def __reduce__(self) -> tuple[type[Context], tuple[list[str], str, str]]:
        return Context, (list(self._backend), self._array_class, self._device_id)

    def __repr__(self) -> str:
        return (
            f"Context(backend={list(self._backend)}, array_class={self._array_class!r}, device_id={self._device_id!r})"
        )


def _set_up_cudnn() -> None:
    """Do what the environment says about cuDNN's algorithms.

    Raises:
        ArgumentError: a variable is no number.
        ExtensionError: a variable is set that cannot be honoured.
    """
    if os.environ.get("NNABLA_CUDNN_WORKSPACE_LIMIT"):
        raise ExtensionError(
            "Context: NNABLA_CUDNN_WORKSPACE_LIMIT is set, but ATen chooses the algorithms of cuDNN and has no such "
            "limit; unset it (cuDNN itself reads CUDNN_CONV_WSCAP_DBG, in MiB)"
        )
    deterministic = os.environ.get("NNABLA_CUDNN_DETERMINISTIC", "")
    try:
        if int(deterministic or 0):
            torch.backends.cudnn.deterministic = True
    except ValueError:
        raise ArgumentError(f"Context: NNABLA_CUDNN_DETERMINISTIC must be 0 or 1, not {deterministic!r}") from None


class _Current:
    """The context in force; one object, so that hot code reads one attribute."""

    __slots__ = ("context", "depth")

    def __init__(self) -> None:
        self.context = Context()
        self.depth = 0


current = _Current()


def _checked(ctx: Context, function: str) -> Context:
    if not isinstance(ctx, Context):
        raise TypeError(f"{function}: ctx must be a nnabla.Context, not {type(ctx).__name__}")
    ctx._resolve()
    return ctx


@contextmanager
def context_scope(ctx: Context) -> Iterator[None]:
    """Use `ctx` for every function created inside the ``with`` block.

    Example:
        >>> import nnabla as nn
        >>> with nn.context_scope(nn.Context(["cpu:double"])):
        ...     nn.get_current_context().backend
        ['cpu:double']
    """
    previous, current.context = current.context, _checked(ctx, "context_scope")
    current.depth += 1
    try:
        yield
    finally:
        current.context = previous
        current.depth -= 1


def set_default_context(ctx: Context) -> None:
    """Make `ctx` the context in force outside of any `context_scope`.

    Raises:
        AssertionError: called inside a `context_scope`.
    """
    if current.depth:
        raise AssertionError("set_default_context cannot be called inside a context_scope")
    current.context = _checked(ctx, "set_default_context")


def get_current_context() -> Context:
    """The context in force."""
    return current.context


def called_in_current_context(func: Callable[..., Any], decorator: str) -> Callable[..., Any]:
    """`func` without its first argument, ``ctx``: it is given the current context when it is called.

    Args:
        func: the function.
        decorator: name of the decorator that this is for, for messages.

    Raises:
        TypeError: the first argument of `func` is not named ``ctx``.
    """
    signature = inspect.signature(func)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].name != "ctx":
        raise TypeError(f"{decorator}: the first argument of {func.__name__} must be named 'ctx', got {signature}")

    @functools.wraps(func)
    def with_context(*args: Any, **kwargs: Any) -> Any:
        return func(get_current_context(), *args, **kwargs)

    with_context.__signature__ = signature.replace(parameters=parameters[1:])  # type: ignore[attr-defined]
    return with_context


def __getattr__(name: str) -> Context | int:
    # Names that NNabla has in this module.
    if name == "current_ctx":
        return current.context
    if name == "context_level":
        return current.depth
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
