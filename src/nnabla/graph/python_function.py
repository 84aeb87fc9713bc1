"""`PythonFunction`: base of the functions that users write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..context import Context, current
from .call import apply
from .callback import Callback
from .variable import Variable


class PythonFunction:
    """Base class of functions written by users: derive, and define the methods that end in ``_impl``.

    Args:
        ctx: context to compute in; ``None`` for the current one.

    Example:
        >>> import nnabla as nn
        >>> class Double(PythonFunction):
        ...     @property
        ...     def name(self):
        ...         return "Double"
        ...     def setup_impl(self, inputs, outputs):
        ...         outputs[0].reset_shape(inputs[0].shape, True)
        ...     def forward_impl(self, inputs, outputs):
        ...         outputs[0].data.copy_from(inputs[0].data * 2)
        ...     def backward_impl(self, inputs, outputs, propagate_down, accum):
        ...         if propagate_down[0]:
        ...             g = outputs[0].grad * 2
        ...             inputs[0].grad.copy_from(inputs[0].grad + g if accum[0] else g)
        >>> x = nn.Variable.from_numpy_array([1.0, 2.0])
        >>> y = Double()(x)
        >>> y.forward()
        >>> y.d
        array([2., 4.], dtype=float32)
    """

    def __init__(self, ctx: Context | None = None) -> None:
        if ctx is not None and not isinstance(ctx, Context):
            raise TypeError(f"PythonFunction: ctx must be a nnabla.Context or None, not {type(ctx).__name__}")
        self._ctx = ctx

    @property
    def ctx(self) -> Context:
        """The context given to the constructor, else the current one."""
        # A derived class may leave out our constructor.
        given: Context | None = self.__dict__.get("_ctx")
        return given or current.context

    @property
    def name(self) -> str:
        """Name of the function; the class's name unless overridden."""
        return type(self).__name__

    def min_outputs(self) -> int:
        """Number of outputs; 1 unless overridden."""
        return 1

    def grad_depends_input_data(self, i: int, j: int) -> bool:
        """Whether the gradient of input `i` reads the data of input `j`; yes unless overridden."""
        return True

    def grad_depends_output_data(self, i: int, o: int) -> bool:
        """Whether the gradient of input `i` reads the data of output `o`; yes unless overridden."""
        return True

    def setup_impl(self, inputs: list[Variable], outputs: list[Variable]) -> None:
        """Check `inputs` and set the shapes of `outputs` with `reset_shape`."""
        raise NotImplementedError(f"{self.name} must define setup_impl")

    def forward_impl(self, inputs: list[Variable], outputs: list[Variable]) -> None:
        """Compute the data of `outputs` from the data of `inputs`."""
        raise NotImplementedError(f"{self.name} must define forward_impl")

    def backward_impl(
        self, inputs: list[Variable], outputs: list[Variable], propagate_down: list[bool], accum: list[bool]
    ) -> None:
        """Compute gradients: for each input with `propagate_down`, set its gradient, or add where `accum`."""
        raise NotImplementedError(f"{self.name} must define backward_impl")

    def __call__(self, *inputs: Any, n_outputs: int = -1, outputs: Sequence[Any] | None = None) -> Any:
        """Apply the function to variables (which builds the graph) or NdArrays (which computes at once)."""
        return apply(Callback(self), inputs, n_outputs, outputs)

    def __repr__(self) -> str:
        return self.name
