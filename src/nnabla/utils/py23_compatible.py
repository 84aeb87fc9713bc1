"""Door to `nnabla.inspection.signatures`."""

from ..inspection.signatures import ArgSpec, getargspec
from ..inspection.signatures import getargspec as getargspec_py3

__all__ = ["ArgSpec", "getargspec", "getargspec_py3"]
