"""Door to `nnabla.training.mlflow_tracking`."""

from .training.mlflow_tracking import autolog, stop_autolog

__all__ = ["autolog", "stop_autolog"]
