"""Functions that follow NumPy's of the same name."""

from __future__ import annotations

from .operators.products import dot

__all__ = ["dot"]
