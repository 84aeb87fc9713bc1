"""Conversions with the arguments of the command line, for programs: `nnabla.utils.converter.commands`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .convert import convert_command
from .dump import dump_command
from .nnb_template import nnb_template_command


def convert_files(args: argparse.Namespace, ifiles: Sequence[str], output: str) -> bool:
    """Do what ``nnabla_cli convert`` does, and write over `output` if it exists.

    Args:
        args: arguments as ``nnabla_cli convert`` parses them; `files` and `force` are not looked at.
        ifiles: the model.
        output: to write.

    Returns:
        ``True``. What goes wrong is raised, as by `convert_command`.
    """
    return convert_command(_with(args, [*ifiles, output], force=True))


def nnb_template(args: argparse.Namespace, ifiles: Sequence[str], output: str) -> bool:
    """Do what ``nnabla_cli nnb_template`` does.

    Args:
        args: arguments as ``nnabla_cli nnb_template`` parses them; `files` is not looked at.
        ifiles: the model.
        output: to write.

    Returns:
        ``True``. What goes wrong is raised, as by `nnb_template_command`.
    """
    return nnb_template_command(_with(args, [*ifiles, output]))


def dump_files(args: argparse.Namespace, ifiles: Sequence[str]) -> bool:
    """Do what ``nnabla_cli dump`` does.

    Args:
        args: arguments as ``nnabla_cli dump`` parses them; `files` is not looked at.
        ifiles: the model.

    Returns:
        ``True``. What goes wrong is raised, as by `dump_command`.
    """
    return dump_command(_with(args, [*ifiles]))


def _with(args: argparse.Namespace, files: list[str], **others: bool) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(args), "files": files, **others})
