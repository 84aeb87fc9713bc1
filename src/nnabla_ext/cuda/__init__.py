"""The CUDA backend: the same kernels through ATen, on an NVIDIA GPU."""

from __future__ import annotations

import gc
from typing import Any

import torch

from nnabla._memory import size_text
from nnabla.context import TYPE_CONFIGS, Context
from nnabla.engine.capture import option
from nnabla.errors import ArgumentError, ExtensionError
from nnabla.logger import logger

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

logger.info("Initializing CUDA extension...")


def gpu_context(ext_name: str, device_id: str | int = "0", type_config: str = "float") -> Context:
    """A context on GPU `device_id`; shared by the ``cuda`` and ``cudnn`` extensions."""
    if type_config not in TYPE_CONFIGS:
        raise ArgumentError(f"{ext_name}.context: type_config must be one of {list(TYPE_CONFIGS)}, not {type_config!r}")
    count = get_device_count()
    if count == 0:
        raise ExtensionError(
            f"{ext_name}.context: no GPU was found by torch {torch.__version__}; use the 'cpu' extension, "
            "or install a CUDA build of torch on a machine with an NVIDIA GPU"
        )
    if not str(device_id).isdigit() or int(device_id) >= count:
        raise ArgumentError(f"{ext_name}.context: device_id must be one of {get_devices()}, not {device_id!r}")
    return Context([f"{ext_name}:{type_config}"], array_classes()[0], str(device_id))


def context(device_id: str | int = "0", type_config: str = "float", **kw: Any) -> Context:
    """A context on GPU `device_id`.

    Raises:
        ExtensionError: torch finds no GPU.
        ArgumentError: no such device, or an unknown type configuration.
    """
    return gpu_context("cuda", device_id, type_config)


def array_classes() -> list[str]:
    """Names of array classes, for compatibility; memory is managed by torch."""
    return ["CudaCachedArray", "CudaArray"]


def get_device_count() -> int:
    """Number of GPUs."""
    return torch.cuda.device_count()


def get_devices() -> list[str]:
    """Indices of the GPUs, as strings."""
    return [str(i) for i in range(get_device_count())]


def device_synchronize(device: str) -> None:
    """Wait until all work queued on GPU `device` is done."""
    torch.cuda.synchronize(int(device))


def synchronize(device_id: str | int = "0", **kw: Any) -> None:
    """Wait until all work queued on GPU `device_id` is done."""
    device_synchronize(str(device_id))


def clear_memory_cache() -> None:
    """Give cached GPU memory back to the driver."""
    gc.collect()
    torch.cuda.empty_cache()


def print_memory_cache_map(device_id: str | int = "0") -> None:
    """Print how much of the memory that this process has of GPU `device_id` is used, and how much it keeps."""
    device = int(device_id)
    used = torch.cuda.memory_allocated(device)
    free = torch.cuda.memory_reserved(device) - used
    print(f"cache_map(device_id: {device}, mem_type: cuda, used: {size_text(used)}, free: {size_text(free)})")


def set_graph_capture(is_on: bool) -> None:
    """Say whether settled runs of static graphs are repeated by the GPU itself, as CUDA graphs; see `docs/graphs.md`.

    Args:
        is_on: at first it is off, unless the environment variable ``NNABLA_CUDA_GRAPHS`` is 1.
    """
    option.is_on = bool(is_on)
