"""Comparison of results with what is expected: every difference becomes a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .case import STRICT, Tolerance


def differences(
    name: str,
    results: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    tolerance: Tolerance = STRICT,
    any_for_nan: bool = False,
) -> list[str]:
    """What differs between two lists of arrays: their number, shapes and values.

    Infinities must be equal, and so must NaN, unless `any_for_nan`: then everything is right where a NaN is
    expected. That is for gradients: no script relies on a NaN, and a defined value in its place is an
    improvement.
    """
    if len(results) != len(expected):
        return [f"{len(results)} {name} instead of {len(expected)}"]
    found = []
    for i, (result, wanted) in enumerate(zip(results, expected, strict=True)):
        if result.shape != wanted.shape:
            found.append(f"{name}[{i}]: shape {result.shape} instead of {wanted.shape}")
            continue
        wrong = ~_close(result.astype(np.float64), wanted.astype(np.float64), tolerance)
        if any_for_nan:
            wrong &= ~np.isnan(wanted)
        if wrong.any():
            places = np.argwhere(wrong)
            first = tuple(int(k) for k in places[0])
            found.append(
                f"{name}[{i}]: {len(places)} of {wanted.size} values differ; at {first}: "
                f"{float(result[first])!r} instead of {float(wanted[first])!r}"
            )
    return found


def _close(result: np.ndarray, wanted: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    magnitude = np.abs(wanted[np.isfinite(wanted)])
    largest = magnitude.max() if magnitude.size else 0.0
    floor = tolerance.floor * largest if tolerance.absolute is None else tolerance.absolute
    # Differences of infinities and NaN, which mean "not close", are settled by the other two terms.
    with np.errstate(invalid="ignore"):
        near = np.abs(result - wanted) <= tolerance.relative * np.abs(wanted) + floor
    finite = np.isfinite(result) & np.isfinite(wanted)
    return (near & finite) | (result == wanted) | (np.isnan(result) & np.isnan(wanted))


def graph_differences(
    result: Sequence[tuple[str, dict[str, Any]]], expected: Sequence[tuple[str, dict[str, Any]]]
) -> list[str]:
    """What differs between two graphs: type names, argument names, types and values.

    Floats are compared as float32, the precision in which the original keeps most of them.
    """
    if [name for name, _ in result] != [name for name, _ in expected]:
        return [f"functions {[name for name, _ in result]} instead of {[name for name, _ in expected]}"]
    found = []
    for (name, args), (_, wanted) in zip(result, expected, strict=True):
        if set(args) != set(wanted):
            found.append(f"{name}: arguments {sorted(args)} instead of {sorted(wanted)}")
            continue
        for key, value in wanted.items():
            if not _same(args[key], value):
                found.append(f"{name}.{key}: {args[key]!r} instead of {value!r}")
    return found


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        same_length = isinstance(value, (list, tuple)) and len(value) == len(wanted)
        return same_length and all(_same(a, b) for a, b in zip(value, wanted, strict=True))
    if isinstance(wanted, float):
        return type(value) is float and bool(np.float32(value) == np.float32(wanted))
    return type(value) is type(wanted) and value == wanted
