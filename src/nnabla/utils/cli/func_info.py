"""Door to `nnabla.cli.function_info`."""

from nnabla_cli.commands import function_info as add_function_info_command

from ...cli.function_info import function_info_command

__all__ = [
    "add_function_info_command",
    "function_info_command",
]
