"""The communicator of a program that a launcher started: made once, asked for from anywhere."""

from __future__ import annotations

import os

from ..errors import ExtensionError
from ..ext_utils import get_extension_context
from ..logger import ALWAYS, logger
from .communicator import SIZES, Communicator, MultiProcessDataParallelCommunicator

_current: Communicator | None = None


def create_communicator(
    ignore_error: bool = False, extension_module: str = "cudnn", type_config: str = "float"
) -> Communicator | None:
    """Connect the processes of this program, if a launcher started it.

    Args:
        ignore_error: warn instead of raising an error where they cannot be connected.
        extension_module: name of the extension whose context the communicator has.
        type_config: ``"float"`` or ``"half"``.

    Returns:
        The communicator, which `current_communicator` returns from now on; ``None`` without a launcher.

    Raises:
        ExtensionError: the processes cannot be connected.
    """
    global _current
    if not any(variable in os.environ for variable in SIZES):
        return None
    context = get_extension_context(extension_module, type_config=type_config)
    logger.log(ALWAYS, "Create communicator with contexts %s", context)
    try:
        communicator = MultiProcessDataParallelCommunicator(context)
        communicator.init()
    except ExtensionError as error:
        if not ignore_error:
            raise
        logger.warning("Failed to initialize nnabla.communicators: %s", error)
        return None
    _current = communicator
    return communicator


def current_communicator() -> Communicator | None:
    """What `create_communicator` made; ``None`` where it made none."""
    return _current


def single_or_rankzero() -> bool:
    """Whether this process is alone or the first one: which writes files, and logs."""
    return _current is None or _current.rank == 0
