"""Door to communicators, with the names that they have had."""

from .context import Context
from .distributed.communicator import (
    Communicator,
    DataParallelCommunicator,
    MultiProcessDataParallelCommunicator,
)
from .distributed.communicator import MultiProcessDataParallelCommunicator as Comm
from .distributed.communicator import MultiProcessDataParallelCommunicator as Dist
from .distributed.communicator import MultiProcessDataParallelCommunicator as MultiProcessCommunicator
from .distributed.communicator import MultiProcessDataParallelCommunicator as MultiProcessDataParalellCommunicator

__all__ = [
    "Comm",
    "Communicator",
    "Context",
    "DataParallelCommunicator",
    "Dist",
    "MultiProcessCommunicator",
    "MultiProcessDataParalellCommunicator",
    "MultiProcessDataParallelCommunicator",
]
