"""Modules: blocks of a model that own their parameters."""

from __future__ import annotations

import re
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from types import FunctionType
from typing import Any

from .. import parameter
from ..errors import ArgumentError
from ..graph.variable import Variable
from ..network import current_graph_builder, module_scope
from ..network.tracing import describes
from .temporaries import Call, maker_now

# Of these Python itself asks for attributes, or calls them without an instance.
_WITHOUT_SCOPE = {
    "__class_getitem__",
    "__delattr__",
    "__getattribute__",
    "__init_subclass__",
    "__new__",
    "__setattr__",
}


class MetaClass(type):
    """Makes the methods of a module, ``__init__`` among them, work in the module's parameter scope."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> MetaClass:
        if bases:  # Module's own methods choose the scope themselves
            for key, value in namespace.items():
                if isinstance(value, FunctionType) and key not in _WITHOUT_SCOPE:
                    namespace[key] = mcs.method_wrapper(value)
        return super().__new__(mcs, name, bases, namespace, **kwargs)

    @staticmethod
    def method_wrapper(method: Callable[..., Any]) -> Callable[..., Any]:
        """`method`, run in the parameter scope of the module that it is called on."""

        @wraps(method)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not args or not isinstance(args[0], Module):
                return method(*args, **kwargs)
            with parameter.parameter_scope("", args[0].parameter_scope):
                return method(*args, **kwargs)

        return wrapped


class ParamMemo:
    """Parameters that have been listed, so that each is listed once."""

    def __init__(self) -> None:
        self._memo: set[Variable] = set()
        self.entered: set[int] = set()
        """Modules whose parameters are being listed now, by id: a module may be found again below itself."""

    def filter_and_update(self, params: Mapping[str, Variable]) -> OrderedDict[str, Variable]:
        """Those of `params` that have not been here before."""
        found: OrderedDict[str, Variable] = OrderedDict()
        for name, param in params.items():
            if param not in self._memo:
                self._memo.add(param)
                found[name] = param
        return found


def insert_parent_name(name: str, params: Mapping[str, Variable]) -> OrderedDict[str, Variable]:
    """`params` with ``@<name>/`` in front of each name.

    Example:
        >>> list(insert_parent_name("conv1", {"conv/W": Variable()}))
        ['@conv1/conv/W']
    """
    return OrderedDict((f"@{name}/{key}", param) for key, param in params.items())


def snake_case(kind: type) -> str:
    """Name of a class with an underscore before each capital: ``ConvBN`` is ``conv_b_n``, as in NNabla 1.x."""
    return re.sub("(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def modules_in(value: Any, name: str, around: tuple[Any, ...] = ()) -> Iterator[tuple[str, Module]]:
    """`value` if it is a module; the modules in it if it is a list, tuple or dict, at any depth, with their names."""
    if isinstance(value, Module):
        yield name, value
    elif isinstance(value, (list, tuple, dict)) and not any(value is outer for outer in around):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, (Module, list, tuple, dict)):
                yield from modules_in(item, f"{name}/@{key}", (*around, value))


class Module(metaclass=MetaClass):
    """A block of a model that owns its parameters. Derive from it, and build the graph in `call`.

    Parametric functions in the methods of a module register their parameters with the instance, not in the global
    scope. They are made when the module is first called, and shared by all calls. Modules kept as attributes are its
    *submodules*; their parameters are listed as ``@<attribute>/<name>``.

    Attributes may also be lists, tuples and dicts of modules, nested as you like, and a list may grow after it was
    assigned. Index or key appear in the names: ``@blocks/@0/conv/W`` for ``self.blocks = [...]``,
    ``@heads/@left/@1/affine/b`` for ``self.heads = {"left": (..., ...)}``. A module that is also an attribute by itself
    goes by that name. NNabla 1.x ignored modules in containers.

    A module that is made in `call`, called, and not kept is an error when `call` returns, if it made parameters: they
    would be lost.

    Names and flags:
        `name`: of the attribute that holds the module; for the outermost module its class in snake case. `parent`,
        `submodules` and `parameter_scope` are read-only like it: assigning to one has no effect, as in NNabla 1.x.
        `training`: True at first; assigning sets it for all modules below as well, as far as they are there then.
        `len(module)`: number of submodules. Mind that ``bool(module)`` is False without any.

    `copy.copy` gives a module with the same parameters, `copy.deepcopy` one with its own.

    Example:
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
        >>> class Block(nn.Module):
        ...     def __init__(self, outmaps):
        ...         self.outmaps = outmaps
        ...     def call(self, x):
        ...         return F.relu(PF.affine(x, self.outmaps, with_bias=False))
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         self.blocks = [Block(8), Block(8)]
        ...         self.last = Block(1)
        ...     def call(self, x):
        ...         for block in self.blocks:
        ...             x = block(x)
        ...         return self.last(x)
        >>> net = Net()
        >>> y = net(nn.Variable((5, 2)))
        >>> for name, param in net.get_parameters().items():
        ...     print(name, param.shape)
        @last/affine/W (8, 1)
        @blocks/@0/affine/W (2, 8)
        @blocks/@1/affine/W (8, 8)
    """

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Build the graph: inputs to outputs. To be implemented by each module, and called as ``module(...)``.

        Raises:
            NotImplementedError: it is not.
        """
        raise NotImplementedError(f"{type(self).__name__}.call must be implemented")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What `call` returns.

        Raises:
            GraphError: `call` made a module and did not keep it; see the class.
        """
        if describes(args, kwargs):
            with Call(self), module_scope(current_graph_builder(), self):
                return self.call(*args, **kwargs)
        with Call(self):
            return self.call(*args, **kwargs)

    # Attributes. A module keeps no other record of what is below it: it looks through its attributes each time. And as
    # modules need not call Module.__init__, what they need of their own is made when it is first asked for.

    @property
    def parameter_scope(self) -> parameter.Scope:
        """The module's own scope: an ordered dict of parameters and nested scopes, without those of submodules."""
        scope = self.__dict__.get("_parameter_scope")
        if scope is None:
            maker = maker_now()
            if maker is not None:
                self.__dict__["_made_in"] = maker
            scope = self.__dict__["_parameter_scope"] = OrderedDict()
        return scope

    def _find_submodules(self) -> OrderedDict[str, Module]:
        found = OrderedDict((name, value) for name, value in self.__dict__.items() if isinstance(value, Module))
        alone = {id(module) for module in found.values()}
        for attribute, value in self.__dict__.items():
            if isinstance(value, (list, tuple, dict)) and attribute not in found and attribute != "_parameter_scope":
                for name, module in modules_in(value, attribute):
                    if name in found:
                        raise ArgumentError(f"{type(self).__name__}: two modules have the same name {name!r}")
                    if id(module) not in alone:
                        found[name] = module
        return found

    @property
    def submodules(self) -> OrderedDict[str, Module]:
        """Modules that are attributes, by name, followed by those in lists, tuples and dicts (``blocks/@0``).

        Raises:
            ArgumentError: two keys of a dict look the same as text, like 1 and "1".
        """
        found = self._find_submodules()
        for module in found.values():
            module._belongs_to(self)
        return found

    def _below(self) -> list[Module]:
        """The module and all below it, each once, outer ones first."""
        found: dict[int, Module] = {}
        waiting: list[Module] = [self]
        while waiting:
            module = waiting.pop()
            if id(module) not in found:
                found[id(module)] = module
                waiting.extend(reversed(module.submodules.values()))
        return list(found.values())

    def _belongs_to(self, parent: Module, anew: bool = False) -> None:
        """Note `parent`, unless another one is noted (`anew`: also then), or it is below this module."""
        noted = self.__dict__.get("_parent")
        if noted is not None and (noted() is parent or (not anew and self.parent is not None)):
            return
        outer: Module | None = parent
        while outer is not None:
            if outer is self:
                return
            outer = outer.parent
        self.__dict__["_parent"] = weakref.ref(parent)

    @property
    def parent(self) -> Module | None:
        """The module whose attribute this one is, or in whose list, tuple or dict it is; of several, the last that it
        was assigned to. None if there is none, or it is gone."""
        noted = self.__dict__.get("_parent")
        parent = None if noted is None else noted()
        if parent is None or all(module is not self for module in parent._find_submodules().values()):
            return None
        return parent

    @property
    def name(self) -> str:
        """Name in the parent; without a parent, the class in snake case (``ConvBn`` is ``conv_bn``)."""
        parent = self.parent
        if parent is None:
            return snake_case(type(self))
        return next(name for name, module in reversed(parent.submodules.items()) if module is self)

    def is_root(self) -> bool:
        """Whether the module has no parent."""
        return self.parent is None

    def get_path_name(self) -> str:
        """Names from the outermost module to this one, as in ``@res_unit/@conv1``."""
        parent = self.parent
        return f"@{self.name}" if parent is None else f"{parent.get_path_name()}/@{self.name}"

    def get_scope_name(self) -> str:
        """Names from the first submodule down along first submodules, as in NNabla 1.x; empty without any."""
        for name, module in self.submodules.items():
            below = module.get_scope_name()
            return f"@{name}/{below}" if below else f"@{name}"
        return ""

    @property
    def training(self) -> bool:
        """Whether the module is to build graphs for training; for `call` to ask."""
        return self.__dict__.get("training", True)

    @training.setter
    def training(self, value: bool) -> None:
        self.__dict__["training"] = value

    def __setattr__(self, name: str, value: Any) -> None:
        own = _OWN.get(name)
        if own is not None:
            if next(modules_in(value, name), None) is not None:
                raise AttributeError(
                    f"{type(self).__name__}: {name!r} means something else in a module; choose another attribute"
                )
            if isinstance(own, property) and own.fset is None and getattr(type(self), name) is own:
                self.__dict__[name] = value
                return
        object.__setattr__(self, name, value)
        if name == "training":
            for module in self._below()[1:]:
                object.__setattr__(module, name, value)
        elif isinstance(value, Module):
            value._belongs_to(self, anew=True)
        elif next(modules_in(value, name), None) is not None:
            _ = self.submodules  # those in containers learn their parent; names are checked

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_parent", "_made_in")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for module in self.submodules.values():
            module._belongs_to(self)

    def __len__(self) -> int:
        return len(self.submodules)

    def __repr__(self) -> str:
        return type(self).__name__

    # Parameters

    def get_parameters(
        self, recursive: bool = True, grad_only: bool = False, memo: ParamMemo | None = None
    ) -> OrderedDict[str, Variable]:
        """Parameters by name: those of submodules, then the module's own. One that is shared is listed once.

        Args:
            recursive: with those of submodules.
            grad_only: only those with `need_grad`. Mind that the default differs from that of `nn.get_parameters`.
            memo: parameters to leave out; those listed are added to it.
        """
        memo = ParamMemo() if memo is None else memo
        found: OrderedDict[str, Variable] = OrderedDict()
        if id(self) in memo.entered:
            return found
        memo.entered.add(id(self))
        try:
            for name, module in self.submodules.items() if recursive else ():
                found.update(insert_parent_name(name, module.get_parameters(recursive, grad_only, memo)))
        finally:
            memo.entered.discard(id(self))
        with parameter.parameter_scope("", self.parameter_scope):
            found.update(memo.filter_and_update(parameter.get_parameters(grad_only=grad_only)))
        return found

    def _owner(self, key: str) -> tuple[Module, str] | None:
        """The module that the parameter `key` belongs to, and its name there; None if there is no such module."""
        if not key.startswith("@"):
            return self, key
        submodules = self.submodules
        name = max((name for name in submodules if key.startswith(f"@{name}/")), key=len, default=None)
        return None if name is None else submodules[name]._owner(key[len(name) + 2 :])

    def _refuse_unknown(self, unknown: list[str], function: str) -> None:
        if unknown:
            raise ArgumentError(
                f"{function}: {type(self).__name__} has no submodule for {', '.join(unknown)}; it has "
                f"{', '.join(f'@{name}' for name in self.submodules) or 'none'}. With raise_if_missing=False they are "
                f"left out"
            )

    def set_parameter(self, key: str, param: Variable, raise_if_missing: bool = False) -> None:
        """Register `param` as `key`, in place of what has that name.

        Args:
            key: as `get_parameters` lists it. A name in the module's own scope need not exist.
            param: the parameter itself, not a copy.
            raise_if_missing: whether a `key` in a submodule that is not there is an error; else it is ignored.

        Raises:
            ArgumentError: that, or `key` names a scope, or lies below a parameter.
            TypeError: `param` is not a Variable.
        """
        self._set_parameters({key: param}, raise_if_missing, "set_parameter")

    def set_parameters(self, params: Mapping[str, Variable], raise_if_missing: bool = False) -> None:
        """Register all of `params`, as `set_parameter` does; after an error, nothing has changed."""
        self._set_parameters(params, raise_if_missing, "set_parameters")

    def _set_parameters(self, params: Mapping[str, Variable], raise_if_missing: bool, function: str) -> None:
        from ..files.stored import checked_names

        owners = {key: self._owner(key) for key in params}
        if raise_if_missing:
            self._refuse_unknown([key for key, owner in owners.items() if owner is None], function)
        try:
            checked_names(params)
        except ArgumentError as error:
            raise ArgumentError(f"{function}: {error}") from None
        for key, param in params.items():
            if not isinstance(param, Variable):
                raise TypeError(f"{function}: {key!r} must be a Variable, not {type(param).__name__}")
        placed = [(*owner, params[key]) for key, owner in owners.items() if owner is not None]
        for module, key, _ in placed:
            with parameter.parameter_scope("", module.parameter_scope):
                present = parameter.get_parameter(key)
                parameter.check_fits(key, () if present is None else present.shape, function)
        for module, key, param in placed:
            with parameter.parameter_scope("", module.parameter_scope):
                parameter.set_parameter(key, param)

    def update_parameter(self) -> None:
        """Hand parameters of the own scope whose names belong to submodules (``@conv1/conv/W``) over to these.

        They get there by functions that know scopes only, such as `nn.load_parameters` in `parameter_scope`.
        """
        with parameter.parameter_scope("", self.parameter_scope):
            for key, param in parameter.get_parameters(grad_only=False).items():
                if key.startswith("@") and self._owner(key) is not None:
                    self.set_parameter(key, param)
                    parameter.pop_parameter(key)

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to zero."""
        for param in self.get_parameters().values():
            param.grad.zero()

    def save_parameters(self, path: Any, extension: str = ".h5") -> None:
        """Save all parameters, by the names that `get_parameters` lists; see `nnabla.save_parameters`.

        Args:
            path: of the file, or a binary file object.
            extension: format, where `path` is a file object.
        """
        parameter.save_parameters(path, self.get_parameters(), extension)

    def load_parameters(self, path: Any, extension: str = ".h5", raise_if_missing: bool = True) -> None:
        """Load parameters from a file; see `nnabla.load_parameters` for the formats.

        Works before the first call, too: parameters that do not exist are created. Those that exist keep their identity
        (graphs and solvers go on with them); those that the file lacks keep their values, and a warning names them.

        Args:
            path: of the file, or a binary file object.
            extension: format, where `path` is a file object.
            raise_if_missing: whether parameters of submodules that are not there are an error; else they are left out.

        Raises:
            ArgumentError: that, or the format is not known, or a parameter in the file has the name of a scope.
            FileNotFoundError: there is no such file.
            FormatError: the file is damaged or not of that format.
            ShapeError: a parameter exists with another shape. After any of these errors, nothing has changed.
        """
        from ..files.stored import StoredParameter, checked
        from ..parameter_files import load

        loaded = {stored.name: stored for stored in load(path, extension).parameters}
        owners = {name: self._owner(name) for name in loaded}
        if raise_if_missing:
            self._refuse_unknown([name for name, owner in owners.items() if owner is None], "load_parameters")
        placed: dict[int, tuple[Module, list[StoredParameter]]] = {}
        for name, owner in owners.items():
            if owner is not None:
                module, key = owner
                placed.setdefault(id(module), (module, []))[1].append(loaded[name]._replace(name=key))
        registered = set(self.get_parameters())
        for module, entries in placed.values():
            where = f"load_parameters: {module.get_path_name()}"
            entries[:] = checked(entries, where)  # a module that is there by two names may stand in the file twice
            with parameter.parameter_scope("", module.parameter_scope):
                for name, values, _ in entries:
                    parameter.check_fits(name, values.shape, where)
        for module, entries in placed.values():
            with parameter.parameter_scope("", module.parameter_scope):
                parameter.register_stored(entries, "load_parameters")
        if registered:
            parameter.report_names(registered, {name for name, owner in owners.items() if owner is not None}, path)


_OWN = {name: value for name, value in vars(Module).items() if not name.startswith("_")}
"""Names that mean something in every module."""
