"""What a function declares: `Operator`, and the registry of all of them.

Everything about a function stands in one class: its type name in model files, inputs, arguments, documentation, what
it computes and, where worth it, its gradient and its shape rule::

    @operator("SoftPlus", "softplus", 1037)
    class SoftPlus(Operator):
        '''Smooth ReLU, :math:`y = \\log(1 + e^{\\beta x}) / \\beta`.'''

        beta = Float(1.0, "Sharpness; the larger, the closer to ReLU.", check=positive)

        def output_shape(self, x):       # shapes to shapes, while the graph is built
            return x

        def forward(self, x):            # tensors to tensors
            return F.softplus(x, self.beta)

        def grad(self, dy, x):           # tensors to tensors; what it does not name may be freed
            return dy * torch.sigmoid(self.beta * x)

The names in `forward`'s signature are the inputs; one with a default of ``None`` is optional, ``*x`` takes any number.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import torch

from ..context import Context
from .argument import REQUIRED, Argument

if TYPE_CHECKING:
    from .prototype import OneOfItsKind, Prototype
    from .wiring import Wiring

Shape = tuple[int, ...]


class Input(NamedTuple):
    """One declared input of an operator."""

    name: str
    optional: bool
    variadic: bool


class Kind(IntEnum):
    """How an operator reads an input."""

    COMPUTE = 0  # in the type to compute in
    INDEX = 1  # as int64
    UPDATED = 2  # the array's own memory, which forward changes
    WHOLE = 3  # integers in the type they have, anything else in the type to compute in
    AS_IS = 4  # in the type it has


class Declaration(NamedTuple):
    """What follows from an operator's class body, worked out once."""

    type_name: str
    name: str
    inputs: tuple[Input, ...]
    arguments: tuple[Argument, ...]
    # Roles of grad's parameters after `need`: ("dy", i), ("x", i), ("y", i) with i into outputs or inputs.
    grad_roles: tuple[tuple[str, int], ...]
    grad_takes_need: bool
    # For each input, how it wants to be read.
    kinds: tuple[Kind, ...]
    # Whether the one declared input stands for any number.
    variadic: bool
    # Whether all inputs are read in the type to compute in.
    plain: bool
    # Of the message with the arguments, in binary model files; 0 for what files do not hold.
    number: int = 0


# The roles of a gradient ``grad(self, *dy)``, of an operator whose number of outputs follows from its inputs.
ALL_GRADIENTS = (("dy", -1),)

registry: dict[str, type[Operator]] = {}


class PostOp(NamedTuple):
    """An element-wise function as layers of oneDNN apply it to what they compute.

    Attributes:
        name: oneDNN's, in the form in which torch passes it on.
        scalars: its numbers.
        algorithm: which variant of it.
    """

    name: str
    scalars: tuple[float, ...] = ()
    algorithm: str = ""


