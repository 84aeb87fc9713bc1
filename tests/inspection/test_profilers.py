"""`GraphProfiler` and `TimeProfiler`: what they measure. Their tables are compared in `test_reference.py`."""

from __future__ import annotations

import csv
import io
from time import perf_counter

import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.inspection import clocks, graph_profiler, time_profiler
from nnabla.utils.inspection import CpuTimerCallback, FunctionHookCallbackBase, TimeProfiler
from nnabla.utils.profiler import GraphProfiler, GraphProfilerCsvWriter, convert_time_scale

from . import networks
from .networks import Clock, sleepy_loss


def profiler(graph, **kw):
    return GraphProfiler(graph, device_id="0", ext_name="cpu", **kw)


@pytest.fixture
def clock(monkeypatch):
    """Only `Sleep` takes time: what is measured is exact, whatever else the machine does."""
    found = Clock()
    for module in (networks, graph_profiler, time_profiler):
        monkeypatch.setattr(module, "time", found)
    monkeypatch.setattr(clocks, "perf_counter_ns", found.perf_counter_ns)
    return found


def test_times_are_those_of_the_functions(clock):
    found = profiler(sleepy_loss(), n_run=3)
    found.run()
    result = found.get_result()
    assert [stat.function_name for stat in result["forward"]] == ["Tanh", "Callback", "Sum"]
    assert [float(stat.mean_time) for stat in result["forward"]] == pytest.approx([0, 20, 0])
    assert [float(stat.mean_time) for stat in result["backward"]] == pytest.approx([0, 40, 0])
    assert float(result["forward_all"]) == pytest.approx(20)
    assert float(result["backward_all"]) == pytest.approx(40)
    assert "training" not in result


def test_runs_end_by_number_or_time(clock):
    found = profiler(sleepy_loss(), n_run=50, max_measure_execution_time=0.09)
    found.run()
    result = found.get_result()
    assert {stat.n_run for stat in result["forward"]} == {5}
    assert {stat.n_run for stat in result["backward"]} == {3}
    assert (result["n_run_forward_all"], result["n_run_backward_all"]) == (5, 3)


def test_times_are_those_of_a_real_clock():
    """What sleeps takes at least that long, and nothing is counted twice."""
    found = profiler(sleepy_loss(), n_run=3)
    start = perf_counter()
    found.run()
    wall = 1000 * (perf_counter() - start)
    result = found.get_result()
    assert float(result["forward"][1].mean_time) >= 20 and float(result["backward"][1].mean_time) >= 40
    assert float(result["forward_all"]) >= 20 and float(result["backward_all"]) >= 40
    parts = sum(stat.n_run * float(stat.mean_time) for d in ("forward", "backward") for stat in result[d])
    whole = sum(result[f"n_run_{d}_all"] * float(result[f"{d}_all"]) for d in ("forward", "backward"))
    assert parts + whole <= wall


def test_functions_without_a_gradient():
    x = nn.Variable((2, 3))
    loss = F.sum(PF.affine(F.relu(x), 2))
    found = profiler(loss, n_run=2)
    found.run()
    assert [stat.n_run for stat in found.get_result()["backward"]] == [0, 2, 2]
    file = io.StringIO()
    GraphProfilerCsvWriter(found, file=file).write()
    rows = list(csv.reader(io.StringIO(file.getvalue())))
    assert rows[7][:2] == ["", "ReLU"] and rows[7][5:] == ["0", "2", "0"]


@pytest.mark.parametrize(("accumulate", "expected"), [(False, 1), (True, 4)])
def test_gradients(accumulate, expected):
    x = nn.Variable((3,), need_grad=True)
    x.grad.zero()
    found = profiler(F.sum(x), n_run=3, backward_accum=accumulate)
    found.time_profiling_backward()
    assert x.g.tolist() == [expected] * 3


def test_wrong_use():
    found = profiler(sleepy_loss())
    with pytest.raises(KeyError, match="GraphProfiler: 'forward' was not measured; call run"):
        found.print_result()
    with pytest.raises(KeyError, match="'forward' was not measured"):
        GraphProfilerCsvWriter(found, file=io.StringIO()).write()
    with pytest.raises(nn.errors.ArgumentError, match="the profiler was made without a solver"):
        found.training_function()
    with pytest.raises(ModuleNotFoundError, match="no extension 'nope'"):
        GraphProfiler(sleepy_loss(), "0", "nope")
    with pytest.raises(NotImplementedError, match="format must be one of m, u, n, not 's'"):
        convert_time_scale(1.0, "s")
    writer = GraphProfilerCsvWriter(found, file=io.StringIO())
    one = {"parameter_scope": None, "inputs_shape": [], "args_info": {"a": 1}.items(), "function_name": "ReLU"}
    writer.check_same(one, {**one, "args_info": {"a": 1}.items()})
    with pytest.raises(ValueError, match="function_name of forward is ReLU, of backward Tanh"):
        writer.check_same(one, {**one, "function_name": "Tanh"})


