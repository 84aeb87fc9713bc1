"""The base of objects whose hooks are called around functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class FunctionHookCallbackBase:
    """Derive from it and override `pre_hook`, `post_hook`, or both: properties that return what is called with each
    function, before and after it runs."""

    @property
    def pre_hook(self) -> Callable[..., Any]:
        """What is called before a function."""
        raise NotImplementedError(f"{type(self).__name__} has no pre_hook")

    @property
    def post_hook(self) -> Callable[..., Any]:
        """What is called after a function."""
        raise NotImplementedError(f"{type(self).__name__} has no post_hook")
