"""Small networks of the kinds that people convert, which this package and the original NNabla build alike.

Every one takes ``batch_stat`` (how its batch normalizations compute) and returns its input and output. Values are drawn
by `fill`, so that both compute the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF


def _normalized(h: Any, batch_stat: bool, name: str) -> Any:
    return PF.batch_normalization(h, batch_stat=batch_stat, name=name)


def lenet(batch_stat: bool = False) -> tuple[Any, Any]:
    x = nn.Variable((2, 1, 12, 12))
    h = PF.convolution(x, 4, (3, 3), name="conv1", with_bias=False)
    h = F.relu(F.max_pooling(_normalized(h, batch_stat, "bn1"), (2, 2)))
    h = PF.convolution(h, 6, (2, 2), name="conv2")
    h = F.relu(F.max_pooling(_normalized(h, batch_stat, "bn2"), (2, 2)))
    h = F.relu(_normalized(PF.affine(h, 8, name="fc1"), batch_stat, "bn3"))
    return x, PF.affine(F.dropout(h, 0.5) if batch_stat else h, 3, name="fc2")


def _unit(h: Any, maps: int, stride: int, batch_stat: bool) -> Any:
    y = PF.convolution(h, maps, (3, 3), pad=(1, 1), stride=(stride, stride), with_bias=False, name="conv1")
    y = F.relu(_normalized(y, batch_stat, "bn1"))
    y = PF.convolution(y, maps, (3, 3), pad=(1, 1), with_bias=False, name="conv2")
    y = _normalized(y, batch_stat, "bn2")
    if stride > 1:
        h = PF.convolution(h, maps, (1, 1), stride=(stride, stride), with_bias=False, name="shortcut")
        h = _normalized(h, batch_stat, "bn_shortcut")
    return F.relu(F.add2(y, h))


def resnet(batch_stat: bool = False) -> tuple[Any, Any]:
    x = nn.Variable((2, 3, 16, 16))
    h = PF.convolution(x, 4, (3, 3), pad=(1, 1), stride=(2, 2), with_bias=False, name="conv1")
    h = F.max_pooling(F.relu(_normalized(h, batch_stat, "bn1")), (2, 2))
    for i, (maps, stride) in enumerate([(4, 1), (6, 2)]):
        with nn.parameter_scope(f"unit{i}"):
            h = _unit(h, maps, stride, batch_stat)
    h = F.average_pooling(h, h.shape[2:])
    return x, PF.affine(h, 3, name="fc")


def mobilenet(batch_stat: bool = False) -> tuple[Any, Any]:
    x = nn.Variable((2, 4, 8, 8))
    h = x
    with nn.parameter_scope("block"):
        h = PF.convolution(h, 8, (1, 1), with_bias=False, name="expand")
        h = F.relu6(_normalized(h, batch_stat, "bn1"))
        h = PF.convolution(h, 8, (3, 3), pad=(1, 1), group=8, with_bias=False, name="depthwise")
        h = F.relu6(_normalized(h, batch_stat, "bn2"))
        h = PF.convolution(h, 4, (1, 1), with_bias=False, name="project")
        h = F.add2(_normalized(h, batch_stat, "bn3"), x)
    h = F.average_pooling(h, h.shape[2:])
    return x, PF.convolution(h, 3, (1, 1), name="classifier")


def unet(batch_stat: bool = False) -> tuple[Any, Any]:
    x = nn.Variable((2, 2, 8, 8))

    def block(h: Any, maps: int, name: str) -> Any:
        with nn.parameter_scope(name):
            h = PF.convolution(h, maps, (3, 3), pad=(1, 1), name="conv")
            return F.relu(_normalized(h, batch_stat, "bn"))

    first = block(x, 3, "down1")
    second = block(F.max_pooling(first, (2, 2)), 4, "down2")
    up = PF.deconvolution(second, 3, (2, 2), stride=(2, 2), with_bias=False, name="up")
    up = F.relu(_normalized(up, batch_stat, "up_bn"))
    h = block(F.concatenate(up, first, axis=1), 3, "merge")
    return x, F.sigmoid(PF.convolution(h, 1, (1, 1), name="head"))


def lstm(batch_stat: bool = False) -> tuple[Any, Any]:
    x = nn.Variable((3, 2, 4))
    h = c = nn.Variable((2, 5))
    h.d = 0
    for t in range(3):  # the original's converters cannot build a Split again
        step = F.reshape(F.slice(x, start=(t, 0, 0), stop=(t + 1, 2, 4)), (2, 4))
        step = _normalized(step, batch_stat, "bn_in")
        h, c = PF.lstm_cell(step, h, c, 5, name="lstm")
    h = _normalized(PF.affine(h, 6, name="fc1"), batch_stat, "bn_out")
    return x, PF.affine(F.tanh(h), 3, name="fc2")


NETWORKS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "lenet": lenet,
    "resnet": resnet,
    "mobilenet": mobilenet,
    "unet": unet,
    "lstm": lstm,
}


def fill(x: Any, seed: int = 0) -> None:
    """Give an input and all parameters values that depend on the seed and their order alone."""
    rng = np.random.RandomState(seed)
    x.d = rng.randn(*x.shape)
    for name, parameter in nn.get_parameters(grad_only=False).items():
        values = rng.randn(*parameter.shape)
        if name.endswith("/var"):
            values = 0.5 + values**2
        elif name.endswith("/gamma"):
            values = 1 + 0.3 * values
        else:
            values = 0.5 * values
        parameter.d = values


def build(name: str, batch_stat: bool = False, seed: int = 0) -> tuple[Any, Any]:
    """Input and output of a network whose values are filled; all other parameters are removed."""
    nn.clear_parameters()
    x, y = NETWORKS[name](batch_stat)
    fill(x, seed)
    return x, y


def plain(value: Any) -> Any:
    """An argument as JSON has it."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    return float(np.float32(value))


def described(y: Any, names: dict[Any, str] | None = None) -> list[list[Any]]:
    """The functions that lead to a variable: type, arguments, inputs by name, shapes of the outputs.

    Parameters have their names in the current scope, outputs are numbered.
    """
    known = {v: k for k, v in nn.get_parameters(grad_only=False).items()}
    known.update(names or {})
    functions: list[list[Any]] = []

    def note(f: Any) -> None:
        for v in f.inputs:
            if v not in known:
                known[v] = f"leaf{sum(k.startswith('leaf') for k in known.values())} {list(v.shape)}"
        inputs = [known[v] for v in f.inputs]
        for v in f.outputs:
            known.setdefault(v, f"#{len(functions)}" + (f".{f.outputs.index(v)}" if len(f.outputs) > 1 else ""))
        arguments = {k: plain(v) for k, v in f.info.args.items()}
        functions.append([f.name, arguments, inputs, [list(v.shape) for v in f.outputs]])

    y.visit(note)
    return functions
