"""Where random numbers stand: NumPy's, Python's, and this package's of parameters and of functions."""

from __future__ import annotations

import base64
import random
from typing import Any

import numpy as np

from .. import random as nnabla_random
from ..errors import FormatError
from ..operators.stochastic import common


def random_states() -> dict[str, Any]:
    """The states, as JSON can hold them. Functions with a seed of their own are not among them."""
    version, internal, gauss = random.getstate()
    source = nnabla_random.function_source()
    return {
        "numpy": _packed(np.random.get_state()),
        "python": [version, list(internal), gauss],
        "parameters": _packed(nnabla_random.prng.get_state()),
        "functions": {
            "source": None if source is None else _packed(source),
            "generators": {device: base64.b64encode(state).decode() for device, state in common.states().items()},
        },
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Set what `random_states` returned.

    Raises:
        FormatError: it is something else.
    """
    try:
        np.random.set_state(_unpacked(states["numpy"]))
        version, internal, gauss = states["python"]
        random.setstate((version, tuple(internal), gauss))
        nnabla_random.prng.set_state(_unpacked(states["parameters"]))
        functions = states["functions"]
        if isinstance(functions, int):
            # As first results had it.
            nnabla_random.set_function_seed(functions)
            return
        source = functions["source"]
        nnabla_random.set_function_source(None if source is None else _unpacked(source))
        common.set_states({name: base64.b64decode(text) for name, text in functions["generators"].items()})
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise FormatError(f"the states of random numbers are damaged: {error}") from None


def _packed(state: Any) -> list[Any]:
    name, keys, position, has_gauss, gauss = state
    return [name, keys.tolist(), position, has_gauss, gauss]


def _unpacked(state: list[Any]) -> tuple[Any, ...]:
    name, keys, position, has_gauss, gauss = state
    return name, np.array(keys, dtype=np.uint32), position, has_gauss, gauss
