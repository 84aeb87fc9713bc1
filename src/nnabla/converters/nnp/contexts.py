"""Contexts in model files."""

from __future__ import annotations

from typing import Any

import torch

from ...context import BACKENDS, TYPE_CONFIGS, Context
from ...logger import logger


def context_of(message: Any) -> Context:
    """The context in a message ``Context``, on the devices of this machine.

    Of the backends that the file names, in their order, those that this machine has are kept. If it has none of them,
    the CPU takes their place, in the same type.
    """
    entries = list(message.backends) or _entries_of_old_files(message)
    usable = [entry for entry in entries if _is_usable(entry)]
    if usable or not entries:
        return Context(usable or None, message.array_class, message.device_id or "0")
    config = next((e.partition(":")[2] for e in entries if e.partition(":")[2] in TYPE_CONFIGS), "float")
    logger.warning("This machine has none of the backends %s that the file names: cpu:%s is used.", entries, config)
    return Context([f"cpu:{config}"], "CpuCachedArray")


def _is_usable(entry: str) -> bool:
    name, _, config = entry.partition(":")
    if name not in BACKENDS or (config and config not in TYPE_CONFIGS):
        return False
    return BACKENDS[name] == "cpu" or torch.cuda.is_available()


def _entries_of_old_files(message: Any) -> list[str]:
    """Before NNabla 1.0, two lists of names stood there: ``"cpu|cuda"`` and ``"default|cudnn"``."""
    names = [*message.compute_backend.split("|"), *message.backend.split("|")]
    return [f"{name}:float" for name in names if name in BACKENDS]


def put_context(message: Any, context: Context) -> None:
    """Fill an empty message ``Context``."""
    message.backends.extend(context.backend)
    message.array_class = context.array_class
    message.device_id = context.device_id
