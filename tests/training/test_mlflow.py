"""`nnabla.autolog` and `nnabla.mlflow_save_load_model` on a local file store; skipped where MLflow is not installed."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml

import nnabla as nn
import nnabla.parametric_functions as PF
from nnabla.monitor import Monitor, MonitorImage, MonitorSeries, MonitorTimeElapsed
from nnabla.utils.save import save

with warnings.catch_warnings():
    # Of packages that it imports.
    warnings.simplefilter("ignore")
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed (pip install 'nnabla[mlflow]')")

from nnabla.autolog import autolog, stop_autolog
from nnabla.mlflow_save_load_model import (
    get_default_conda_env,
    get_default_pip_requirements,
    get_runid_by_name,
    load_model,
    log_model,
    save_model,
    unique_run_name,
)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    yield tmp_path / "mlruns"
    stop_autolog()
    mlflow.end_run()


@pytest.fixture
def files(tmp_path):
    nn.clear_parameters()
    x = nn.Variable((4, 3))
    y = PF.affine(x, 2)
    network = {"name": "net", "batch_size": 4, "outputs": {"y": y}, "names": {"x": x}}
    executor = {"name": "run", "network": "net", "data": ["x"], "output": ["y"]}
    save(str(tmp_path / "a.nnp"), {"networks": [network], "executors": [executor]})
    (tmp_path / "conf.yaml").write_text("a: 1\n")
    (tmp_path / "more.txt").write_text("more")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "module.py").write_text("x = 1\n")
    return tmp_path


def test_monitors_are_logged(store, tmp_path):
    autolog(with_save_parameters=True)
    autolog(with_save_parameters=True)  # nothing is logged twice
    monitor = Monitor(tmp_path / "monitor")
    series = MonitorSeries("training loss", monitor, interval=2, verbose=False)
    timer = MonitorTimeElapsed("time", monitor, interval=2, verbose=False)
    for i in range(4):
        series.add(i, float(i))
        timer.add(i)
    MonitorImage("images", monitor, interval=1, verbose=False).add(0, np.random.rand(2, 1, 4, 4))
    PF.affine(nn.Variable((4, 3)), 2)
    nn.save_parameters(str(tmp_path / "p.h5"))
    stop_autolog()
    series.add(5, 1.0)
    run = mlflow.active_run().info.run_id
    history = mlflow.MlflowClient().get_metric_history(run, "training loss")
    assert [(m.step, m.value) for m in history] == [(1, 0.5), (3, 2.5)]
    assert [m.step for m in mlflow.MlflowClient().get_metric_history(run, "time")] == [1, 3]
    artifacts = {path.relative_to(store).parts[-2:] for path in store.rglob("*") if "artifacts" in path.parts}
    assert {("images", "000000-000.png"), ("images", "000000-001.png"), ("parameters", "p.h5")} <= artifacts


def test_a_model_is_saved_and_loaded(files):
    arguments = {
        "nnp": str(files / "a.nnp"),
        "config_file": str(files / "conf.yaml"),
        "extra_files": [str(files / "more.txt")],
        "code_paths": [str(files / "code")],
        "extra_pip_requirements": ["pandas"],
        "metadata": {"note": "first"},
    }
    save_model("model", str(files / "saved"), **arguments)
    loaded = load_model(str(files / "saved"))
    assert (loaded.name, loaded.checkpoint, loaded.metadata) == ("model", None, {"note": "first"})
    assert Path(loaded.config_file).read_text() == "a: 1\n"
    assert [Path(path).name for path in loaded.extra_files] == ["more.txt"]
    assert loaded.networks().get_network_names() == ["net"]
    saved = files / "saved"
    assert (saved / "requirements.txt").read_text().split() == [f"nnabla=={nn.__version__}", "pandas"]
    assert (saved / "code" / "code" / "module.py").read_text() == "x = 1\n"
    pip = yaml.safe_load((saved / "conda.yaml").read_text())["dependencies"][-1]["pip"]
    assert pip[1:] == [f"nnabla=={nn.__version__}", "pandas"] and pip[0].startswith("mlflow==")
    assert get_default_pip_requirements() == [f"nnabla=={nn.__version__}"]
    assert get_default_conda_env()["channels"] == ["conda-forge"]


def test_a_model_in_a_run(store, files):
    with mlflow.start_run(run_name="first") as run:
        assert unique_run_name() == "first"
        info = log_model("model", "net", nnp=str(files / "a.nnp"))
    assert get_runid_by_name("first") == get_runid_by_name("first", "Default") == run.info.run_id
    assert get_runid_by_name("second") is get_runid_by_name("first", "other") is None
    loaded = load_model(info.model_uri, dst_path=str(files / "new" / "folder"))
    assert Path(loaded.nnp).read_bytes() == (files / "a.nnp").read_bytes()
    assert str(files / "new" / "folder") in loaded.nnp
    with mlflow.start_run(run_name="first"):
        assert unique_run_name() == "first_2"
    assert unique_run_name() is None


def test_bad_calls(files):
    with pytest.raises(nn.errors.ArgumentError, match="one of nnp, checkpoint, config_file must be given"):
        save_model("model", str(files / "saved"))
    with pytest.raises(FileNotFoundError, match=r"save_model: there is no file '.*none.nnp'"):
        save_model("model", str(files / "saved"), nnp=str(files / "none.nnp"))
    with pytest.raises(nn.errors.ArgumentError, match="each file needs a name of its own"):
        save_model("model", str(files / "saved"), nnp=str(files / "a.nnp"), extra_files=[str(files / "a.nnp")])
    with pytest.raises(nn.errors.ArgumentError, match="the folder .* is not empty"):
        save_model("model", str(files), nnp=str(files / "a.nnp"))
    assert not (files / "saved").exists()
    save_model("model", str(files / "saved"), config_file=str(files / "conf.yaml"))
    with pytest.raises(nn.errors.ArgumentError, match="the model 'model' has no NNP file"):
        load_model(str(files / "saved")).networks()
    described = files / "saved" / "MLmodel"
    described.write_text(described.read_text().replace("data/conf.yaml", "../conf.yaml"))
    with pytest.raises(nn.errors.ArgumentError, match="the model names a file outside of its folder: '../conf.yaml'"):
        load_model(str(files / "saved"))
    described.write_text(described.read_text().replace("  nnabla:", "  other:"))
    with pytest.raises(nn.errors.ArgumentError, match="is no model of NNabla, but of .'other'."):
        load_model(str(files / "saved"))


def test_without_mlflow(files, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    for call in (autolog, lambda: load_model(str(files)), lambda: get_runid_by_name("run")):
        with pytest.raises(ImportError, match=r"this needs MLflow: pip install 'nnabla\[mlflow\]'"):
            call()
