"""Door to `nnabla.inspection.time_profiler`."""

from ...ext_utils import import_extension_module
from ...inspection.function_hooks import FunctionHookCallbackBase
from ...inspection.time_profiler import CpuTimerCallback, TimeProfiler

__all__ = ["CpuTimerCallback", "FunctionHookCallbackBase", "TimeProfiler", "import_extension_module"]
