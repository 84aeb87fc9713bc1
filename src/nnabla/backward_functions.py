"""Door to the functions that build the graphs of gradients, and to the registry of them."""

from .graph.gradient_builders import named, names, register, registry, show_registry

__all__ = ["register", "registry", "show_registry"]


def __getattr__(name: str) -> object:
    return named(name)


def __dir__() -> list[str]:
    return sorted([*__all__, *names()])
