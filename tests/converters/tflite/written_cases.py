"""The operator cases of functions that are written as TFLite."""

from __future__ import annotations

import re

from nnabla.converters.nnb.rules import RULES as RUNTIME_RULES
from nnabla.converters.tflite.exporter import OWN_RULES
from nnabla.graph.operator import registry

from ..case_networks import cases_of, network_of, with_parameters

BY_FUNCTION = cases_of({registry[name].declaration.name for name in {*RUNTIME_RULES, *OWN_RULES}})
"""The float32 cases of every function with a rule, by its name."""

EXCEPTIONS = {
    r"normalization_more-mean_subtraction-[0-3]": "the running mean, which it subtracts, changes in each run",
    r"edges-pow_scalar-6-": "the root of -inf is NaN in NNabla, inf elsewhere",
    r"arrays_more-sort-9$": "NaN is not ordered",
}


def excepted(case) -> bool:
    """Whether a case is not compared."""
    return any(re.match(pattern, str(case)) for pattern in EXCEPTIONS)


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
