"""Door to what the command line and programs share."""

from ...cli.data_rows import compute_full_path, is_float
from ...config import nnabla_config
from ...converters.nnp.file_handles import get_decorated_file_loader, get_file_handle_save, load_files
from ...logger import logger
from ...training.feeding import let_data_to_variable
from ...training.machine_load import (
    NodeTimeInfoCollector,
    collect_and_shape_result,
    cpu_load_backend_ok,
    get_cpu_gpu_average_load,
    gpu_a_load,
    gpu_load_backend_ok,
    gpu_m_count,
    measure_cpu_gpu_instant_load,
)
from ...training.optimizer_states import load_train_state, save_optimizer_states
from ...training.out_of_core import SwapInOutScheduler, lms_scheduler, str_to_num
from ...training.out_of_core import schedule_scope as sechdule_scope
from ..communicator_util import current_communicator

__all__ = [
    "NodeTimeInfoCollector",
    "SwapInOutScheduler",
    "collect_and_shape_result",
    "compute_full_path",
    "cpu_load_backend_ok",
    "current_communicator",
    "get_cpu_gpu_average_load",
    "get_decorated_file_loader",
    "get_file_handle_save",
    "gpu_a_load",
    "gpu_load_backend_ok",
    "gpu_m_count",
    "is_float",
    "let_data_to_variable",
    "lms_scheduler",
    "load_files",
    "load_train_state",
    "logger",
    "measure_cpu_gpu_instant_load",
    "nnabla_config",
    "save_optimizer_states",
    "sechdule_scope",
    "str_to_num",
]
