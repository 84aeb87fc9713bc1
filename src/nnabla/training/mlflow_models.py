"""Models of NNabla in MLflow: NNP files, checkpoints and what belongs to them, in a folder with a file ``MLmodel``."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from .._version import __version__
from ..converters.nnp.network_files import NnpLoader
from ..errors import ArgumentError
from .mlflow_tracking import mlflow_package

FLAVOR = "nnabla"
_FILES = ("nnp", "checkpoint", "config_file")

Requirements = Sequence[str] | str | None


@dataclass(frozen=True)
class LoadedModel:
    """A model that was loaded.

    Attributes:
        name: that it was saved with.
        folder: where its files are.
        nnp, checkpoint, config_file: paths of these; ``None`` for what it does not have.
        extra_files: paths of further files.
        metadata: as given when it was saved.
    """

    name: str
    folder: str
    nnp: str | None
    checkpoint: str | None
    config_file: str | None
    extra_files: tuple[str, ...]
    metadata: dict[str, Any]

    def networks(self) -> NnpLoader:
        """The networks in its NNP file: ``model.networks().get_network("net", batch_size=1)``.

        Raises:
            ArgumentError: it has none.
        """
        if self.nnp is None:
            raise ArgumentError(f"load_model: the model {self.name!r} has no NNP file")
        return NnpLoader(self.nnp)


def _model_class() -> Any:
    mlflow_package()
    from mlflow.models import Model

    return Model


def get_default_pip_requirements() -> list[str]:
    """What a model needs to be loaded: this package, in its version."""
    return [f"nnabla=={__version__}"]


def get_default_conda_env() -> dict[str, Any]:
    """An environment of conda that has it."""
    return _conda_env(get_default_pip_requirements())


def _conda_env(requirements: Sequence[str]) -> dict[str, Any]:
    pip = {"pip": [f"mlflow=={mlflow_package().__version__}", *requirements]}
    return {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={platform.python_version()}", "pip", pip],
    }


def save_model(
    nnabla_model_name: str,
    path: str,
    nnp: str | None = None,
    checkpoint: str | None = None,
    config_file: str | None = None,
    extra_files: Sequence[str] | None = None,
    conda_env: Mapping[str, Any] | str | None = None,
    code_paths: Sequence[str] | None = None,
    mlflow_model: Any = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Requirements = None,
    extra_pip_requirements: Requirements = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write a model as MLflow has them.

    Args:
        nnabla_model_name: a name for the model.
        path: of the folder, which must not be there, or be empty.
        nnp: path of an NNP file.
        checkpoint: path of a checkpoint, or of parameters.
        config_file: path of a configuration.
        extra_files: paths of further files, each of another name.
        conda_env: environment of conda, or path of a YAML file with one; default as `get_default_conda_env`.
        code_paths: files or folders of Python code that belongs to the model.
        mlflow_model: MLflow's description of the model, to which this is added.
        signature, input_example: of the model, as MLflow has them.
        pip_requirements: packages that the model needs, or path of a file that lists them; default as
            `get_default_pip_requirements`.
        extra_pip_requirements: further packages, likewise.
        metadata: kept with the model.

    Raises:
        ArgumentError: none of `nnp`, `checkpoint` and `config_file` is given, two files have the same name, or the
            folder is not empty. Nothing is written.
        FileNotFoundError: a file is not there. Nothing is written.
    """
    given = {"nnp": nnp, "checkpoint": checkpoint, "config_file": config_file}
    files = {role: os.fspath(each) for role, each in given.items() if each is not None}
    if not files:
        raise ArgumentError(f"save_model: one of {', '.join(_FILES)} must be given")
    extra, code = list(extra_files or ()), list(code_paths or ())
    for each in (*files.values(), *extra, *code):
        if not os.path.exists(each):
            raise FileNotFoundError(f"save_model: there is no file {each!r}")
    names = [os.path.basename(each) for each in (*files.values(), *extra)]
    if len(set(names)) < len(names):
        raise ArgumentError(f"save_model: each file needs a name of its own, not {names}")
    if os.path.isdir(path) and os.listdir(path):
        raise ArgumentError(f"save_model: the folder {path!r} is not empty")
    requirements = _listed(pip_requirements, get_default_pip_requirements()) + _listed(extra_pip_requirements, [])
    environment = _environment(conda_env, requirements)

    data = os.path.join(path, "data")
    os.makedirs(data, exist_ok=True)
    for each in (*files.values(), *extra):
        shutil.copy(each, data)
    for each in code:
        target = os.path.join(path, "code", os.path.basename(os.path.normpath(each)))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        (shutil.copytree if os.path.isdir(each) else shutil.copy)(each, target)
    with open(os.path.join(path, "requirements.txt"), "w", encoding="utf-8") as file:
        file.write("".join(f"{each}\n" for each in requirements))
    with open(os.path.join(path, "conda.yaml"), "w", encoding="utf-8") as file:
        yaml.safe_dump(environment, file, sort_keys=False)

    model = _model_class()() if mlflow_model is None else mlflow_model
    if signature is not None:
        model.signature = signature
    if input_example is not None:
        from mlflow.models.utils import ModelInputExample

        ModelInputExample(input_example).save(path)
    if metadata is not None:
        model.metadata = dict(metadata)
    model.add_flavor(
        FLAVOR,
        nnabla_version=__version__,
        model_name=nnabla_model_name,
        **{role: f"data/{os.path.basename(each)}" for role, each in files.items()},
        extra_files=[f"data/{os.path.basename(each)}" for each in extra],
        code="code" if code else None,
    )
    model.save(os.path.join(path, "MLmodel"))


