"""``nnabla_cli profile``: how long the parts of a training configuration take."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

from .. import host_hooks
from ..context import context_scope
from ..converters.nnp.loading import load
from ..ext_utils import import_extension_module
from ..graph.function import Function
from ..inspection.clocks import clock_of
from ..inspection.function_timing import FunctionTimer, seconds_by_function
from ..logger import ALWAYS, logger
from ..training.feeding import let_data_to_variable
from .measurements import Table, add_result, labels, write_table
from .reporting import reported

SECONDS_FOR_EACH = 0.3
# Of replays in which all functions are measured.
SECONDS_FOR_ALL = 1.0
RUNS_AT_LEAST = 3


def profile_command(args: argparse.Namespace) -> bool:
    """Measure every function and the steps of training around them; write ``OUTDIR/profile.csv``, in ms.

    Raises:
        ValueError: the configuration has no optimizer.
    """
    host_hooks.update_status(args)
    with reported(args.outdir):
        host_hooks.update_status("processing", True)
        config: Any = load([args.config])
        logger.log(ALWAYS, 'Using context "%s"', config.default_context)
        if not config.optimizers:
            raise ValueError("profile: the configuration has no optimizer")
        backend = str(config.default_context.backend[0]).partition(":")[0]
        with context_scope(config.default_context):
            results = profile_optimizer(config, [["time in ms"]], import_extension_module(backend).synchronize)
        write_table(os.path.join(args.outdir, "profile.csv"), results)
    logger.log(ALWAYS, "Profile Completed.")
    host_hooks.update_status("finished")
    return True


def profile(
    config: Any, name: str, func: Callable[[], Any], result_dict: dict[str, float], synchromize: Callable[..., Any]
) -> float:
    """Measure a call: the mean over some tenths of a second, after one call that does not count.

    Args:
        config: what `nnabla.utils.load.load` returned.
        name: of the measurement.
        func: is called.
        result_dict: gets the milliseconds under `name`.
        synchromize: waits for the device, ``synchromize(device_id=...)``.

    Returns:
        Milliseconds.
    """
    device = config.default_context.device_id
    func()
    synchromize(device_id=device)
    start = now = time.perf_counter()
    runs = 0
    while runs < RUNS_AT_LEAST or now - start < SECONDS_FOR_EACH:
        func()
        synchromize(device_id=device)
        now = time.perf_counter()
        runs += 1
    return _take(result_dict, name, (now - start) / runs)


def _take(result: dict[str, float], name: str, seconds: float) -> float:
    """Log a result and keep it, in milliseconds."""
    result[name] = 1000 * seconds
    logger.log(ALWAYS, "%s %f(ms)", name, result[name])
    return result[name]


def profile_optimizer(config: Any, result_array: Table, synchronize: Callable[..., Any]) -> Table:
    """Measure all optimizers of a configuration.

    Args:
        config: what `nnabla.utils.load.load` returned.
        result_array: gets a column for each optimizer; see `nnabla.cli.measurements.add_result`.
        synchronize: waits for the device.
    """
    for optimizer in config.optimizers.values():
        title = f"optimizer '{optimizer.name}' with network '{optimizer.network.name}'"
        logger.log(ALWAYS, "Profiling %s ...", title)
        result: dict[str, float] = {}
        _profile_one(
            optimizer,
            lambda name, func, result=result: profile(config, name, func, result, synchronize),  # type: ignore[misc]
            lambda name, seconds, result=result: _take(result, name, seconds),  # type: ignore[misc]
        )
        add_result(title, result, result_array)
    return result_array


def _profile_one(
    optimizer: Any, measure: Callable[[str, Callable[[], Any]], float], take: Callable[[str, float], float]
) -> None:
    _profile_data(optimizer, measure)
    loss, solver = optimizer.target, optimizer.solver
    loss.forward()
    functions: list[Function] = []
    loss.visit(functions.append)
    labelled = labels(functions)
    seconds = _in_replays(loss.forward, functions)
    for label, function in labelled:
        take(f"forward_function ({label})", seconds[function])
    measure("prepare_backward", solver.zero_grad)
    loss.forward()
    loss.backward()
    seconds = _in_replays(loss.backward, functions)
    for label, function in reversed(labelled):
        if function in seconds:
            take(f"backward_function ({label})", seconds[function])

    def zero_grad_and_backward() -> None:
        solver.zero_grad()
        loss.backward()

    measure("forward_all", loss.forward)
    measure("backward_all", zero_grad_and_backward)
    measure("backward_all(wo param zero_grad)", loss.backward)
    solver.zero_grad()
    loss.backward()
    kind = optimizer.proto.solver.type
    if optimizer.weight_decay > 0:
        measure(f"weight_decay ({kind})", lambda: solver.weight_decay(optimizer.weight_decay))
    measure(f"update ({kind})", solver.update)
    measure("monitor_loss", lambda: [float(each.variable_instance.d.mean()) for each in optimizer.loss_variables])


def _in_replays(run: Callable[..., Any], functions: list[Function]) -> dict[Function, float]:
    """Mean seconds of each function, while `run`, which takes hooks, computes all of them again and again."""
    timer = FunctionTimer(clock_of(functions[-1].context.device))
    start = time.perf_counter()
    runs = 0
    while runs < RUNS_AT_LEAST or time.perf_counter() - start < SECONDS_FOR_ALL:
        with timer.part(""):
            run(function_pre_hook=timer.pre_hook, function_post_hook=timer.post_hook)
        runs += 1
    return {function: sum(times) / runs for function, times in seconds_by_function(timer.spans(), "").items()}


def _profile_data(optimizer: Any, measure: Callable[[str, Callable[[], Any]], float]) -> None:
    iterators = [make() for make in optimizer.data_iterators.values()]
    data: dict[str, Any] = {}

    def load_dataset() -> None:
        for iterator in iterators:
            data.update(zip(iterator.variables, iterator.next(), strict=True))

    try:
        measure("load_dataset", load_dataset)
    finally:
        for iterator in iterators:
            iterator.close()
    for described, name in optimizer.dataset_assign.items():
        if name not in data:
            raise ValueError(f'Data "{name}" for variable "{described.name}" is not found; there are {list(data)}')
        _measure_assignment(measure, f"let_data ({name} to {described.name})", described, data[name])
    for described, generate in optimizer.generator_assign.items():
        _measure_assignment(
            measure, f"generate_data ({described.name})", described, generate(described.variable_instance.shape)
        )


def _measure_assignment(measure: Callable[..., float], name: str, described: Any, values: Any) -> None:
    measure(name, lambda: let_data_to_variable(described.variable_instance, values, variable_name=described.name))
