"""Training configurations: what each says is done as NNabla 1.39 does it, or better where that loses it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from google.protobuf import text_format

import nnabla as nn
import nnabla.solvers as S
from nnabla import host_hooks
from nnabla.data.making_iterators import data_iterator_csv_dataset
from nnabla.utils import nnabla_pb2
from nnabla.utils.load import load
from nnabla.utils.nnp_graph import NnpLoader

from ..reference import record_training
from ..reference.record_training import FILE, FOLDER, configuration, squares
from .test_train import run

RECORDED = json.loads(FILE.read_text(encoding="utf-8"))
BATCHES, EPOCHS = 5, 4


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Data and first parameters, and an empty folder ``out``."""
    for name in ("init.h5", "train.csv", "valid.csv"):
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(name, change=lambda proto: None):
    """Train a variant; what it reports."""
    proto = text_format.Parse(configuration(name), nnabla_pb2.NNablaProtoBuf())
    change(proto)
    Path("c.nntxt").write_text(text_format.MessageToString(proto))
    assert run("train", "-c", "c.nntxt", "-p", "init.h5", "-o", "out") == 0
    return yaml.safe_load(Path("out/monitoring_report.yml").read_text())


# Of "parts", the original trains nothing.
@pytest.mark.parametrize("name", sorted(set(RECORDED) - {"parts"}))
def test_costs_and_parameters_are_those_of_nnabla(folder, name):
    report, recorded = trained(name), RECORDED[name]
    assert len(report) == len(recorded["report"])
    for epoch, values in report.items():
        assert values == pytest.approx(recorded["report"][str(epoch)], rel=1e-5), epoch
    files = [path for path in os.listdir("out") if path.endswith(".nnp")]
    assert {path.removesuffix(".nnp") for path in files} == recorded.keys() - {"report"}
    for path in files:
        assert squares(f"out/{path}") == pytest.approx(recorded[path.removesuffix(".nnp")], rel=1e-4), path


def test_recorded_variants_are_all():
    assert RECORDED.keys() == record_training.VARIANTS.keys()


def test_optimizers_of_parts_of_the_parameters(folder):
    """Each trains its own; the one of the smaller order comes first. Against a loop of one's own."""
    report = trained("parts")
    found = squares("out/results_current_4.nnp")
    nn.clear_parameters()
    network = NnpLoader(["c.nntxt", "init.h5"]).get_network("net", batch_size=4)
    loss = network.variables["loss"]
    parameters = nn.get_parameters()
    solvers = []
    for solver, layer in ((S.Adam(0.01), "a2"), (S.Momentum(0.1, 0.9), "a1")):
        solver.set_parameters({key: param for key, param in parameters.items() if key.startswith(layer)})
        solvers.append((solver, data_iterator_csv_dataset("train.csv", 4, False)))
    for epoch in range(EPOCHS):
        costs = []
        for i in range(BATCHES):
            for solver, data in solvers:
                network.variables["x"].d, network.variables["t"].d = data.next()
                loss.forward()
                costs.append(float(loss.d))
                for param in parameters.values():
                    param.grad.zero()
                loss.backward()
                if isinstance(solver, S.Momentum):
                    solver.weight_decay(0.001)
                    solver.set_learning_rate(0.1 * 0.9 ** ((epoch * BATCHES + i) // 3))
                solver.update()
        assert report[epoch]["cost"] == pytest.approx(sum(costs) / BATCHES, rel=1e-5)
    for _, data in solvers:
        data.close()
    assert found == pytest.approx({key: float(np.sum(p.d**2)) for key, p in parameters.items()}, rel=1e-5)


def test_as_many_iterations_as_the_data_has_batches(folder):
    def change(proto):
        proto.training_config.iter_per_epoch = 0

    report = trained("multiplier", change)
    assert report[3] == pytest.approx(RECORDED["multiplier"]["report"]["3"], rel=1e-5)


def test_the_best_results_are_kept(folder):
    """By the smallest error on the validation data; without `save_best` those of the last monitored epoch."""

    def change(proto):
        proto.training_config.save_best = True

    errors = [values.get("valid_error") for values in trained("polynomial", change).values()]
    best = min(error for error in errors if error is not None)
    last = max(epoch for epoch, error in enumerate(errors) if error == best)
    kept = squares("out/results.nnp")
    shutil.rmtree("out")
    os.mkdir("out")

    def until_then(proto):
        proto.training_config.max_epoch = last + 1

    trained("polynomial", until_then)
    assert squares(f"out/results_current_{last + 1}.nnp") == kept


def hooks(monkeypatch, **answers):
    console = type("Console", (), {name: staticmethod(answer) for name, answer in answers.items()})
    monkeypatch.setattr(host_hooks, "callback_list", [console])


def test_a_time_limit_ends_training_after_an_epoch(folder, monkeypatch):
    hooks(monkeypatch, get_timelimit=lambda args: 1e-6)
    assert list(trained("multiplier")) == [0]
    assert sorted(path for path in os.listdir("out") if path.endswith(".nnp")) == [
        "results.nnp",
        "results_current_1.nnp",
    ]


def test_an_interrupt_leaves_the_last_good_results(folder, monkeypatch):
    calls = []

    def interrupt(*args):
        calls.append(args)
        if len(calls) == BATCHES + 3:
            raise KeyboardInterrupt

    hooks(monkeypatch, update_time_train=interrupt)
    Path("c.nntxt").write_text(configuration("multiplier"))
    assert run("train", "-c", "c.nntxt", "-p", "init.h5", "-o", "out") not in (0, None)
    assert list(yaml.safe_load(Path("out/monitoring_report.yml").read_text())) == [0]
    for name in ("results.nnp", "results_current_1.nnp"):
        nn.clear_parameters()
        optimizer = load(f"out/{name}", prepare_data_iterator=False).optimizers["opt"]
        assert optimizer.solver.get_states()["a1/affine/W"].t == BATCHES
    assert not [name for name in os.listdir("out") if name.startswith(".")]
    hooks(monkeypatch)
    assert run("train", "-r", "-c", "c.nntxt", "-p", "init.h5", "-o", "out") == 0
    report = yaml.safe_load(Path("out/monitoring_report.yml").read_text())
    assert report[3] == pytest.approx(RECORDED["multiplier"]["report"]["3"], rel=1e-5)
