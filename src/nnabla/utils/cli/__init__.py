"""Doors to `nnabla.cli` and `nnabla_cli`."""
