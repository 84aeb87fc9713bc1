"""Paths of NNabla's from before `nnabla.ext_utils`."""
