"""Door to `nnabla.cli.convert`, `nnabla.cli.nnb_template` and `nnabla.cli.dump`."""

from nnabla_cli.commands import convert as add_convert_command

from ...cli.convert import convert_command
from ...cli.dump import dump_command
from ...cli.model_formats import resolve_file_format
from ...cli.nnb_template import nnb_template_command
from ...logger import logger

__all__ = [
    "add_convert_command",
    "convert_command",
    "dump_command",
    "logger",
    "nnb_template_command",
    "resolve_file_format",
]
