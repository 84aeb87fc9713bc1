"""Backends of nnabla, one package each."""
