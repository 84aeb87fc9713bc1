"""Parameters: variables registered by name in nested scopes, and the files that they are saved to."""

from __future__ import annotations

import logging
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ContextDecorator
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ._nd_array import integers
from .context import current
from .errors import ArgumentError, ShapeError
from .graph.modes import modes, no_grad
from .graph.variable import Variable
from .logger import logger

if TYPE_CHECKING:
    from .files.stored import StoredParameter

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
    "set_parameter_from_proto",
]

Scope = OrderedDict  # name -> Variable or nested Scope

root_scope: Scope = OrderedDict()
current_scope: Scope = root_scope


# Further names of NNabla's module, made from those above.
_FILE_HANDLES = (
    "FileHandlerContext",
    "get_file_handle_save",
    "get_parameter_file_loader",
    "get_parameter_file_savers",
    "load_files",
    "save_files",
)


# What loads modules that stand above this one; the package fills it in.
_above: dict[str, Callable[[], ModuleType]] = {}


class _ParameterModule(ModuleType):
    """Shows `nnabla.no_grad`'s state where scripts read it and set it, as an attribute of this module."""

    def __getattr__(self, name: str) -> Any:
        if name in _FILE_HANDLES:
            return getattr(_above["utils.get_file_handle"](), name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    @property
    def current_no_grad(self) -> bool:
        return modes.no_grad

    @current_no_grad.setter
    def current_no_grad(self, value: bool) -> None:
        modes.no_grad = bool(value)


sys.modules[__name__].__class__ = _ParameterModule


@lru_cache(1024)
def _split(path: str) -> tuple[str, ...]:
    return tuple([name for name in path.split("/") if name])


def _names(path: str, function: str) -> tuple[str, ...]:
    if not isinstance(path, str):
        raise TypeError(f"{function}: the name must be a string, not {type(path).__name__}")
    return _split(path)


def _enter(scope: Scope, names: Sequence[str], function: str) -> Scope:
    """The scope at `names` below `scope`, created where missing."""
    for name in names:
        inner = scope.get(name)
        if inner is None:
            inner = scope[name] = OrderedDict()
        elif isinstance(inner, Variable):
            raise ValueError(f"{function}: {name!r} is a parameter already, not a scope")
        scope = inner
    return scope


def _below(scope: Scope, path: str, function: str) -> Scope:
    """The scope at `path` below `scope`, created where missing."""
    # The usual case: a scope that is there, right below.
    found = scope.get(path) if type(path) is str else None
    return found if type(found) is OrderedDict else _enter(scope, _names(path, function), function)


class _Within(ContextDecorator):
    """Makes a scope the current one inside a ``with`` block."""

    def __init__(self, path: str, scope: Scope | None) -> None:
        self._path = path
        self._scope = scope
        # The scopes to return to: one object may be entered again inside of its own block.
        self._previous: list[Scope] = []

    def _recreate_cm(self) -> _Within:
        return type(self)(self._path, self._scope)

    def __enter__(self) -> Scope:
        global current_scope
        previous = current_scope
        current_scope = _below(previous if self._scope is None else self._scope, self._path, "parameter_scope")
        self._previous.append(previous)
        return current_scope

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        global current_scope
        current_scope = self._previous.pop()


def parameter_scope(name: str, scope: Scope | None = None) -> AbstractContextManager[Scope]:
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
    return _Within(name, scope)


# Parameters registered since the outermost parametric function was entered, and how many have been.
_registered: list[tuple[Scope, str]] = []
_building = 0


class building:
    """The scope of one parametric function; what is registered in the ``with`` block is removed if the block fails.

    Args:
        path: of the scope, below the current one.
    """

    __slots__ = ("_mark", "_path", "_previous")

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> Scope:
        global current_scope, _building
        self._previous = current_scope
        current_scope = _below(current_scope, self._path, "parametric function")
        _building += 1
        self._mark = len(_registered)
        return current_scope

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        global current_scope, _building
        if kind is not None:
            for scope, name in _registered[self._mark :]:
                scope.pop(name, None)
            _prune(current_scope)
            del _registered[self._mark :]
        _building -= 1
        if not _building:
            _registered.clear()
        current_scope = self._previous


def _prune(scope: Scope) -> None:
    """Remove scopes below `scope` that hold nothing."""
    # Outer scopes before inner ones. Scopes may be nested more deeply than Python calls functions.
    inner: list[tuple[Scope, str]] = []
    waiting = [scope]
    while waiting:
        outer = waiting.pop()
        names = [name for name, entry in outer.items() if isinstance(entry, OrderedDict)]
        inner += [(outer, name) for name in names]
        waiting += [outer[name] for name in names]
    for outer, name in reversed(inner):
        if not outer[name]:
            del outer[name]


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
    before = scope.get(names[-1])
    if isinstance(before, OrderedDict):
        raise ValueError(f"set_parameter: {key!r} is a scope already, not a parameter")
    scope[names[-1]] = param
    if _building and before is None:
        _registered.append((scope, names[-1]))


def pop_parameter(key: str) -> Any:
    """Remove the parameter `key` of the current scope, and return it; None if there is none.

    Where `key` is a scope, it is removed and returned with all that it holds. Scopes that are left empty are removed
    as well.
    """
    names = _names(key, "pop_parameter")
    chain: list[tuple[Scope, str]] = []
    entry: Any = current_scope
    for name in names:
        if not isinstance(entry, OrderedDict) or name not in entry:
            return None
        chain.append((entry, name))
        entry = entry[name]
    if not chain:
        return None
    scope, name = chain.pop()
    del scope[name]
    for scope, name in reversed(chain):
        if scope[name]:
            break
        del scope[name]
    return entry


def get_parameter_or_create(
    name: str,
    shape: Sequence[int] | int | None = None,
    initializer: Callable[..., Any] | np.ndarray | None = None,
    need_grad: bool = True,
    as_need_grad: bool | None = None,
) -> Variable:
    """The parameter `name` of the current scope, created if it is not there.

    Args:
        name: ``"a/W"`` names ``W`` in scope ``a``.
        shape: of the parameter; may be left out where it exists, or where `initializer` is an array.
        initializer: called with the shape and returns an array, or the array itself. Default: zeros. An array of
            integers keeps its type until a solver updates it; other values become float32, or stay float64 in a
            context of type ``double``.
        need_grad: flag of the parameter. One that exists takes it over, and keeps its values.
        as_need_grad: flag of the variable returned; default that of the parameter. False within `nnabla.no_grad`.

    Returns:
        An unlinked variable on the memory of the parameter: flags set on the one that `get_parameters` has do not
        reach into graphs that were built before.

    Raises:
        ShapeError: the parameter exists with another shape, or the initializer yields another one. Nothing is
            registered then.

    Example:
        >>> import nnabla as nn
        >>> w = get_parameter_or_create("doc/W", (2, 3), nn.initializer.ConstantInitializer(1))
        >>> w.shape, w.need_grad
        ((2, 3), True)
    """
    # The usual case in dynamic graphs: the parameter exists, and its name has no path. One look-up is enough.
    param = current_scope.get(name) if type(name) is str else None
    if type(param) is not Variable:
        param = get_parameter(name)
    if param is None:
        wanted = None if shape is None else integers(shape)
        param = _created(name, wanted, initializer, need_grad)
        set_parameter(name, param)
    elif shape is not None and param.shape != shape and param.shape != (wanted := integers(shape)):
        raise ShapeError(
            f"get_parameter_or_create: the size of existing parameter {name!r} {param.shape} is different from the "
            f"size of new parameter {wanted}; to clear all parameters, call nn.clear_parameters()"
        )
    if param.need_grad != need_grad:
        param.need_grad = need_grad
    trained = need_grad if as_need_grad is None else bool(as_need_grad)
    variable = param.get_unlinked_variable(trained and not modes.no_grad)
    variable.name = name.rpartition("/")[2] if "/" in name else name
    return variable


def _created(
    name: str, shape: tuple[int, ...] | None, initializer: Callable[..., Any] | np.ndarray | None, need_grad: bool
) -> Variable:
    if initializer is not None and not callable(initializer):
        if isinstance(initializer, Variable):
            raise TypeError("get_parameter_or_create: initializer must be an array or a callable, not a Variable")
        values = _typed(initializer)
        if shape is not None and values.shape != shape:
            raise ShapeError(
                f"get_parameter_or_create: the initial value of {name!r} must have shape {shape}, not {values.shape}"
            )
    elif shape is None:
        raise ValueError(f"get_parameter_or_create: shape of the new parameter {name!r} must be given")
    elif initializer is not None:
        # By keyword, as NNabla calls initializers that users wrote.
        values = _typed(initializer(shape=shape))
        if values.shape not in (shape, ()):
            raise ShapeError(
                f"get_parameter_or_create: the initializer of {name!r} must return shape {shape}, not {values.shape}"
            )
    else:
        values = np.zeros((), np.float32)
    param = Variable(values.shape if shape is None else shape, need_grad=need_grad)
    param.data.data = values
    if need_grad:
        param.grad.zero()
    return param


def _typed(values: Any) -> np.ndarray:
    """Initial values, in the type that the parameter has first."""
    array = np.asarray(values)
    if hasattr(values, "dtype") and array.dtype.kind in "biu":
        return array
    # A solver updates parameters in their own type, and would go on in float64.
    double = array.dtype == np.float64 and current.context.dtype is torch.float64
    return array if double else array.astype(np.float32)


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


def _walk(scope: Scope, path: str) -> list[tuple[str, Variable]]:
    """All parameters of `scope` and below, with their names below `path`."""
    found: list[tuple[str, Variable]] = []
    # Scopes may be nested more deeply than Python calls functions.
    waiting = [(f"{path}/" if path else "", iter(scope.items()))]
    while waiting:
        prefix, entries = waiting[-1]
        for name, entry in entries:
            if isinstance(entry, Variable):
                found.append((prefix + name, entry))
            else:
                waiting.append((f"{prefix}{name}/", iter(entry.items())))
                break
        else:
            waiting.pop()
    return found


def names_below(scope: Scope) -> set[str]:
    """Names of all parameters in `scope` and below."""
    return {name for name, _ in _walk(scope, "")}


def clear_parameters() -> None:
    """Remove all parameters of the current scope and those below."""
    current_scope.clear()


def save_parameters(
    path: Any,
    params: OrderedDict[str, Variable] | None = None,
    extension: str | None = None,
    *,
    names: Mapping[str, str] | None = None,
) -> None:
    """Save parameters to a file.

    A file at `path` is written beside the target and then renamed: at any moment there is the old one or the new one.
    A file object is written from where it stands (HDF5: from its start) and then set back to its start.

    =================  =============================================================================================
    extension          types of the numbers
    =================  =============================================================================================
    ``.h5``            the parameters' own; the usual choice
    ``.protobuf``      all float32, and less than 2 GiB together
    ``.safetensors``   the parameters' own. Many frameworks read it, but NNabla 1.x does not
    =================  =============================================================================================

    All keep the order and the flags `need_grad`. In all of them, bfloat16 becomes float32.

    Args:
        path: of the file, or a binary file object; a list of them is written one after the other.
        params: what to save by name; default all parameters of the current scope.
        extension: format, where `path` is a file object.
        names: names in the file by those in `params`, such as the names that another framework has for them; others
            keep theirs.

    Raises:
        ArgumentError: the format is not known, or cannot hold these parameters; `names` has one that is not there, or
            gives two parameters the same name.
        FileNotFoundError: the directory does not exist.
        TypeError: `params` holds something else than variables by name.

    Example:
        >>> import io, nnabla as nn
        >>> file = io.BytesIO()
        >>> nn.save_parameters(file, {"a/w": nn.Variable.from_numpy_array([1.0, 2.0])}, extension=".protobuf")
        >>> nn.clear_parameters()
        >>> _ = nn.load_parameters(file, extension=".protobuf")
        >>> nn.get_parameters(grad_only=False)["a/w"].d
        array([1., 2.], dtype=float32)
    """
    from .parameter_files import save

    save(path, get_parameters(grad_only=False) if params is None else params, extension, names)
    for hook in parameters_saved_hooks:
        hook(path)


# Called with what `save_parameters` has written to.
parameters_saved_hooks: list[Callable[[Any], None]] = []


def load_parameters(
    path: Any,
    proto: Any = None,
    needs_proto: bool = False,
    extension: str = ".nntxt",
    *,
    names: Mapping[str, str] | None = None,
) -> Any:
    """Load parameters from a file into the current scope.

    Parameters that exist keep their identity and must have the shape in the file; others are created. Their order in
    the file does not matter. If the scope held parameters before, a log message names those that the file lacks, which
    keep their values, and those that are new; it is a warning if the file has some of the scope's parameters, but not
    all.

    Formats are those of `save_parameters`; ``.nntxt`` and ``.prototxt`` (whole models as text); ``.nnp`` (archives of
    models). A ``.protobuf`` file may hold a whole model, too. Parameters get the type of the numbers in the file, which
    is float32 in messages and text. In ``.safetensors`` files that others wrote, bfloat16, float16 and 8-bit floats
    become float32, and all floating point parameters get `need_grad`.

    Args:
        path: of the file, or a binary file object, read from where it stands; or a list of them. A file whose
            extension names no format is passed over, with a warning in the log.
        proto: a message `NNablaProtoBuf`, to which the model in the file is added.
        needs_proto: also add parameters that do not stand in the file as messages (``.h5``, ``.safetensors``).
        extension: format, where `path` is a file object.
        names: names in the file by those in the current scope, as `save_parameters` takes them; others keep theirs.

    Returns:
        `proto`, or a new message; it has the names in the file.

    Raises:
        ArgumentError: there is no extension, or a parameter in the file has the name of a scope; `names` has one that
            the file lacks, or gives two parameters the same name.
        FileNotFoundError, IsADirectoryError: there is no such file.
        FormatError: the file is damaged or not of that format.
        ShapeError: a parameter exists with another shape. After any of these errors, no parameter has changed.
    """
    from .files import parameter_messages
    from .parameter_files import load, renamed

    found = load(path, extension)
    loaded = found.parameters
    if names is not None:
        here = {there: name for name, there in names.items()}
        if len(here) < len(names):
            raise ArgumentError("load_parameters: names gives two parameters the same name in the file")
        loaded = renamed(loaded, here, "load_parameters")
    registered = names_below(current_scope)
    register_stored(loaded, "load_parameters")
    if registered and loaded:
        report_names(registered, {name for name, _, _ in loaded}, path)
    return parameter_messages.merged(proto, found.model, found.parameters if needs_proto else found.messages)


def set_parameter_from_proto(proto: Any) -> None:
    """Load the parameters in a message `NNablaProtoBuf` into the current scope, as `load_parameters` does.

    Raises:
        ArgumentError, FormatError, ShapeError: as there.
    """
    from .files import parameter_messages
    from .files.stored import checked

    where = "set_parameter_from_proto"
    register_stored(checked(parameter_messages.contents(proto, where), where), where)


def register_stored(loaded: list[StoredParameter], function: str, replace: bool = False) -> None:
    """Set values and flags of parameters, after a check of them all.

    Args:
        loaded: the parameters; new ones keep their arrays as memory.
        function: that errors shall name.
        replace: whether a parameter takes the place of one with another shape, which is an error otherwise.
    """
    for name, values, _ in loaded:
        check_fits(name, None if replace else values.shape, function)
    for name, values, need_grad in loaded:
        param = get_parameter(name)
        if param is None or param.shape != values.shape:
            param = Variable(values.shape, need_grad=need_grad)
            set_parameter(name, param)
            param.data._adopt(values)
        else:
            param.data.data = values
        param.need_grad = need_grad


def check_fits(name: str, shape: tuple[int, ...] | None, function: str) -> None:
    """Make sure that `name` in the current scope is free, or a parameter of that shape (any shape for None).

    Raises:
        ArgumentError: it is a scope, or lies below a parameter.
        ShapeError: the parameter has another shape.
    """
    entry: Any = current_scope
    for part in name.split("/"):
        if isinstance(entry, Variable):
            raise ArgumentError(f"{function}: {name!r} lies below a parameter of the current scope")
        entry = entry.get(part)
        if entry is None:
            return
    if not isinstance(entry, Variable):
        raise ArgumentError(f"{function}: parameter {name!r} has the name of a scope")
    if shape is not None and entry.shape != shape:
        raise ShapeError(f"{function}: parameter {name!r} has shape {entry.shape}, the file has {shape}")


def report_names(registered: set[str], loaded: set[str], path: Any) -> None:
    """Log which names the file lacks, and which it adds: a warning if it covers only a part of what is there."""
    missing, new = sorted(registered - loaded), sorted(loaded - registered)
    parts = [f"{what}: {_some(names)}" for what, names in (("not in it", missing), ("new", new)) if names]
    if parts:
        level = logging.WARNING if missing and registered & loaded else logging.INFO
        logger.log(level, "Parameter load: %s; %s", path, "; ".join(parts))


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
