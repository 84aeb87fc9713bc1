"""Parameters that a graph converter computes from others, and registers beside them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ... import parameter
from ...graph.variable import Variable


class _Origin(NamedTuple):
    sources: tuple[int, ...]
    computed: bytes


_origins: WeakKeyDictionary[Variable, _Origin] = WeakKeyDictionary()


def derived_parameter(name: str, values: np.ndarray, sources: Sequence[Variable]) -> Variable:
    """A parameter of the current scope with values that were computed from other parameters.

    Graphs that are converted one after the other share it, as they share what it was made of: it keeps the values that
    training gave it until its sources change. One of that name that was registered by others, such as by
    `nnabla.load_parameters`, is taken as it is if it has the shape.

    Args:
        name: its name; a number is added where that is a parameter which was made of others.
        values: as computed now.
        sources: the parameters that they were computed from.
    """
    values = np.ascontiguousarray(values, np.float32)
    origin = _Origin(tuple([hash(source) for source in sources]), sha256(values.tobytes()).digest())
    for number in count():
        candidate = f"{name}-{number}" if number else name
        found = parameter.get_parameter(candidate)
        if found is None:
            break
        known = _origins.get(found)
        if found.shape != values.shape or (known is not None and known.sources != origin.sources):
            continue
        if known is not None and known.computed != origin.computed:
            found.d = values
            _origins[found] = origin
        return parameter.get_parameter_or_create(candidate, need_grad=found.need_grad)
    made = parameter.get_parameter_or_create(candidate, initializer=values)
    registered = parameter.get_parameter(candidate)
    assert registered is not None
    _origins[registered] = origin
    return made
