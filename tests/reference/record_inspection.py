"""What the tools of the original NNabla that look into networks print: the cases and their records.

    python tests/reference/record_inspection.py

writes ``tests/reference/inspection.json``. `tests/inspection/test_reference.py` runs the same cases on this package.
Only NNabla's public API is used here. Times are replaced by a word, addresses by their order.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nnabla as nn
import nnabla.experimental.viewers as V
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.experimental.mixed_precision_training import DynamicLossScalingUpdater
from nnabla.utils import profiler, rnn
from nnabla.utils.inspection import NanInfTracer, TimeProfiler, pprint
from nnabla.utils.py23_compatible import getargspec
from nnabla.utils.signature_utils import SignatureEx

VERSION = "1.39.0"
FILE = Path(__file__).resolve().parent / "inspection.json"


def _ramp(shape: Any) -> np.ndarray:
    """An initializer whose values are known."""
    count = int(np.prod(shape))
    return ((np.arange(count) - count // 3) / 8).reshape(shape)


def _image() -> Any:
    values = np.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8) % 7 - 3
    image = nn.Variable.from_numpy_array(values.astype(np.float32))
    image.name = "image"
    return image


def _network(x: Any) -> Any:
    with nn.parameter_scope("block"):
        h = PF.convolution(x, 4, (3, 3), pad=(1, 1), with_bias=False, w_init=_ramp, name="c")
        h = F.relu(PF.batch_normalization(h))
    h = F.average_pooling(h, (8, 8))
    return PF.affine(h, 2, w_init=_ramp, name="fc")


def _branches(x: Any) -> Any:
    first, second = F.split(x, axis=3)[:2]
    return F.add2(first, second) * 2 + first


NETWORKS: dict[str, Callable[[Any], Any]] = {
    "network": _network,
    "branches": _branches,
    "concatenate": lambda x: F.concatenate(x, F.relu(x, inplace=True), axis=1),
    "scalar": lambda x: F.sum(_network(x)),
}


def printed(call: Callable[[], Any]) -> str:
    """What a call writes to standard output."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        call()
    return output.getvalue()


def without_times(text: str) -> str:
    """The text with times, which depend on the machine, replaced by a word; whole numbers stay."""
    return re.sub(
        r"(mean_time=')[^']*|(all (?:forward|backward): )[^,\n]*|^((?:forward|backward) all,|training.*?,).*$",
        _word,
        text,
        flags=re.M,
    )


def _word(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group) + "TIME"


def rows_without_times(text: str) -> list[str]:
    """The lines of a table of a profiler, without the columns of times."""
    lines = []
    for line in without_times(text).split("\n"):
        # The last four cells of a function: two times, two numbers of runs.
        lines.append(re.sub(r",[-\d.e]+,[-\d.e]+,(\d+),(\d+)$", r",TIME,TIME,\1,\2", line))
    return [line for line in lines if not line.startswith("nnabla version")]


# ---- the cases ------------------------------------------------------------------------------------------------------


def pprints() -> dict[str, str]:
    """What `pprint` prints of networks."""
    found = {}
    options = [{}, {"summary": True}, {"forward": True, "backward": True, "summary": True}]
    for name, build in NETWORKS.items():
        for kw in options:
            nn.clear_parameters()
            x = _image()
            x.need_grad = name == "branches"
            y = build(x)
            found[f"{name} {kw}"] = printed(lambda y=y, kw=kw: pprint(y, **kw))
    for name, build in ARGUMENTS.items():
        nn.clear_parameters()
        y = build(nn.Variable((1, 2, 4, 4)))
        found[name] = printed(lambda y=y: pprint(y))
    return found


def printers() -> dict[str, Any]:
    """What `pprint` returns, and what the printer has kept of each function."""
    found: dict[str, Any] = {}
    for kw in ({}, {"printer": True}, {"hidden": True, "printer": True}):
        nn.clear_parameters()
        y = NETWORKS["branches"](_image())
        kept: list[Any] = []
        printed(lambda y=y, kw=kw, kept=kept: kept.append(pprint(y, **kw)))
        functions = getattr(kept[0], "functions", None)
        found[str(kw)] = [
            type(kept[0]).__name__,
            functions
            and [
                [sorted(f), f["name"], *([v.shape for v in f[key]] for key in ("inputs", "outputs"))] for f in functions
            ],
        ]
    return found


