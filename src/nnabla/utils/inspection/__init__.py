"""Door to `nnabla.inspection`."""

from ...inspection.function_hooks import FunctionHookCallbackBase
from ...inspection.pretty_print import pprint
from ...inspection.time_profiler import CpuTimerCallback, TimeProfiler
from ...inspection.value_trace import NanInfTracer

__all__ = ["CpuTimerCallback", "FunctionHookCallbackBase", "NanInfTracer", "TimeProfiler", "pprint"]
