"""Door to `nnabla.cli.optimize`."""

from nnabla_cli.commands import optimize as add_optimize_command

from ...cli.optimize import optimization_command, optimize_nnp_model_command, optimize_pb_model_command

__all__ = [
    "add_optimize_command",
    "optimization_command",
    "optimize_nnp_model_command",
    "optimize_pb_model_command",
]
