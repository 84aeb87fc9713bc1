"""Decompositions of arrays into factors."""
