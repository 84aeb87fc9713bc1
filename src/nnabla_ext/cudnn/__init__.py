"""The cuDNN backend. ATen chooses between CUDA and cuDNN kernels itself; the name is kept for scripts."""

from __future__ import annotations

from typing import Any

from nnabla.context import Context
from nnabla.logger import logger

from ..cuda import (
    array_classes,
    clear_memory_cache,
    device_synchronize,
    get_device_count,
    get_devices,
    gpu_context,
    print_memory_cache_map,
    set_graph_capture,
    synchronize,
)

__all__ = [
    "array_classes",
    "clear_memory_cache",
    "context",
    "device_synchronize",
    "get_device_count",
    "get_devices",
    "print_memory_cache_map",
    "set_graph_capture",
    "synchronize",
]

logger.info("Initializing cuDNN extension...")


def context(device_id: str | int = "0", type_config: str = "float", **kw: Any) -> Context:
    """A context on GPU `device_id`; raises ExtensionError when torch finds no GPU."""
    return gpu_context("cudnn", device_id, type_config)
