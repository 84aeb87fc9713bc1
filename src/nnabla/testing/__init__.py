"""What tests of scripts and extensions need."""

from __future__ import annotations

from typing import Any

import numpy as np


def assert_allclose(
    actual: Any,
    desired: Any,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    equal_nan: bool = True,
    err_msg: str = "",
    verbose: bool = True,
) -> None:
    """`numpy.testing.assert_allclose`, with a tolerance for values near 0 by default.

    Args:
        actual: array or number.
        desired: array or number to compare it with; it broadcasts where one of them is a number.
        rtol: allowed difference relative to `desired`.
        atol: allowed difference in addition.
        equal_nan: whether NaN equals NaN.
        err_msg: text for the message.
        verbose: whether the message shows the values.

    Raises:
        AssertionError: a difference is above ``atol + rtol * |desired|``, or the shapes differ.

    Example:
        >>> assert_allclose([1.0, 0.0], [1.000009, 9e-7])
    """
    np.testing.assert_allclose(
        actual, desired, rtol=rtol, atol=atol, equal_nan=equal_nan, err_msg=err_msg, verbose=verbose
    )


__all__ = ["assert_allclose"]