class Operator:
    """Base of all declarations. An instance holds the values of the arguments and belongs to one node of a graph."""

    declaration: ClassVar[Declaration]
    # Prototypes of this class, by arguments, shapes and context; see `call.invoke`.
    prototypes: ClassVar[dict[Hashable, Prototype]]
    # By which inputs are given, see `wiring.py`. None: not remembered.
    wirings: ClassVar[dict[Hashable, Wiring] | None] = None

    # Names of the outputs; `grad` receives their gradients as d<name>.
    outputs: ClassVar[tuple[str, ...]] = ("y",)
    # How many outputs the caller asked for; -1 for as many as there are. Some normalizations have 1 or 3.
    n_outputs: int = -1
    # Types of outputs by position, where it is not the one to compute in: those of indices and counts.
    output_types: Mapping[int, torch.dtype] = MappingProxyType({})
    # False where the function is constant almost everywhere or its inputs are not numbers to be differentiated by.
    differentiable: bool = True
    # Inputs by name that never receive a gradient (labels, indices, running statistics).
    constants: ClassVar[tuple[str, ...]] = ()
    # Inputs by name that are integers by nature: they arrive as int64 whatever type the array holds.
    indices: ClassVar[tuple[str, ...]] = ()
    # Whether indices are checked in a trace, too, by `tracing.assume`: compiled code would read, or end the process,
    # where they lead.
    checks_indices: ClassVar[bool] = False
    # Inputs by name that forward changes in place: they arrive as the array's own memory.
    updated: ClassVar[tuple[str, ...]] = ()
    # Computes with integers in the type of its first input, where that holds integers.
    whole: ClassVar[bool] = False
    # Hands its input on in the type that it has.
    as_is: ClassVar[bool] = False
    # Computes in float32 under half and bfloat16 contexts.
    full_precision: ClassVar[bool] = False
    # forward may return a view of its input; the engine copies where a user could see the sharing.
    view: bool = False
    # grad may return dy itself, a view, or an expanded tensor; the engine copies before a leaf keeps it.
    grad_aliases: bool = False
    # Inputs broadcast against each other; the engine sums gradients back to each input's shape.
    broadcast: ClassVar[bool] = False
    # Inputs and outputs by name that NNabla's gradient reads and ours does not: they are kept all the same, since
    # scripts look at what NNabla keeps.
    held: ClassVar[tuple[str, ...]] = ()
    # Whether the clear options leave values and gradients of the inputs alone.
    protects_inputs: ClassVar[bool] = False
    # Computes each element by itself: kernels divide large arrays among threads, and no small ones.
    elementwise: ClassVar[bool] = False
    # Output shapes are known only after forward ran.
    dynamic_shape: ClassVar[bool] = False

    # forward leaves tensors behind for grad, in `self.kept`. These may be inputs; an output only if it says so.
    keeps: bool = False
    keeps_output: bool = False
    # grad may itself be differentiated, by its inputs and dy, although forward keeps something for it.
    grad_is_differentiable: ClassVar[bool] = False
    # grad multiplies dy, element by element, by what follows from comparisons of inputs and outputs: its derivative in
    # these is 0, and is not computed.
    grad_is_steady: ClassVar[bool] = False
    kept: Any = None
    # Stands for this operator in the form of a graph: what it is an unchanged copy of, or an object of its own; None:
    # the function itself does.
    prototype: Prototype | OneOfItsKind | None = None
    # Whether inputs may be switched off, and which of them are on; None: all.
    maskable: ClassVar[bool] = False
    mask: tuple[bool, ...] | None = None
    # Set when the operator meets its inputs: which are given, what follows from that, and the device and type to
    # compute in.
    present: tuple[bool, ...] = ()
    wiring: Wiring
    context: Context
    device: torch.device
    compute_dtype: torch.dtype

    # output_shape(*shapes) -> Shape, or a list of them. None: forward is run on meta tensors.
    output_shape: Callable[..., Any] | None = None
    # grad([need,] dy..., inputs..., outputs...) -> tensor, or tuple over inputs. None: derived from forward.
    grad: Callable[..., Any] | None = None
    # Like forward, where nothing will be differentiated. None: forward.
    infer: Callable[..., Any] | None = None
    # Like forward, but the result takes the place of the first input, which has its shape and which nobody needs
    # any more. None: not possible.
    overwrite: Callable[..., Any] | None = None
    # Like grad, with the same parameters, but the result takes the place of the first gradient, which has its shape and
    # which nobody needs any more. None: not possible.
    overwrite_grad: Callable[..., Any] | None = None
    # add_grad(need, totals, ...): like grad, but may add a gradient to the contiguous tensor that stands for its input
    # in `totals`, and return that one. None there: nothing to add to. None here: not possible.
    add_grad: Callable[..., Any] | None = None
    # join(first, ...): like forward, for several calls of one kind at once that have all inputs but the first in
    # common, of which there is a list. Returns an output for each; they may have memory in common. None: not possible.
    join: Callable[..., Any] | None = None
    # join_grad(need, ...): like grad, for several calls of one kind at once that have all inputs but the first in
    # common: each argument is a list of what grad would be called with in each call, and what is returned the sums of
    # all their gradients. That of the first input is not asked for. None: not possible.
    join_grad: Callable[..., Any] | None = None
    # add_to(total, *inputs): total plus what forward makes of the inputs, in other memory. None: not at once.
    add_to: Callable[..., Any] | None = None
    # How many leading axes of its inputs it sees as one: it copies an input in whose memory they are not in order.
    joins_axes: int = 0
    # Whether grad makes one tensor of dy alone, seen in the larger shape of the input.
    spreads: ClassVar[bool] = False
    # Whether forward is linear in its first input and linear in its second one, but for a bias behind them.
    is_bilinear: ClassVar[bool] = False
    # The input, by its index, that the output is: in another shape, on the same memory, for the user as well. None: the
    # output has memory of its own.
    linked: int | None = None
    # write(*inputs): like forward, but writes to the input `written`, which the output is if that is given, and returns
    # it. None: where the output is an input, there is nothing to be done.
    write: Callable[..., Any] | None = None
    written: ClassVar[str] = ""

    # For inference, see `engine/fusion.py`. The axis of the output maps, of a layer; None: it is no layer.
    map_axis: int | None = None
    # folded(weight, bias, scale, shift): weight and bias of a layer whose output maps are multiplied with the vector
    # `scale` and then moved by the vector `shift`. Vectors are in double precision.
    folded: Callable[..., tuple[torch.Tensor, torch.Tensor]] | None = None
    # packed(weight, bias, adds, post): forward of a layer for fixed parameters, prepared once: a function of x, and of
    # what is added to the result if `adds`, before the PostOp `post`. None: not possible.
    packed: Callable[..., Callable[..., torch.Tensor] | None] | None = None
    # Whether `packed` is possible, as far as the shapes tell.
    packs: bool = False
    # How many elements `packed` keeps beside as many as its parameters have.
    packed_size: int = 0
    # scales(i, axis, shapes): whether input `i` is scaled and moved, by numbers that differ along `axis` only; `shapes`
    # are those of all inputs. Then scale_and_shift(i, *inputs) gives scale and shift, None for 1 and 0.
    scales: Callable[..., bool] | None = None
    scale_and_shift: Callable[..., tuple[Any, Any]] | None = None
    # Whether it is the sum of its two inputs.
    is_sum: ClassVar[bool] = False
    # What it is to layers of oneDNN; None: nothing that they know.
    post_op: PostOp | None = None

    # The format of model files has a message for its arguments, although it has none.
    empty_message: ClassVar[bool] = False

    def derive_grad(self) -> None:
        """Let the gradient be derived from this call's `forward`, although the declaration has a `grad`."""
        self.__dict__.update(grad=None, keeps=True, keeps_output=True)

    def __init__(self, *values: Any, **named: Any) -> None:
        declaration = self.declaration
        arguments = declaration.arguments
        state = self.__dict__
        if len(values) > len(arguments):
            raise TypeError(f"{declaration.type_name} takes {len(arguments)} arguments, {len(values)} were given")
        for i, argument in enumerate(arguments):
            if i < len(values):
                value = values[i]
            elif named:
                value = named.pop(argument.name, argument.default)
            else:
                value = argument.default
            if value is not argument.default:
                value = argument.convert(value, declaration.name)
            elif value is REQUIRED:
                raise TypeError(f"{declaration.name}() missing required argument: {argument.name!r}")
            elif type(value) is list:
                value = tuple(value)
            state[argument.name] = value
        if named:
            raise TypeError(f"{declaration.name}() got an unexpected keyword argument {next(iter(named))!r}")

    def restart(self) -> None:
        """Forget what earlier forwards left behind, but for gradients: called when the function is set up."""

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError

    def recompute(self, *inputs: Any) -> Any:
        """The same outputs as the last forward, without its side effects."""
        return self.forward(*inputs)

    @property
    def node_name(self) -> str:
        """What `Function.name` says."""
        return self.declaration.type_name

    @property
    def arguments(self) -> dict[str, Any]:
        """Values of the arguments by name, in order; sequences as lists."""
        values = {a.name: getattr(self, a.name) for a in self.declaration.arguments}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def again(self, **arguments: Any) -> Operator:
        """One like this, for other inputs.

        Args:
            arguments: those that shall differ.
        """
        operator = type(self)(**(self.arguments | arguments))
        if self.n_outputs != type(self).n_outputs:
            operator.n_outputs = self.n_outputs
        operator.mask = self.mask
        return operator

    def reads(self, role: str, index: int) -> bool:
        """Whether the gradient reads that input given ("x") or output ("y")."""
        return self.wiring.reads(role, index)

    def read_places(self) -> tuple[Sequence[int], Sequence[int]]:
        """The inputs given and the outputs that the gradient reads."""
        return self.wiring.read_inputs, self.wiring.read_outputs

    def settle(self, context: Context) -> None:
        """Set the context to compute in. It cannot be changed later."""
        self.device, dtype, self.context = context.resolved
        half = dtype is torch.float16 or dtype is torch.bfloat16
        self.compute_dtype = torch.float32 if half and self.full_precision else dtype

    def input_dtype(self, kind: Kind) -> torch.dtype:
        """The type that an input of that kind is read in."""
        if kind is Kind.INDEX:
            return torch.int64
        if kind is Kind.UPDATED and self.context.dtype in (torch.float16, torch.bfloat16):
            return torch.float32
        return self.compute_dtype

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.declaration.type_name}({given})"


