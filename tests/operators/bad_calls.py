"""Bad calls, derived from good ones: each differs from a case of the tables in one thing that is probably wrong.

A call may turn out to be legal (an axis of length 1 more, an empty batch); then it has to run. What may happen
otherwise, and what may not, says `fault` in `test_bad_calls.py`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import nnabla.functions as F
from nnabla.graph.argument import Argument, Bool, Float, Floats, Int, Ints, Single, Sizes, Str
from nnabla.graph.call import public_calls
from nnabla.graph.operator import Operator, registry

from .arrays import integers, normal
from .arrays import positive as above_zero
from .case import case
from .cases import ALL
from .records import refused

OPERATORS: dict[str, type[Operator]] = {cls.declaration.name: cls for cls in registry.values()}

# Calls of the functions that the tables leave out, because NNabla 1.39 is no judge of their results.
_IMAGE = (2, 3, 6, 6)
UNRECORDED = [
    case("bit_shift", integers(2, 3, high=9), integers(2, 3, high=4)),
    case("dot", normal(2, 3), normal(3, 4)),
    case("fft", normal(2, 4, 4, 2), args={"signal_ndim": 2}),
    case("ifft", normal(2, 4, 4, 2), args={"signal_ndim": 2}),
    case("image_augmentation", normal(*_IMAGE), args={"shape": (3, 5, 5), "pad": (1, 1), "angle": 0.1, "noise": 0.1}),
    case("rand", args={"low": 0.0, "high": 1.0, "shape": (2, 3)}),
    case("rand_beta", args={"alpha": 0.5, "beta": 0.5, "shape": (2, 3)}),
    case("rand_binomial", args={"n": 3, "p": 0.5, "shape": (2, 3)}),
    case("rand_gamma", args={"k": 0.5, "theta": 1.0, "shape": (2, 3)}),
    case("randint", args={"low": 0, "high": 5, "shape": (2, 3)}),
    case("randn", args={"mu": 0.0, "sigma": 1.0, "shape": (2, 3)}),
    case("random_choice", normal(2, 5), above_zero(2, 5), args={"shape": (3,)}),
    case("random_crop", normal(*_IMAGE), args={"shape": (4, 4)}),
    case("random_erase", normal(*_IMAGE), args={"prob": 1.0, "n": 2}),
    case("random_flip", normal(*_IMAGE), args={"axes": (2, 3)}),
    case("random_shift", normal(*_IMAGE), args={"shifts": (1, 1)}),
    case("unique", integers(7, high=4), grad=()),
    case(
        "sync_batch_normalization", normal(4, 3), normal(1, 3), normal(1, 3), normal(1, 3), above_zero(1, 3),
        args={"comm": SimpleNamespace(size=1)}, grad=(0, 1, 2), updates=(3, 4),
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Given:
    """Something that is passed on as it is, where an array would become a Variable."""

    value: Any

    def __repr__(self) -> str:
        return f"{type(self.value).__name__} as it is"


@dataclass(frozen=True)
class BadCall:
    """A call ``F.<function>(*inputs, **args)`` with something wrong.

    Args:
        function: public name.
        what: in words, what is wrong.
        inputs: arrays, which become Variables; ``None``; or `Given`.
        args: keyword arguments.
        grad: positions of the inputs that want a gradient.
        culprit: name of the input or argument that is certainly wrong: the call must be refused, and the message
            must name it. Empty where the call may be legal, or several things may be named.
        must: the call is certainly wrong, whatever the message names.
        late: only values are wrong, so that the call may be refused when it runs.
    """

    function: str
    what: str
    inputs: tuple[Any, ...]
    args: dict[str, Any]
    grad: tuple[int, ...]
    culprit: str = ""
    must: bool = False
    late: bool = False

    def __str__(self) -> str:
        return f"{self.function}: {self.what}"


# What these refuse, only the values tell.
VALUE_DEPENDENT = ("batch_cholesky", "random_choice")


def good_calls() -> dict[str, list[BadCall]]:
    """For each public function its valid calls."""
    found: dict[str, list[BadCall]] = {}
    for item in [*[c for c in ALL if not c.is_node and not refused(c)], *UNRECORDED]:
        call = BadCall(item.function, "", tuple(item.arrays()), dict(item.args), item.grad)
        found.setdefault(item.function, []).append(call)
    # The only function with an argument among its inputs.
    rng = np.random.RandomState(3)
    qkv, weights = [rng.randn(3, 2, 4) for _ in range(3)], [rng.randn(4, 4) for _ in range(4)]
    inputs = (*qkv, Given(2), *weights)
    found["multi_head_attention"] = [BadCall("multi_head_attention", "", inputs, {}, (0, 1, 2, 4, 5, 6, 7))]
    return found


def representative(calls: list[BadCall]) -> list[BadCall]:
    """Of a function's valid calls the first, and the one that gives most inputs and arguments."""
    small = [c for c in calls if sum(a.size for a in c.inputs if isinstance(a, np.ndarray)) < 4096] or calls
    fullest = max(small, key=lambda c: (sum(a is not None for a in c.inputs), len(c.args)))
    return [small[0]] if fullest is small[0] else [small[0], fullest]


