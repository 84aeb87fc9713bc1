"""NVIDIA's management library: how busy GPUs are and how much of their memory is used.

The names are those of NVIDIA's C library, which the package ``nvidia-ml-py`` calls. What a function returns is
described in its documentation.
"""

from __future__ import annotations

try:
    import pynvml
except ImportError as error:
    raise ImportError("nnabla.utils.nvml needs nvidia-ml-py: pip install 'nnabla[nvml]'", name="pynvml") from error

from pynvml import (
    NVML_DEVICE_NAME_BUFFER_SIZE,
    NVML_ERROR_ALREADY_INITIALIZED,
    NVML_ERROR_CORRUPTED_INFOROM,
    NVML_ERROR_DRIVER_NOT_LOADED,
    NVML_ERROR_FUNCTION_NOT_FOUND,
    NVML_ERROR_GPU_IS_LOST,
    NVML_ERROR_IN_USE,
    NVML_ERROR_INSUFFICIENT_POWER,
    NVML_ERROR_INSUFFICIENT_RESOURCES,
    NVML_ERROR_INSUFFICIENT_SIZE,
    NVML_ERROR_INVALID_ARGUMENT,
    NVML_ERROR_IRQ_ISSUE,
    NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    NVML_ERROR_LIBRARY_NOT_FOUND,
    NVML_ERROR_MEMORY,
    NVML_ERROR_NO_DATA,
    NVML_ERROR_NO_PERMISSION,
    NVML_ERROR_NOT_FOUND,
    NVML_ERROR_NOT_SUPPORTED,
    NVML_ERROR_OPERATING_SYSTEM,
    NVML_ERROR_RESET_REQUIRED,
    NVML_ERROR_TIMEOUT,
    NVML_ERROR_UNINITIALIZED,
    NVML_ERROR_UNKNOWN,
    NVML_ERROR_VGPU_ECC_NOT_SUPPORTED,
    NVML_SUCCESS,
    NVMLError,
    c_nvmlDevice_t,
    c_nvmlMemory_t,
    c_nvmlUtilization_t,
    nvmlDeviceGetCount,
    nvmlDeviceGetHandleByIndex,
    nvmlDeviceGetMemoryInfo,
    nvmlDeviceGetName,
    nvmlDeviceGetUtilizationRates,
    nvmlErrorString,
    nvmlShutdown,
)
from pynvml import libLoadLock as lib_load_lock

__all__ = [
    "NVML_DEVICE_NAME_BUFFER_SIZE",
    "NVML_ERROR_ALREADY_INITIALIZED",
    "NVML_ERROR_CORRUPTED_INFOROM",
    "NVML_ERROR_DRIVER_NOT_LOADED",
    "NVML_ERROR_FUNCTION_NOT_FOUND",
    "NVML_ERROR_GPU_IS_LOST",
    "NVML_ERROR_INSUFFICIENT_POWER",
    "NVML_ERROR_INSUFFICIENT_RESOURCES",
    "NVML_ERROR_INSUFFICIENT_SIZE",
    "NVML_ERROR_INVALID_ARGUMENT",
    "NVML_ERROR_IN_USE",
    "NVML_ERROR_IRQ_ISSUE",
    "NVML_ERROR_LIBRARY_NOT_FOUND",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH",
    "NVML_ERROR_MEMORY",
    "NVML_ERROR_NOT_FOUND",
    "NVML_ERROR_NOT_SUPPORTED",
    "NVML_ERROR_NO_DATA",
    "NVML_ERROR_NO_PERMISSION",
    "NVML_ERROR_OPERATING_SYSTEM",
    "NVML_ERROR_RESET_REQUIRED",
    "NVML_ERROR_TIMEOUT",
    "NVML_ERROR_UNINITIALIZED",
    "NVML_ERROR_UNKNOWN",
    "NVML_ERROR_VGPU_ECC_NOT_SUPPORTED",
    "NVML_SUCCESS",
    "NVMLError",
    "c_nvmlDevice_t",
    "c_nvmlMemory_t",
    "c_nvmlUtilization_t",
    "lib_load_lock",
    "nvmlDeviceGetCount",
    "nvmlDeviceGetHandleByIndex",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetName",
    "nvmlDeviceGetUtilizationRates",
    "nvmlErrorString",
    "nvmlInit",
    "nvmlShutdown",
]


def nvmlInit(flags: int = 0) -> None:
    """Load the library; to be called before all others.

    Args:
        flags: as in the C library: 1 where no GPU is no error.

    Raises:
        NVMLError: there is no driver.
    """
    pynvml.nvmlInitWithFlags(flags)
