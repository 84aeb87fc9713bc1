"""Door to `nnabla.files.model_files`."""

from ..files.model_files import nnp_version

__all__ = ["nnp_version"]
