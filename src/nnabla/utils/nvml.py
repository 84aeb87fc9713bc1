"""Door to `nnabla.inspection.gpu_management`."""

from ..inspection.gpu_management import *  # noqa: F403
from ..inspection.gpu_management import __all__ as __all__