def timed(loss):
    """A profiler with three steps in which `loss` runs forward and backward."""
    times = TimeProfiler("cpu", 0)
    hooks = {"function_pre_hook": times.pre_hook, "function_post_hook": times.post_hook}
    for _ in range(3):
        with times.scope("outer"):
            with times.scope("forward"):
                loss.forward(**hooks)
            loss.backward(**hooks)
        times.calc_elapsed_time()
        # Nothing counts twice.
        times.calc_elapsed_time()
    return times


def test_time_profiler_measures_scopes_and_functions(clock):
    times = timed(sleepy_loss())
    average = times.average(1)
    assert {name: len(found) for name, found in average.items()} == {"summary": 2, "outer": 3, "forward": 3}
    assert average["summary"]["outer"]["time"] == pytest.approx(60) and average["summary"]["outer"]["num"] == 2
    assert average["summary"]["forward"]["time"] == pytest.approx(20)
    for scope, milliseconds in (("forward", 20), ("outer", 40)):
        assert {str(key): found["time"] for key, found in average[scope].items()} == pytest.approx(
            {"Tanh": 0, "Callback": milliseconds, "Sum": 0}
        )
    assert [len(seconds) for seconds in times.get_all_results()["forward"].values()] == [3, 3, 3]
    assert times.average(7)["forward"] == {}


def test_time_profiler_by_a_real_clock():
    loss = sleepy_loss()
    start = perf_counter()
    results = timed(loss).get_all_results()
    wall = perf_counter() - start
    slow = {str(key): seconds for key, seconds in results["outer"].items()}["Callback"]
    assert len(slow) == 3 and min(slow) >= 0.04
    functions = sum(sum(seconds) for scope in ("outer", "forward") for seconds in results[scope].values())
    assert functions <= sum(results["summary"]["outer"]) <= wall


def test_time_profiler_csv(tmp_path):
    times = TimeProfiler("cpu", 0)
    a, b = F.relu(nn.Variable((2,))), F.relu(nn.Variable((3,)))
    for y in (a, b):
        with times.scope("forward"):
            y.forward(function_pre_hook=times.pre_hook, function_post_hook=times.post_hook)
    times.calc_elapsed_time()
    times.to_csv(str(tmp_path / "new" / "folder"), ignore_init=False)
    header, *rows = csv.reader((tmp_path / "new" / "folder" / "profile_detail.csv").read_text().splitlines())
    assert header == ["scope", "original_key", "time_forward", "scale_forward", "num_forward"]
    assert [[row[i] for i in (0, 1, 3, 4)] for row in rows] == [
        ["ReLU_0", "ReLU", "ms", "1"],
        ["ReLU_1", "ReLU", "ms", "1"],
    ]


def test_a_scope_ends_with_an_error():
    times = TimeProfiler("cpu", 0)
    with pytest.raises(RuntimeError, match="stop"), times.scope("a"):
        raise RuntimeError("stop")
    times.calc_elapsed_time("summary")
    assert list(times.average()["summary"]) == ["a"]
    with pytest.raises(nn.errors.GraphError, match="its hooks must be called within"):
        times.pre_hook("key")


def test_time_profiler_wrong_use():
    times = TimeProfiler("cpu", 0)
    with pytest.raises(KeyError, match="there is no scope 'nope', only"):
        times.calc_elapsed_time("nope")
    with pytest.raises(NotImplementedError, match="ext_name must be one of cpu, cuda, cudnn, not 'nope'"):
        TimeProfiler("nope", 0)
    with pytest.raises(ValueError, match="CpuTimerCallback: key ends, but did not begin"):
        CpuTimerCallback("cpu", 0).post_hook("key")
    with pytest.raises(NotImplementedError, match="FunctionHookCallbackBase has no pre_hook"):
        _ = FunctionHookCallbackBase().pre_hook
    with pytest.raises(NotImplementedError, match="FunctionHookCallbackBase has no post_hook"):
        _ = FunctionHookCallbackBase().post_hook
