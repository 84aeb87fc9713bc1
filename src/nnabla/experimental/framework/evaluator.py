"""Door to `nnabla.training.framework.evaluator`."""

from ...training.framework.evaluator import Evaluator, as_list

__all__ = ["Evaluator", "as_list"]
