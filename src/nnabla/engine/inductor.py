"""TorchInductor: from a function of tensors to compiled code, or to one message that says why there is none."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from .._private_torch import fixed_shapes, functorch_settings, inductor, traced_metadata, without_values
from .._threads import in_forked_child
from ..graph.tracing import NotTraceableError
from ..logger import logger
from .aten_graph import writes
from .products import improve_products

# Inputs and results. From so many on, C++ that allocates arrays and calls kernels gains more than it loses by handing
# them over; below, Python is faster.
_MANY_ARRAYS = 32

# Takes a list of tensors, which it empties, and returns others.
Compiled = Callable[[list[Any]], Sequence[torch.Tensor]]

_lock = Lock()


def _renew_lock() -> None:
    global _lock
    _lock = Lock()


in_forked_child(_renew_lock)

_told: set[str] = set()


def tell_once(message: str) -> None:
    """Log a message, unless it was logged before."""
    if message not in _told:
        _told.add(message)
        logger.warning(f"nn.compile: {message}")


def compiler_command() -> str:
    """The C++ compiler that TorchInductor calls: ``CXX`` of the environment, or the platform's usual one."""
    default = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return (shlex.split(os.environ.get("CXX", "")) or [default])[0]


def missing() -> str | None:
    """What there is no compiled code for want of; None if nothing is missing."""
    command = compiler_command()
    if shutil.which(command) is None:
        return (
            f"there is no C++ compiler ({command!r} is not on the PATH; the environment variable CXX names another one)"
        )
    return None


# ---- where code is kept ------------------------------------------------------------------------------------------

# The environment variable by which TorchInductor finds the folder.
_FOLDER = "TORCHINDUCTOR_CACHE_DIR"


def choose_folder() -> None:
    """Have compiled code kept in the user's folder for caches, unless the environment says where.

    TorchInductor's own choice lies where all users of a machine write and what is there is run, is emptied at each
    start of many machines, and has code for one kind of CPU run on another one that reads the same disk.
    """
    if os.environ.get(_FOLDER):
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "nnabla" / "compiled" / f"torch-{torch.__version__}-{_cpu()}"
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        os.environ[_FOLDER] = str(folder)


def _cpu() -> str:
    """A name for CPUs on which the same machine code runs."""
    known = [platform.machine(), torch.backends.cpu.get_cpu_capability()]
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        known += [next((line for line in lines if line.startswith(name)), "") for name in ("flags", "Features")]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]


# ---- from functions to code --------------------------------------------------------------------------------------


def traced(function: Callable[..., Any], examples: Sequence[torch.Tensor]) -> torch.fx.GraphModule:
    """The graph of ATen calls that `function` consists of, with better products.

    Raises:
        NotTraceableError: it has to know values, or does something else than calling ATen.
    """
    choose_folder()
    from torch.fx.experimental.proxy_tensor import make_fx

    try:
        with torch.no_grad():
            _, inputs = without_values(examples)
            graph = make_fx(function, None, "fake", _allow_non_fake_inputs=True)(*inputs)
            if writes(graph):
                # Not at once: what is derived by autograd cannot be traced that way.
                graph = make_fx(torch.func.functionalize(graph), None, "fake", _allow_non_fake_inputs=True)(*inputs)
            improve_products(graph)
            return graph
    except NotTraceableError:
        raise
    except Exception as error:
        name = type(error).__name__
        if name in ("DataDependentOutputException", "DynamicOutputShapeException"):
            raise NotTraceableError("decides by values") from error
        raise NotTraceableError(f"cannot be traced ({name}: {first_line(error)})") from error


def compiled(graph: torch.fx.GraphModule, examples: Sequence[torch.Tensor], threads: int) -> Compiled:
    """Code for a graph and for inputs of exactly these types, shapes and strides.

    torch's own entry, `compile_fx`, makes it, or takes it from the disk. Of what that returns only the innermost
    function is called, where the layers around it have nothing to do: they are for autograd and for shapes that change.

    Args:
        graph: from `traced`.
        examples: the inputs it was traced with.
        threads: how many it may use at most.
    """
    with _own_warnings_ignored():
        compile_fx = inductor()
    inner: list[Any] = []
    results = _number_of_results(graph)

    def innermost(graph: Any, inputs: Sequence[Any], **options: Any) -> Any:
        made = compile_fx.compile_fx_inner(graph, inputs, **options)
        metadata = traced_metadata()
        callable_ = getattr(made, "current_callable", None)
        as_it_is = metadata is not None and not metadata.num_mutated_inp_runtime_indices
        as_it_is = as_it_is and len(inputs) == len(examples) and _number_of_results(graph) == results
        if callable_ is not None and as_it_is:
            inner.append(callable_)
        return made

    # Where there are several threads, their number is that of the moment, since plans measure which one is best.
    # Functions are cut in partitions for CUDA graphs, and would live no longer than what is left out here.
    settings = {
        "cpp.threads": threads,
        "cpp.dynamic_threads": threads > 1,
        "cpp.enable_floating_point_contract_flag": "fast",
        "cpp_wrapper": len(examples) + results >= _MANY_ARRAYS,
        "graph_partition": False,
    }
    if shutil.which("openssl") is None:
        # TorchInductor calls it when it compiles headers in advance.
        settings["cpp_cache_precompile_headers"] = False
    with (
        _lock,
        torch.no_grad(),
        _own_warnings_ignored(),
        functorch_settings(enable_autograd_cache=False),
        fixed_shapes(examples) as inputs,
    ):
        whole = compile_fx.compile_fx(graph, inputs, inner_compile=innermost, config_patches=settings)
    if len(inner) == 1:
        found: Compiled = inner[0]
        return found
    return lambda tensors: whole(*tensors)


@contextmanager
def _own_warnings_ignored() -> Iterator[None]:
    """Context without the warnings that are torch's own affair; where warnings are errors it would fail by them."""
    with warnings.catch_warnings():
        # In its own modules, when they are imported.
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        yield


def _number_of_results(graph: torch.fx.GraphModule) -> int:
    (results,) = graph.graph.output_node().args
    return len(results) if isinstance(results, (tuple, list)) else 1


def first_line(error: Exception) -> str:
    """What an error says first."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else repr(error)
