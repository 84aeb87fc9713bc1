"""Door to communicators, under the path that scripts import them from."""

from .communicator import *  # noqa: F403
from .communicator import __all__  # noqa: F401
