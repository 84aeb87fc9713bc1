"""Data sets: sources, iterators, caches, image and audio files."""
