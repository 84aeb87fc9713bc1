"""`nnabla.autolog`: what monitors write also goes to MLflow."""

from __future__ import annotations

import os
from typing import Any

from ..inspection.monitors import observers
from ..parameter import parameters_saved_hooks


def mlflow_package() -> Any:
    """The package ``mlflow``, imported when it is used.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import mlflow
    except ImportError as error:
        raise ImportError("this needs MLflow: pip install 'nnabla[mlflow]'", name="mlflow") from error
    return mlflow


class _Tracking:
    """Sends values and files to the active run of MLflow, which starts one if there is none."""

    def on_value(self, name: str, index: int, value: float) -> None:
        mlflow_package().log_metric(name, value, step=index)

    def on_image(self, name: str, path: str) -> None:
        self._send(path, name)

    def on_parameters(self, path: Any) -> None:
        for each in path if isinstance(path, (list, tuple)) else [path]:
            if isinstance(each, (str, os.PathLike)):
                self._send(each, "parameters")

    def _send(self, path: str | os.PathLike[str], folder: str) -> None:
        mlflow = mlflow_package()
        run = mlflow.active_run() or mlflow.start_run()
        mlflow.log_artifact(os.fspath(path), f"runs_{run.info.run_id}/{folder}")


_tracking = _Tracking()
# As a list holds it: a bound method is a new object each time it is asked for.
_on_parameters = _tracking.on_parameters


def autolog(with_save_parameters: bool = False) -> None:
    """Log to MLflow what `MonitorSeries` and `MonitorTimeElapsed` write, and the images of `MonitorImage`.

    Values are metrics of the name of the series, with the iteration as the step; images are artifacts in
    ``runs_<run>/<name>``. If no run is active, the first of them starts one. `stop_autolog` ends it.

    Args:
        with_save_parameters: also log the files that `nnabla.save_parameters` writes, in ``runs_<run>/parameters``.

    Raises:
        ImportError: MLflow is not installed.
    """
    mlflow_package()
    stop_autolog()
    observers.append(_tracking)
    if with_save_parameters:
        parameters_saved_hooks.append(_on_parameters)


def stop_autolog() -> None:
    """Log nothing more. The run stays active."""
    if _tracking in observers:
        observers.remove(_tracking)
    if _on_parameters in parameters_saved_hooks:
        parameters_saved_hooks.remove(_on_parameters)
