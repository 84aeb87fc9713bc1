"""Door to `nnabla.cli.train`."""

from nnabla_cli.commands import train as add_train_command

from ...cli.train import available_contexts, train_command
from ...cli.train import node_time_collector as nodeTimeCollector
from ...config import nnabla_config
from ...files.model_files import nnp_version
from ...logger import logger
from ...parameter import save_parameters
from ...progress import configure_progress, progress
from ..communicator_util import current_communicator, single_or_rankzero
from .utility import (
    NodeTimeInfoCollector,
    get_cpu_gpu_average_load,
    let_data_to_variable,
    lms_scheduler,
    load_train_state,
    measure_cpu_gpu_instant_load,
    save_optimizer_states,
    str_to_num,
)

__all__ = [
    "NodeTimeInfoCollector",
    "add_train_command",
    "available_contexts",
    "configure_progress",
    "current_communicator",
    "get_cpu_gpu_average_load",
    "let_data_to_variable",
    "lms_scheduler",
    "load_train_state",
    "logger",
    "measure_cpu_gpu_instant_load",
    "nnabla_config",
    "nnp_version",
    "nodeTimeCollector",
    "progress",
    "save_optimizer_states",
    "save_parameters",
    "single_or_rankzero",
    "str_to_num",
    "train_command",
]