def input_names(function: str, count: int) -> list[str]:
    """What the inputs of a public function are called; the first parameters of its signature."""
    parameters = list(inspect.signature(getattr(F, function)).parameters.values())
    if parameters and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        return [f"{parameters[0].name}{i}" for i in range(count)]
    return [p.name for p in parameters[:count]]


def derived(good: BadCall) -> Iterator[BadCall]:
    """All bad calls that differ in one thing from a good one."""
    names = input_names(good.function, len(good.inputs))
    index = [_is_index(good, i, name) for i, name in enumerate(names)]
    # Indices that are legal for one shape are out of range for another.
    operator = OPERATORS.get(good.function)
    depends = any(index) or (operator is not None and any(name in operator.constants for name in names))
    good = replace(good, late=depends or good.function in VALUE_DEPENDENT)
    for i, x in enumerate(good.inputs[:8]):
        if isinstance(x, Given):
            for value in _values(x.value, None):
                yield _with_input(good, i, Given(value), f"{names[i]}={value!r}")
            continue
        yield from _wrong_objects(good, i, names[i])
        if x is not None:
            yield from _wrong_shapes(good, i, names[i])
            yield from _wrong_values(good, i, names[i], index[i])
    yield from _all_inputs(good)
    yield from _wrong_counts(good, names)
    yield from _wrong_arguments(good)


def _is_index(call: BadCall, i: int, name: str) -> bool:
    """Whether the function reads an input as whole numbers."""
    if call.function in OPERATORS and name in OPERATORS[call.function].indices:
        return True
    values = call.inputs[i]
    return isinstance(values, np.ndarray) and i not in call.grad and bool(np.all(values == np.floor(values)))


# ---- inputs ------------------------------------------------------------------------------------------------------


def _with_input(base: BadCall, i: int, value: Any, what: str, **changes: Any) -> BadCall:
    inputs = (*base.inputs[:i], value, *base.inputs[i + 1 :])
    grad = tuple([k for k in base.grad if isinstance(inputs[k], np.ndarray)])
    return replace(base, inputs=inputs, grad=grad, what=what, **changes)


def _wrong_objects(base: BadCall, i: int, name: str) -> Iterator[BadCall]:
    wrapped = base.function in public_calls
    declared = {} if wrapped else {x.name: x for x in OPERATORS[base.function].declaration.inputs}
    for thing in ("word", [1.0, 2.0], 3, 1.5, {}, object(), torch.ones(2), int, b"x"):
        certain = "" if wrapped and not isinstance(thing, str) else name
        yield _with_input(base, i, Given(thing), f"{name} is {type(thing).__name__}", culprit=certain)
    if base.inputs[i] is not None:
        optional = wrapped or (name in declared and declared[name].optional)
        yield _with_input(base, i, None, f"{name} is None", culprit="" if optional else name)


