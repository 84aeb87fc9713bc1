"""Modules that a running ``call`` makes, uses, and does not keep: their parameters would be lost.

Whether a module was kept is known only when the ``call`` that made it has returned. Then it is an attribute of a
module, or it lives on because somebody else holds it (a cache, the caller, a closure), or it is gone. Only the last is
an error.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import parameter
from ..errors import GraphError
from ..graph.variable import Variable

if TYPE_CHECKING:
    from .module import Module


class Suspect(NamedTuple):
    """A module made in a running call, with the parameters that calling it, or a module below it, created."""

    module: weakref.ref[Module]
    kind: str
    created: dict[str, Variable]


class Call:
    """A module's ``call`` while it runs."""

    __slots__ = ("__weakref__", "before", "maker", "module", "suspects")

    def __init__(self, module: Module) -> None:
        self.module = module
        self.maker = maker_of(module)
        self.before = set(module.get_parameters()) if self.maker is not None else set()
        self.suspects: list[Suspect] = []

    def __enter__(self) -> None:
        calls.append(self)

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        calls.pop()
        if kind is not None:
            return
        if self.maker is not None:
            self.maker.suspect(self.module, self.before)
        if self.suspects:
            self.refuse_lost()

    def suspect(self, module: Module, before: set[str]) -> None:
        """Remember `module`, made in this call, if it has other parameters than `before` and nobody keeps it yet."""
        created = {name: param for name, param in module.get_parameters().items() if name not in before}
        if not created:
            return
        parent = module.parent
        while parent is not None and maker_of(parent) is self:
            created = {f"@{module.name}/{name}": param for name, param in created.items()}
            module, parent = parent, parent.parent
        if parent is None:
            self.suspects.append(Suspect(weakref.ref(module), type(module).__name__, created))

    def refuse_lost(self) -> None:
        """Raise an error if a suspect is gone, and its parameters are not registered anywhere else."""
        if all(suspect.module() is not None for suspect in self.suspects):
            for call in (*calls, self):
                call.module._below()
            if any(not _kept(suspect) for suspect in self.suspects):
                gc.collect()  # a module may refer to itself, for example by a bound method among its attributes
        gone = [suspect for suspect in self.suspects if suspect.module() is None]
        if not gone:
            return
        registered = {*_registered()}
        registered.update(*(call.module.get_parameters().values() for call in (*calls, self)))
        lost: dict[str, dict[str, None]] = {}
        for kind, created in ((suspect.kind, suspect.created) for suspect in gone):
            if not registered.issuperset(created.values()):
                lost.setdefault(kind, {}).update(dict.fromkeys(created))
        if lost:
            made = " and ".join(f"{kind} (with the parameters {', '.join(names)})" for kind, names in lost.items())
            raise GraphError(
                f"{type(self.module).__name__}: call() made a module {made} and did not keep it, so that its "
                f"parameters would be lost. Make it in __init__ and keep it as an attribute, "
                f"self.name = {next(iter(lost))}(...), or in a list, tuple or dict that is an attribute"
            )


calls: list[Call] = []
"""Running calls, outermost first."""


def maker_now() -> weakref.ref[Call] | None:
    """The innermost running call, to be kept by a module that is made now."""
    return weakref.ref(calls[-1]) if calls else None


def maker_of(module: Module) -> Call | None:
    """The call that made `module`, if it is still running."""
    _ = module.parameter_scope  # notes it, if nothing has yet
    maker = module.__dict__.get("_made_in")
    return None if maker is None else maker()


def _kept(suspect: Suspect) -> bool:
    module = suspect.module()
    return module is not None and module.parent is not None


def _registered() -> Iterator[Variable]:
    with parameter.parameter_scope("", parameter.root_scope):
        yield from parameter.get_parameters(grad_only=False).values()
