"""What `make bench` says of its figures: regressions, noise, and how much arithmetic a step takes."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF

BENCHMARKS = str(Path(__file__).resolve().parents[1] / "benchmarks")


@pytest.fixture
def modules(monkeypatch):
    """`rows` and `workloads.work`, which are scripts' neighbours and no packages."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    import rows
    from workloads import work

    yield rows, work
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(BENCHMARKS):
            del sys.modules[name]


def row(rows, after, before, **options):
    return rows.Row("name", "title", "ms", {"ours": after, "before": before}, **options)


@pytest.mark.parametrize(
    ("after", "regressed"),
    [
        ([1.02] * 15, False),  # not by enough
        ([1.04] * 15, True),
        ([1.04] * 12 + [0.9] * 3, True),  # four rounds in five
        ([1.04] * 11 + [0.9] * 4, False),  # less than three quarters
        ([1.0, 1.1] * 7 + [1.0], False),
        ([0.5] * 15, False),
    ],
)
def test_a_row_regresses_by_the_median_and_by_most_of_the_rounds(modules, after, regressed):
    rows, _ = modules
    # A machine that slows down in the course of a run changes nothing.
    drift = [1 + 0.1 * i for i in range(15)]
    found = row(rows, [a * d for a, d in zip(after, drift, strict=True)], drift)
    assert found.regressed("ours", "before") is regressed


def test_figures_of_processes_are_compared_by_their_medians(modules):
    rows, _ = modules
    before = [100.0] * 9
    assert not row(rows, [104.0] * 5 + [300.0] * 4, before, fresh=True).regressed("ours", "before")
    assert row(rows, [106.0] * 5 + [50.0] * 4, before, fresh=True).regressed("ours", "before")


def test_rounds_that_disagree_give_no_ratio(modules):
    rows, _ = modules
    from processes import implementations
    from report import Report

    columns = [c for c in implementations(None).values() if c.name in ("ours", "torch")]
    calm = rows.Row("calm", "Calm", "ms", {"ours": [1.0, 1.1, 1.0, 1.05, 1.0], "torch": [2.0] * 5})
    wild = rows.Row("wild", "Wild", "ms", {"ours": [1.0, 3.0, 1.0, 2.0, 4.0], "torch": [2.0] * 5}, work=1e6)
    report = Report([calm, wild], columns, {"ours": "1", "torch": "2"}, "ours", 2, None, peak=1e9)
    assert report.cells()[1:] == [["Calm (ms)", "1.00", "2.00 (0.50)", "-"], ["Wild (ms)", "2.00", "2.00 (?)", "50%"]]
    assert "100% at most (ours on wild)" in report.noise()


class _Pool:
    """Processes of which each is as slow as `pace` says when it starts."""

    threads = 1

    def __init__(self, pace):
        self._pace = iter(pace)
        self.started = 0
        self.workers = {"ours": self.start()}

    def start(self):
        self.started += 1
        seconds = next(self._pace)

        class Worker:
            implementation = SimpleNamespace(worker="nnabla", cases=None)

            def ask(self, do, steps=1, **arguments):
                return {"seconds": steps * seconds, "supported": True, "operations": 1}

        return Worker()

    def restart(self, name):
        self.workers[name] = self.start()


@pytest.mark.parametrize(("of_process", "figures"), [(None, [1e3] * 7), (3, [1e3] * 3 + [2e3] * 3 + [4e3])])
def test_rounds_of_several_processes(modules, of_process, figures):
    from cases import find_case
    from measure import Effort, measure_case

    pool = _Pool([1.0, 2.0, 4.0])
    found = measure_case(find_case("mlp"), pool, Effort(7, 0.5, of_process))
    assert found.figures == {"ours": figures}
    assert pool.started == len(set(figures))