# Arguments of several kinds.
ARGUMENTS: dict[str, Callable[[Any], Any]] = {
    "dropout": lambda x: F.dropout(x, 0.3),
    "pad": lambda x: F.pad(x, (1, 1, 2, 2), "constant", 0.1),
    "pow_scalar": lambda x: F.pow_scalar(x, 0.1),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "mean": F.mean,
    "clip_grad_by_norm": lambda x: F.clip_grad_by_norm(x, clip_norm=0.3),
    "reshape": lambda x: F.reshape(x, (2, -1)),
    "max_pooling": lambda x: F.max_pooling(x, (2, 2)),
    "one_hot": lambda x: F.one_hot(x[:, :1, :, :1], (3,)),
    "parameters of two scopes": lambda x: F.affine(x, _parameter("s/W", (32, 3)), _parameter("t/b", (3,))),
    "the bias is a parameter": lambda x: F.affine(x, nn.Variable((32, 3)), _parameter("t/b", (3,))),
}


def _parameter(path: str, shape: tuple[int, ...]) -> Any:
    scope, _, name = path.rpartition("/")
    with nn.parameter_scope(scope):
        return nn.parameter.get_parameter_or_create(name, shape)


def traces() -> dict[str, Any]:
    """What `NanInfTracer` prints and raises."""
    nan = np.array([[-1.0, 0.0, 2.0], [1.0, 1.0, 1.0]], np.float32)
    networks: dict[str, Callable[[], Any]] = {
        "log": lambda: F.log(_leaf(nan)) + 2.0 * F.sigmoid(_leaf(nan)),
        "clean": lambda: F.sum(F.sigmoid(_leaf(nan))),
        "backward": lambda: F.sum(F.pow_scalar(_leaf(np.array([0.0, 2.0])), 0.5)),
        "second output": lambda: F.sum(F.split(F.log(_leaf(np.array([[1.0, -1.0]]))), axis=1)[1]),
        "affine": lambda: F.relu(F.affine(_leaf(np.full((2, 3), np.inf)), _leaf(np.ones((3, 2))), _leaf(np.ones(2)))),
    }
    found: dict[str, Any] = {}
    for name, build in networks.items():
        for kw in ({}, {"trace_nan": False}, {"trace_inf": False}, {"need_details": False}):
            y = build()
            tracer = NanInfTracer(**kw)
            error = None
            with contextlib.redirect_stdout(io.StringIO()) as output:
                try:
                    with tracer.trace():
                        y.forward(function_post_hook=tracer.forward_post_hook)
                        y.backward(function_post_hook=tracer.backward_post_hook)
                except ValueError as raised:
                    error = str(raised)
            found[f"{name} {kw}"] = [output.getvalue(), error]
    return found


def _leaf(values: Any) -> Any:
    return nn.Variable.from_numpy_array(np.asarray(values, np.float32), need_grad=True)


def profiles() -> dict[str, Any]:
    """The tables of the profilers, without times."""
    nn.clear_parameters()
    loss = F.mean(_network(_image()))
    solver = S.Momentum()
    solver.set_parameters(nn.get_parameters())
    found: dict[str, Any] = {}
    for name, given in (("training", solver), ("no training", None)):
        graph = profiler.GraphProfiler(loss, device_id="0", ext_name="cpu", solver=given, n_run=3, time_scale="u")
        graph.run()
        text = io.StringIO()
        profiler.GraphProfilerCsvWriter(graph, file=text).write()
        found[f"{name} csv"] = rows_without_times(text.getvalue().replace("\r", ""))
        found[f"{name} printed"] = without_times(printed(graph.print_result)).split("\n")
        found[f"{name} keys"] = list(graph.get_result())
    times = TimeProfiler("cpu", "0")
    for _ in range(3):
        # The original's hooks belong to the scope that they are asked for in.
        with times.scope("forward"):
            loss.forward(function_pre_hook=times.pre_hook, function_post_hook=times.post_hook)
        with times.scope("backward"):
            loss.backward(function_pre_hook=times.pre_hook, function_post_hook=times.post_hook)
        with times.scope("update"):
            solver.update()
        times.calc_elapsed_time(["forward", "backward", "update", "summary"])
    with tempfile.TemporaryDirectory() as folder:
        times.to_csv(out_dir=folder)
        for name in sorted(os.listdir(folder)):
            text = Path(folder, name).read_text()
            header, *rows = [line.split(",") for line in text.splitlines()]
            found[name] = [
                sorted(header),
                [[cell for cell in row if not re.match(r"\d*\.\d", cell)][:2] for row in rows],
            ]
    found["counts"] = {
        scope: {str(i): [str(key), value["num"], value["scale"]] for i, (key, value) in enumerate(average.items())}
        for scope, average in times.average(1).items()
    }
    return found


