"""Neural Network Libraries: graphs, gradients, solvers and files of NNabla, on ATen's kernels."""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING

from ._version import __version__
import torch as _torch  # before the pause: a first collection of all its objects would take longer than many small ones

from ._init import garbage_collection_paused as _garbage_collection_paused

with _garbage_collection_paused():
    from . import engine, ext_utils, function, functions, initializer, parameter
    from . import _arithmetic_ops, _indexing  # operators and indexing of Variable and NdArray
    from .core import graph_def
    from .network import ProtoVariable
    from .core.module import Module
    from .core.sequential import Sequential
from ._init import add_available_context, array_classes, available_contexts
from ._memory import prefer_cached_array, reset_array_preference
from ._nd_array import NdArray
from .callback import (
    set_function_post_hook,
    set_function_pre_hook,
    set_solver_post_hook,
    set_solver_pre_hook,
    unset_function_post_hook,
    unset_function_pre_hook,
    unset_solver_post_hook,
    unset_solver_pre_hook,
)
from .context import Context, context_scope, get_current_context, set_default_context
from .engine.compiling import compile
from .engine.forward import forward_all
from .graph.lines import record_lines, set_record_lines
from .graph.modes import no_grad
from .graph.variable import Variable
from .parameter import (
    clear_parameters,
    get_current_parameter_scope,
    get_parameters,
    load_parameters,
    parameter_scope,
    save_parameters,
)
from .random import seed

# As in NNabla, these names are functions and an object here, and hide the modules they come from.
from .auto_forward import auto_forward, get_auto_forward, set_auto_forward
from .grad import grad
from .logger import logger
from .recompute import recompute, recompute_fn, set_global_recompute

parameter._above["utils.get_file_handle"] = lambda: _importlib.import_module(".utils.get_file_handle", __name__)
reset_array_preference()
logger.info("Initializing CPU extension...")

if _TYPE_CHECKING:
    from . import (
        _array,
        _computation_graph,
        _variable,
        backward_function,
        backward_functions,
        communicator,
        function_bases,
        normalization_functions,
        numpy_compat_functions,
        solver,
        utils,
        variable,
    )
    from .inspection.model_summary import summary
    from .inspection.step_profile import profile
    from .training.checkpoints import load_checkpoint, save_checkpoint
    from .training.trainer import Trainer
else:

    def __getattr__(name: str) -> object:
        # NNabla loads these modules with the package; here it is done for those who ask, as with nn.solver.Solver.
        if name in (
            "_array",
            "_computation_graph",
            "_variable",
            "backward_function",
            "backward_functions",
            "communicator",
            "function_bases",
            "normalization_functions",
            "numpy_compat_functions",
            "solver",
            "utils",
            "variable",
        ):
            return _importlib.import_module(f".{name}", __name__)
        room = {
            "profile": "inspection.step_profile",
            "summary": "inspection.model_summary",
            "load_checkpoint": "training.checkpoints",
            "save_checkpoint": "training.checkpoints",
            "Trainer": "training.trainer",
        }.get(name)
        if room is not None:
            return getattr(_importlib.import_module(f".{room}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
