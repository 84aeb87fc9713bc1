"""`ProtoVariable`: an edge of a described network. It has a name and a shape, and no values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import _arithmetic_ops, _indexing  # noqa: F401  (the methods of Variable that are lifted below)
from .. import functions as F
from .._nd_array import NdArray, size_from_axis
from ..graph.operator import Operator
from ..graph.variable import Variable
from ..operators.products import matmul
from .in_force import in_force

Shape = tuple[int, ...]

BUFFER = "Buffer"
PARAMETER = "Parameter"


class ProtoVariable:
    """A variable of a described network.

    Functions of `nnabla.functions` and `nnabla.parametric_functions`, modules, and Python's operators take it like a
    Variable. They compute nothing: they add to the network that is being described, see `nnabla.graph_def.graph`.

    Args:
        shape: lengths of the axes; -1 where the batch goes, in networks that leave its size open.
        name: in the network; ``None`` for one that is chosen when the variable is first used.
        need_grad: whether gradients are wanted.
        var_type: ``"Buffer"`` for inputs and results, ``"Parameter"`` for what is learned.

    Attributes:
        name, shape, need_grad: as given.
        type: `var_type`.
        parent: name of the function that computes it; ``None`` for inputs and parameters.
        required: names of the functions that read it, once for each time.
        info: anything.
        initializer: callable from a shape to an array, for parameters that have no values yet; or ``None``.
        repeat_id: names of the loops that it stands in, from the outermost; expanding them empties it.
        variable_instance: the Variable that stood for it when the network was last called; of a parameter, the
            parameter.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> with nn.graph_def.graph() as g:
        ...     x = nn.ProtoVariable((2, 3))
        ...     y = F.relu(x) * 2
        >>> y.shape, y.name, y.parent
        ((2, 3), 'MulScalar_out', 'MulScalar')
    """

    def __init__(
        self, shape: Iterable[int], name: str | None = None, need_grad: bool = False, var_type: str = BUFFER
    ) -> None:
        self.shape = _checked_shape(shape)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"ProtoVariable: name must be a string or None, not {type(name).__name__}")
        if var_type not in (BUFFER, PARAMETER):
            raise ValueError(f"ProtoVariable: var_type must be {BUFFER!r} or {PARAMETER!r}, not {var_type!r}")
        self.name = name
        self.need_grad = bool(need_grad)
        self.type = var_type
        self.parent: str | None = None
        self.required: list[str] = []
        self.info: Any = None
        self.initializer: Callable[..., np.ndarray] | None = None
        self.repeat_id: list[str] = []
        self.variable_instance: Any = None
        # Whether it has its place in a network. A network describes what it takes from another one anew.
        self._in_network = False

    def clone(self) -> ProtoVariable:
        """A variable with the same facts, in no network. Of a parameter, it stands for the same one."""
        copy = ProtoVariable(self.shape, self.name, self.need_grad, self.type)
        copy.parent = self.parent
        copy.required = list(self.required)
        copy.info = self.info
        copy.initializer = self.initializer
        copy.repeat_id = list(self.repeat_id)
        if self.type == PARAMETER:
            copy.variable_instance = self.variable_instance
        return copy

    @property
    def proto(self) -> Any:
        """A message ``Variable`` of a model file with what is said here."""
        from .to_messages import variable_message

        return variable_message(self)

    # ---- as functions see it -----------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def size_from_axis(self, axis: int = -1) -> int:
        """Number of elements over the axes from `axis` on; of all axes where `axis` is negative."""
        return size_from_axis(self.shape, axis)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a ProtoVariable without axes")
        return self.shape[0]

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Any:
        # Indexing would make one of it that never ends.
        raise TypeError("a ProtoVariable cannot be iterated over; F.split gives its parts")

    def reshape(self, shape: Iterable[int]) -> ProtoVariable:
        """The same elements in another shape; one length may be -1."""
        return F.reshape(self, tuple(shape))

    def _describe_call(self, operator: Operator, inputs: Sequence[Any], n_outputs: int) -> Any:
        """What `graph.call.apply` leaves to an input that only describes a variable: to add the call to a network."""
        return in_force.builder.trace(operator, inputs, n_outputs)

    def __repr__(self) -> str:
        return f"<ProtoVariable {self.name!r} {self.shape} {self.type}>"


def _checked_shape(shape: Iterable[int]) -> Shape:
    try:
        return tuple([length.__index__() for length in shape])
    except (TypeError, AttributeError):
        raise TypeError(f"ProtoVariable: shape must be a sequence of integers, not {shape!r}") from None


# ---- Python's operators ------------------------------------------------------------------------------------


def _lifted(name: str, two: Callable[[Any, Any], Any] | None = None, reflected: bool = False) -> Callable[..., Any]:
    """The method of Variable, which applies functions and looks at shapes only.

    Args:
        name: of the method.
        two: what to call where the other operand is described, too; or a Variable on the left.
        reflected: whether the other operand is the left one.
    """
    of_variable = getattr(Variable, name)

    def method(self: ProtoVariable, *others: Any) -> Any:
        if two is not None and isinstance(others[0], (ProtoVariable, Variable, NdArray)):
            return two(others[0], self) if reflected else two(self, others[0])
        return of_variable(self, *others)

    method.__name__ = method.__qualname__ = name
    return method


def _install() -> None:
    pairs: dict[str, Callable[..., Any]] = {
        "add": F.add2,
        "sub": F.sub2,
        "mul": F.mul2,
        "truediv": F.div2,
        "pow": F.pow2,
        "matmul": matmul,
    }
    comparisons = {"lt": F.less, "le": F.less_equal, "gt": F.greater, "ge": F.greater_equal}
    for name, two in pairs.items():
        setattr(ProtoVariable, f"__{name}__", _lifted(f"__{name}__", two))
        setattr(ProtoVariable, f"__r{name}__", _lifted(f"__r{name}__", two, reflected=True))
    # Python 2's name, which NNabla has here.
    setattr(ProtoVariable, "__div__", getattr(ProtoVariable, "__truediv__"))  # noqa: B009, B010
    for name, compare in comparisons.items():
        setattr(ProtoVariable, f"__{name}__", _lifted(f"__{name}__", compare))
    for name in ("neg", "pos", "abs", "getitem"):
        setattr(ProtoVariable, f"__{name}__", _lifted(f"__{name}__"))
    # NumPy leaves operators to the other operand, instead of making arrays of objects.
    ProtoVariable.__array_ufunc__ = None  # type: ignore[attr-defined]


_install()
