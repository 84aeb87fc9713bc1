"""The gradient check: backward against central differences, along one random direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import nnabla as nn

from .observe import backward


def check_vjp(
    function: Callable[[Sequence[nn.Variable | None]], Sequence[nn.Variable]],
    arrays: Sequence[np.ndarray | None],
    grad: Sequence[int],
    rng: np.random.RandomState,
    eps: float = 1e-6,
    tol: float = 1e-6,
    dtype: str = "float64",
) -> None:
    """Asserts that ``<dy, J v>`` by differences equals ``<J^T dy, v>`` by backward, for random `dy` and `v`.

    Args:
        function: takes the inputs as variables, returns its outputs; called once, in the context of the
            caller.
        arrays: values of the inputs, in the interior of the domain where `function` is differentiable.
        grad: positions of the inputs that vary.
        rng: where `dy` and `v` come from.
        eps: step of the differences. The error of the difference is of the order of ``eps ** 2`` (the third
            derivative) and of the rounding error divided by `eps`: 1e-12 and 1e-10 in double precision.
        tol: allowed error, as a ratio of the sum of the absolute terms of the inner product.
        dtype: of the inputs; the outputs must have it, too.

    Raises:
        AssertionError: the gradient is wrong, or an output is not of type `dtype`.
    """
    xs = [None if a is None else nn.Variable(a.shape, need_grad=i in grad) for i, a in enumerate(arrays)]
    directions = {i: np.asarray(rng.standard_normal(xs[i].shape)) for i in grad}

    def place(step: float) -> None:
        # All inputs are set again: a function may have written to one of them.
        for i, (x, a) in enumerate(zip(xs, arrays, strict=True)):
            if x is not None:
                # A NumPy number would be rounded to the type that the array has.
                x.d = np.asarray(a + step * directions[i] if i in directions else a, dtype)

    place(0.0)
    outputs = function(xs)
    dys = [np.asarray(rng.standard_normal(y.shape)).astype(dtype) for y in outputs]

    def evaluate(step: float) -> float:
        place(step)
        nn.forward_all(outputs)
        return float(sum(np.sum(dy * y.d) for dy, y in zip(dys, outputs, strict=True)))

    numeric = (evaluate(eps) - evaluate(-eps)) / (2 * eps)
    size = abs(evaluate(0.0))
    real = [y for y in outputs if y.d.dtype.kind == "f"]
    assert real and all(y.d.dtype == dtype for y in real), f"outputs are {[y.d.dtype.name for y in outputs]}"
    for i in grad:
        xs[i].grad.zero()
    backward(outputs, dys)
    terms = np.concatenate([(xs[i].g * directions[i]).ravel() for i in grad])
    analytic = float(terms.sum())
    # The last term is the rounding error of the difference.
    allowed = tol * (abs(numeric) + float(np.abs(terms).sum())) + 8 * np.finfo(dtype).eps * (1 + size) / eps
    assert abs(numeric - analytic) <= allowed, (
        f"backward gives {analytic!r} along a random direction, differences give {numeric!r} (allowed: {allowed:.1e})"
    )
