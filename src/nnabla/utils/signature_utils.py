"""Door to `nnabla.inspection.signatures`."""

from ..inspection.signatures import PARAM_KINDS, SignatureEx, param_kind_to_int

__all__ = ["PARAM_KINDS", "SignatureEx", "param_kind_to_int"]
