"""Parameters: variables registered by name in nested scopes, and the files that they are saved to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .errors import ShapeError
from .graph.modes import no_grad
from .graph.variable import Variable

__all__ = [
    "clear_parameters",
    "get_current_parameter_scope",
    "get_parameter",
    "get_parameter_or_create",
    "get_parameters",
    "load_parameters",
    "no_grad",
    "parameter_scope",
    "pop_parameter",
    "save_parameters",
    "set_parameter",
]

Scope = OrderedDict  # name -> Variable or nested Scope

root_scope: Scope = OrderedDict()
current_scope: Scope = root_scope


def _names(path: str, function: str) -> list[str]:
    if not isinstance(path, str):
        raise TypeError(f"{function}: the name must be a string, not {type(path).__name__}")
    return [name for name in path.split("/") if name]


def _enter(scope: Scope, names: list[str], function: str) -> Scope:
    """The scope at `names` below `scope`, created where missing."""
    for name in names:
        inner = scope.get(name)
        if inner is None:
            inner = scope[name] = OrderedDict()
        elif isinstance(inner, Variable):
            raise ValueError(f"{function}: {name!r} is a parameter already, not a scope")
        scope = inner
    return scope


@contextmanager
def parameter_scope(name: str, scope: Scope | None = None) -> Iterator[Scope]:
    """Create and look up parameters below `name` inside the ``with`` block.

    Args:
        name: of the scope; ``"a/b"`` enters ``b`` in ``a``.
        scope: where to look for it; default the current scope.

    Raises:
        ValueError: a parameter has that name.

    Example:
        >>> import nnabla as nn, nnabla.parametric_functions as PF
        >>> nn.clear_parameters()
        >>> with nn.parameter_scope("foo"):
        ...     y = PF.affine(nn.Variable((2, 3)), 4)
        >>> list(nn.get_parameters())
        ['foo/affine/W', 'foo/affine/b']
    """
    global current_scope
    previous = current_scope
    current_scope = _enter(previous if scope is None else scope, _names(name, "parameter_scope"), "parameter_scope")
    try:
        yield current_scope
    finally:
        current_scope = previous


def get_current_parameter_scope() -> Scope:
    """The scope in force: an ordered dict of parameters and nested scopes."""
    return current_scope


def get_parameter(key: str) -> Variable | None:
    """The parameter `key` of the current scope, or None if there is none."""
    scope = current_scope
    names = _names(key, "get_parameter")
    for name in names[:-1]:
        inner = scope.get(name)
        if not isinstance(inner, OrderedDict):
            return None
        scope = inner
    found = scope.get(names[-1]) if names else None
    return found if isinstance(found, Variable) else None


def set_parameter(key: str, param: Variable) -> None:
    """Register `param` as `key` in the current scope, in place of what has that name.

    Raises:
        TypeError: `param` is not a Variable.
        ValueError: `key` is empty, or names a scope.
    """
    if not isinstance(param, Variable):
        raise TypeError(f"set_parameter: param must be a Variable, not {type(param).__name__}")
    names = _names(key, "set_parameter")
    if not names:
        raise ValueError("set_parameter: key must not be empty")
    scope = _enter(current_scope, names[:-1], "set_parameter")
    if isinstance(scope.get(names[-1]), OrderedDict):
        raise ValueError(f"set_parameter: {key!r} is a scope already, not a parameter")
    scope[names[-1]] = param


def pop_parameter(key: str) -> Variable | None:
    """Remove the parameter `key` of the current scope, and return it; None if there is none.

    Scopes that are left empty are removed as well.
    """
    names = _names(key, "pop_parameter")
    chain: list[tuple[Scope, str]] = []
    scope = current_scope
    for name in names:
        chain.append((scope, name))
        inner = scope.get(name)
        if isinstance(inner, Variable):
            break
        if inner is None:
            return None
        scope = inner
    if not chain or len(chain) != len(names):
        return None
    scope, name = chain.pop()
    if not isinstance(scope.get(name), Variable):
        return None
    param = scope.pop(name)
    for scope, name in reversed(chain):
        if scope[name]:
            break
        del scope[name]
    return param


def get_parameter_or_create(
    name: str,
    shape: tuple[int, ...] | None = None,
    initializer: Callable[..., Any] | np.ndarray | None = None,
    need_grad: bool = True,
    as_need_grad: bool | None = None,
) -> Variable:
    """The parameter `name` of the current scope, created if it is not there.

    Args:
        name: ``"a/W"`` names ``W`` in scope ``a``.
        shape: of the parameter; may be left out where it exists, or where `initializer` is an array.
        initializer: called with the shape and returns an array, or the array itself. Default: zeros.
        need_grad: flag of a created parameter.
        as_need_grad: flag of the variable returned; if it differs from the parameter's, an unlinked variable on
            the same memory is returned.

    Raises:
        ShapeError: the parameter exists with another shape, or the initializer yields another one. Nothing is
            registered then.

    Example:
        >>> import nnabla as nn
        >>> w = get_parameter_or_create("doc/W", (2, 3), nn.initializer.ConstantInitializer(1))
        >>> w.shape, w.need_grad
        ((2, 3), True)
    """
    param = get_parameter(name)
    wanted = None if shape is None else tuple(int(d) for d in shape)
    if param is None:
        param = _created(name, wanted, initializer, need_grad)
        set_parameter(name, param)
    elif wanted is not None and param.shape != wanted:
        raise ShapeError(
            f"get_parameter_or_create: the size of existing parameter {name!r} {param.shape} is different from the "
            f"size of new parameter {wanted}; to clear all parameters, call nn.clear_parameters()"
        )
    if as_need_grad is None or bool(as_need_grad) == param.need_grad:
        return param
    return param.get_unlinked_variable(need_grad=bool(as_need_grad))


def _created(
    name: str, shape: tuple[int, ...] | None, initializer: Callable[..., Any] | np.ndarray | None, need_grad: bool
) -> Variable:
    if initializer is not None and not callable(initializer):
        values = np.asarray(initializer)
        if shape is not None and values.shape != shape:
            raise ShapeError(
                f"get_parameter_or_create: the initial value of {name!r} must have shape {shape}, not {values.shape}"
            )
    elif shape is None:
        raise ValueError(f"get_parameter_or_create: shape of the new parameter {name!r} must be given")
    elif initializer is not None:
        # By keyword, as NNabla calls initializers that users wrote.
        values = np.asarray(initializer(shape=shape))
        if values.shape not in (shape, ()):
            raise ShapeError(
                f"get_parameter_or_create: the initializer of {name!r} must return shape {shape}, not {values.shape}"
            )
    else:
        values = np.zeros((), np.float32)
    param = Variable(values.shape if shape is None else shape, need_grad=need_grad)
    param.data.data = np.broadcast_to(values, param.shape).astype(np.float32)
    if need_grad:
        param.grad.zero()
    param.name = name.split("/")[-1]
    return param


def get_parameters(
    params: OrderedDict[str, Variable] | None = None, path: str = "", grad_only: bool = True
) -> OrderedDict[str, Variable]:
    """Parameters of the current scope and those below, by name.

    Args:
        params: a dict to add them to; default a new one.
        path: put in front of the names.
        grad_only: only those with `need_grad`.
    """
    found: OrderedDict[str, Variable] = OrderedDict() if params is None else params
    for name, variable in _walk(current_scope, path):
        if variable.need_grad or not grad_only:
            found[name] = variable
    return found


def _walk(scope: Scope, path: str) -> Iterator[tuple[str, Variable]]:
    for name, entry in scope.items():
        full = f"{path}/{name}" if path else name
        if isinstance(entry, Variable):
            yield full, entry
        else:
            yield from _walk(entry, full)


def names_below(scope: Scope) -> set[str]:
    """Names of all parameters in `scope` and below."""
    return {name for name, _ in _walk(scope, "")}


def clear_parameters() -> None:
    """Remove all parameters of the current scope and those below."""
    current_scope.clear()


def save_parameters(path: Any, params: OrderedDict[str, Variable] | None = None, extension: str | None = None) -> None:
    """Save parameters to a file.

    The file is written beside the target and then renamed: at any moment there is the old file or the new one.

    Args:
        path: of the file (``.h5`` or ``.protobuf``), or a binary file object.
        params: what to save by name; default all parameters of the current scope.
        extension: format, where `path` is a file object.

    Raises:
        ArgumentError: the format is not known.
    """
    from .formats.parameters import save

    save(path, get_parameters(grad_only=False) if params is None else params, extension)


def load_parameters(path: Any, proto: Any = None, needs_proto: bool = False, extension: str = ".nntxt") -> Any:
    """Load parameters from a file into the current scope.

    Parameters that exist keep their identity and must have the shape in the file; others are created.

    Args:
        path: of the file (``.h5`` or ``.protobuf``), or a binary file object.
        proto: accepted for compatibility.
        needs_proto: accepted for compatibility.
        extension: format, where `path` is a file object.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the file is damaged or not of that format. No parameter is changed then.
        ShapeError: a parameter exists with another shape. No parameter is changed then.
    """
    from .formats.parameters import load

    for name, values, need_grad in _checked_shapes(load(path, extension)):
        param = get_parameter(name)
        if param is None:
            param = Variable(values.shape, need_grad=need_grad)
            param.name = name.split("/")[-1]
            set_parameter(name, param)
        param.data.data = values
        param.need_grad = need_grad
    return proto


def _checked_shapes(loaded: list[tuple[str, np.ndarray, bool]]) -> list[tuple[str, np.ndarray, bool]]:
    for name, values, _ in loaded:
        param = get_parameter(name)
        if param is not None and param.shape != values.shape:
            raise ShapeError(
                f"load_parameters: parameter {name!r} has shape {param.shape}, the file has {values.shape}"
            )
    return loaded
