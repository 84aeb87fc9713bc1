"""Records how the original NNabla describes networks: the names it gives, shapes and arguments.

    python tests/reference/record_graph_def.py

writes ``tests/reference/graph_def.json``: for each case what `create_graph_from_variable` makes of Variables, and what
calling the functions with ProtoVariables does, or null where the original cannot do that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF

FILE = Path(__file__).parent / "graph_def.json"


class Case(NamedTuple):
    """A network to describe.

    Args:
        build: from inputs to one or a tuple of outputs.
        inputs: shapes of the inputs by name.
        network: its name.
    """

    build: Callable[..., Any]
    inputs: dict[str, tuple[int, ...]]
    network: str = "net"


def _mlp(x: Any) -> Any:
    h = F.tanh(PF.affine(x, 5, name="first"))
    return PF.affine(h, 3, name="second", with_bias=False)


def _lenet(x: Any, t: Any) -> Any:
    h = PF.convolution(x, 4, (5, 5), name="conv1")
    h = F.relu(F.max_pooling(PF.batch_normalization(h, name="bn1"), (2, 2)), inplace=True)
    h = PF.convolution(h, 6, (3, 3), name="conv2", pad=(1, 1), with_bias=False)
    h = F.relu(F.average_pooling(h, (2, 2)))
    h = F.relu(PF.affine(h, 8, name="fc1"))
    return F.mean(F.softmax_cross_entropy(PF.affine(h, 3, name="fc2"), t), axis=(0, 1))


def _residual(x: Any) -> Any:
    with nn.parameter_scope("block"):
        h = PF.convolution(x, 4, (3, 3), pad=(1, 1), with_bias=False, name="c1")
        h = F.relu(PF.batch_normalization(h, batch_stat=False, name="b1"))
        h = PF.convolution(h, 6, (3, 3), pad=(1, 1), stride=(2, 2), with_bias=False, name="c2")
        h = PF.batch_normalization(h, batch_stat=False, name="b2")
        s = PF.convolution(x, 6, (1, 1), stride=(2, 2), with_bias=False, name="skip")
        return F.relu(F.add2(h, s))


def _several(x: Any, z: Any) -> Any:
    h = PF.affine(x, 4, name="common")
    return F.sigmoid(h + z), F.split(F.tanh(h), axis=1)[1]


def _shared(x: Any, z: Any) -> Any:
    first = F.relu(PF.affine(x, 4, name="tower"))
    second = F.relu(PF.affine(z, 4, name="tower"))
    return F.concatenate(first, second, axis=1)


def _sequences(x: Any) -> Any:
    h = F.transpose(x, (0, 2, 1))
    h = F.pad(h, (1, 0, 0, 2), mode="constant", constant_value=0.5)
    h = F.slice(h, start=(0, 1, 0), stop=(4, 5, 4), step=(1, 2, 1))
    h = F.reshape(F.broadcast(F.sum(h, axis=1, keepdims=True), (4, 3, 4)), (4, -1))
    return F.concatenate(h, F.flip(h, (1,)))


def _normalized(x: Any) -> Any:
    h = PF.layer_normalization(x, batch_axis=0, no_bias=True, name="scale_only")
    h = PF.instance_normalization(h, no_scale=True, name="bias_only")
    h = PF.group_normalization(h, 2, no_scale=True, no_bias=True)
    return PF.batch_normalization(h, batch_stat=False, no_bias=True, name="bn")


def _dropout(x: Any) -> Any:
    return F.dropout(PF.affine(F.dropout(x, 0.25), 8), 0.5)


def _scalars(x: Any) -> Any:
    h = -(x * 3 + 1) / 4 - 2
    return F.minimum_scalar(F.clip_by_value(h, -1.5, 1.5), 1.0)


def _reflected(x: Any) -> Any:
    return 2 / (3 - 2 * x) + x**2


def _recurrent(x: Any, h: Any, c: Any) -> Any:
    return PF.lstm_cell(x, h, c, 3)


def _multiple(x: Any) -> Any:
    values, _ = F.sort(x, with_index=True)
    return F.relu(values * 2)


CASES = {
    "mlp": Case(_mlp, {"x": (4, 6)}),
    "mlp_default_name": Case(_mlp, {"x": (4, 6)}, "model"),
    "lenet": Case(_lenet, {"x": (4, 1, 12, 12), "t": (4, 1)}),
    "residual": Case(_residual, {"x": (2, 3, 8, 8)}),
    "several": Case(_several, {"x": (4, 6), "z": (4, 4)}),
    "shared": Case(_shared, {"x": (4, 6), "z": (4, 6)}),
    "sequences": Case(_sequences, {"x": (4, 3, 4)}),
    "normalized": Case(_normalized, {"x": (4, 6, 5, 5)}),
    "dropout": Case(_dropout, {"x": (4, 6)}),
    "scalars": Case(_scalars, {"x": (4, 6)}),
    "reflected": Case(_reflected, {"x": (4, 6)}),
    "recurrent": Case(_recurrent, {"x": (4, 6), "h": (4, 3), "c": (4, 3)}),
    "multiple": Case(_multiple, {"x": (4, 6)}),
}


def facts(network: Any) -> dict[str, Any]:
    """A described network as plain data."""
    return {
        "inputs": list(network.inputs),
        "outputs": list(network.outputs),
        "variables": {name: list(v.shape) for name, v in network.variables.items()},
        "parameters": {name: list(v.shape) for name, v in network.parameters.items()},
        "functions": [
            [f.name, f.type, list(f.inputs), list(f.outputs), dict(f.args)] for f in network.functions.values()
        ],
    }


def created(case: Case) -> Any:
    """The graph that Variables give."""
    nn.clear_parameters()
    x = {name: nn.Variable(shape) for name, shape in case.inputs.items()}
    y = case.build(**x)
    return nn.graph_def.create_graph_from_variable(case.network, list(y) if isinstance(y, tuple) else y, names=x)


def traced(case: Case) -> Any:
    """The graph that ProtoVariables give."""
    nn.clear_parameters()
    with nn.graph_def.graph(name=case.network) as graph:
        case.build(**{name: nn.ProtoVariable(shape, name) for name, shape in case.inputs.items()})
    return graph


def _record(case: Case) -> dict[str, Any]:
    found = {"created": facts(created(case).networks[case.network])}
    try:
        found["traced"] = facts(traced(case).networks[case.network])
    except (TypeError, AttributeError):
        found["traced"] = None
    return found


if __name__ == "__main__":
    lines = [f"{json.dumps(key)}: {json.dumps(_record(case))}" for key, case in CASES.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
