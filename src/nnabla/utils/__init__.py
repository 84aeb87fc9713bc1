"""Data sets, progress and other things around training."""
