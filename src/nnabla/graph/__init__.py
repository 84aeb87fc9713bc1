"""The graph engine: what a function declares, how graphs are built, and how they run.

Read in this order: `operator` (a function's declaration), `variable` and `function` (nodes and edges), `call` (a
function meets its inputs), `order` and `liveness` (what runs when, what is freed when), `steps` (one bound kernel
call), `forward` and `backward` (a graph compiled once), `plan` (replayed often), `grad` (gradients as a graph).
"""

from . import backward, forward  # noqa: F401  (Variable.forward and Variable.backward find them here)
