"""Door to `nnabla.training.mlflow_models`."""

from .training.mlflow_models import (
    get_default_conda_env,
    get_default_pip_requirements,
    get_runid_by_name,
    load_model,
    log_model,
    save_model,
    unique_run_name,
)

__all__ = [
    "get_default_conda_env",
    "get_default_pip_requirements",
    "get_runid_by_name",
    "load_model",
    "log_model",
    "save_model",
    "unique_run_name",
]