def _resized(array: np.ndarray, axis: int, length: int) -> np.ndarray:
    shape = (*array.shape[:axis], length, *array.shape[axis + 1 :])
    return np.resize(array, shape) if array.size else np.ones(shape)


def _wrong_shapes(base: BadCall, i: int, name: str) -> Iterator[BadCall]:
    array = base.inputs[i]
    shapes: dict[str, np.ndarray] = {"one axis more in front": array[None], "one axis more behind": array[..., None]}
    if array.ndim and array.size:
        shapes |= {"first axis missing": np.asarray(array[0]), "last axis missing": np.asarray(array[..., 0])}
        shapes["no axes"] = np.asarray(array.ravel()[0])
    if array.ndim > 1:
        shapes["axes swapped"] = array.swapaxes(0, -1)
    shapes["many axes"] = array.reshape((1,) * 9 + array.shape)
    for axis, n in enumerate(array.shape):
        for length in {n + 1, n - 1, 0, 1} - {n, -1}:
            shapes[f"axis {axis} of length {length}"] = _resized(array, axis, length)
    for what, value in shapes.items():
        yield _with_input(base, i, value, f"{name}: {what}")


def _wrong_values(base: BadCall, i: int, name: str, index: bool) -> Iterator[BadCall]:
    array = base.inputs[i]
    if not array.size:
        return
    values = [math.nan, math.inf, -math.inf, 1e30, -1e30]
    if index:
        values += [-1, -(10**9), 10**9, 2.0**40, 0.5, 7]
    for value in values:
        yield _with_input(base, i, np.full_like(array, value), f"{name} is {value} everywhere", late=True)
        mixed = np.array(array)
        mixed.flat[-1] = value
        if array.size > 1:
            yield _with_input(base, i, mixed, f"{name} ends with {value}", late=True)


def _all_inputs(base: BadCall) -> Iterator[BadCall]:
    def each(change: Any, what: str) -> BadCall:
        inputs = tuple([change(a) if isinstance(a, np.ndarray) else a for a in base.inputs])
        return replace(base, inputs=inputs, what=what)

    yield each(lambda a: np.ones(()), "no input has axes")
    yield each(lambda a: np.ones(0), "all inputs are empty vectors")
    yield each(lambda a: _resized(a, 0, 0) if a.ndim else a, "all inputs have no rows")
    yield each(lambda a: a[None], "all inputs have one axis more")
    yield each(lambda a: np.asarray(a[0]) if a.ndim and a.size else a, "all inputs have one axis less")


def _wrong_counts(base: BadCall, names: list[str]) -> Iterator[BadCall]:
    given = [x for x in base.inputs if x is not None]
    variadic = base.function in OPERATORS and OPERATORS[base.function].declaration.variadic
    for i in range(len(given)):
        yield replace(base, inputs=base.inputs[:i], grad=(), what=f"only {i} inputs", must=not variadic and i == 0)
    parameters = inspect.signature(getattr(F, base.function)).parameters
    if not variadic:
        many = (*base.inputs, *[Given(1)] * (len(parameters) - len(base.inputs) + 1))
        yield replace(base, inputs=many, args={}, what="too many positional arguments", must=True)
    yield replace(base, args={**base.args, "no_such": 1}, what="unknown keyword", culprit="no_such")
    if names and not variadic:
        yield replace(base, args={**base.args, names[0]: 1}, what=f"{names[0]} twice", culprit=names[0])
    if "n_outputs" in parameters:
        for value in ("word", 1.5, 10**6, []):
            yield replace(base, args={**base.args, "n_outputs": value}, what=f"n_outputs={value!r}")
    if "outputs" in parameters:
        for value in (5, "word", [], [3], [None] * 9):
            what = f"outputs={value!r}"
            yield replace(base, args={**base.args, "outputs": value}, what=what, culprit="outputs" * (value != []))


