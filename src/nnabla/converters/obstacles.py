"""`Unsupported`: why something of a model cannot be converted."""

from __future__ import annotations


class Unsupported(Exception):
    """Why a function or operator cannot be converted; converters collect them all."""


class NotKnown(Unsupported):
    """An input that must be known while reading is not."""
