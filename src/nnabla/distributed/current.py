"""The communicator of a program that a launcher started: made once, asked for from anywhere."""

from __future__ import annotations

import logging
import os

from ..errors import ExtensionError
from ..ext_utils import get_extension_context
from ..logger import ALWAYS, logger
from ..network import argument_values
from .communicator import Communicator, MultiProcessDataParallelCommunicator
from .launchers import launcher_of

_current: Communicator | None = None


def create_communicator(
    ignore_error: bool = False, extension_module: str = "cudnn", type_config: str = "float"
) -> Communicator | None:
    """Connect the processes of this program, if a launcher started it. The first of them logs for all.

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
    if launcher_of(os.environ) is None:
        return None
    context = get_extension_context(extension_module, type_config=type_config)
    try:
        communicator = MultiProcessDataParallelCommunicator(context)
        communicator.init()
    except ExtensionError as error:
        if not ignore_error:
            raise
        logger.warning("Failed to initialize nnabla.communicators: %s", error)
        return None
    _current = argument_values.communicator = communicator
    if communicator.rank:
        _say_less()
    logger.log(ALWAYS, "Create communicator with contexts %s", context)
    return communicator


def _say_less() -> None:
    """Leave to the first process what all would say alike; warnings and errors come from each."""

    def matters(record: logging.LogRecord) -> bool:
        return logging.WARNING <= record.levelno < ALWAYS

    for handler in logger.handlers:
        handler.addFilter(matters)


def current_communicator() -> Communicator | None:
    """What `create_communicator` made; ``None`` where it made none."""
    return _current


def single_or_rankzero() -> bool:
    """Whether this process is alone or the first one: which writes files, and logs."""
    return _current is None or _current.rank == 0
