"""Random numbers: of parameters' first values, and of stochastic functions.

There are two sources:

* `prng` draws the first values of parameters. It starts with seed `pseed`, 313, so that a script that sets no
  seed initializes its parameters the same in every run. Initializers look it up when they are constructed.
* Stochastic functions (dropout, random shifts, ...) that were given ``seed=-1`` share a second source, one generator
  on each device. It starts from the operating system's randomness, and from `function_generator_seed` after it was
  reset, which shows in `function_seed_resets`. Functions draw from it in the order in which they run, so `seed` also
  makes a graph repeatable that was built before it was called, as in NNabla 1.x. Functions with a seed of their own
  (``seed >= 0``) are not affected.

Example:
    >>> import nnabla as nn
    >>> nn.seed(1)
    >>> values = nn.initializer.NormalInitializer()((2,))
    >>> nn.seed(1)
    >>> bool((nn.initializer.NormalInitializer()((2,)) == values).all())
    True
"""

from __future__ import annotations

import operator
import threading
from typing import Any

import numpy as np

from ._threads import in_forked_child

pseed: int = 313
prng: np.random.RandomState

_SEEDS = 2**32
_lock = threading.Lock()
_function_prng: np.random.RandomState | None = None
_function_seed_resets = 0


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


in_forked_child(_renew_lock)  # The thread that held the lock does not exist there.


def __getattr__(name: str) -> Any:
    # Made when it is first asked for: loading numpy.random takes a tenth of the time that the package takes to import.
    if name == "prng":
        with _lock:
            if name not in globals():
                _set_parameter_seed(pseed)
        return prng
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def seed(seed_value: int, set_function_seed: bool = True, set_parameter_seed: bool = True) -> None:
    """Seed both sources of random numbers.

    Args:
        seed_value: integer in ``[0, 2**32)``.
        set_function_seed: seed the stochastic functions that were not given a seed of their own.
        set_parameter_seed: seed `prng`, from which parameters get their first values. Initializers that exist
            already keep the generator they have.

    Raises:
        TypeError: the seed is not an integer. Nothing is seeded.
        ValueError: the seed is out of range. Nothing is seeded.
    """
    value = _seed_value("seed", seed_value, lowest=0 if set_parameter_seed else -(2**31))
    if set_function_seed:
        _set_function_seed(value)
    if set_parameter_seed:
        _set_parameter_seed(value)


def set_function_seed(seed_value: int) -> None:
    """Seed the stochastic functions that were not given a seed of their own, existing ones included.

    Args:
        seed_value: integer in ``[-2**31, 2**32)``; a negative one stands for itself plus ``2**32``.

    Raises:
        TypeError: the seed is not an integer.
        ValueError: the seed is out of range.
    """
    _set_function_seed(_seed_value("set_function_seed", seed_value, lowest=-(2**31)))


def set_parameter_seed(seed_value: int) -> None:
    """Replace `prng`, from which parameters get their first values, and set `pseed`.

    Args:
        seed_value: integer in ``[0, 2**32)``.

    Raises:
        TypeError: the seed is not an integer.
        ValueError: the seed is out of range.
    """
    _set_parameter_seed(_seed_value("set_parameter_seed", seed_value, lowest=0))


def function_generator_seed() -> int:
    """The next seed for the generator of one stochastic function: an integer in ``[0, 2**32)``."""
    global _function_prng
    with _lock:
        if _function_prng is None:
            _function_prng = np.random.RandomState()
        return int(_function_prng.randint(0, _SEEDS, dtype=np.uint32))


def function_seed_resets() -> int:
    """How often `seed` or `set_function_seed` has reset the source of `function_generator_seed` so far.

    A function that remembers this number along with its seed knows from it when to draw a new one.
    """
    return _function_seed_resets


def function_source() -> tuple[Any, ...] | None:
    """The state of the source of `function_generator_seed`; ``None`` where nothing was drawn from it or seeded yet."""
    with _lock:
        state: Any = None if _function_prng is None else _function_prng.get_state(legacy=True)
    return state


def set_function_source(state: tuple[Any, ...] | None) -> None:
    """Set what `function_source` returned: generators begin anew."""
    global _function_prng, _function_seed_resets
    with _lock:
        _function_prng = None if state is None else np.random.RandomState()
        if _function_prng is not None and state is not None:
            _function_prng.set_state(state)
        _function_seed_resets += 1


def _set_function_seed(value: int) -> None:
    global _function_prng, _function_seed_resets
    with _lock:
        _function_prng = np.random.RandomState(value % _SEEDS)
        _function_seed_resets += 1


def _set_parameter_seed(value: int) -> None:
    global prng, pseed
    prng = np.random.RandomState(value)
    pseed = value


def _seed_value(function: str, value: Any, lowest: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: seed_value must be an integer, not {value!r}") from None
    if not lowest <= number < _SEEDS:
        raise ValueError(f"{function}: seed_value must be between {lowest} and {_SEEDS - 1}, not {number}")
    return number
