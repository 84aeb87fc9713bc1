"""Modules called one after the other."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from .module import Module, snake_case


class Sequential(Module):
    """Calls its layers in order, each with what the one before returned; a tuple is spread over arguments.

    Args:
        *args: layers: modules, or pairs ``(name, module)``. The name of a module by itself is its class in snake case
            and its position. Modules assigned as attributes later are layers as well, after these.
        **kwargs: accepted for compatibility.

    Raises:
        TypeError: a layer is not a module.
        ArgumentError: two layers have the same name.

    Keyword arguments of a call are given to every layer. Without layers, the arguments are returned.

    Example:
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
        >>> class Affine(nn.Module):
        ...     def __init__(self, n):
        ...         self.n = n
        ...     def call(self, x):
        ...         return PF.affine(x, self.n, with_bias=False)
        >>> net = nn.Sequential(Affine(4), ("last", Affine(1)))
        >>> net(nn.Variable((5, 2))).shape
        (5, 1)
        >>> list(net.get_parameters())
        ['@affine_0/affine/W', '@last/affine/W']
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for key, value in kwargs.items():
            if isinstance(value, Module):
                raise TypeError(f"Sequential: give a named layer as a pair, ({key!r}, module), not as a keyword")
        layers = [self._named(position, layer) for position, layer in enumerate(args)]
        for name, layer in layers:
            if name in self.__dict__:
                raise ArgumentError(f"Sequential: two layers have the name {name!r}")
            setattr(self, name, layer)

    @staticmethod
    def _named(position: int, layer: Any) -> tuple[str, Module]:
        if isinstance(layer, Module):
            return f"{snake_case(type(layer))}_{position}", layer
        if not isinstance(layer, tuple) or len(layer) != 2:
            given = f"a tuple of {len(layer)}" if isinstance(layer, tuple) else type(layer).__name__
            raise TypeError(f"Sequential: layer {position} must be a Module or a pair (name, Module), not {given}")
        name, module = layer
        if not isinstance(name, str) or not isinstance(module, Module):
            raise TypeError(
                f"Sequential: layer {position} must be a pair of a string and a Module, not of "
                f"{type(name).__name__} and {type(module).__name__}"
            )
        return name, module

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the last layer returns."""
        layers = [value for value in self.__dict__.values() if isinstance(value, Module)]
        if not layers:
            return args[0] if len(args) == 1 else args
        result: Any = args
        for layer in layers:
            result = layer(*result, **kwargs) if isinstance(result, tuple) else layer(result, **kwargs)
        return result
