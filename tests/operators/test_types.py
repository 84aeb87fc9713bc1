"""Every function in every type: it computes something near the float32 result, or refuses with a clear error."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
from nnabla.errors import ArgumentError, GraphError, ShapeError
from nnabla.ext_utils import get_extension_context

from .case import Case
from .cases import ALL
from .observe import call
from .records import refused

# One case for each function: the first that NNabla accepts.
FIRST: dict[str, Case] = {}
for _case in ALL:
    if not refused(_case):
        FIRST.setdefault(_case.function, _case)


def outputs(case: Case, config: str) -> list[np.ndarray]:
    with nn.context_scope(get_extension_context("cpu", type_config=config)):
        xs = [
            None if a is None else nn.Variable.from_numpy_array(a, need_grad=i in case.grad)
            for i, a in enumerate(case.arrays())
        ]
        ys = call(case, xs)
        nn.forward_all(ys)
        for i in case.grad:
            xs[i].grad.zero()
        for y in ys:
            if case.grad and y.parent.need_grad:
                y.backward(1)
        return [y.d for y in ys] + [xs[i].g for i in case.grad]


@pytest.mark.parametrize("config", ["half", "bfloat16", "double"])
@pytest.mark.parametrize("case", FIRST.values(), ids=lambda c: c.function)
def test_a_function_computes_or_refuses(case: Case, config: str) -> None:
    expected = outputs(case, "float")
    try:
        found = outputs(case, config)
    except (ShapeError, ArgumentError, GraphError, TypeError) as error:
        # What a type cannot do has to be said by name.
        assert case.function.replace("_", "") in str(error).lower().replace("_", ""), error
        return
    for y, e in zip(found, expected, strict=True):
        assert y.shape == e.shape
        # min_max_quantize rounds its zero point; in this case a tie, which falls one way in each type.
        if config == "double" and y.dtype.kind == "f" and case.function not in ("min_max_quantize", "warp_by_grid"):
            scale = np.nanmax(np.abs(e), initial=1.0)
            np.testing.assert_allclose(y, e, rtol=1e-3, atol=1e-4 * scale)
