"""The engine: how graphs run.

A graph is written down as a `program` by `record_forward` and `record_backward`, which ask `liveness` what may be
freed; `passes` improve it, and `lowering` turns it into the `steps` of a `plan`, which is replayed. `forward` and
`backward` find the plan, in the `plan_cache`, by the graph's `fingerprint`. `display`, `memory` and `checking` are for
those who look at programs; `immediate` runs one function at once. Nodes reach all this through `graph.entry`, which is
filled in here.
"""

from ..graph.entry import entry
from . import backward, display, forward, immediate

entry.run_forward = forward.run_forward
entry.run_backward = backward.run_backward
entry.plan = display.plan_of
entry.compute = immediate.compute
entry.compute_arrays = immediate.compute_arrays
entry.compute_gradients = immediate.compute_gradients
