"""Door to `nnabla.inspection.value_trace`."""

from ...inspection.function_hooks import FunctionHookCallbackBase
from ...inspection.value_trace import NanInfTracer

__all__ = ["FunctionHookCallbackBase", "NanInfTracer"]
