"""Records what the original NNabla makes of loops in described networks.

    python tests/reference/record_loops.py

writes ``tests/reference/loops.json``: for each case the names of all functions and variables after the loops are
written out, and what the network computes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nnabla as nn
from nnabla.utils import nnabla_pb2

FILE = Path(__file__).parent / "loops.json"


class Model:
    """A message with one network, put together."""

    def __init__(self, **loops: int) -> None:
        self.proto = nnabla_pb2.NNablaProtoBuf()
        self.network = self.proto.network.add(name="net", batch_size=2)
        for name, times in loops.items():
            self.network.repeat_info.add(id=name, times=times)

    def variables(self, shape: tuple[int, ...], names: str, loops: str = "", kind: str = "Buffer") -> None:
        """Variables of a shape, in loops."""
        for name in names.split():
            variable = self.network.variable.add(name=name, type=kind)
            variable.shape.dim.extend(shape)
            variable.repeat_id.extend(loops.split())

    def parameters(self, shape: tuple[int, ...], names: str, loops: str = "") -> None:
        """Parameters of a shape, in loops."""
        self.variables(shape, names, loops, "Parameter")

    def function(self, kind: str, inputs: str, output: str, loops: str = "") -> Any:
        """A function, in loops, that is named after its output."""
        function = self.network.function.add(name=f"f{output}", type=kind)
        function.input.extend(inputs.split())
        function.output.append(output)
        function.repeat_id.extend(loops.split())
        if kind == "Affine":
            function.affine_param.base_axis = 1
        return function

    def repeat(self, kind: str, inputs: str, output: str, loop: str, times: int, loops: str = "") -> None:
        """RepeatStart or RepeatEnd."""
        function = self.function(kind, inputs, output, loops)
        function.repeat_param.repeat_id = loop
        function.repeat_param.times = times

    def recurrent(
        self, kind: str, inputs: str, output: str, loop: str, length: int, axis: int, loops: str = ""
    ) -> None:
        """RecurrentInput, RecurrentOutput or Delay."""
        function = self.function(kind, inputs, output, loops)
        function.recurrent_param.repeat_id = loop
        function.recurrent_param.length = length
        function.recurrent_param.axis = axis


def _repeat() -> Any:
    m = Model(r=3)
    m.variables((2, 3), "x e y")
    m.variables((2, 3), "s a", "r")
    m.parameters((3, 3), "W", "r")
    m.parameters((3,), "b")
    m.repeat("RepeatStart", "x a", "s", "r", 3, "r")
    m.function("Affine", "s W b", "a", "r")
    m.repeat("RepeatEnd", "a", "e", "r", 3)
    m.function("Tanh", "e", "y")
    return m.proto


def _once() -> Any:
    proto = _repeat()
    proto.network[0].repeat_info[0].times = 1
    return proto


def _outside() -> Any:
    m = Model(r=2)
    m.variables((2, 3), "x o e y")
    m.variables((2, 3), "s a", "r")
    m.function("Tanh", "x", "o")
    m.repeat("RepeatStart", "x a", "s", "r", 2, "r")
    m.function("Add2", "s o", "a", "r")
    m.repeat("RepeatEnd", "a", "e", "r", 2)
    m.function("Mul2", "e o", "y")
    return m.proto


def _nested() -> Any:
    m = Model(r=2, q=3)
    m.variables((2, 3), "x e")
    m.variables((2, 3), "s u z", "r")
    m.variables((2, 3), "t m a", "r q")
    m.parameters((3, 3), "W", "r q")
    m.parameters((3, 3), "V U", "r")
    m.repeat("RepeatStart", "x z", "s", "r", 2, "r")
    m.repeat("RepeatStart", "s a", "t", "q", 3, "r q")
    m.function("Affine", "t W", "m", "r q")
    m.function("Affine", "m U", "a", "r q")
    m.repeat("RepeatEnd", "a", "u", "q", 3, "r")
    m.function("Affine", "u V", "z", "r")
    m.repeat("RepeatEnd", "z", "e", "r", 2)
    return m.proto


def _recurrent(loops: str = "", axis: int = 1) -> Any:
    m = Model(t=3)
    shape = (2, 3, 4) if axis == 1 else (3, 2, 4)
    m.variables(shape, "x o y")
    m.variables((2, 4), "h0")
    m.variables((2, 4), "xi d a h", "t")
    m.parameters((4, 4), "W")
    m.recurrent("RecurrentInput", "x", "xi", "t", 3, axis, "t")
    m.recurrent("Delay", "h h0", "d", "t", 0, 0, "t")
    m.function("Affine", "d W", "a", "t")
    m.function("Add2", "a xi", "h", "t")
    m.recurrent("RecurrentOutput", "h", "o", "t", 3, axis)
    m.function("Tanh", "o", "y")
    return m.proto


def _recurrent_in_repeat() -> Any:
    m = Model(r=2, t=3)
    m.variables((2, 3, 4), "x e")
    m.variables((2, 3, 4), "s o", "r")
    m.variables((2, 4), "h0")
    m.variables((2, 4), "xi d a h", "r t")
    m.parameters((4, 4), "W", "r")
    m.repeat("RepeatStart", "x o", "s", "r", 2, "r")
    m.recurrent("RecurrentInput", "s", "xi", "t", 3, 1, "r t")
    m.recurrent("Delay", "h h0", "d", "t", 0, 0, "r t")
    m.function("Affine", "d W", "a", "r t")
    m.function("Add2", "a xi", "h", "r t")
    m.recurrent("RecurrentOutput", "h", "o", "t", 3, 1, "r")
    m.repeat("RepeatEnd", "o", "e", "r", 2)
    return m.proto


CASES: dict[str, Callable[[], Any]] = {
    "repeat": _repeat,
    "once": _once,
    "outside": _outside,
    "nested": _nested,
    "recurrent": _recurrent,
    "time_first": lambda: _recurrent(axis=0),
    "recurrent_in_repeat": _recurrent_in_repeat,
}


def facts(case: Callable[[], Any]) -> dict[str, Any]:
    """What becomes of a case."""
    graph = nn.graph_def.ProtoGraph.from_proto(case())
    graph.expand_loop_control()
    network = graph["net"]
    rng = np.random.RandomState(3)
    for name, described in network.parameters.items():
        values = rng.uniform(-1, 1, described.shape)
        graph.set_parameter(name, nn.Variable.from_numpy_array(values.astype(np.float32)))
    inputs = [nn.Variable.from_numpy_array(rng.uniform(-1, 1, network.variables[n].shape)) for n in network.inputs]
    y = network(*inputs)
    y.forward()
    return {
        "functions": [[f.name, f.type, list(f.inputs), list(f.outputs)] for f in network.functions.values()],
        "variables": {name: list(v.shape) for name, v in network.variables.items()},
        "parameters": {name: list(v.shape) for name, v in network.parameters.items()},
        "output": [round(float(value), 6) for value in y.d.ravel()],
    }


if __name__ == "__main__":
    lines = [f"{json.dumps(key)}: {json.dumps(facts(case))}" for key, case in CASES.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