def test_compiled_graphs_are_a_column_on_the_rows_that_they_are_for(modules):
    from cases import CASES, find_case
    from measure import Effort, measure_case
    from processes import COMPILED, COMPILED_CASES, implementations
    from run import parse_arguments

    columns = implementations(None)
    compiled = columns[COMPILED]
    assert compiled.default
    assert compiled.environment(2)["NNABLA_COMPILE"] == "1"
    assert CASES.keys() >= COMPILED_CASES
    assert parse_arguments(["--baseline", COMPILED, "--peers", "jax"]).baseline == COMPILED
    # All parameters come from the first column, which must be a program of NNabla.
    names = list(columns)
    assert names.index(COMPILED) < min(i for i, name in enumerate(names) if columns[name].worker != "nnabla")
    pool = _Pool([1.0, 2.0])
    pool.restart(COMPILED)
    pool.workers[COMPILED].implementation = compiled
    effort = Effort(1, 0.5)
    assert measure_case(find_case("mlp"), pool, effort).figures == {"ours": [1e3], COMPILED: [2e3]}
    assert measure_case(find_case("build"), pool, effort).figures == {"ours": [1e3]}


def test_operations_of_a_step(modules):
    _, work = modules
    x = nn.Variable((2, 3, 8, 8))
    h = PF.convolution(x, 4, (3, 3), name="a")  # 2 x 4 x 6 x 6 results of 27 products
    h = PF.deconvolution(h, 5, (2, 2), stride=(2, 2), name="b")  # 2 x 4 x 6 x 6 inputs, each to 20 results
    h = PF.depthwise_convolution(h, (3, 3), pad=(1, 1), name="c")  # 2 x 5 x 12 x 12 of 9
    y = PF.affine(F.relu(h), 10)  # 2 x 10 of 720
    forward = 288 * 27 + 288 * 20 + 1440 * 9 + 20 * 720
    assert work.operations(y, training=False) == 2 * forward
    # Each but the first has the gradient of its input to compute, and all that of the weights.
    assert work.operations(y) == 2 * (3 * forward - 288 * 27)


def test_an_interrupted_run_keeps_its_rows(modules, monkeypatch, tmp_path, capsys):
    rows, _ = modules
    import run

    def measure_case(case, pool, effort, busy):
        if case.name == "lenet":
            raise KeyboardInterrupt
        return rows.Row(case.name, case.title, "ms", {"ours": [1.0, 2.0]})

    monkeypatch.setattr(run, "measure_case", measure_case)
    worker = SimpleNamespace(version="1", ask=lambda what: {"rate": 1e9})
    pool = SimpleNamespace(workers={"ours": worker})
    columns = [SimpleNamespace(name="ours", label="ours")]
    options = run.parse_arguments(["--json", str(tmp_path / "figures.json")])
    report = run.measure(["mlp", "lenet", "gru"], pool, columns, options, run.QUICK)
    assert [row.name for row in report.rows] == ["mlp"]
    assert json.loads((tmp_path / "figures.json").read_text())["rows"][0]["figures"]["ours"] == [1.0, 2.0]
    pool.workers.clear()
    pool.workers["other"] = worker
    options.baseline = "other"
    monkeypatch.setattr(
        run, "measure_case", lambda case, pool, effort, busy: pool.workers.clear() or row(rows, [1], [1])
    )
    assert len(run.measure(["mlp", "lenet"], pool, columns, options, run.QUICK).rows) == 1
    assert "for want of the baseline" in capsys.readouterr().err


COUNTS = """#!{python}
# Stands for Valgrind: a start of 1000 instructions, and 7,500 for each step of the checkout "before", 8,000 of another.
import json, os, sys
steps = [json.loads(line) for line in sys.stdin][1]["steps"]
each = 7500 if "before" in os.environ["PYTHONPATH"] else 8000
print(json.dumps({{"values": [1.0]}}))
print(f"==1== I   refs:      {{1000 + each * steps:,}}", file=sys.stderr)
"""


def test_instructions_of_a_step(modules, monkeypatch, tmp_path, capsys):
    import instructions

    valgrind = tmp_path / "valgrind"
    valgrind.write_text(COUNTS.format(python=sys.executable))
    valgrind.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sys, "argv", ["instructions.py", "mlp", "--before", str(tmp_path / "before")])
    assert instructions.main() == 1
    assert capsys.readouterr().out == "mlp: 7,500 before, 8,000 now, 1.067 (more)\n"


def test_instructions_of_a_worker_that_fails(modules):
    import instructions

    with pytest.raises(RuntimeError, match="no instructions were counted: KeyError: 'no such case'"):
        instructions.counted("==1== I refs: 1,000\nKeyError: 'no such case'\n==1==", "")
