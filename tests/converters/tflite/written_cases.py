"""The operator cases of functions that are written as TFLite."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from nnabla.converters.nnb.rules import RULES as RUNTIME_RULES
from nnabla.converters.tflite.exporter import OWN_RULES
from nnabla.errors import FormatError
from nnabla.graph.operator import registry

from ...operators.case import Case
from ..case_networks import cases_of, close, network_of, with_parameters

BY_FUNCTION = cases_of({registry[name].declaration.name for name in {*RUNTIME_RULES, *OWN_RULES}})
"""The float32 cases of every function with a rule, by its name."""

EXCEPTIONS = {
    r"normalization_more-mean_subtraction-[0-3]": "the running mean, which it subtracts, changes in each run",
    r"edges-pow_scalar-6-": "the root of -inf is NaN in NNabla, inf elsewhere",
    r"arrays_more-sort-9$": "NaN is not ordered",
}
ELSEWHERE = {
    "in_litert": {
        r"edges-pow_scalar-(9|11)-": "an infinite product is the largest number on some processors",
        r"math-(exp|log|sinh|cosh)-5$": "NaN and infinity become numbers on some processors",
    },
    "in_tensorflow": {
        r"edges-pow_scalar-(2|5|8|10)-": "numbers below 1e-38 are taken as 0",
        r"edges-pow_scalar-4-": "the inverse root keeps the sign of a zero, and that of -inf is NaN",
    },
}
"""Further ones, by the name of what computes them."""

# Reasons for which a case may not be written.
NAMED = re.compile(
    "no empty arrays|must be a parameter, not computed|no negative pad|gives no mean and variance|of one axis, not of|"
    "over one and two axes only|only the largest or smallest numbers themselves"
)

# What comes of a case: equal; a call that NNabla itself refuses; what TFLite does not have; an exception.
EQUAL, REFUSED, NOT_WRITTEN, EXCUSED = "equal", "refused", "not written", "excused"

Computed = Callable[[Any, Sequence[np.ndarray], Sequence[str]], Sequence[np.ndarray]]
"""Computes outputs of a network, by their names, of arrays for its inputs. A FormatError says it cannot be written."""


def excepted(case: Case, computed: Computed) -> bool:
    """Whether a case may differ or be refused."""
    patterns = (*EXCEPTIONS, *ELSEWHERE.get(computed.__name__, ()))
    return any(re.match(pattern, str(case)) for pattern in patterns)


def written_network(case, parameters):
    """The network of a case, its inputs and outputs; ``None`` if the call is refused.

    Args:
        case: the case.
        parameters: make all inputs but the first parameters.
    """
    found = network_of(case)
    if found is None:
        return None
    network, feeds, expected = found
    if parameters:
        network = with_parameters(network, feeds, network.inputs[1:])
    return network, [feeds[int(name[1:])] for name in network.inputs], expected


def outcome(case: Case, parameters: bool, computed: Computed) -> str:
    """What comes of a case, written and computed elsewhere: one of the above, or in what it is wrong."""
    found = _outcome(case, parameters, computed)
    return EXCUSED if found not in (EQUAL, REFUSED) and excepted(case, computed) else found


def _outcome(case: Case, parameters: bool, computed: Computed) -> str:
    found = written_network(case, parameters)
    if found is None:
        return REFUSED
    network, given, expected = found
    names = [f"y{i}" for i in range(len(expected))]
    try:
        results = computed(network, given, names)
    except FormatError as error:
        return NOT_WRITTEN if NAMED.search(str(error)) else f"FormatError: {error}"
    except Exception as error:  # what runtimes raise is of no common type
        return f"{type(error).__name__}: {str(error)[:300]}"
    for name, ours, theirs in zip(names, expected, results, strict=True):
        if ours.shape != theirs.shape:
            return f"{name}: shape {theirs.shape} instead of {ours.shape}"
        if not close(ours, theirs):
            return f"{name}: {theirs.ravel()[:8]} instead of {ours.ravel()[:8]}"
    return EQUAL


def counted(cases: Iterable[Case], computed: Computed) -> tuple[Counter[str], set[str], list[str]]:
    """How often there is each outcome, the functions that are right, and what is wrong. Cases count twice: also with
    parameters."""
    counts: Counter[str] = Counter()
    right, wrong = set(), []
    for case in cases:
        for parameters in (False, True):
            found = outcome(case, parameters, computed)
            if found not in (EQUAL, REFUSED, NOT_WRITTEN, EXCUSED):
                wrong.append(f"{case}: {found}")
                found = "wrong"
            counts[found] += 1
            if found == EQUAL:
                right.add(case.function)
    return counts, right, wrong


def check(cases: Iterable[Case], computed: Computed) -> int:
    """How many functions are right; fails with all cases that differ."""
    _, right, wrong = counted(cases, computed)
    assert not wrong, "\n".join(wrong)
    return len(right)


ALL_CASES = [case for found in BY_FUNCTION.values() for case in found]
