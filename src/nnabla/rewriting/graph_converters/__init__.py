"""Graphs of variables built anew with changes: `GraphConverter` and its modifiers."""
