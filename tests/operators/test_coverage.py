"""What the tables of cases cover, measured on the graphs that they build; what they leave out has its reason here."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.graph.argument import REQUIRED, Argument, Bool
from nnabla.graph.function import Function
from nnabla.graph.operator import Operator, registry

from .case import Case
from .cases import ALL
from .observe import call, variables
from .records import record, refused

MINIMUM = 5

# Functions that draw random numbers, and the module that looks at their distributions.
STOCHASTIC = {
    "Dropout": "test_stochastic",
    "ImageAugmentation": "test_random_images",
    "Rand": "test_stochastic",
    "RandBeta": "test_random_images",
    "RandBinomial": "test_random_images",
    "RandGamma": "test_random_images",
    "Randint": "test_stochastic",
    "Randn": "test_stochastic",
    "RandomChoice": "test_random_images",
    "RandomCrop": "test_random_images",
    "RandomErase": "test_random_images",
    "RandomFlip": "test_random_images",
    "RandomShift": "test_random_images",
}

# Functions that the original cannot be asked about, why, and the module with their judge.
UNRECORDED = {
    "FFT": ("not on a CPU", "test_beyond_arrays"),
    "IFFT": ("not on a CPU", "test_beyond_arrays"),
    "SyncBatchNormalization": ("it needs the communicator of several processes", "test_running_statistics"),
    "Unique": ("its output has no shape before it has run", "test_beyond_arrays"),
}

NO_GRADIENT = "the original has no gradient"
GPU_ONLY = "the original has it only on a GPU"

# For each function what no case covers, and why.
EXCEPTIONS: dict[str, dict[str, str]] = {
    "Assign": {"gradient in 5 cases": "it writes to the input that would be compared; test_beyond_arrays.py"},
    "BroadcastTo": {"gradient in 5 cases": f"{NO_GRADIENT}; test_beyond_arrays.py"},
    "DeformableConvolution": {"channel_last=True": f"{GPU_ONLY}; test_layers.py"},
    "FusedConvolution": {
        "channel_last=True": f"{GPU_ONLY}; test_layers.py",
        "base_axis < 0": "the original takes a negative axis for the number of axes",
    },
    "Interpolate": {"channel_last=True": f"{GPU_ONLY}; test_beyond_arrays.py"},
    "MaxPoolingBackward": {"channel_last=True": f"{GPU_ONLY}; test_layers.py"},
    "Mod2": {"gradient in 5 cases": f"{NO_GRADIENT}; test_integers.py"},
    "ONNXResize": {"gradient in 5 cases": f"{NO_GRADIENT}; test_beyond_arrays.py"},
    "RoiAlign": {"channel_last=True": f"{GPU_ONLY}; test_layers.py"},
    "ScatterNd": {"shape left out": "it stands before the last input, which replaces it; test_beyond_arrays.py"},
    "Sort": {"gradient in 5 cases": "that of the original is of the inverse permutation; test_beyond_arrays.py"},
    "SpectralNorm": {"dim < 0": "the original refuses it"},
    "TensorNormalization": {"axes < 0": "the original refuses it in the node; the public call counts before"},
    "Unpooling": {"channel_last=True": f"{GPU_ONLY}; test_layers.py"},
    "WarpByGrid": {"channel_last=True": f"{GPU_ONLY}; test_beyond_arrays.py"},
}

DETERMINISTIC = sorted(set(registry) - set(STOCHASTIC) - set(UNRECORDED))

# Arguments that count axes, from the end where negative.
AXES = {"axis", "axes", "base_axis", "batch_axis", "channel_axis", "dim"}
# What an argument is called in public calls that have another name for it.
PUBLIC_NAME = {"axes": "axis"}


@functools.cache
def uses() -> dict[str, list[tuple[Case, Function]]]:
    """For each type of function its nodes in the graphs of the cases that the original accepts, once for each case."""
    found: dict[str, dict[str, tuple[Case, Function]]] = {name: {} for name in registry}
    for case in ALL:
        if refused(case) not in ("build", "forward"):
            outputs = call(case, variables(case, case.arrays()))
            outputs[0].visit(lambda f, c=case: found[f.info.type_name].setdefault(c.definition, (c, f)))
    return {name: list(nodes.values()) for name, nodes in found.items()}


def has_gradient(case: Case) -> bool:
    """Whether gradients of the case are judged: by the record, where they also accumulate, or by differences."""
    if case.judge is not None:
        return bool(case.grad) and case.derivative == "exact"  # test_gradients.py looks at it
    entry = record(case)
    return not case.beyond and entry is not None and bool(entry.observation.accumulated)


def missing_values(argument: Argument, nodes: list[tuple[Case, Function]]) -> list[str]:
    """Which values of an argument no case has."""
    name = argument.name
    values = [f.info.args[name] for _, f in nodes]
    given = [dict(c.args).get(name, dict(c.args).get(PUBLIC_NAME.get(name, name))) for c, _ in nodes]
    found = []
    if isinstance(argument, Bool) or argument.choices:
        wanted = (False, True) if isinstance(argument, Bool) else argument.choices
        found += [f"{name}={value!r}" for value in wanted if value not in values]
    elif argument.default is None:
        found += [f"{name} given"] if all(v is None for v in given) else []
        found += [f"{name} left out"] if all(v is not None for v in given) else []
    elif argument.default is REQUIRED:
        found += [f"{name} varied"] if all(v == values[0] for v in values) else []
    else:
        default = argument.default
        default = list(default) if isinstance(default, (tuple, list)) else default
        found += [f"{name} varied"] if all(v == default for v in values) else []
        found += [f"{name} left out"] if all(v != default for v in values) else []
    if name in AXES:
        axes = [np.ravel(v) for v in (*given, *values) if v is not None]
        found += [f"{name} < 0"] if not any((a < 0).any() for a in axes) else []
    return found


def missing(cls: type[Operator], nodes: list[tuple[Case, Function]]) -> list[str]:
    """What no case of a function covers."""
    declaration = cls.declaration
    if not nodes:
        return ["any case"]
    found = []
    if sum(not c.beyond or c.judge is not None for c, _ in nodes) < MINIMUM:
        found.append(f"{MINIMUM} cases")
    for argument in declaration.arguments:
        found += missing_values(argument, nodes)
    for i, declared in enumerate(declaration.inputs):
        there = [f._operator.present[i] and not left_out(c, declaration.name, i) for c, f in nodes]
        if declared.optional:
            found += [f"{declared.name} given"] if not any(there) else []
            found += [f"{declared.name} left out"] if all(there) else []
        if declared.variadic and len({len(f.inputs) for _, f in nodes}) < 2:
            found.append("several numbers of inputs")
    if declaration.inputs and not any(1 in x.shape or not x.shape for _, f in nodes for x in f.inputs):
        found.append("length 1 or no axes")
    if cls.differentiable and declaration.inputs and sum(has_gradient(c) for c, _ in nodes) < MINIMUM:
        found.append(f"gradient in {MINIMUM} cases")
    return found


def left_out(case: Case, name: str, i: int) -> bool:
    """Whether a public call leaves an input to the function, which makes one for its node."""
    return case.function == name and (i >= len(case.inputs) or case.inputs[i] is None)


@pytest.mark.parametrize("type_name", DETERMINISTIC)
def test_a_function_is_covered(type_name: str) -> None:
    """Enough cases; every argument at its default and off it, every choice, each optional input given and left out;
    axes counted from the end; an axis of length 1 or none; gradients, also on top of others."""
    assert set(missing(registry[type_name], uses()[type_name])) == set(EXCEPTIONS.get(type_name, {}))


def test_gaps_are_noticed() -> None:
    """The measure misses what a part of the cases does not show."""
    nodes = [(c, f) for c, f in uses()["MaxPooling"] if c.args == (("kernel", (2, 2)),)][:1]
    assert set(missing(registry["MaxPooling"], nodes)) == {
        "5 cases",
        "kernel varied",
        "stride given",
        "ignore_border=False",
        "pad given",
        "channel_last=True",
        "length 1 or no axes",
        "gradient in 5 cases",
    }
    nodes = [(c, f) for c, f in uses()["Affine"] if len(c.inputs) == 2 and not c.args][:1]
    assert {"bias given", "base_axis varied", "base_axis < 0"} <= set(missing(registry["Affine"], nodes))


@pytest.mark.parametrize("type_name", [*STOCHASTIC, *UNRECORDED])
def test_the_others_are_tested_elsewhere(type_name: str) -> None:
    """The module that is said to look at a function calls it; where a function is listed, cases do not cover it."""
    module = STOCHASTIC[type_name] if type_name in STOCHASTIC else UNRECORDED[type_name][1]
    text = Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")
    assert f"F.{registry[type_name].declaration.name}" in text
    assert len(uses()[type_name]) < MINIMUM


@pytest.mark.parametrize("case", [c for c in ALL if c.function == "TensorNormalization"], ids=str)
def test_tensor_normalization_is_its_node(case: Case) -> None:
    """The public call takes the axes before shift and scale, so no table can call it; it builds other nodes, with the
    results of the recorded one."""
    args = dict(case.args)
    results = []
    for public in (False, True):
        xs: list[Any] = variables(case, case.arrays())
        y = F.tensor_normalization(xs[0], args["axes"], *xs[1:], eps=args["eps"]) if public else call(case, xs)[0]
        y.forward()
        for i in case.grad:
            xs[i].grad.zero()
        y.backward(np.cos(np.arange(y.size)).reshape(y.shape))
        results.append([y.d, *[xs[i].g for i in case.grad]])
        assert (y.parent.name == "TensorNormalization") is not public
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


FIRST: dict[str, Case] = {}
for _case in ALL:
    if len(_case.grad) > 1 and not refused(_case):
        FIRST.setdefault(_case.function, _case)


@pytest.mark.parametrize("case", FIRST.values(), ids=lambda c: c.function)
def test_each_gradient_alone(case: Case) -> None:
    """An input receives the same gradient, whichever others want one."""

    def gradients(wanted: tuple[int, ...]) -> dict[int, np.ndarray]:
        xs: list[Any] = variables(case, case.arrays())
        for i in case.grad:
            xs[i].need_grad = i in wanted
        ys = call(case, xs)
        nn.forward_all(ys)
        for i in wanted:
            xs[i].grad.zero()
        rng = case.random_state("dy")
        for y in ys:
            dy = rng.standard_normal(y.shape)
            if y.parent.need_grad:
                y.backward(dy)
        return {i: np.array(xs[i].g) for i in wanted}

    together = gradients(case.grad)
    for i in case.grad:
        scale = np.abs(together[i]).max(initial=1e-6)
        np.testing.assert_allclose(gradients((i,))[i], together[i], rtol=1e-5, atol=1e-5 * scale)
