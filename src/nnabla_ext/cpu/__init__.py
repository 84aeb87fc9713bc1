"""The CPU backend."""

from __future__ import annotations

from typing import Any

from nnabla._init import array_classes, clear_memory_cache, device_synchronize, get_device_count, get_devices
from nnabla._threads import get_thread_choice, set_thread_choice
from nnabla.context import TYPE_CONFIGS, Context
from nnabla.errors import ArgumentError

__all__ = [
    "array_classes",
    "clear_memory_cache",
    "context",
    "device_synchronize",
    "get_device_count",
    "get_devices",
    "get_thread_choice",
    "set_thread_choice",
    "synchronize",
]


def context(type_config: str = "float", **kw: Any) -> Context:
    """A CPU context.

    Args:
        type_config: ``"float"``, ``"half"``, ``"bfloat16"`` or ``"double"``.
        **kw: `device_id` is accepted and ignored, as are keywords of other backends.
    """
    if type_config not in TYPE_CONFIGS:
        raise ArgumentError(f"cpu.context: type_config must be one of {list(TYPE_CONFIGS)}, not {type_config!r}")
    backends = dict.fromkeys((f"cpu:{type_config}", "cpu:float"))
    return Context(list(backends), array_classes()[0], "")


def synchronize(**kw: Any) -> None:
    """Return when all work is done: at once, since the CPU works synchronously."""
