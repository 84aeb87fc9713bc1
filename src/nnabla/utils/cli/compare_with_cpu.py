"""Door to `nnabla.cli.compare_with_cpu`."""

from nnabla_cli.commands import compare_with_cpu as add_compare_with_cpu_command

from ...cli.compare_with_cpu import calc_norm_diff, compare_optimizer, compare_with_cpu_command
from ...cli.measurements import add_result
from ...logger import logger
from ...parameter import get_parameters
from ...progress import configure_progress, progress
from ...training.feeding import let_data_to_variable

__all__ = [
    "add_compare_with_cpu_command",
    "add_result",
    "calc_norm_diff",
    "compare_optimizer",
    "compare_with_cpu_command",
    "configure_progress",
    "get_parameters",
    "let_data_to_variable",
    "logger",
    "progress",
]
