"""Door to `nnabla.ext_utils`."""

from ..ext_utils import extension_context

__all__ = ["extension_context"]
