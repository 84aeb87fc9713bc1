"""`Function`: a node of the graph."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from copy import copy
from typing import Any

from .._array_view import LinkedArray
from .._nd_array import NdArray
from ..context import Context, context_scope
from ..errors import ArgumentError, GraphError
from .entry import entry
from .epoch import advance, epoch
from .modes import switched_auto_forward
from .operator import Operator, Shape
from .prototype import OneOfItsKind
from .setup import output_shapes, presence, with_gaps
from .variable import Buffers, Node, Variable


class Info:
    """Name and arguments of a function, as tools read them."""

    __slots__ = ("args", "tags", "type_name")

    def __init__(self, type_name: str, args: dict[str, Any], tags: dict[str, str]) -> None:
        self.type_name = type_name
        self.args = args
        self.tags = tags


class Function(Node):
    """One node of a graph: an operator with its inputs and outputs.

    Made by calling a function of `nnabla.functions` or a `PythonFunction` with variables.
    """

    __slots__ = (
        "_epoch",
        "_inputs",
        "_needs_grad",
        "_operator",
        "_output_refs",
        "_outputs",
        "_setup_shapes",
        "rank",
        "tags",
    )

    def __init__(self, operator: Operator, inputs: tuple[Variable, ...]) -> None:
        self._operator = operator
        self._inputs = inputs
        # Outputs' buffers are held, the Variables on them are not: they hold this function.
        self._outputs: tuple[Buffers, ...] = ()
        self._output_refs: list[weakref.ref[Variable]] = []
        self._needs_grad = False
        self._setup_shapes: tuple[Shape, ...] = ()
        # While this epoch lasts, shapes and flags are as they were when the function was made.
        self._epoch = epoch.value
        self.rank = 0
        self.tags: dict[str, str] = {}

    def _relink(self, old: Buffers, new: Buffers) -> None:
        """Where an output is the input `old`, let it be `new`."""
        for buffers in self._outputs:
            array = buffers.data
            if type(array) is LinkedArray and array.source is old:
                array.source = new
                array._seen = None

    def _is_linked(self, array: NdArray) -> bool:
        """Whether `array`, of an output, shows the array of an input."""
        i = self._operator.linked
        return i is not None and type(array) is LinkedArray and array.source is self._inputs[i]._buffers

    def _replace_output(self, old: Variable, new: Variable) -> None:
        self._output_refs = [
            weakref.ref(new) if buffers is old._buffers else ref
            for buffers, ref in zip(self._outputs, self._output_refs, strict=True)
        ]

    # ---- what it is --------------------------------------------------------------------------------------

    @property
    def inputs(self) -> list[Variable]:
        """The input variables; an optional input that was not given is left out."""
        return list(self._inputs)

    @property
    def outputs(self) -> list[Variable]:
        """The output variables."""
        found = []
        for i, (buffers, ref) in enumerate(zip(self._outputs, self._output_refs, strict=True)):
            variable = ref()
            if variable is None:
                # Nobody held the output; a new variable on the same buffers is equal to the lost one.
                variable = Variable._on(buffers, self)
                variable._inherited_need_grad = self._needs_grad
                variable.rank = self.rank + 1
                self._output_refs[i] = weakref.ref(variable)
            found.append(variable)
        return found

    @property
    def name(self) -> str:
        """The type name, ``"Convolution"``; ``"Callback"`` for a `PythonFunction`."""
        return self._operator.node_name

    @property
    def info(self) -> Info:
        """Type name, arguments and tags."""
        return Info(self._operator.declaration.type_name, self._operator.arguments, self.tags)

    @property
    def args(self) -> dict[str, Any]:
        """Values of the arguments by name."""
        return self._operator.arguments

    arguments = args

    @property
    def context(self) -> Context:
        """A copy of the context in which the function was created."""
        return copy(self._operator.context)

    @property
    def need_grad(self) -> bool:
        """Whether any input needs a gradient."""
        return self._needs_grad

    def min_outputs(self) -> int:
        """Number of outputs."""
        return len(self._outputs)

    def __repr__(self) -> str:
        return self.name

    # ---- what its gradient reads -------------------------------------------------------------------------

    def _reads(self, role: str, index: int) -> bool:
        operator = self._operator
        return operator.differentiable and operator.reads(role, index)

    def _read_arrays(self) -> list[NdArray]:
        """The arrays that its gradient reads: of inputs, then of outputs."""
        operator = self._operator
        if not operator.differentiable:
            return []
        xs, ys = operator.read_places()
        inputs, outputs = self._inputs, self._outputs
        return [inputs[i]._buffers.data for i in xs] + [outputs[i].data for i in ys]

    def grad_depends_input_data(self, i: int, j: int) -> bool:
        """Whether the gradient of input `i` reads the data of input `j`."""
        return self._reads("x", j)

    def grad_depends_output_data(self, i: int, o: int) -> bool:
        """Whether the gradient of input `i` reads the data of output `o`."""
        return self._reads("y", o)

    auto_grad_depends_input_data = grad_depends_input_data
    auto_grad_depends_output_data = grad_depends_output_data

    def inplace_data(self, i: int) -> int:
        """1 if an output is input `i` in another shape, 2 if forward writes to it besides, else 0."""
        operator = self._operator
        return 0 if operator.linked != i else 1 if operator.write is None else 2

    def inplace_data_with(self, i: int) -> int:
        """The output that is a view of input `i`."""
        return 0

    def need_setup_recompute(self, o: int) -> bool:
        """Whether output `o` needs preparation before it is recomputed: never here."""
        return False

    def set_active_input_mask(self, mask: Sequence[bool]) -> None:
        """Switch inputs on and off: the others are as if they had not been given, and receive no gradient.

        Args:
            mask: for each input whether it is on.

        Raises:
            GraphError: the function has no such switches; ``AddN`` and ``MulN`` have.
            ArgumentError: `mask` has another length than the inputs.
        """
        operator = self._operator
        if not operator.maskable:
            raise GraphError(f"set_active_input_mask: {self.name} takes all of its inputs; none can be switched off")
        if len(mask) != len(self._inputs):
            raise ArgumentError(
                f"set_active_input_mask: mask must have {len(self._inputs)} entries, as {self.name} has inputs, "
                f"not {len(mask)}"
            )
        operator.mask = tuple([bool(on) for on in mask])
        operator.prototype = OneOfItsKind()
        advance()

    # ---- called directly ---------------------------------------------------------------------------------

    def __call__(
        self,
        *inputs: Any,
        n_outputs: int = -1,
        auto_forward: bool | None = None,
        outputs: Sequence[Any] | None = None,
    ) -> Any:
        """Apply the same operator, with the same arguments and in the same context, to other inputs.

        Args:
            inputs: Variables or NdArrays.
            n_outputs: accepted for compatibility.
            auto_forward: whether to compute at once; default as `nnabla.auto_forward` says.
            outputs: arrays that the results shall be written to.
        """
        operator = self._operator
        if len(inputs) == sum(operator.present):
            inputs = tuple(with_gaps(operator, inputs))
        operator = operator.again()
        with context_scope(self._operator.context), switched_auto_forward(auto_forward):
            return entry.apply(operator, inputs, n_outputs, outputs)

    def setup(self, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        """Check the shapes of `inputs` and set those of `outputs`."""
        operator = self._operator
        if len(inputs) != sum(operator.present):
            operator.present = presence(operator, inputs)
        for variable, shape in zip(outputs, output_shapes(self._operator, inputs), strict=False):
            variable.reset_shape(shape, True)

    def forward(self, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        """Compute the data of `outputs` from the data of `inputs`."""
        entry.compute(self._operator, inputs, outputs)

    def backward(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], accum: Sequence[bool] | None = None
    ) -> None:
        """Compute the gradients of `inputs` from data and the gradients of `outputs`.

        Args:
            inputs: those with `need_grad` receive a gradient.
            outputs: with data and gradient.
            accum: for each input, whether to add to its gradient; ``None`` (default) adds to all. One that the
                function has no gradient for is set to 0 where it is not added to.

        Raises:
            ArgumentError: `accum` is not a list as long as `inputs`.
            GraphError: the gradient reads what only forward leaves behind, and forward did not run.
        """
        if accum is None:
            accum = (True,) * len(inputs)
        elif not isinstance(accum, (list, tuple)) or len(accum) != len(inputs):
            raise ArgumentError(f"Function.backward: accum must be a list of {len(inputs)} booleans, not {accum!r}")
        entry.compute_gradients(self._operator, inputs, outputs, accum)

    def setup_recompute(self, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        """Prepare `recompute`: nothing to do here."""

    def recompute(self, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        """Compute the data of `outputs` again, as the last forward did."""
        entry.compute(self._operator, inputs, outputs, recompute=True)
