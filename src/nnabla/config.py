"""Settings read from configuration files.

Files are read in this order; a value in a later file takes the place of an earlier one:

========  =====================================  =============================================
File      POSIX                                  Windows
========  =====================================  =============================================
default   ``nnabla.conf`` beside this module     the same
system    ``/etc/nnabla.conf``                   ``%ProgramData%\\NNabla\\nnabla.ini``
user      ``~/.nnabla``                          ``%APPDATA%\\NNabla\\nnabla.ini``
local     ``nnabla.conf`` in the directory in    the same
          which Python was started
named     the environment variable               the same
          ``NNABLA_CONFIG_FILE_PATH`` names it
========  =====================================  =============================================

Sections and options that nnabla does not know are kept, so that a program may have its own.

Example:
    >>> nnabla_config.get("DATA_ITERATOR", "cache_file_format")
    '.npy'
"""

from __future__ import annotations

import configparser
import os
import sys

_FILE_NAME = "nnabla.conf"


def _config_files() -> list[str]:
    """Paths at which configuration files are looked for, the one that decides last."""
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), _FILE_NAME)
    if sys.platform == "win32":
        home = os.path.expanduser("~")
        program_data = os.environ.get("PROGRAMDATA", r"c:\ProgramData")
        app_data = os.environ.get("APPDATA", os.path.join(home, "AppData", "Roaming"))
        system = os.path.join(program_data, "NNabla", "nnabla.ini")
        user = os.path.join(app_data, "NNabla", "nnabla.ini")
    else:
        system = os.path.join("/etc", _FILE_NAME)
        user = os.path.expanduser(os.path.join("~", ".nnabla"))
    named = os.environ.get("NNABLA_CONFIG_FILE_PATH")
    return [default, system, user, os.path.abspath(_FILE_NAME), *([named] if named else [])]


def _read(paths: list[str]) -> configparser.RawConfigParser:
    """Settings of the files at `paths` that exist; a later file overrides an earlier one.

    Raises:
        configparser.Error: a file is not a configuration file; the message names file and line.
    """
    config = configparser.RawConfigParser()
    for path in paths:
        # Not every `~/.nnabla` need be a file.
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                config.read_file(file, source=path)
    return config


nnabla_config = _read(_config_files())
