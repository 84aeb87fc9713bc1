"""One process of the sweep: reads ``layer seed`` lines, and writes a line before and after each geometry.

The same call runs in single and in double precision, through the public functions, forward and backward. In double
precision, ATen's convolutions and poolings have other kernels, which know no memory formats.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import layers  # noqa: F401
import numpy as np
import torch
from draw import Draw
from operators.case import Case
from operators.observe import call
from registry import LAYERS, Layer

import nnabla as nn
import nnabla.functions as F


class Arrangement:
    """How the arrays of a geometry lie in memory, and what is kept of the graph.

    An input may be a part of what a leaf holds, every so many elements, or the transpose of it, both views, and the
    gradient of an output may be a transpose. `clear` frees arrays on the way, `twice` differentiates gradients again.
    """

    def __init__(self, r: Draw) -> None:
        self.r = r
        self.clear = r.chance(0.3)
        self.twice = not self.clear and r.chance(0.15)
        self.orders: list[tuple[int, ...] | None] = []
        self.steps: list[tuple[int, ...] | None] = []

    def __repr__(self) -> str:
        return f"orders {self.orders}, steps {self.steps}, clear={self.clear}, twice={self.twice}"

    def order(self, number: int, n_axes: int) -> tuple[int, ...] | None:
        """The order of axes in memory of the array of this number; None for the one that it has."""
        while len(self.orders) <= number:
            self.orders.append(self.r.permutation(n_axes) if n_axes > 1 and self.r.chance(0.5) else None)
        return self.orders[number]

    def step(self, number: int, n_axes: int) -> tuple[int, ...] | None:
        """Every how many elements of the leaf the input of this number is; None for all of them."""
        while len(self.steps) <= number:
            sparse = n_axes > 0 and self.r.chance(0.15)
            self.steps.append(tuple(self.r.choices((1, 1, 2, 3), k=n_axes)) if sparse else None)
        return self.steps[number]

    def arranged(self, number: int, array: np.ndarray) -> tuple[nn.Variable, nn.Variable]:
        """A leaf, and what of it is the input of this number."""
        order, step = self.order(number, array.ndim), self.step(number, array.ndim)
        if step is not None:
            # Of an axis of length 1 the step changes nothing but the stride.
            spread = np.zeros([n * s if n > 1 else 1 for n, s in zip(array.shape, step, strict=True)], array.dtype)
            spread[tuple([slice(None, None, s) for s in step])] = array
            array = spread
        leaf = x = nn.Variable.from_numpy_array(array if order is None else array.transpose(order), need_grad=True)
        if order is not None or step is not None:
            # Views of leaves are copied, those of what was computed are not.
            x = x * 1
        if order is not None:
            x = F.transpose(x, tuple(np.argsort(order)))
        if step is not None:
            x = F.slice(x, (0,) * array.ndim, array.shape, step)
        return leaf, x


def called(case: Case, inputs: list[Any]) -> list[Any]:
    """The outputs of the layer."""
    if case.function == "multi_head_attention":
        # Between its inputs stands an argument.
        return list(F.multi_head_attention(*inputs[:3], dict(case.args)["num_heads"], *inputs[3:]))
    return call(case, inputs)


def results(case: Case, values: list[Any], config: str, arrangement: Arrangement, seed: int) -> list[np.ndarray]:
    """Outputs, unless the graph is cleared on the way, and gradients of all inputs that want one, first and second."""
    with nn.context_scope(nn.Context([f"cpu:{config}"])):
        leaves, inputs = {}, []
        for i, array in enumerate(values):
            if array is None:
                inputs.append(None)
                continue
            if i in case.grad:
                leaves[i], x = arrangement.arranged(i, array)
                leaves[i].grad.zero()
            else:
                x = nn.Variable.from_numpy_array(array)
            inputs.append(x)
        outputs = called(case, inputs)
        random, loss = np.random.RandomState(seed), None
        for i, y in enumerate(outputs):
            order = arrangement.order(len(values) + i, len(y.shape))
            z = y if order is None else F.transpose(y, order)
            product = F.sum(z * nn.Variable.from_numpy_array(random.standard_normal(z.shape)))
            loss = product if loss is None else loss + product
        loss.forward(clear_no_need_grad=arrangement.clear)
        found = [loss.d.copy()] if arrangement.clear else [np.array(y.d) for y in outputs]
        if arrangement.twice:
            gradients = nn.grad([loss], list(leaves.values()))
            loss = sum([F.sum(g * nn.Variable.from_numpy_array(random.standard_normal(g.shape))) for g in gradients])
            loss.forward()
            found += [np.array(g.d) for g in gradients]
        loss.backward(clear_buffer=arrangement.clear)
        return found + [leaf.g.copy() for leaf in leaves.values()]


def fused(case: Case, values: list[Any], config: str, arrangement: Arrangement) -> list[np.ndarray]:
    """The output of a convolution with what follows it, by folded parameters; in double precision one by one."""
    args = dict(case.args)
    activation = args.pop("activation")
    with nn.context_scope(nn.Context([f"cpu:{config}"])):
        _, x = arrangement.arranged(0, values[0])
        given = [None if array is None else nn.Variable.from_numpy_array(array) for array in values[1:]]
        weight, bias, beta, gamma, mean, variance, z = given
        y = F.convolution(x, weight, bias, **args)
        if mean is not None:
            y = F.batch_normalization(y, beta, gamma, mean, variance, eps=0.1, batch_stat=False)
        y = y if z is None else y + z
        y = getattr(F, activation)(y) if activation else y
        for _ in range(3):
            y.forward(clear_buffer=True)
        return [y.d.copy()]


def difference(single: np.ndarray, double: np.ndarray, largest: float) -> float:
    """The largest difference, as a ratio of the largest value of the array, or of a part of the largest of all."""
    single, double = single.astype(np.float64), double.astype(np.float64)
    if single.shape != double.shape:
        return np.inf
    same = (single == double) | (np.isnan(single) & np.isnan(double))
    if same.all():
        return 0.0
    finite = np.abs(double[np.isfinite(double)])
    scale = max(float(finite.max()) if finite.size else 0.0, 0.02 * largest, 0.01)
    apart = np.where(same, 0.0, np.abs(single - double))
    return float(np.nan_to_num(apart, nan=np.inf).max()) / scale


def verdict(layer: Layer, case: Case, r: Draw, seed: int) -> str:
    """``ok``, or what is wrong."""
    arrangement = Arrangement(r)
    text = ""
    for attempt in range(3 if layer.kinks else 1):
        random = np.random.RandomState(seed + 7919 * attempt)
        values = [None if spec is None else spec.draw(random).astype(np.float32) for spec in case.inputs]
        try:
            if case.function == "inference":
                double, single = [fused(case, values, config, arrangement) for config in ("double", "float")]
            else:
                double, single = [results(case, values, c, arrangement, seed) for c in ("double", "float")]
        except Exception as error:
            return f"refused {error!r} in {case!r}"
        largest = max([float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) for a in double], default=0.0)
        apart = [difference(a, b, largest) for a, b in zip(single, double, strict=True)]
        if max(apart) <= layer.tolerance * (10 if arrangement.twice else 1):
            return "ok"
        text = f"wrong by {[f'{a:.1e}' for a in apart]} in {case!r}, {arrangement}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--module", help="a file with further layer types")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.module:
        runpy.run_path(options.module)
    say: Callable[[str], None] = lambda text: print(text.replace("\n", " "), flush=True)  # noqa: E731
    for line in sys.stdin:
        name, seed = line.split()
        say(f"start {name} {seed}")
        r = Draw(f"{name}/{seed}")
        say(verdict(LAYERS[name], LAYERS[name].draw(r), r, int(seed)))


if __name__ == "__main__":
    main()
