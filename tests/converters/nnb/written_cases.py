"""The operator cases as NNB files, and what the interpreter computes with them."""

from __future__ import annotations

import numpy as np

from nnabla.converters.nnb import Model, from_bytes, run, to_bytes, to_nnb
from nnabla.converters.nnb.rules import RULES
from nnabla.graph.operator import registry

from ...operators.case import Case
from ..case_networks import cases_of, close, network_of, with_parameters

# Public names of the functions with a rule.
WRITTEN = {registry[type_name].declaration.name: type_name for type_name in RULES}


def cases() -> dict[str, list[Case]]:
    """The float32 cases of every function with a rule, by its name."""
    return cases_of(WRITTEN)


def model_of(
    case: Case, parameters: bool = False, **options: object
) -> tuple[Model, list[np.ndarray], list[np.ndarray]] | None:
    """What is written for a case and read again, its inputs and outputs; ``None`` if the call is refused.

    Args:
        case: the case.
        parameters: make all inputs but the first parameters.
        options: of `to_nnb`.
    """
    found = network_of(case)
    if found is None:
        return None
    network, feeds, expected = found
    if parameters:
        network = with_parameters(network, feeds, network.inputs[1:])
    outputs = [f"y{i}" for i in range(len(expected))]
    model = to_nnb(network, outputs=outputs, **options)
    given = [feeds[int(name[1:])] for name in network.inputs]
    return from_bytes(to_bytes(model)), given, expected


def difference(case: Case, parameters: bool = False) -> str | None:
    """Why the result of the file differs from ours; ``""`` if it does not, ``None`` if the case is refused here."""
    found = model_of(case, parameters)
    if found is None:
        return None
    model, given, expected = found
    for number, (ours, theirs) in enumerate(zip(expected, run(model, given), strict=True)):
        if ours.shape != theirs.shape:
            return f"y{number}: shape {theirs.shape} instead of {ours.shape}"
        if not close(ours, theirs):
            return f"y{number}: {theirs.ravel()[:8]} instead of {ours.ravel()[:8]}"
    return ""
