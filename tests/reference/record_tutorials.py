"""What the original NNabla prints where the tutorials on debugging and graph converters look at their networks.

    python tests/reference/record_tutorials.py

writes ``tests/reference/tutorials.json.gz``. `tests/test_tutorial_texts.py` runs the same cases on this package. The
networks are those of ``examples/tutorials``, of few maps. Only NNabla's public API is used here.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TUTORIALS = Path(__file__).resolve().parents[2] / "examples" / "tutorials"
sys.path[:0] = [str(TUTORIALS), str(Path(__file__).resolve().parent)]

import debugging  # noqa: E402
import record_inspection as inspection  # noqa: E402
import resnet50  # noqa: E402

import nnabla as nn  # noqa: E402
import nnabla.experimental.graph_converters as GC  # noqa: E402
import nnabla.experimental.viewers as V  # noqa: E402
import nnabla.functions as F  # noqa: E402
import nnabla.solvers as S  # noqa: E402
from nnabla.utils.inspection import NanInfTracer, pprint  # noqa: E402
from nnabla.utils.profiler import GraphProfiler, GraphProfilerCsvWriter  # noqa: E402

FILE = Path(__file__).resolve().parent / "tutorials.json.gz"


def _images(*shape: int) -> Any:
    return nn.Variable.from_numpy_array(np.random.RandomState(1).standard_normal(shape).astype(np.float32))


def _debugged() -> Any:
    nn.clear_parameters()
    x = _images(4, 3, 32, 32)
    y = debugging.network(x, 4)
    resnet50.set_parameters(0)
    return x, y


def functions() -> list[list[Any]]:
    """Type, shapes and arguments of each function, in the order of `visit`."""
    found: list[list[Any]] = []

    def note(f: Any) -> None:
        shapes = [[v.shape for v in variables] for variables in (f.inputs, f.outputs)]
        found.append([f.info.type_name, *shapes, sorted(f.info.args)])

    _debugged()[1].visit(note)
    return found


def statistics() -> str:
    """What `pprint` prints of the network with the statistics of its values and gradients."""
    _, y = _debugged()
    return inspection.printed(lambda: pprint(y, summary=True, forward=True, backward=True))


def pictures() -> list[str]:
    """What `SimpleGraph` tells graphviz, with the numbers of variables in their order."""
    _, y = _debugged()
    source: str = V.SimpleGraph().create_graphviz_digraph(y).source
    for i, number in enumerate(dict.fromkeys(re.findall(r'"(\d+)-\d+"', source))):
        source = source.replace(f'"{number}-', f'"v{i}-')
    return source.split("\n")


def profile() -> list[str]:
    """The rows of the profiler's table, without times."""
    _, y = _debugged()
    loss = F.mean(F.softmax_cross_entropy(y, nn.Variable.from_numpy_array(np.arange(4).reshape(4, 1))))
    solver = S.Momentum()
    solver.set_parameters(nn.get_parameters())
    profiler = GraphProfiler(loss, solver=solver, device_id="0", ext_name="cpu", n_run=2)
    profiler.run()
    text = io.StringIO()
    GraphProfilerCsvWriter(profiler, file=text).write()
    return inspection.rows_without_times(text.getvalue().replace("\r", ""))


def traces() -> dict[str, Any]:
    """What `NanInfTracer` says: of clean values, of a NaN in the images, of an infinite weight far behind."""
    found = {}
    for name in ("clean", "images", "weight"):
        x, y = _debugged()
        if name == "images":
            x.d[0, 0, 0, 0] = np.nan
        elif name == "weight":
            nn.get_parameters()["block2/second/conv/W"].d[1] = np.inf
        tracer = NanInfTracer(trace_inf=True, trace_nan=True, need_details=True)
        try:
            with tracer.trace():
                y.forward(function_post_hook=tracer.forward_post_hook)
                y.backward(function_post_hook=tracer.backward_post_hook)
            found[name] = str(tracer.check())
        except ValueError as error:
            found[name] = str(error)
    return found


def converted() -> dict[str, str]:
    """What `pprint` prints of ResNet-50, and of what graph converters make of it.

    The original's ChannelLastModifier fails on it, as on any graph that was tried (IndexError), so it has no record.
    """
    modifiers: dict[str, Callable[[Any], list[Any]]] = {
        "as built": lambda x: [],
        "folded": lambda x: [GC.BatchNormalizationFoldingModifier()],
        "self-folded": lambda x: [GC.BatchNormalizationSelfFoldingModifier()],
    }
    found = {}
    for name, made in modifiers.items():
        nn.clear_parameters()
        x = _images(2, 3, 32, 32)
        y = resnet50.resnet50(x, 4, 10, test=True)
        resnet50.set_parameters(0)
        given = made(x)
        y = GC.GraphConverter(given).convert(y) if given else y
        found[name] = inspection.printed(lambda y=y: pprint(y))
    return found


RECORDS: dict[str, Callable[[], Any]] = {
    "functions": functions,
    "statistics": statistics,
    "pictures": pictures,
    "profile": profile,
    "traces": traces,
    "converted": converted,
}


def recorded() -> dict[str, Any]:
    """The records."""
    found: dict[str, Any] = json.loads(gzip.decompress(FILE.read_bytes()))
    return found


def main() -> None:
    """Record all cases."""
    if nn.__version__ != inspection.VERSION or not hasattr(nn, "_variable"):
        raise SystemExit(f"the reference is the original NNabla {inspection.VERSION}; this is {nn.__version__}")
    text = json.dumps({name: record() for name, record in RECORDS.items()}, indent=1)
    # Without the time of writing, so that the same records are the same file.
    FILE.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{len(text)} bytes, {FILE.stat().st_size} in the file")


if __name__ == "__main__":
    main()
