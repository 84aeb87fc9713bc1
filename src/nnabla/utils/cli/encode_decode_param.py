"""Door to `nnabla.cli.parameters`."""

from nnabla_cli.commands import decode_param as add_decode_param_command
from nnabla_cli.commands import encode_param as add_encode_param_command

from ...cli.parameters import decode_param_command, encode_param_command, load_param_in_txt, save_param_in_txt
from ...logger import logger
from ...parameter import get_parameters, load_parameters, save_parameters, set_parameter

__all__ = [
    "add_decode_param_command",
    "add_encode_param_command",
    "decode_param_command",
    "encode_param_command",
    "get_parameters",
    "load_param_in_txt",
    "load_parameters",
    "logger",
    "save_param_in_txt",
    "save_parameters",
    "set_parameter",
]