def _listed(requirements: Requirements, default: list[str]) -> list[str]:
    if requirements is None:
        return default
    if isinstance(requirements, str):
        with open(requirements, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip() and not line.startswith("#")]
    return list(requirements)


def _environment(conda_env: Mapping[str, Any] | str | None, requirements: Sequence[str]) -> Any:
    if conda_env is None:
        return _conda_env(requirements)
    if isinstance(conda_env, str):
        with open(conda_env, encoding="utf-8") as file:
            return yaml.safe_load(file)
    return dict(conda_env)


def log_model(
    nnabla_model_name: str,
    path: str,
    nnp: str | None = None,
    checkpoint: str | None = None,
    config_file: str | None = None,
    extra_files: Sequence[str] | None = None,
    conda_env: Mapping[str, Any] | str | None = None,
    code_paths: Sequence[str] | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Requirements = None,
    extra_pip_requirements: Requirements = None,
    metadata: Mapping[str, Any] | None = None,
) -> Any:
    """Write a model to the active run of MLflow, or to a new one.

    Args:
        path: of the model among the artifacts of the run.

    The other arguments are those of `save_model`.

    Returns:
        MLflow's ``ModelInfo``; its attribute ``model_uri`` is what `load_model` takes.
    """
    return _model_class().log(
        artifact_path=path,
        flavor=sys.modules[__name__],
        nnabla_model_name=nnabla_model_name,
        nnp=nnp,
        checkpoint=checkpoint,
        config_file=config_file,
        extra_files=extra_files,
        conda_env=conda_env,
        code_paths=code_paths,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        metadata=metadata,
    )


def load_model(model_uri: str, dst_path: str | None = None, **kwargs: Any) -> LoadedModel:
    """Bring the files of a model here.

    Args:
        model_uri: path of a folder, ``runs:/<run>/<path>``, ``models:/<name>/<version>``, ...
        dst_path: folder that they are written to, which is made; default a temporary one.
        **kwargs: of ``mlflow.artifacts.download_artifacts``.

    Raises:
        ArgumentError: it is no model of NNabla.
    """
    if dst_path is not None:
        os.makedirs(dst_path, exist_ok=True)
    folder = mlflow_package().artifacts.download_artifacts(artifact_uri=model_uri, dst_path=dst_path, **kwargs)
    described = _model_class().load(os.path.join(folder, "MLmodel"))
    flavor = (described.flavors or {}).get(FLAVOR)
    if flavor is None:
        raise ArgumentError(f"load_model: {model_uri!r} is no model of NNabla, but of {list(described.flavors or {})}")
    nnp, checkpoint, config_file = [_inside(folder, flavor[r]) if flavor.get(r) else None for r in _FILES]
    extra = tuple(_inside(folder, each) for each in flavor.get("extra_files") or ())
    metadata = dict(described.metadata or {})
    return LoadedModel(flavor["model_name"], folder, nnp, checkpoint, config_file, extra, metadata)


def _inside(folder: str, relative: str) -> str:
    path = os.path.realpath(os.path.join(folder, relative))
    if not path.startswith(os.path.realpath(folder) + os.sep):
        raise ArgumentError(f"load_model: the model names a file outside of its folder: {relative!r}")
    return path


def unique_run_name() -> str | None:
    """The name of the active run, made unique among the runs of its experiment by a number; ``None`` without one."""
    run = mlflow_package().active_run()
    if run is None:
        return None
    name = run.data.tags.get("mlflow.runName") or run.info.run_id
    taken = {each.data.tags.get("mlflow.runName") for each in _runs([run.info.experiment_id], run.info.run_id)}
    unique, number = name, 1
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    return unique


def _runs(experiments: Sequence[str], but: str = "") -> list[Any]:
    client = mlflow_package().MlflowClient()
    found: list[Any] = []
    token = None
    while True:
        page = client.search_runs(list(experiments), page_token=token)
        found += [run for run in page if run.info.run_id != but]
        token = page.token
        if not token:
            return found


def get_runid_by_name(run_name: str, experiment_name: str | None = None) -> str | None:
    """The identifier of the newest run of a name.

    Args:
        run_name: its name.
        experiment_name: name of the experiment that it is in; ``None`` for any.

    Returns:
        ``None`` if there is no such run or experiment.
    """
    client = mlflow_package().MlflowClient()
    if experiment_name is None:
        experiments = [each.experiment_id for each in client.search_experiments()]
    else:
        experiment = client.get_experiment_by_name(experiment_name)
        experiments = [] if experiment is None else [experiment.experiment_id]
    runs = [r for r in _runs(experiments) if r.data.tags.get("mlflow.runName") == run_name] if experiments else []
    return max(runs, key=lambda run: run.info.start_time).info.run_id if runs else None
