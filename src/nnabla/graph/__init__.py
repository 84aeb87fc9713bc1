"""Graphs: what a function declares, and how graphs are built. How they run stands in `engine/`.

Read in this order: `operator` (a function's declaration), `variable` and `function` (edges and nodes), `setup` (an
operator meets its inputs), `call` (the graph grows), `grad` (gradients as a graph). `entry` is where nodes find what
runs them.
"""
