"""Which plan serves a graph: those of one variable, and those of all graphs that are built anew."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any

from .._memory import collector_resting
from .._threads import in_forked_child
from ..errors import GraphError
from ..graph.epoch import epoch
from ..graph.function import Function
from ..graph.hooks import function_freed_hooks
from ..graph.operator import Shape
from ..graph.order import topological
from ..graph.variable import Variable
from .compiling import is_compiled
from .fingerprint import fingerprint_of
from .passes import left_out
from .plan import Plan
from .up_to_date import inherit_need_grad, setup_again

# The number of functions and steps that all kept plans may have together. Each takes up to 1 KiB.
_KEPT_STEPS = 1 << 16

# How many plans a variable keeps for itself. They hold on to functions, so there are few: enough for scripts that
# toggle flags back and forth, as GANs do.
_KEPT_PLANS = 8

# Where a variable keeps the survey of its graph, among its plans.
_SURVEY = "survey"


class PlanStore:
    """Plans by the form of graphs that they are for. The least recently used one is dropped first.

    Args:
        most: total weight of the plans that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._weight = 0
        self._plans: dict[Hashable, tuple[Plan, int]] = {}
        self.renew_lock()

    def renew_lock(self) -> None:
        """For a forked child: the thread that held the lock does not exist there."""
        self._lock = Lock()

    def get(self, form: Hashable) -> Plan | None:
        with self._lock:
            found = self._plans.pop(form, None)
            if found is None:
                return None
            self._plans[form] = found
        return found[0]

    def keep(self, form: Hashable, plan: Plan, weight: int) -> None:
        with self._lock:
            self._weight += weight - self._plans.pop(form, (plan, 0))[1]
            self._plans[form] = plan, weight
            while self._weight > self._most and len(self._plans) > 1:
                oldest = next(iter(self._plans))
                self._weight -= self._plans.pop(oldest)[1]


# For graphs that are built anew and dropped. Plans hold nothing of the graphs that they were compiled from.
_plans_of_all = PlanStore(_KEPT_STEPS)
in_forked_child(_plans_of_all.renew_lock)


class Survey:
    """A graph as forward has found it, for a backward that follows in the same epoch.

    What users dropped in the meantime makes no difference to a plan that is there. It does to one that is compiled, so
    that needs another look.

    Args:
        order: all functions that lead to the root.
        form: of the graph, with no regard to who else reads it.
        shared: whether other graphs may have that form.
    """

    __slots__ = ("_epoch", "_seen", "form", "order", "shared")

    def __init__(self, order: Sequence[Function], form: Hashable, shared: bool) -> None:
        self.order = order
        self.form = form
        self.shared = shared
        self._epoch = epoch.value
        self._seen = self._look()

    def holds(self) -> bool:
        """Whether the graph is as it was."""
        return self._epoch == epoch.value and self._seen == self._look()

    def _look(self) -> list[tuple[Shape, bool]]:
        """What may change without a new epoch: shapes may follow from values, arrays be given to other variables."""
        arrays = [buffers.data for function in self.order for buffers in function._outputs]
        return [(array._shape, array._adopted) for array in arrays]


class PlanCache:
    """The plan of one variable for one set of options, and those of forms that no other graph has."""

    __slots__ = ("_own", "bound", "epoch")

    def __init__(self) -> None:
        # The plan of the last call, and the epoch in which it was found valid: while that lasts, it still is.
        self.epoch = -1
        self.bound: Any = None
        self._own: PlanStore | None = None

    def find(
        self,
        roots: Sequence[Variable],
        options: tuple[Hashable, ...],
        compile: Callable[[Sequence[Function]], Plan],
    ) -> Any:
        """A plan that is valid for the graph as it is now, bound to it.

        Args:
            roots: what is asked for.
            options: "forward" or "backward", and all else that the plan depends on.
            compile: makes a plan.
        """
        more = options, bool(function_freed_hooks), left_out(), is_compiled(roots)
        own: dict[Any, Any] = roots[0]._plans or {}
        survey = None if options[0] == "forward" else own.get(_SURVEY)
        if survey is not None and survey.holds():
            plan = self._plans_for(survey.shared).get((survey.form, (), *more))
            if plan is not None:
                return self._bind(plan, survey.order)
        order = topological(roots)
        if self.bound is not None or any([function._epoch != epoch.value for function in order]):
            setup_again(order)
            inherit_need_grad(order)
        form, readers, shared = fingerprint_of(order, roots, readers=options[0] == "forward")
        if len(roots) == 1:
            own[_SURVEY] = Survey(order, form, shared)
        key = form, readers, *more
        plans = self._plans_for(shared)
        plan = plans.get(key)
        if plan is None:
            with collector_resting():
                plan = compile(order)
            plans.keep(key, plan, len(order) + len(plan.steps) if shared else 1)
        return self._bind(plan, order)

    def _plans_for(self, shared: bool) -> PlanStore:
        if shared:
            return _plans_of_all
        self._own = self._own or PlanStore(_KEPT_PLANS)
        return self._own

    def _bind(self, plan: Plan, order: Sequence[Function]) -> Any:
        self.bound = plan.bind(order)
        self.epoch = epoch.value
        return self.bound


def plan_cache(roots: Sequence[Variable], key: Hashable, call: str, purpose: str) -> PlanCache:
    """The plans for `key` of the first of `roots`, which keeps them.

    Raises:
        GraphError: a root has no parent, so that `call` has nothing to do.
    """
    for root in roots:
        if root._parent is None:
            raise GraphError(f"{call}: the variable has no parent function, so there is nothing to {purpose}")
    first = roots[0]
    if first._plans is None:
        first._plans = {}
    cache: PlanCache | None = first._plans.get(key)
    if cache is None:
        cache = first._plans[key] = PlanCache()
    return cache
