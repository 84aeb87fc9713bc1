"""Door to `nnabla.cli.forward` and `nnabla.cli.infer`."""

from nnabla_cli.commands import forward as add_forward_command
from nnabla_cli.commands import infer as add_infer_command

from ...cli.data_rows import compute_full_path, is_float
from ...cli.forward import forward_command
from ...cli.infer import infer, infer_command
from ...data.file_reader import FileReader
from ...data.images import imsave
from ...data.making_iterators import data_iterator_cache, data_iterator_csv_dataset
from ...logger import logger
from ...progress import configure_progress, progress
from ...training.feeding import let_data_to_variable

__all__ = [
    "FileReader",
    "add_forward_command",
    "add_infer_command",
    "compute_full_path",
    "configure_progress",
    "data_iterator_cache",
    "data_iterator_csv_dataset",
    "forward_command",
    "imsave",
    "infer",
    "infer_command",
    "is_float",
    "let_data_to_variable",
    "logger",
    "progress",
]
