"""Tables of rules, which decorators fill: the rule for each function or operator by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Rule = TypeVar("Rule", bound=Callable[..., object])


def entering(table: dict[str, Rule], names: Sequence[str]) -> Callable[[Rule], Rule]:
    """A decorator that enters a rule into a table under each of the names.

    Raises:
        ValueError: when it decorates; a rule is there already for a name.
    """

    def enter(rule: Rule) -> Rule:
        for name in names:
            if name in table:
                raise ValueError(f"there are two rules for {name}")
            table[name] = rule
        return rule

    return enter
