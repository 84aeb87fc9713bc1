"""Debugging: look at a network, see where its time goes, and find where NaN comes from.

A residual network of four blocks is shown function by function, printed with the statistics of its values, drawn,
profiled in three ways, and searched for the function that makes the first NaN. What you learn: `visit`, `pprint`,
`SimpleGraph`, `nn.summary`, `GraphProfiler`, `TimeProfiler`, `nn.profile` and `NanInfTracer`.

The network sees random images; `--iterations` says how many steps are measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tutorial_options import add_device_options, positive_int, tutorial_parser

import nnabla as nn
import nnabla.experimental.viewers as V
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.ext_utils import get_extension_context
from nnabla.utils.inspection import NanInfTracer, TimeProfiler, pprint
from nnabla.utils.profiler import GraphProfiler, GraphProfilerCsvWriter

CLASSES = 10


def normalized_convolution(x: nn.Variable, maps: int, test: bool) -> nn.Variable:
    """A 3 x 3 convolution and batch normalization."""
    h = PF.convolution(x, maps, (3, 3), pad=(1, 1), with_bias=False)
    return PF.batch_normalization(h, batch_stat=not test)


def residual_block(x: nn.Variable, maps: int, test: bool) -> nn.Variable:
    """Two convolutions, added to what goes past them."""
    with nn.parameter_scope("first"):
        h = F.relu(normalized_convolution(x, maps, test))
    with nn.parameter_scope("second"):
        h = normalized_convolution(h, maps, test)
    if x.shape[1] != maps:
        with nn.parameter_scope("past"):
            x = normalized_convolution(x, maps, test)
    return F.relu(h + x)


def network(x: nn.Variable, maps: int, test: bool = False) -> nn.Variable:
    """Scores ``(B, 10)`` for images ``(B, 3, H, W)``."""
    with nn.parameter_scope("stem"):
        h = F.relu(normalized_convolution(x, maps, test))
    for number in range(4):
        with nn.parameter_scope(f"block{number}"):
            h = F.max_pooling(residual_block(h, maps * 2**number, test), (2, 2))
    h = F.average_pooling(h, h.shape[2:])
    return PF.affine(h, CLASSES, name="scores")


def types_and_shapes(y: nn.Variable) -> list[str]:
    """A line for each function that leads to `y`, by `visit`."""
    lines = []

    def note(function: Any) -> None:
        shapes = [variable.shape for variable in function.outputs]
        lines.append(f"{function.info.type_name}{shapes[0]}")

    y.visit(note)
    return lines


def profile_by_graph_profiler(loss: nn.Variable, solver: Any, context: str, runs: int, path: Path) -> dict[str, Any]:
    """Measure every function; write a table, and return what was measured."""
    profiler = GraphProfiler(loss, solver=solver, device_id="0", ext_name=context, n_run=runs)
    profiler.run()
    with open(path, "w", encoding="utf-8") as file:
        GraphProfilerCsvWriter(profiler, file=file).write()
    return profiler.get_result()


def profile_in_the_loop(loss: nn.Variable, solver: Any, context: str, runs: int, folder: Path) -> TimeProfiler:
    """Measure parts of a training loop and the functions in them; write a table for each part."""
    profiler = TimeProfiler(ext_name=context, device_id="0")
    hooks = {"function_pre_hook": profiler.pre_hook, "function_post_hook": profiler.post_hook}
    for _ in range(runs + 1):
        with profiler.scope("forward"):
            loss.forward(clear_no_need_grad=True, **hooks)
        solver.zero_grad()
        with profiler.scope("backward"):
            loss.backward(clear_buffer=True, **hooks)
        with profiler.scope("update"):
            solver.update()
        profiler.calc_elapsed_time(["forward", "backward", "update"])
    profiler.to_csv(out_dir=str(folder))
    return profiler


def find_nan(y: nn.Variable) -> str:
    """What `NanInfTracer` says of a forward and a backward; empty where all values are numbers."""
    tracer = NanInfTracer(trace_inf=True, trace_nan=True, need_details=True)
    try:
        with tracer.trace():
            y.forward(function_post_hook=tracer.forward_post_hook)
            y.backward(function_post_hook=tracer.backward_post_hook)
    except ValueError as error:
        return str(error)
    return ""


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the tutorial; the result holds what each tool found."""
    parser = tutorial_parser(__doc__, iterations=5)
    parser.add_argument("--size", type=positive_int, default=32, metavar="PIXELS", help="default: %(default)s")
    parser.add_argument(
        "--maps", type=positive_int, default=8, metavar="M", help="maps of the stem; default: %(default)s"
    )
    add_device_options(parser)
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    nn.set_default_context(get_extension_context(args.context, device_id=args.device_id))
    nn.clear_parameters()
    random = np.random.RandomState(args.seed)

    x = nn.Variable.from_numpy_array(random.standard_normal((4, 3, args.size, args.size)).astype(np.float32))
    t = nn.Variable.from_numpy_array(random.randint(CLASSES, size=(4, 1)))
    y = network(x, args.maps)
    lines = types_and_shapes(y)
    print("\n".join(lines))

    y.forward()
    pprint(y, summary=True, forward=True, backward=True)
    print(nn.summary(y))
    V.SimpleGraph(verbose=True).save(y, str(args.output / "network"), cleanup=True)

    loss = F.mean(F.softmax_cross_entropy(y, t))
    solver = S.Momentum()
    solver.set_parameters(nn.get_parameters())
    measured = profile_by_graph_profiler(loss, solver, args.context, args.iterations, args.output / "profile.csv")
    in_loop = profile_in_the_loop(loss, solver, args.context, args.iterations, args.output)
    found = nn.profile(loss, solver, runs=args.iterations, by="layer", trace=str(args.output / "trace.json"))

    clean = find_nan(loss)
    x.d[0, 0, 0, 0] = np.nan
    dirty = find_nan(loss)
    print(dirty)
    culprit = dirty.split("'")[1]
    print(f"result: {len(lines)} functions listed and profiled; the first NaN comes from {culprit}")
    return {
        "functions": lines,
        "parameters": nn.summary(y).parameters,
        "graph_profiler": measured,
        "time_profiler": in_loop,
        "profile": found,
        "clean": clean,
        "dirty": dirty,
    }


if __name__ == "__main__":
    main()
