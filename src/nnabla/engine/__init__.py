"""The engine: how graphs run.

Read in this order: `liveness` (what may be freed), `steps` (one bound kernel call), `forward` and `backward` (a graph
compiled once), `plan` (replayed often), `plan_cache` (found again for every graph of the same `fingerprint`),
`immediate` (one function at once). Nodes reach it through `graph.entry`, which is filled in here.
"""

from ..graph.entry import entry
from . import backward, forward, immediate

entry.run_forward = forward.run_forward
entry.run_backward = backward.run_backward
entry.compute = immediate.compute
entry.compute_arrays = immediate.compute_arrays
entry.compute_gradients = immediate.compute_gradients
