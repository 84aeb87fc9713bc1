"""Backends as importable extensions, ``nnabla_ext.<name>``."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from .context import Context
from .logger import logger


def import_extension_module(ext_name: str) -> ModuleType:
    """Import ``nnabla_ext.<ext_name>``.

    Raises:
        ModuleNotFoundError: there is no such extension; the message lists those installed.
    """
    try:
        return importlib.import_module("." + ext_name, "nnabla_ext")
    except ModuleNotFoundError as error:
        logger.error("Extension `%s` does not exist.", ext_name)
        raise ModuleNotFoundError(
            f"import_extension_module: no extension {ext_name!r}; installed: {list_extensions()}",
            name=error.name,
        ) from None


def list_extensions() -> list[str]:
    """Names of the extensions that are installed, sorted."""
    package = importlib.import_module("nnabla_ext")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def get_extension_context(ext_name: str, **kw: Any) -> Context:
    """A context of an extension.

    Args:
        ext_name: ``"cpu"``, ``"cuda"`` or ``"cudnn"``.
        **kw: `device_id` (string or integer, default ``"0"``) and `type_config` (``"float"``, ``"half"``,
            ``"bfloat16"`` or ``"double"``, default ``"float"``).

    Raises:
        ModuleNotFoundError: there is no such extension.
        ArgumentError: the type configuration is unknown.
        ExtensionError: the extension needs a GPU that this machine does not have.

    Example:
        >>> get_extension_context("cpu", type_config="double")
        Context(backend=['cpu:double', 'cpu:float'], array_class='CpuCachedArray', device_id='')
    """
    return import_extension_module(ext_name).context(**kw)


def extension_context(extension_name: str = "cpu", **kw: Any) -> Context:
    """The old name of `get_extension_context`, with a default: a context on the CPU."""
    return get_extension_context(extension_name, **kw)
