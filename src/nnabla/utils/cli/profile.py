"""Door to `nnabla.cli.profile`."""

from nnabla_cli.commands import profile as add_profile_command

from ...cli.measurements import add_result
from ...cli.profile import profile, profile_command, profile_optimizer
from ...ext_utils import import_extension_module
from ...logger import logger
from ...progress import configure_progress, progress
from ...training.feeding import let_data_to_variable

__all__ = [
    "add_profile_command",
    "add_result",
    "configure_progress",
    "import_extension_module",
    "let_data_to_variable",
    "logger",
    "profile",
    "profile_command",
    "profile_optimizer",
    "progress",
]