def pictures() -> dict[str, list[str]]:
    """What `SimpleGraph` tells graphviz, with the numbers of variables in their order."""
    found = {}
    for name, build in NETWORKS.items():
        for kw in ({}, {"vname_color_map": {"image": "yellow"}}):
            nn.clear_parameters()
            y = build(_image())
            source = V.SimpleGraph(**kw).create_graphviz_digraph(y).source
            for i, number in enumerate(dict.fromkeys(re.findall(r'"(\d+)-\d+"', source))):
                source = source.replace(f'"{number}-', f'"v{i}-')
            found[f"{name} {kw}"] = source.split("\n")
    return found


def signatures() -> dict[str, Any]:
    """What becomes of signatures."""

    def one(a, b: int, *args, c=3, d="x", **kw) -> float: ...  # type: ignore[no-untyped-def]
    def two(a, b=2, /, c=(1, 2), *, d=None): ...  # type: ignore[no-untyped-def]
    def three(): ...  # type: ignore[no-untyped-def]

    found = {}
    for function in (one, two, three):
        signature = SignatureEx.from_callable(function)
        found[function.__name__] = [
            signature.format_argument_signature(),
            signature.format_return_annotation(),
            signature.format_caller_argument_signature(),
            signature.has_return_annotation,
            str(signature.drop_arg("b")),
            str(signature.add_arg("n", default=0)),
            str(signature.add_arg("n", SignatureEx.from_callable(one).parameters["c"].kind, annotation="int")),
            list(map(str, getargspec(function))),
        ]
    return found


def scalings() -> list[Any]:
    """Scale and loss of each step of `DynamicLossScalingUpdater`."""
    nn.clear_parameters()
    x = _leaf([[1.0, 2.0, -1.0], [0.5, 0.0, 2.0]])
    loss = F.mean(PF.affine(x, 2, w_init=_ramp) ** 2)
    solver = S.Sgd(0.01)
    solver.set_parameters(nn.get_parameters())
    fed: list[int] = []
    updater = DynamicLossScalingUpdater(solver, loss, lambda: fed.append(1), N=3, accum_grad=2, weight_decay=0.01)
    found = []
    for step in range(14):
        x.d = 1e30 if step == 9 else x.d if step < 9 else 0.5
        updater.update()
        found.append([updater.scale, float(loss.d) if step != 9 else 0.0, len(fed)])
    return found


def sequences() -> dict[str, Any]:
    """What becomes of sequences of different lengths."""
    found: dict[str, Any] = {}
    given = [np.arange(n * 2).reshape(n, 2) + 10 * n for n in (2, 4, 3)]
    with nn.auto_forward():
        for first in (False, True):
            xs = [_leaf(x) for x in given]
            found[f"padded {first}"] = rnn.pad_sequence(xs, batch_first=first, padding_value=7.0).d.tolist()
            packed = rnn.pack_sequence(xs, batch_first=first, enforce_sorted=False)
            found[f"packed {first}"] = _packed(packed)
            for kw in ({}, {"total_length": 6}):
                found[f"back {first} {kw}"] = [v.d.tolist() for v in rnn.pad_packed_sequence(packed, first, **kw)]
        ordered = [_leaf(given[i]) for i in (1, 2, 0)]
        found["in order"] = _packed(rnn.pack_sequence(ordered))
        lengths = nn.Variable.from_numpy_array(np.array([4, 3, 2]))
        found["lengths"] = _packed(rnn.pack_padded_sequence(rnn.pad_sequence(ordered), lengths))
    return found


def _packed(packed: Any) -> dict[str, Any]:
    names = ("data", "batch_sizes", "sorted_indices", "unsorted_indices")
    values = {name: getattr(packed, name) for name in names}
    return {name: value if value is None else value.d.tolist() for name, value in values.items()}


RECORDS: dict[str, Callable[[], Any]] = {
    "pprints": pprints,
    "printers": printers,
    "traces": traces,
    "profiles": profiles,
    "pictures": pictures,
    "signatures": signatures,
    "scalings": scalings,
    "sequences": sequences,
}


def main() -> None:
    """Record all cases."""
    if nn.__version__ != VERSION or not hasattr(nn, "_variable"):
        raise SystemExit(f"the reference is the original NNabla {VERSION}; this is {nn.__version__} at {nn.__file__}")
    found = {name: record() for name, record in RECORDS.items()}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
