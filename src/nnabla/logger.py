"""The logger of this package.

Messages go to the standard error stream, and to a file if the configuration names one (see `nnabla.config`)::

    [LOG]
    log_console_level = INFO
    log_console_format = %(asctime)s [%(name)s][%(levelname)s]: %(message)s
    log_file_name = training.log
    log_file_level = DEBUG
    log_file_format = %(asctime)s [%(levelname)s] %(message)s

Unlike NNabla 1.x, which configured the root logger and with it those of all other packages, this touches only
the logger named ``nnabla``. A program that writes all logs to the console itself, for example after
``logging.basicConfig()``, sees every message once, in its own format.

Example:
    >>> from nnabla.logger import logger
    >>> logger.debug("not shown: the default level is INFO")
"""

from __future__ import annotations

import logging
import sys

from .config import nnabla_config

_LEVELS = {name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")}


def _level(option: str) -> int:
    """The level that an option of section ``LOG`` names."""
    name = nnabla_config.get("LOG", option)
    if name.strip().upper() not in _LEVELS:
        known = ", ".join(_LEVELS)
        raise ValueError(f"configuration: {option} in section LOG must be one of {known}, not {name!r}")
    return int(_LEVELS[name.strip().upper()])


class _ConsoleHandler(logging.StreamHandler):
    """Writes to what is the standard error stream at the time, unless the root logger does already."""

    def __init__(self) -> None:
        # Not StreamHandler's own constructor, which would keep today's stream.
        logging.Handler.__init__(self)

    @property
    def stream(self):  # type: ignore[no-untyped-def]
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        # Without an error stream (pythonw) there is nowhere to write.
        if self.stream is not None and not _root_shows(record):
            super().emit(record)


def _root_shows(record: logging.LogRecord) -> bool:
    """Whether the root logger writes this record to the console."""
    consoles = (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__)
    return any(
        isinstance(handler, logging.StreamHandler) and handler.stream in consoles and handler.level <= record.levelno
        for handler in logging.getLogger().handlers
    )


ALWAYS = 99
"""Level of what is shown whatever the level: the lines by which programs that start this one know how it ended."""

logger = logging.getLogger("nnabla")
log_console_level = _level("log_console_level")
log_console_format = nnabla_config.get("LOG", "log_console_format")

# A module that is imported anew, as tests and notebooks do, must not write everything twice.
for _handler in list(logger.handlers):
    logger.removeHandler(_handler)
    _handler.close()

# The level is the logger's, not the handler's: `logger.setLevel(logging.DEBUG)` shows more on the console.
handler: logging.Handler = _ConsoleHandler()
handler.setFormatter(logging.Formatter(log_console_format))
logger.addHandler(handler)
logger.setLevel(log_console_level)

if nnabla_config.get("LOG", "log_file_name"):
    log_file_name = nnabla_config.get("LOG", "log_file_name")
    log_file_level = _level("log_file_level")
    log_file_format = nnabla_config.get("LOG", "log_file_format")
    # The file may take what the console does not show.
    handler.setLevel(log_console_level)
    handler = logging.FileHandler(log_file_name, encoding="utf-8")
    handler.setLevel(log_file_level)
    handler.setFormatter(logging.Formatter(log_file_format))
    logger.addHandler(handler)
    logger.setLevel(min(log_console_level, log_file_level))
