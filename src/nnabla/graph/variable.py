"""`Variable`: an edge of the graph. It holds data and gradient and knows which function made it."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .._nd_array import KEPT, NdArray, checked_shape, size_from_axis
from ..errors import ShapeError
from .entry import entry
from .epoch import advance, epoch
from .hooks import function_post_hooks, function_pre_hooks
from .operator import registry
from .order import topological

if TYPE_CHECKING:
    from .function import Function

Hook = Callable[["Function"], Any]


class Buffers:
    """Data and gradient of a variable. Unlinked variables share one; it is what equality of variables means."""

    __slots__ = ("_grad", "data")

    def __init__(self, data: NdArray) -> None:
        self.data = data
        self._grad: NdArray | None = None

    @property
    def grad(self) -> NdArray:
        if self._grad is None:
            self._grad = NdArray._new(self.data._shape)
        return self._grad

    @grad.setter
    def grad(self, grad: NdArray) -> None:
        self._grad = grad

    def resize(self, shape: tuple[int, ...]) -> None:
        """Change the shape; values are kept where their number stays the same."""
        self.data._resize(shape)
        if self._grad is not None:
            self._grad._resize(shape)


class Node:
    """Base of `Function`, which is made of variables and so is defined after them."""

    __slots__ = ("__weakref__",)


class _SignatureOf:
    """Gives a class the signature of its method that creates instances; derived classes keep their own."""

    def __init__(self, method: str) -> None:
        self._method = method

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    def __get__(self, instance: Any, owner: type) -> inspect.Signature:
        if owner is not self._owner:
            raise AttributeError("__signature__")
        method = inspect.signature(getattr(owner, self._method))
        return method.replace(parameters=list(method.parameters.values())[1:], return_annotation=method.empty)


class Variable:
    """An edge of a computation graph, with its data and gradient.

    Arithmetic (``+ - * / ** @``) and indexing build the graph further. ``==`` and ``hash`` go by the buffers: two
    variables are equal if one is the other, unlinked.

    Args:
        shape: lengths of the axes.
        need_grad: whether gradients are propagated to this variable. ``None`` (default): no for a variable that no
            function made, and as its function's inputs say for others.
        info: anything; kept as the attribute `info`.

    Example:
        >>> x = Variable((2, 3), need_grad=True)
        >>> x.shape, x.need_grad, x.parent
        ((2, 3), True, None)
    """

    __slots__ = (
        "__weakref__",
        "_buffers",
        "_consumers",
        "_inherited_need_grad",
        "_need_grad",
        "_parent",
        "_persistent",
        "_plans",
        "_recompute",
        "info",
        "name",
        "rank",
    )

    _need_grad: bool | None
    info: Any

    if TYPE_CHECKING:

        def __init__(self, shape: Iterable[int] = (), need_grad: bool | None = None, info: Any = None) -> None: ...

    else:
        __signature__ = _SignatureOf("_begin")

        # As in NNabla, a derived class may define `__new__` with arguments of its own, which passes on those of
        # Variable, and `__init__`, which need not; or, unlike there, `__init__` alone, which passes them on.

        def __new__(cls, *args, **kwargs):
            variable = object.__new__(cls)
            if cls is not Variable and cls.__new__ is Variable.__new__ and cls.__init__ is not Variable.__init__:
                variable._begin()
            else:
                variable._begin(*args, **kwargs)
            return variable

        def __init__(self, *args, **kwargs):
            if type(self) is not Variable and (args or kwargs) and type(self).__init__ is not Variable.__init__:
                self._begin(*args, **kwargs)

    def _begin(self, shape: Iterable[int] = (), need_grad: bool | None = None, info: Any = None) -> None:
        self._link(Buffers(NdArray._new(checked_shape(shape, "Variable"))), None)
        self._need_grad = need_grad if need_grad is None else bool(need_grad)
        self.info = info

    def _link(self, buffers: Buffers, parent: Function | None) -> None:
        self._buffers = buffers
        self._parent = parent
        self._need_grad = None  # as set by the user
        self._inherited_need_grad = False  # as the parent's inputs say
        self._persistent = False
        self._recompute = False
        self._consumers: list[weakref.ref[Function]] = []
        self._plans: dict[Any, Any] | None = None
        self.name = ""
        self.rank = 0
        self.info = None

    @staticmethod
    def _on(buffers: Buffers, parent: Function | None = None) -> Variable:
        """A new variable on existing buffers."""
        variable: Variable = object.__new__(Variable)
        variable._link(buffers, parent)
        return variable

    @staticmethod
    def from_numpy_array(data: Any, grad: Any = None, need_grad: bool | None = None) -> Variable:
        """A new variable with a copy of `data` (and of `grad`, of the same shape, if given)."""
        values = np.asarray(data)
        variable = Variable._on(Buffers(NdArray.from_numpy_array(values)))
        variable._need_grad = need_grad if need_grad is None else bool(need_grad)
        if grad is not None:
            if np.shape(grad) != values.shape:
                raise ShapeError(
                    f"Variable.from_numpy_array: grad must have shape {values.shape}, not {np.shape(grad)}"
                )
            variable.grad.data = np.asarray(grad)
        return variable

    # ---- shape -------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self._buffers.data._shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._buffers.data._shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._buffers.data.size

    def size_from_axis(self, axis: int = -1) -> int:
        """Number of elements over the axes from `axis` on; of all axes where `axis` is negative."""
        return size_from_axis(self.shape, axis)

    def __len__(self) -> int:
        return len(self._buffers.data)

    def __bool__(self) -> bool:
        return True

    def reset_shape(self, shape: Iterable[int], force: bool = False) -> None:
        """Change the shape of this variable (and of those that share its buffers) in place.

        Args:
            shape: the new shape.
            force: allow another number of elements, which clears data and gradient.

        Raises:
            ShapeError: the number of elements differs and `force` is not given.
        """
        new = checked_shape(shape, "Variable.reset_shape")
        count = int(np.prod(new, dtype=np.int64))
        if count != self.size and not force:
            raise ShapeError(
                f"Variable.reset_shape: {new} has {count} elements, {self.shape} has {self.size}; "
                "pass force=True to give up the values"
            )
        if new != self.shape:
            if count != self.size:
                # Nothing is left to be freed.
                for array in (self._buffers.data, self._buffers._grad):
                    if array is not None:
                        array._cleared = KEPT
            self._buffers.resize(new)
            advance()

    # ---- values ------------------------------------------------------------------------------------------

    @property
    def data(self) -> NdArray:
        """The values, as an NdArray. Setting it makes the variable use that array (not a copy).

        Where no function made this variable, the clear options keep the values of that array, also if it is the array
        of another variable, which some function made.
        """
        return self._buffers.data

    @data.setter
    def data(self, value: NdArray) -> None:
        self._buffers.data = self._checked_array(value, "data")
        if self._parent is not None:
            advance()
        elif not value._adopted:
            value._adopted = True
            if value._cleared:  # There may be a plan that frees it.
                advance()

    @property
    def grad(self) -> NdArray:
        """The gradient, as an NdArray. Setting it makes the variable use that array (not a copy)."""
        return self._buffers.grad

    @grad.setter
    def grad(self, value: NdArray) -> None:
        self._buffers.grad = self._checked_array(value, "grad")
        if self._parent is not None:
            advance()

    def _checked_array(self, value: NdArray, what: str) -> NdArray:
        if not isinstance(value, NdArray):
            raise TypeError(
                f"Variable.{what} must be an NdArray, not {type(value).__name__}; assign values to .d or .g"
            )
        if value.shape != self.shape:
            raise ShapeError(f"Variable.{what}: shape must be {self.shape}, not {value.shape}")
        return value

    @property
    def d(self) -> np.ndarray:
        """The values as a NumPy array on the same memory; see `NdArray.data` for getting and setting."""
        return self._buffers.data.get_data()

    @d.setter
    def d(self, value: Any) -> None:
        self._buffers.data.data = value

    @property
    def g(self) -> np.ndarray:
        """The gradient as a NumPy array on the same memory; see `NdArray.data` for getting and setting."""
        return self._buffers.grad.get_data()

    @g.setter
    def g(self, value: Any) -> None:
        self._buffers.grad.data = value

    # ---- flags -------------------------------------------------------------------------------------------

    @property
    def need_grad(self) -> bool:
        """Whether gradients are propagated to this variable."""
        return self._inherited_need_grad if self._need_grad is None else self._need_grad

    @need_grad.setter
    def need_grad(self, value: bool | None) -> None:
        value = value if value is None else bool(value)
        if value != self._need_grad:
            self._need_grad = value
            advance()

    @property
    def persistent(self) -> bool:
        """Whether data and gradient survive the clear options of `forward` and `backward`."""
        return self._persistent

    @persistent.setter
    def persistent(self, value: bool) -> None:
        if bool(value) != self._persistent:
            self._persistent = bool(value)
            advance()

    @property
    def recompute(self) -> bool:
        """Whether the data is freed after its use in forward and computed again when backward needs it."""
        return self._recompute

    @recompute.setter
    def recompute(self, value: bool) -> None:
        if bool(value) != self._recompute:
            self._recompute = bool(value)
            advance()

    def apply(self, **kwargs: Any) -> Variable:
        """Set properties by keyword, and return this variable.

        Example:
            >>> Variable((2,)).apply(persistent=True, name="h").persistent
            True
        """
        for key, value in kwargs.items():
            setattr(self, key, value)
        return self

    # ---- graph -------------------------------------------------------------------------------------------

    @property
    def parent(self) -> Function | None:
        """The function that this variable is an output of.

        Another one may be set: the graph then leads through it, but what it computes goes to its own outputs.
        """
        return self._parent

    @parent.setter
    def parent(self, function: Function) -> None:
        if not isinstance(function, Node):
            raise TypeError(f"Variable.parent must be a Function, not {type(function).__name__}")
        self._parent = function
        advance()

    @property
    def function_references(self) -> list[Function]:
        """The functions that take this variable as an input, each once, in the order in which they were created."""
        return list(dict.fromkeys(f for f in (ref() for ref in self._consumers) if f is not None))

    def _forget_consumers(self) -> None:
        """Drop those that are gone: a variable meets new functions in every iteration where graphs are built anew.

        It is done whenever the list has doubled, which costs a constant for each of them.
        """
        count = len(self._consumers)
        if count & (count - 1) == 0:
            self._consumers = [ref for ref in self._consumers if ref() is not None]

    @property
    def get_number_of_references(self) -> int:
        """How many functions take this variable as an input."""
        return len(self.function_references)

    def get_unlinked_variable(self, need_grad: bool | None = None) -> Variable:
        """A variable on the same data and gradient that no function made.

        Args:
            need_grad: its flag; ``None`` takes the present one of this variable.
        """
        variable = Variable._on(self._buffers)
        variable._need_grad = self.need_grad if need_grad is None else bool(need_grad)
        return variable

    unlinked = get_unlinked_variable

    def reshape(self, shape: Iterable[int], unlink: bool = False) -> Variable:
        """A variable of another shape on the same memory; one dimension may be -1.

        Args:
            shape: the new shape.
            unlink: cut it off from the graph; else it is the output of a Reshape function.
        """
        if not unlink:
            return entry.invoke(registry["Reshape"], (tuple(shape),), (self,))
        data = self._buffers.data.view(shape)
        variable = Variable._on(Buffers(data))
        variable._buffers.grad = self._buffers.grad.view(data.shape)
        variable._need_grad = self.need_grad
        return variable

    def rewire_on(self, var: Variable) -> None:
        """Let what reads this variable read `var` instead: take over its buffers and its parent function.

        `var` is left without a parent.

        Raises:
            ShapeError: the shapes differ.
        """
        if not isinstance(var, Variable):
            raise TypeError(f"Variable.rewire_on: var must be a Variable, not {type(var).__name__}")
        if var.shape != self.shape:
            raise ShapeError(f"Variable.rewire_on: shape of var must be {self.shape}, not {var.shape}")
        if var is self:
            return
        for function in self.function_references:
            function._relink(self._buffers, var._buffers)
        self._buffers = var._buffers
        self._parent = var._parent
        self._inherited_need_grad = var._inherited_need_grad
        self.rank = var.rank
        if self._parent is not None:
            self._parent._replace_output(var, self)
            # The flag of a graph's input means nothing for an intermediate variable.
            self._need_grad = var._need_grad
        var._parent = None
        advance()

    def _ancestors(self) -> list[Function]:
        return topological([self])

    def visit(self, f: Hook) -> None:
        """Call `f` with every function that leads to this variable, in forward order."""
        for function in self._ancestors():
            f(function)

    def visit_check(self, f: Hook) -> bool:
        """Call `f` as `visit` does until it returns a true value, and say whether it did."""
        return any(f(function) for function in self._ancestors())

    def no_grad(self) -> Variable:
        """Set need_grad of all variables that lead to this one to False, and return this variable."""
        for function in self._ancestors():
            for variable in (*function._inputs, *function.outputs):
                variable.need_grad = False
        return self

    def clear_all_graph_links(self) -> None:
        """Cut this variable and all that lead to it off from their functions."""
        for function in self._ancestors():
            for variable in (*function._inputs, *function.outputs):
                variable._parent = None
                variable._plans = None
        advance()

    # ---- execution ---------------------------------------------------------------------------------------

    def forward(
        self,
        clear_buffer: bool = False,
        clear_no_need_grad: bool = False,
        function_pre_hook: Hook | None = None,
        function_post_hook: Hook | None = None,
    ) -> None:
        """Compute this variable from the inputs of the graph that leads to it.

        Args:
            clear_buffer: free the data of intermediate variables as soon as nothing needs it (for inference:
                backward is not possible afterwards). `persistent` variables are kept, and so are, with either option,
                those that functions outside of this graph read, or that are held and nothing reads.
            clear_no_need_grad: free the data of intermediate variables that backward will not need.
            function_pre_hook: called with each function before it runs.
            function_post_hook: called with each function after it ran.

        Raises:
            GraphError: no function made this variable.
        """
        # A replay with nothing changed since the last one needs no more than this.
        plans = self._plans
        if plans is not None and function_pre_hook is None and function_post_hook is None:
            cache = plans.get((clear_buffer, clear_no_need_grad))
            if cache is not None and cache.epoch == epoch.value and not (function_pre_hooks or function_post_hooks):
                cache.bound.run()
                return
        entry.run_forward((self,), clear_buffer, clear_no_need_grad, function_pre_hook, function_post_hook)

    def backward(
        self,
        grad: float | np.ndarray | NdArray | None = 1,
        clear_buffer: bool = False,
        communicator_callbacks: Any = None,
        function_pre_hook: Hook | None = None,
        function_post_hook: Hook | None = None,
    ) -> None:
        """Propagate gradients from this variable to the inputs of the graph that leads to it.

        Gradients are added to those of variables that no function made (parameters, inputs), and assigned to
        intermediate ones.

        Args:
            grad: gradient of this variable: a scalar for all elements, an array of its shape, or ``None`` for the
                values of `g`. The variable's own `g` is left as it is.
            clear_buffer: free data and gradients of intermediate variables as soon as nothing needs them.
                `persistent` variables are kept.
            communicator_callbacks: one or a list of `CommunicatorBackwardCallback`.
            function_pre_hook: called with each function before its gradient is computed.
            function_post_hook: called with each function after its gradient was computed.

        Raises:
            GraphError: no function made this variable, or forward did not run.
            ShapeError: `grad` has another shape.
        """
        entry.run_backward(self, grad, clear_buffer, communicator_callbacks, function_pre_hook, function_post_hook)

    def plan(
        self,
        forward: Mapping[str, bool] = MappingProxyType({"clear_no_need_grad": True}),
        backward: Mapping[str, bool] | None = MappingProxyType({"clear_buffer": True}),
    ) -> Any:
        """What `forward`, and `backward` after it, do in the graph that leads to this variable.

        Printed, it has a line for each step, with the bytes of all tensors that are there after it, parameters
        included; its method `memory` says what the peak is and what takes it.

        Args:
            forward: options of `forward`, by name.
            backward: options of `backward`, by name; ``None``: there is none.

        Raises:
            GraphError: no function made this variable.

        Example:
            >>> import nnabla as nn, nnabla.functions as F
            >>> x = nn.Variable((256, 256), need_grad=True)
            >>> print(F.sum(F.relu(F.mul_scalar(x, 2))).plan(backward=None))
            #       live  function   kernel    forward
            0  512.0 KiB  MulScalar            (256, 256) -> (256, 256)
            1  512.0 KiB  ReLU       in place  (256, 256) -> (256, 256)
            2  512.0 KiB             free      output of MulScalar
            3  512.0 KiB  Sum                  (256, 256) -> ()
        """
        return entry.plan(self, forward, backward)

    # ---- copies ------------------------------------------------------------------------------------------

    def _copied(self, buffers: Buffers) -> Variable:
        if self._parent is not None:
            raise TypeError("a Variable that a function made cannot be copied; copy its data, or build the graph again")
        other: Variable = object.__new__(type(self))
        other._link(buffers, None)
        other._need_grad, other._persistent, other._recompute = self._need_grad, self._persistent, self._recompute
        other.name = self.name
        return other

    def __copy__(self) -> Variable:
        """A variable on the same data and gradient, with the same flags."""
        other = self._copied(self._buffers)
        other.info = self.info
        if hasattr(self, "__dict__"):  # of a derived class
            other.__dict__.update(self.__dict__)
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        """A variable with copies of data and gradient, and the same flags."""
        other = memo[id(self)] = self._copied(deepcopy(self._buffers, memo))
        other.info = deepcopy(self.info, memo)
        if hasattr(self, "__dict__"):
            other.__dict__.update(deepcopy(self.__dict__, memo))
        return other

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a Variable cannot be pickled; save parameters with nnabla.save_parameters, or its data")

    # ---- identity and display ----------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variable) and self._buffers is other._buffers

    def __hash__(self) -> int:
        return id(self._buffers) >> 4

    def __iter__(self) -> Iterator[Variable]:
        return (self[i] for i in range(len(self)))  # type: ignore[index]

    def __repr__(self) -> str:
        return f"<Variable({self.shape}, need_grad={self.need_grad}) at {id(self):#x}>"

    def _repr_html_(self) -> str:
        """Representation in a notebook."""
        from html import escape

        maker = "" if self._parent is None else f" from {escape(str(self._parent))}"
        return f"<code>Variable {self.shape}, need_grad={self.need_grad}{maker}</code>{self.data._repr_html_()}"
