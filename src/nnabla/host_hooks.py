"""What the command line asks of a program that runs it, such as Neural Network Console.

The configuration names one or more modules, separated by commas::

    [CALLBACK]
    util_callback_module = my_console.callback

A hook calls the function of its name in the first of these modules that has one, with the same arguments; without one
it returns what is said below. Modules are imported when this one is. If one cannot be imported, the log says so and
none is used.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .config import nnabla_config
from .logger import logger


def _modules(names: list[str]) -> list[ModuleType]:
    try:
        return [importlib.import_module(name) for name in names if name]
    except ImportError as error:
        logger.warning("util_callback_module in section CALLBACK of the configuration: %s", error)
        return []


module_list_str = nnabla_config.get("CALLBACK", "util_callback_module", fallback="")
module_list = [name.strip() for name in module_list_str.split(",")]
callback_list = _modules(module_list)
module = module_list[-1]


def forget() -> None:
    """Have no hooks from now on: of several processes, one alone speaks to the host."""
    callback_list.clear()


def _call(name: str, default: Any, *args: Any) -> Any:
    for host in callback_list:
        hook: Callable[..., Any] | None = getattr(host, name, None)
        if hook is not None:
            return hook(*args)
    return default


def alternative_cli(args: argparse.Namespace) -> Any:
    """Called before a command; if it returns something, that is the result and the command is not run."""
    return _call("alternative_cli", None, args)


def get_callback_version() -> str | None:
    """What the version line shows of the host."""
    return _call("get_callback_version", None)


def get_best_from_status(args: argparse.Namespace) -> tuple[float | None, int | None]:
    """The best validation error so far and its epoch, when training is resumed; ``(None, None)`` if not known."""
    return _call("get_best_from_status", (None, None), args)


def update_time_train(prediction: float | None = None) -> None:
    """Called while training.

    Args:
        prediction: seconds that all of the training will take; ``None`` if not known.
    """
    _call("update_time_train", None, prediction)


def save_train_snapshot() -> None:
    """Called when the host may want to keep the results so far."""
    _call("save_train_snapshot", None)


def update_status(state: Any = None, start: bool = False, start_time: float | None = None) -> None:
    """Called when there is something to tell.

    Args:
        state: what is told: text, or a pair of a key and its value.
        start: whether the work begins.
        start_time: when it began, in seconds since 1970.
    """
    _call("update_status", None, state, start, start_time)


def add_train_command_arg(subparser: argparse.ArgumentParser) -> None:
    """Called to add options to ``nnabla_cli train``."""
    _call("add_train_command_arg", None, subparser)


def get_timelimit(args: argparse.Namespace) -> float:
    """Seconds that training may take; -1 for no limit."""
    return _call("get_timelimit", -1, args)


def process_evaluation_result(outdir: str, filename: str) -> Any:
    """Called with the table that ``nnabla_cli forward`` wrote."""
    return _call("process_evaluation_result", None, outdir, filename)


def update_forward_time() -> None:
    """Called while a data set is evaluated."""
    _call("update_forward_time", None)


def check_training_time(args: argparse.Namespace, config: Any, timeinfo: Any, epoch: int, last_epoch: int) -> bool:
    """Whether training goes on after an epoch."""
    return _call("check_training_time", True, args, config, timeinfo, epoch, last_epoch)


def result_base(base: str | None, suffix: str, outdir: str) -> str | None:
    """Path without extension of a file of results; ``None`` for the usual one."""
    return _call("result_base", None, base, suffix, outdir)


def update_progress(text: str) -> None:
    """Called with a line that says how far training is."""
    _call("update_progress", None, text)


def get_load_image_func(ext: str) -> Callable[..., Any] | None:
    """What reads images with an extension such as ``".png"``; ``None`` for the usual function."""
    return _call("get_load_image_func", None, ext)
