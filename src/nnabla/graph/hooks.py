"""Hooks that run around every function of every graph, and around every call of a solver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

function_pre_hooks: dict[str, Callable[..., Any]] = {}
function_post_hooks: dict[str, Callable[..., Any]] = {}
solver_pre_hooks: dict[str, Callable[..., Any]] = {}
solver_post_hooks: dict[str, Callable[..., Any]] = {}
# Like function_post_hooks, but called after the memory that no later function needs has been freed. While there is such
# a hook, memory is freed after each function, not in larger lots. Adding or removing one requires `epoch.advance`.
function_freed_hooks: dict[str, Callable[..., Any]] = {}


def _checked(key: str, hook: Callable[..., Any], function: str) -> Callable[..., Any]:
    if not callable(hook):
        raise TypeError(f"{function}: hook {key!r} must be callable, not {type(hook).__name__}")
    return hook


def set_function_pre_hook(key: str, function_pre_hook: Callable[..., Any]) -> None:
    """Call `function_pre_hook(function)` before each function runs, forward and backward, until unset by `key`."""
    function_pre_hooks[key] = _checked(key, function_pre_hook, "set_function_pre_hook")


def set_function_post_hook(key: str, function_post_hook: Callable[..., Any]) -> None:
    """Call `function_post_hook(function)` after each function ran, forward and backward, until unset by `key`."""
    function_post_hooks[key] = _checked(key, function_post_hook, "set_function_post_hook")


def unset_function_pre_hook(key: str) -> None:
    """Remove the hook `key`, if it is there."""
    function_pre_hooks.pop(key, None)


def unset_function_post_hook(key: str) -> None:
    """Remove the hook `key`, if it is there."""
    function_post_hooks.pop(key, None)


def set_solver_pre_hook(key: str, solver_pre_hook: Callable[..., Any]) -> None:
    """Call `solver_pre_hook()` before each call of a solver, until unset by `key`."""
    solver_pre_hooks[key] = _checked(key, solver_pre_hook, "set_solver_pre_hook")


def set_solver_post_hook(key: str, solver_post_hook: Callable[..., Any]) -> None:
    """Call `solver_post_hook()` after each call of a solver, until unset by `key`."""
    solver_post_hooks[key] = _checked(key, solver_post_hook, "set_solver_post_hook")


def unset_solver_pre_hook(key: str) -> None:
    """Remove the hook `key`, if it is there."""
    solver_pre_hooks.pop(key, None)


def unset_solver_post_hook(key: str) -> None:
    """Remove the hook `key`, if it is there."""
    solver_post_hooks.pop(key, None)


class CommunicatorBackwardCallback:
    """Base class for objects that `Variable.backward` informs of its progress: derive from it and override the methods.

    A communicator's `all_reduce_callback` returns one, which sums gradients over processes as they become ready.
    """

    may_write: bool = True
    """Whether it may write to gradients of variables that a function made; these share no memory then, which costs."""

    def on_start_backward(self, functions: Sequence[Any]) -> None:
        """Called first, with the functions in the order in which they will finish, and ``None`` among them."""

    def on_finish_function_backward(self, function: Any) -> None:
        """Called when the gradients of the inputs of `function` are there."""

    def on_finish_backward(self) -> None:
        """Called when all gradients are there."""


def is_watched(pre_hook: Any, post_hook: Any, callbacks: Any = None) -> bool:
    """Whether somebody looks at each function of a run: hooks of the call, or those of every graph."""
    return (
        pre_hook is not None
        or post_hook is not None
        or callbacks is not None
        or bool(function_pre_hooks)
        or bool(function_post_hooks)
    )


def combined(
    own: Callable[..., Any] | None, shared: dict[str, Callable[..., Any]], before: bool = False
) -> Callable[..., Any] | None:
    """One callable for a call's own hook and the shared ones; ``None`` if there are none.

    The shared hooks enclose the call's own: they run first before a function, and last after it.
    """
    if own is None and not shared:
        return None
    hooks = list(shared.values())
    if own is not None:
        hooks.insert(len(hooks) if before else 0, own)
    if len(hooks) == 1:
        return hooks[0]

    def run(*args: Any) -> None:
        for hook in hooks:
            hook(*args)

    return run
