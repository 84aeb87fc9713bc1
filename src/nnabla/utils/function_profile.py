"""Door to `nnabla.inspection.call_profile`."""

from ..inspection.call_profile import FunctionProfile, profile

__all__ = ["FunctionProfile", "profile"]
