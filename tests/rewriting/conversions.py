"""Conversions of the small networks that are compared with those of the original NNabla."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import nnabla as nn
import nnabla.experimental.graph_converters as GC

from . import networks


class Case(NamedTuple):
    """A conversion.

    Attributes:
        modifiers: called with the network's input.
        batch_stat: whether the network is one for training.
    """

    modifiers: Callable[[Any], list[Any]]
    batch_stat: bool = False


CASES = {
    "identity": Case(lambda x: [GC.IdentityModifier()]),
    "no grad": Case(lambda x: [GC.NoGradModifier()]),
    "folding": Case(lambda x: [GC.BatchNormalizationFoldingModifier()]),
    "folding, for training": Case(lambda x: [GC.BatchNormalizationFoldingModifier()], True),
    "bias": Case(lambda x: [GC.AddBiasModifier()]),
    "self-folding": Case(lambda x: [GC.BatchNormalizationSelfFoldingModifier("own-name")]),
    "batch stat": Case(lambda x: [GC.BatchNormBatchStatModifier()], True),
    "test mode": Case(lambda x: [GC.TestModeModifier(["Dropout"])], True),
    "removal": Case(lambda x: [GC.RemoveFunctionModifier(["ReLU", "ReLU6", "Sigmoid", "Tanh"])]),
    "pruning": Case(lambda x: [GC.PruningModifier(1.0)]),
    "pruning of affine layers": Case(lambda x: [GC.PruningModifier(2.0, ("Affine",))]),
}


def converted(case: Case, name: str) -> tuple[Any, Any]:
    """Input and output of a network after a conversion."""
    x, y = networks.build(name, case.batch_stat)
    return x, GC.GraphConverter(case.modifiers(x)).convert(y)


def observed(x: Any, y: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The graph and the parameters that it reads; the output, and the values of these parameters."""
    functions = networks.described(y, {x: "x"})
    used = {name for f in functions for name in f[2]}
    parameters = {k: v for k, v in nn.get_parameters(grad_only=False).items() if k in used}
    arrays = {k: np.array(v.d, np.float32) for k, v in parameters.items()}
    flags: list[bool] = []
    y.visit(lambda f: flags.append(any(v.need_grad for v in f.inputs)))
    y.forward()
    arrays["y"] = np.array(y.d, np.float32)
    facts = {
        "functions": functions,
        "parameters": {k: [list(v.shape), bool(v.need_grad)] for k, v in parameters.items()},
        "needs grad": flags,
    }
    return facts, arrays
