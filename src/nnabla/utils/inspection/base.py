"""Door to `nnabla.inspection.function_hooks`."""

from ...inspection.function_hooks import FunctionHookCallbackBase

__all__ = ["FunctionHookCallbackBase"]
