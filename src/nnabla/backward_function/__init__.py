"""A module for each function, with what builds the graph of its gradient: ``relu.relu_backward``.

They are there without files, as they follow from the declarations in `nnabla.operators`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .. import operators  # noqa: F401  (declares all functions)
from ..graph.gradient_builders import derived
from ..graph.operator import Operator, registry


class _Module(ModuleType):
    """The module of one function."""

    def __init__(self, cls: type[Operator]) -> None:
        super().__init__(f"{__name__}.{cls.declaration.name}", f"The gradient of `{cls.declaration.type_name}`.")
        self._cls = cls
        self.__all__ = [f"{cls.declaration.name}_backward"]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in self.__all__:
            return derived(self._cls)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.__all__]


for _cls in registry.values():
    sys.modules[f"{__name__}.{_cls.declaration.name}"] = globals()[_cls.declaration.name] = _Module(_cls)
