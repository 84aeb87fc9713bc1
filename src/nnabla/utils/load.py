"""Door to `nnabla.converters.nnp.loading`."""

from ..converters.nnp.datasets import create_dataset as _create_dataset
from ..converters.nnp.file_handles import get_initial_file_loader, load_files
from ..converters.nnp.loading import link_components, load, restore_optimizer_state
from ..converters.nnp.loading import load as base_load
from ..data.create_cache import CreateCache
from ..data.making_iterators import data_iterator_cache, data_iterator_csv_dataset
from ..distributed.current import current_communicator, single_or_rankzero
from ..initializer import ConstantInitializer, NormalInitializer, RangeInitializer, UniformInitializer
from ..logger import logger
from ..rewriting.graph_optimizer import IdentityRemover
from ..solvers.learning_rates import (
    CosineScheduler,
    ExponentialScheduler,
    LinearWarmupScheduler,
    PolynomialScheduler,
    StepScheduler,
)

__all__ = [
    "ConstantInitializer",
    "CosineScheduler",
    "CreateCache",
    "ExponentialScheduler",
    "IdentityRemover",
    "LinearWarmupScheduler",
    "NormalInitializer",
    "PolynomialScheduler",
    "RangeInitializer",
    "StepScheduler",
    "UniformInitializer",
    "_create_dataset",
    "base_load",
    "current_communicator",
    "data_iterator_cache",
    "data_iterator_csv_dataset",
    "get_initial_file_loader",
    "link_components",
    "load",
    "load_files",
    "logger",
    "restore_optimizer_state",
    "single_or_rankzero",
]
