"""`nnabla.utils.nvml`, on machines with and without a GPU."""

from __future__ import annotations

import pytest

pytest.importorskip("pynvml")

from nnabla.utils import nvml


def test_numbers_of_errors():
    """Those of NVIDIA's header."""
    assert (nvml.NVML_SUCCESS, nvml.NVML_ERROR_UNINITIALIZED, nvml.NVML_ERROR_LIBRARY_NOT_FOUND) == (0, 1, 12)
    assert (nvml.NVML_ERROR_NO_DATA, nvml.NVML_ERROR_UNKNOWN) == (21, 999)
    assert nvml.NVML_DEVICE_NAME_BUFFER_SIZE >= 64


def test_calls():
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        assert error.value in (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED)
        with pytest.raises(nvml.NVMLError):
            nvml.nvmlDeviceGetCount()
        return
    try:
        for i in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(i)
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            assert 0 <= memory.used <= memory.total
            assert 0 <= nvml.nvmlDeviceGetUtilizationRates(handle).gpu <= 100
            assert nvml.nvmlDeviceGetName(handle)
    finally:
        nvml.nvmlShutdown()
