"""``nnabla_cli compare_with_cpu``: what the functions of a network compute in two contexts."""

from __future__ import annotations

import argparse
import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import host_hooks, parameter
from ..context import context_scope
from ..converters.nnp.loading import load
from ..graph.function import Function
from ..graph.variable import Variable
from ..logger import ALWAYS, logger
from ..training.feeding import Feed
from .measurements import Table, add_result, labels, write_table
from .reporting import reported, step

HEADER = "relative difference"


def compare_with_cpu_command(args: argparse.Namespace) -> bool:
    """Write ``OUTDIR/compare_with_cpu.csv``: how far two configurations of the same network are apart.

    Raises:
        ValueError: a configuration has no optimizer, or they do not describe the same network.
    """
    host_hooks.update_status(args)
    with reported(args.outdir):
        host_hooks.update_status("processing", True)
        loaded = []
        for path in (args.config, args.config2):
            with parameter.parameter_scope("", OrderedDict()):
                config = load([path])
                logger.log(ALWAYS, 'Using context "%s"', config.default_context)
                loaded.append((config, parameter.get_parameters(grad_only=False)))
        (config, parameters), (config_cpu, parameters_cpu) = loaded
        table = compare_optimizer(config, parameters, config_cpu, parameters_cpu, [[HEADER]])
        write_table(os.path.join(args.outdir, "compare_with_cpu.csv"), table)
    logger.log(ALWAYS, "Compare with CPU Completed.")
    host_hooks.update_status("finished")
    return True


def calc_norm_diff(data1: np.ndarray, data2: np.ndarray) -> tuple[float, float, float, float]:
    """How far two arrays are apart.

    Returns:
        The standard deviation of the difference over the larger one of the arrays (0 where both are 0), that of
        `data1`, of `data2`, and of the difference.

    Example:
        >>> calc_norm_diff(np.array([0.0, 2.0]), np.array([0.0, 4.0]))
        (0.5, 1.0, 2.0, 1.0)
    """
    first, second, difference = (float(np.std(x)) for x in (data1, data2, np.subtract(data1, data2)))
    largest = max(first, second)
    return difference / largest if largest > 0 else 0.0, first, second, difference


def compare_optimizer(
    config: Any,
    parameters: Mapping[str, Variable],
    config_cpu: Any,
    parameters_cpu: Mapping[str, Variable],
    result_array: Table,
) -> Table:
    """Compare all optimizers of two configurations.

    Each function gets the same inputs, and for its gradient the same gradients of its outputs, in both, so that a row
    says what this function alone does. Functions that draw random numbers differ.

    Args:
        config, config_cpu: what `nnabla.utils.load.load` returned.
        parameters: of `config`, by name.
        parameters_cpu: of `config_cpu`; they get the values of the others.
        result_array: gets a column for each optimizer.

    Raises:
        ValueError: the configurations do not describe the same network.
    """
    if not config.optimizers or config.optimizers.keys() != config_cpu.optimizers.keys():
        raise ValueError(
            "compare_with_cpu: the configurations must have the same optimizers; they have "
            f"{list(config.optimizers)} and {list(config_cpu.optimizers)}"
        )
    if parameters.keys() != parameters_cpu.keys():
        differing = sorted(parameters.keys() ^ parameters_cpu.keys())
        raise ValueError(f"compare_with_cpu: the configurations must have the same parameters, not {differing[:5]}")
    for name, values in parameters.items():
        parameters_cpu[name].d = values.d
    for name, optimizer in config.optimizers.items():
        title = f"optimizer '{name}' with network '{optimizer.network.name}'"
        logger.log(ALWAYS, "Comparing %s ...", title)
        pair = _Pair((config, optimizer, parameters), (config_cpu, config_cpu.optimizers[name], parameters_cpu))
        add_result(title, pair.compare(), result_array, digits="g")
    return result_array


class _Pair:
    """An optimizer in two contexts."""

    def __init__(self, *sides: tuple[Any, Any, Mapping[str, Variable]]) -> None:
        self._contexts = [config.default_context for config, _, _ in sides]
        self._optimizers = [optimizer for _, optimizer, _ in sides]
        self._parameters = [parameters for _, _, parameters in sides]

    def compare(self) -> dict[str, float]:
        """The relative difference of each step of training."""
        self._feed()
        found: dict[str, float] = {}
        pairs = self._functions()
        for i, (label, functions) in enumerate(pairs):
            for of_both in zip(*(f.inputs for f in functions), strict=True):
                of_both[1].d = of_both[0].d
            self._each(
                lambda side, functions=functions: functions[side].forward(
                    functions[side].inputs, functions[side].outputs
                )
            )
            outputs = zip(*(f.outputs for f in functions), strict=True)
            found[f"forward_function ({label})"] = max(calc_norm_diff(a.d, b.d)[0] for a, b in outputs)
            step(f"forward of {label}", (i + 1) / (2 * len(pairs)))
        self._compare_backward(pairs, found)
        self._compare_update(found)
        return found

    def _each(self, run: Any) -> None:
        for side, context in enumerate(self._contexts):
            with context_scope(context):
                run(side)

    def _feed(self) -> None:
        """The same batch for both."""
        optimizer = self._optimizers[0]
        feed = Feed(optimizer.data_iterators, optimizer.dataset_assign, optimizer.generator_assign)
        try:
            feed.next()
        finally:
            feed.close()

    def _functions(self) -> list[tuple[str, tuple[Function, Function]]]:
        both: list[list[tuple[str, Function]]] = []
        for optimizer in self._optimizers:
            functions: list[Function] = []
            optimizer.target.visit(functions.append)
            both.append(labels(functions))
        if [label for label, _ in both[0]] != [label for label, _ in both[1]]:
            raise ValueError(
                f"compare_with_cpu: the networks of optimizer {self._optimizers[0].name!r} have other functions"
            )
        return [(label, (first, second)) for (label, first), (_, second) in zip(*both, strict=True)]

    def _compare_backward(self, pairs: list[tuple[str, tuple[Function, Function]]], found: dict[str, float]) -> None:
        self._each(lambda side: self._optimizers[side].target.forward())
        self._each(lambda side: self._optimizers[side].solver.zero_grad())
        self._each(lambda side: self._optimizers[side].target.backward())
        for i, (label, functions) in enumerate(reversed(pairs)):
            if not functions[0].need_grad:
                continue
            for role in ("inputs", "outputs"):
                for a, b in zip(*(getattr(f, role) for f in functions), strict=True):
                    b.d = a.d
                    if role == "outputs":
                        b.g = a.g
            self._each(
                lambda side, functions=functions: functions[side].backward(
                    functions[side].inputs, functions[side].outputs, [False] * len(functions[side].inputs)
                )
            )
            inputs = [pair for pair in zip(*(f.inputs for f in functions), strict=True) if pair[0].need_grad]
            if inputs:
                found[f"backward_function ({label})"] = max(calc_norm_diff(a.g, b.g)[0] for a, b in inputs)
            step(f"backward of {label}", (len(pairs) + i + 1) / (2 * len(pairs)))

    def _compare_update(self, found: dict[str, float]) -> None:
        first, second = self._optimizers
        trained = first.solver.get_parameters()
        others = second.solver.get_parameters()
        for name, variable in trained.items():
            others[name].g = variable.g
        decay = first.weight_decay
        if decay > 0:
            self._each(lambda side: self._optimizers[side].solver.weight_decay(decay))
        self._each(lambda side: self._optimizers[side].solver.update())
        for name, variable in trained.items():
            found[f"update ({name})"] = calc_norm_diff(variable.d, others[name].d)[0]
