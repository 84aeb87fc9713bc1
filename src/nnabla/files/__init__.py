"""Bytes: archives and parameter, model and state files. Reading never executes anything, writing is atomic."""
