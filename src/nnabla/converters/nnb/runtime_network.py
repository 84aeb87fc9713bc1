"""`RuntimeNetwork`: a network with names, made of functions that the C runtime has; rules build it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .model import Shape
from .stored_types import StoredType


class Unsupported(Exception):
    """Why a function cannot be written; the exporter collects them all."""


@dataclasses.dataclass
class Step:
    """A call of a function of the runtime.

    Attributes:
        name: of the function of the network that it belongs to.
        type: type name.
        inputs, outputs: names of variables.
        arguments: values by name.
    """

    name: str
    type: str
    inputs: list[str]
    outputs: list[str]
    arguments: dict[str, Any]


class RuntimeNetwork:
    """Functions between named variables.

    Args:
        name: of the network.
        shapes: of its variables by name, in the order in which they are to be numbered.
        parameters: values by name.
        inputs, outputs: names.

    Attributes:
        name, shapes, inputs, outputs: as given; rules add shapes.
        values: of parameters by name, float32.
        steps: in the order in which they run.
        like: names of variables by those that rules made for them, which share their type.
        layouts: which parameters are stored in another layout; names by name and layout.
        types: of variables that the network itself rounds, by name.
    """

    def __init__(
        self,
        name: str,
        shapes: dict[str, Shape],
        parameters: dict[str, np.ndarray],
        inputs: list[str],
        outputs: list[str],
    ) -> None:
        self.name = name
        self.shapes = shapes
        self.values = dict(parameters)
        self.inputs = inputs
        self.outputs = outputs
        self.steps: list[Step] = []
        self.like: dict[str, str] = {}
        self.layouts: dict[tuple[str, str], str] = {}
        self.types: dict[str, StoredType] = {}
        self._function = ""
        self._target = ""
        self._readers: dict[str, int] = {}

    def begin(self, function: str, target: str) -> None:
        """Start the steps of a function of the network, whose first output is `target`."""
        self._function, self._target = function, target

    def call(self, type: str, inputs: Sequence[str | None], outputs: Sequence[str], **arguments: Any) -> None:
        """Add a step; inputs that are ``None`` are left out."""
        given = [name for name in inputs if name is not None]
        self.steps.append(Step(self._function, type, given, list(outputs), arguments))

    def apply(self, type: str, *inputs: str, shape: Shape | None = None, **arguments: Any) -> str:
        """Add a step whose output is a new variable; its name.

        Args:
            type: of the function.
            inputs: names.
            shape: of the output; default that of the first input.
            arguments: of the function.
        """
        name = self.variable(self.shapes[inputs[0]] if shape is None else shape, type)
        self.call(type, inputs, [name], **arguments)
        return name

    def variable(self, shape: Shape, word: str) -> str:
        """A new variable for the function begun; its name."""
        name = self._fresh(f"{self._function}/{word}")
        self.shapes[name] = tuple(shape)
        self.like[name] = self._target
        return name

    def constant(self, values: np.ndarray | float, shape: Shape | None = None, word: str = "constant") -> str:
        """A new parameter for the function begun; its name."""
        array = np.asarray(values, np.float32)
        name = self._fresh(f"{self._function}/{word}")
        self.shapes[name] = array.shape if shape is None else tuple(shape)
        self.values[name] = array
        self.like[name] = self._target
        return name

    def stored_as(self, parameter: str, layout: str, values: np.ndarray) -> str:
        """A parameter whose numbers stand in another order in the file, under the shape that it has.

        Args:
            parameter: its name. It is changed itself where nothing reads it in its own order; else there is another one
                with a name of its own.
            layout: name of the order.
            values: the numbers in that order.
        """
        key = (parameter, layout)
        if key not in self.layouts:
            name = self._fresh(f"{parameter}/{layout}")
            self.shapes[name] = self.shapes[parameter]
            self.values[name] = values
            self.like[name] = parameter
            self.layouts[key] = name
        return self.layouts[key]

    def settle_layouts(self) -> None:
        """Give parameters that are only read in one other order that order, instead of a second parameter."""
        read = {name for step in self.steps for name in step.inputs} | set(self.outputs)
        by_parameter: dict[str, list[str]] = {}
        for (parameter, _), name in self.layouts.items():
            by_parameter.setdefault(parameter, []).append(name)
        renamed = {names[0]: p for p, names in by_parameter.items() if len(names) == 1 and p not in read}
        for name, parameter in renamed.items():
            self.values[parameter] = self.values.pop(name)
            del self.shapes[name], self.like[name]
        for step in self.steps:
            step.inputs = [renamed.get(name, name) for name in step.inputs]

    def drop_unused_variables(self) -> None:
        """Leave out what no step reads or computes: parameters that only rules have read, and what leads elsewhere."""
        used = {name for step in self.steps for name in (*step.inputs, *step.outputs)}
        used.update(self.inputs, self.outputs)
        for name in [name for name in self.shapes if name not in used]:
            del self.shapes[name]
            self.values.pop(name, None)
            self.like.pop(name, None)

    def _fresh(self, name: str) -> str:
        count, candidate = 1, name
        while candidate in self.shapes:
            candidate = f"{name}_{count}"
            count += 1
        return candidate

    # ---- what rules often need ---------------------------------------------------------------------------

    def scalar(self, type: str, x: str, value: float) -> str:
        """``MulScalar``, ``AddScalar``, ... of a variable."""
        name = self.variable(self.shapes[x], type)
        extra = {"inplace": False} if type in ("AddScalar", "MulScalar", "PowScalar") else {}
        self.call(type, [x], [name], val=float(value), **extra)
        return name

    def transpose(self, x: str, axes: Sequence[int]) -> str:
        """A variable with its axes in another order."""
        shape = self.shapes[x]
        return self.apply("Transpose", x, shape=tuple([shape[a] for a in axes]), axes=list(axes))

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """A variable in another shape."""
        name = self.variable(tuple(shape), "Reshape")
        self.call("Reshape", [x], [name], shape=list(shape), inplace=False)
        return name

    def size(self, x: str) -> int:
        """Number of elements."""
        return math.prod(self.shapes[x])

    def value(self, x: str, what: str) -> np.ndarray:
        """The values of a parameter.

        Raises:
            Unsupported: it is computed, or an input.
        """
        if x not in self.values:
            raise Unsupported(f"{what} must be a parameter, not computed")
        return self.values[x].reshape(self.shapes[x])
