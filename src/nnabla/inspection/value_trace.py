"""Finding the function that makes the first NaN or infinite value."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .._nd_array import NdArray
from ..graph.function import Function
from ..graph.lines import line_of
from .function_hooks import FunctionHookCallbackBase
from .functions_seen import arguments_of, depth_of

Findings = OrderedDict[Function, dict[str, Any]]


class NanInfTracer(FunctionHookCallbackBase):
    """Looks at what each function computes, by hooks, and says which was the first to compute NaN or infinity.

    Values are examined where they are and nothing is read before `check`, so a GPU is not waited for.

    Args:
        trace_nan: look for NaN.
        trace_inf: look for infinite values.
        need_details: let `check` describe the function.

    Attributes:
        key_to_stat_fwd, key_to_stat_bwd: what was found, by function, in the order of forward and backward.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.sum(F.log(nn.Variable.from_numpy_array([1.0, 2.0])))
        >>> tracer = NanInfTracer()
        >>> with tracer.trace():
        ...     y.forward(function_post_hook=tracer.forward_post_hook)
    """

    def __init__(self, trace_nan: bool = True, trace_inf: bool = True, need_details: bool = True) -> None:
        self.trace_nan = trace_nan
        self.trace_inf = trace_inf
        self.need_details = need_details
        self.key_to_stat_fwd: Findings = OrderedDict()
        self.key_to_stat_bwd: Findings = OrderedDict()

    @property
    def pre_hook(self) -> Callable[..., Any]:
        """Does nothing."""
        return _nothing

    @property
    def post_hook(self) -> Callable[..., Any]:
        """There is none: forward and backward need their own.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "NanInfTracer has no post_hook: use forward_post_hook for forward and backward_post_hook for backward"
        )

    @property
    def forward_post_hook(self) -> Callable[[Function], None]:
        """For `forward`: looks at the outputs of each function."""

        def look(function: Function) -> None:
            self._note(self.key_to_stat_fwd, function, [b.data for b in function._outputs])

        return look

    @property
    def backward_post_hook(self) -> Callable[[Function], None]:
        """For `backward`: looks at the gradients of the inputs of each function."""

        def look(function: Function) -> None:
            self._note(self.key_to_stat_bwd, function, [v._buffers.grad for v in function._inputs])

        return look

    def _note(self, findings: Findings, function: Function, arrays: list[NdArray]) -> None:
        if not (self.trace_nan or self.trace_inf):
            return
        detailed = self.need_details
        findings[function] = {
            "name": function.name,
            "function_type": function.info.type_name if detailed else None,
            "function_args": str(arguments_of(function)) if detailed else None,
            "input_shapes": [str(v.shape) for v in function._inputs] if detailed else None,
            "output_shapes": [str(b.data.shape) for b in function._outputs] if detailed else None,
            "inf": [_any(torch.isinf, array) for array in arrays] if self.trace_inf else [],
            "nan": [_any(torch.isnan, array) for array in arrays] if self.trace_nan else [],
            "rank": depth_of(function),
        }

    @contextmanager
    def trace(self) -> Iterator[None]:
        """Forget what was found before, and `check` at the end.

        Raises:
            ValueError: a function has computed NaN or infinity.
        """
        self.key_to_stat_fwd.clear()
        self.key_to_stat_bwd.clear()
        yield
        self.check()

    def check(self) -> None:
        """Name the first function whose values are not all finite; forward comes before backward.

        Raises:
            ValueError: there is one. The functions that ran before it are printed.
        """
        self._check(self.key_to_stat_fwd, "forward")
        self._check(self.key_to_stat_bwd, "backward")

    def _check(self, findings: Findings, direction: str) -> None:
        before = []
        for function, found in findings.items():
            count = max(len(found["inf"]), len(found["nan"]))
            bad = [i for i in range(count) if any(float(a[i].data) for a in (found["inf"], found["nan"]) if a)]
            if not bad:
                before.append(found["name"])
                continue
            print(f"Error during {direction} propagation")
            for name in before:
                print(f"\t{name}")
            print(f"\t{found['name']} <-- ERROR")
            raise ValueError(self._message(found, bad[0]) + line_of(function))
        return

    def _message(self, found: dict[str, Any], index: int) -> str:
        text = (
            f"The {_ordinal(index)} output of the function '{found['name']}' (rank: {found['rank']}) "
            "has nan or inf as its values."
        )
        if not self.need_details:
            return text
        # Blanks at the ends are NNabla's.
        return text + (
            "\n        Function details: "
            f"\n            function type: {found['function_type']}"
            f"\n            shapes of inputs: {found['input_shapes']} "
            f"\n            shapes of outputs: {found['output_shapes']}"
            f"\n            function args: {found['function_args']}"
            "\n        "
        )


def _nothing(function: Function) -> None:
    """Before a function there is nothing to look at."""


def _any(test: Callable[[torch.Tensor], torch.Tensor], array: NdArray) -> NdArray:
    """How many elements pass the test, as an array of no axes where the values are."""
    tensor = array._tensor
    if tensor is None:
        tensor = torch.tensor(0.0 if array._fill is None else float(array._fill))
    return NdArray._new((), test(tensor).sum().float())


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
