"""What the layers have in common: parameters and layers are found among attributes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ... import parameter
from ...errors import ArgumentError, ShapeError
from ...graph.variable import Variable


def fresh_scope() -> AbstractContextManager[parameter.Scope]:
    """Scope in which a layer makes its parameters, so that they are its own and not registered anywhere."""
    return parameter.parameter_scope("", OrderedDict())


def check_sizes(layer: str, **sizes: int) -> None:
    """Each of `sizes` must be an integer of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ArgumentError(f"{layer}: {name} must be an integer of at least 1, not {size!r}")


class Module:
    """A layer, or a model made of layers that are its attributes.

    Attributes that are variables are its parameters. Not to be confused with `nnabla.Module`. With `fix_parameters`
    layers make theirs without `need_grad`.

    Example:
        >>> import nnabla as nn
        >>> from nnabla.experimental.parametric_function_classes import Affine, Module
        >>> class Net(Module):
        ...     def __init__(self):
        ...         self.hidden = Affine(4, 8)
        ...         self.last = Affine(8, 1, with_bias=False)
        ...     def __call__(self, x):
        ...         return self.last(self.hidden(x))
        >>> net = Net()
        >>> net(nn.Variable((5, 4))).shape
        (5, 1)
        >>> list(net.get_parameters())
        ['hidden/W', 'hidden/b', 'last/W']
    """

    def get_parameters(self, grad_only: bool = True) -> OrderedDict[str, Variable]:
        """Parameters by name, as in ``conv1/W``; those of the module itself begin with a slash, as in NNabla 1.x.

        Args:
            grad_only: only those with `need_grad`.
        """
        found: OrderedDict[str, Variable] = OrderedDict()
        for prefix, module in self.get_modules():
            for name, value in vars(module).items():
                if isinstance(value, Variable) and (value.need_grad or not grad_only):
                    found[f"{prefix}/{name}"] = value
        return found

    def get_modules(self, memo: set[Module] | None = None, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """The module and all that are its attributes, or those of these, each once, with their names.

        Args:
            memo: modules to leave out; those listed are added to it.
            prefix: put in front of the names.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        memo.add(self)
        yield prefix, self
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield from value.get_modules(memo, f"{prefix}/{name}" if prefix else name)

    def save_parameters(self, path: Any, grad_only: bool = False) -> None:
        """Save parameters to a file; see `nnabla.save_parameters`.

        Args:
            path: of the file; its extension names the format.
            grad_only: only those with `need_grad`.
        """
        params = self.get_parameters(grad_only)
        parameter.save_parameters(path, OrderedDict((name.lstrip("/"), param) for name, param in params.items()))

    def load_parameters(self, path: Any) -> None:
        """Set the values of all parameters to those in a file. What else the file holds is ignored.

        Args:
            path: of the file; its extension names the format.

        Raises:
            ArgumentError: the file lacks parameters, or the format is not known.
            FileNotFoundError: there is no such file.
            FormatError: the file is damaged or not of that format.
            ShapeError: parameters have other shapes in the file. After any of these errors, nothing has changed.
        """
        from ...parameter_files import load

        stored = {name: values for name, values, _ in load(path).parameters}
        params = {name.lstrip("/"): param for name, param in self.get_parameters(grad_only=False).items()}
        kind = type(self).__name__
        missing = [name for name in params if name not in stored]
        if missing:
            raise ArgumentError(f"load_parameters: the file lacks parameters of {kind}: {', '.join(missing)}")
        other = [name for name, param in params.items() if param.shape != stored[name].shape]
        if other:
            shapes = ", ".join(f"{name} {params[name].shape}, in the file {stored[name].shape}" for name in other)
            raise ShapeError(f"load_parameters: parameters of {kind} have other shapes: {shapes}")
        for name, param in params.items():
            param.d = stored[name]