OperatorType = TypeVar("OperatorType", bound=type[Operator])


def operator(type_name: str, name: str, number: int) -> Callable[[OperatorType], OperatorType]:
    """Register a declaration.

    Args:
        type_name: name of the function in model files, ``"SoftmaxCrossEntropy"``.
        name: name of the public call in `nnabla.functions`, ``"softmax_cross_entropy"``.
        number: of the message with its arguments in binary model files. NNabla 1.39 counts its functions from 1001 to
            1228; what it does not have is numbered from 2001 on.
    """

    def decorate(cls: OperatorType) -> OperatorType:
        if type_name in registry:
            raise ValueError(f"operator {type_name!r} is declared twice")
        cls.declaration = _declare(cls, type_name, name, number)
        cls.prototypes = {}
        cls.wirings = {}
        if cls.grad is None and cls.differentiable:
            # What is kept is autograd's record of forward, see `derivative`.
            cls.keeps = cls.keeps_output = True
        registry[type_name] = cls
        return cls

    return decorate


def _declare(cls: type[Operator], type_name: str, name: str, number: int) -> Declaration:
    names, defaults, variadic = _parameters(cls.forward)
    inputs = tuple([Input(name, name in defaults, variadic) for name in names])
    # Arguments of a base class come first, as its attributes do.
    bases = reversed(cls.__mro__[: cls.__mro__.index(Operator)])
    arguments = {k: v for base in bases for k, v in vars(base).items() if isinstance(v, Argument)}
    roles: list[tuple[str, int]] = []
    grad_roles: tuple[tuple[str, int], ...] = ()
    takes_need = False
    if cls.grad is not None:
        names, _, all_gradients = _parameters(cls.grad)
        takes_need = names[0] == "need"
        known = {f"d{out}": ("dy", i) for i, out in enumerate(cls.outputs)}
        known |= {out: ("y", i) for i, out in enumerate(cls.outputs)}
        known |= {inp.name: ("x", i) for i, inp in enumerate(inputs)}
        for parameter in () if all_gradients else names[takes_need:]:
            if parameter not in known:
                raise TypeError(f"{type_name}.grad: {parameter!r} is none of {sorted(known)}")
            roles.append(known[parameter])
        grad_roles = ALL_GRADIENTS if all_gradients else tuple(roles)
    unknown = set(cls.held) - {i.name for i in inputs} - set(cls.outputs)
    if unknown:
        raise TypeError(f"{type_name}.held: {sorted(unknown)} are names of neither inputs nor outputs")
    usual = Kind.WHOLE if cls.whole else Kind.AS_IS if cls.as_is else Kind.COMPUTE
    kinds = tuple(
        Kind.INDEX if i.name in cls.indices else Kind.UPDATED if i.name in cls.updated else usual for i in inputs
    )
    plain = all(kind is Kind.COMPUTE for kind in kinds)
    given = tuple(arguments.values())
    return Declaration(type_name, name, inputs, given, grad_roles, takes_need, kinds, variadic, plain, number)


def _parameters(method: Any) -> tuple[list[str], set[str], bool]:
    """Names of a method's parameters, those of them with a default, and whether it takes any number.

    From the code object: `inspect.signature` would take a third of the package's import time.
    """
    code = method.__code__
    names = list(code.co_varnames[1 : code.co_argcount])
    if code.co_flags & inspect.CO_VARARGS:
        return [code.co_varnames[code.co_argcount + code.co_kwonlyargcount]], set(), True
    return names, set(names[len(names) - len(method.__defaults__ or ()) :]), False
