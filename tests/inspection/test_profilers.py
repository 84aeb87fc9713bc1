"""`GraphProfiler` and `TimeProfiler`: what they measure. Their tables are compared in `test_reference.py`."""

from __future__ import annotations

import csv
import io

import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.utils.inspection import CpuTimerCallback, FunctionHookCallbackBase, TimeProfiler
from nnabla.utils.profiler import GraphProfiler, GraphProfilerCsvWriter, convert_time_scale

from .networks import lenet_loss, sleepy_loss


def profiler(graph, **kw):
    return GraphProfiler(graph, device_id="0", ext_name="cpu", **kw)


def test_times_are_those_of_the_functions():
    found = profiler(sleepy_loss(), n_run=3)
    found.run()
    result = found.get_result()
    times = [
        (float(f.mean_time), float(b.mean_time)) for f, b in zip(result["forward"], result["backward"], strict=True)
    ]
    assert [stat.function_name for stat in result["forward"]] == ["Tanh", "Callback", "Sum"]
    assert 20 <= times[1][0] < 30 and 40 <= times[1][1] < 55
    assert max(times[0][0], times[2][0]) < 5
    assert 20 <= float(result["forward_all"]) < 35 <= float(result["backward_all"]) < 60
    assert "training" not in result


def test_runs_end_by_number_or_time():
    found = profiler(sleepy_loss(), n_run=50, max_measure_execution_time=0.1)
    found.run()
    result = found.get_result()
    # Sleeps of 20 and 40 ms; where others compute, too, there are fewer.
    assert {stat.n_run for stat in result["forward"]} <= {1, 2, 3, 4, 5}
    assert {stat.n_run for stat in result["backward"]} <= {1, 2, 3}
    assert result["n_run_forward_all"] in range(1, 6) and result["n_run_backward_all"] in range(1, 4)


def test_totals_agree_with_the_whole():
    loss, solver = lenet_loss(batch=64)
    found = profiler(loss, solver=solver, n_run=9)
    ratios = []
    for _ in range(9):
        found.run()
        result = found.get_result()
        parts = sum(float(stat.mean_time) for d in ("forward", "backward") for stat in result[d])
        ratios.append(parts / (float(result["forward_all"]) + float(result["backward_all"])))
    # Where others compute, too, most may be far off, but not all.
    assert min(ratios, key=lambda ratio: abs(ratio - 1)) == pytest.approx(1, abs=0.1), ratios


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


def test_time_profiler_measures_scopes_and_functions():
    loss = sleepy_loss()
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
    average = times.average(1)
    assert {name: len(found) for name, found in average.items()} == {"summary": 2, "outer": 3, "forward": 3}
    assert 60 <= average["summary"]["outer"]["time"] < 90 and average["summary"]["outer"]["num"] == 2
    slow = {str(key): found["time"] for key, found in average["outer"].items()}
    assert 40 <= slow["Callback"] < 55 and slow["Tanh"] < 5
    assert [len(seconds) for seconds in times.get_all_results()["forward"].values()] == [3, 3, 3]
    assert times.average(7)["forward"] == {}


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