# ---- arguments ---------------------------------------------------------------------------------------------------

INTS = (-(10**30), -(10**12), -(10**6), -7, -2, -1, 0, 1, 2, 7, 10**6, 2**31, 10**12, 2**63, 10**30)
FLOATS = (math.nan, math.inf, -math.inf, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 1e-30, 1e30, 1e300, -1e300)
HUGE = 10**400  # more than a float holds
OTHERS = (None, "word", "", b"x", [], [1], [[1]], ["a"], [1.5], {}, object(), int, np.ones(3), 1j, HUGE)

# By kind of argument the values of a type that it certainly cannot have.
WRONG_TYPES: dict[type[Argument], tuple[Any, ...]] = {
    Int: ("word", "", b"x", [], [[1]], ["a"], {}, object, int, 1j, math.nan, math.inf),
    Float: ("word", "", b"x", [], [[1]], ["a"], {}, object, int, 1j, HUGE),
    Bool: ("word", ""),
    Str: (b"x", [], [1], {}, int, 1, 1.5, np.ones(3)),
    Ints: ("word", b"x", {}, [[1]], ["a"], 1.5, int, 1j),
    Floats: ("word", b"x", {}, [[1, 2]], ["a"], 1.5, int, 1j),
}
WRONG_TYPES |= {Single: WRONG_TYPES[Float], Sizes: WRONG_TYPES[Ints]}


def _wrong_arguments(base: BadCall) -> Iterator[BadCall]:
    function = base.function
    parameters = inspect.signature(getattr(F, function)).parameters
    n_inputs = len(base.inputs)
    names = [n for n, p in parameters.items() if p.kind is not p.VAR_POSITIONAL and p.kind is not p.VAR_KEYWORD]
    arguments = {}
    if function in OPERATORS:
        arguments = {a.name: a for a in OPERATORS[function].declaration.arguments}
        if OPERATORS[function].declaration.variadic:
            names += [n for n in arguments if n not in names]
            n_inputs = 0
    for name in names[n_inputs:]:
        if name in ("n_outputs", "outputs"):
            continue
        argument = arguments.get(name) if function not in public_calls else None
        default = parameters[name].default if name in parameters else arguments[name].default
        usual = base.args.get(name, default)
        for value in _values(usual, argument):
            what = f"{name}={value!r}"[:80]
            wrong = argument is not None and any(value is v for v in WRONG_TYPES.get(type(argument), ()))
            yield replace(base, args={**base.args, name: value}, what=what, culprit=name if wrong else "")
        if argument is not None and argument.choices:
            yield replace(base, args={**base.args, name: "no such"}, what=f"{name}='no such'", culprit=name)
        if name in base.args and argument is not None and argument.default is not None and not isinstance(usual, tuple):
            rest = {k: v for k, v in base.args.items() if k != name}
            yield replace(base, args=rest, what=f"{name} not given")


def _values(usual: Any, argument: Argument | None) -> Iterator[Any]:
    """Values for an argument that usually is `usual`."""
    yield from WRONG_TYPES.get(type(argument), ()) if argument else ()
    yield from OTHERS
    yield from INTS
    if not isinstance(argument, (Bool, Str)):
        yield from FLOATS
    if isinstance(usual, (tuple, list)) or isinstance(argument, (Ints, Floats)):
        items = list(usual) if isinstance(usual, (tuple, list)) else [1]
        yield items[:-1]
        yield items + items[-1:]
        yield [*items, 1]
        yield [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        yield [1] * 5
        yield [items[:1] * 2, items[1:]]
        for i in range(len(items)):
            for value in (*INTS, math.nan, None, "a"):
                yield [*items[:i], value, *items[i + 1 :]]
        for value in (-1, 0, 10**6, 10**12):
            yield [value] * len(items)
