"""Layers as objects: parameters are made by the constructor, and are attributes."""
