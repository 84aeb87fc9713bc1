"""Graph converters: a trained network rewritten for where it will run.

What you learn: fold batch normalizations into convolutions, turn those that cannot be folded into a factor and a
shift, move channels last, leave functions out, and write a modifier of your own. After each step the network is
printed, and its answers are compared with those before.

The network is a small residual one, trained for some steps so that its running statistics mean something.
"""

from __future__ import annotations

import time
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from debugging import network, types_and_shapes
from tutorial_options import positive_int, tutorial_parser

import nnabla as nn
import nnabla.experimental.graph_converters as GC
import nnabla.functions as F
import nnabla.solvers as S

MAPS = 8


class LeakyModifier(GC.FunctionModifier):
    """Every ReLU becomes a leaky one: what `modify` returns stands for a function, None keeps it."""

    def modify(self, f: Any, inputs: list[nn.Variable]) -> nn.Variable | None:
        if f.info.type_name == "ReLU":
            return F.leaky_relu(inputs[0], 0.1)
        return None


def settle_statistics(images: np.ndarray, iterations: int) -> None:
    """Train the parameters of `network` for some steps on random labels."""
    x, t = nn.Variable(images.shape), nn.Variable((len(images), 1))
    t.d = np.arange(len(images)).reshape(-1, 1) % 10
    loss = F.mean(F.softmax_cross_entropy(network(x, MAPS), t))
    solver = S.Adam(1e-3)
    solver.set_parameters(nn.get_parameters())
    x.d = images
    for _ in range(iterations):
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.update()


def counted(y: nn.Variable) -> dict[str, int]:
    """How many functions of each type lead to `y`."""
    names = [line.partition("(")[0] for line in types_and_shapes(y)]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def milliseconds(y: nn.Variable, runs: int = 10) -> float:
    """Time of a forward, the median of some."""
    times = []
    for _ in range(runs + 2):
        started = time.perf_counter()
        y.forward(clear_buffer=True)
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times[2:]))


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the tutorial; for each converted network, the result holds its functions and how far its answers are."""
    parser = tutorial_parser(__doc__, iterations=20)
    parser.add_argument("--size", type=positive_int, default=32, metavar="PIXELS", help="default: %(default)s")
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    nn.clear_parameters()
    nn.seed(args.seed)
    random = np.random.RandomState(args.seed)
    images = random.standard_normal((16, 3, args.size, args.size)).astype(np.float32)
    settle_statistics(images, args.iterations)

    x = nn.Variable.from_numpy_array(images)
    y = network(x, MAPS, test=True)
    y.forward()
    expected = y.d.copy()
    networks = {"as trained": y}

    print("1. Folded: a convolution does what its batch normalization did")
    networks["folded"] = GC.GraphConverter([GC.BatchNormalizationFoldingModifier()]).convert(y)
    print("2. Self-folded: a factor and a shift for each channel")
    networks["self-folded"] = GC.GraphConverter([GC.BatchNormalizationSelfFoldingModifier()]).convert(y)
    print("3. Channels last, of the folded network")
    modifier = GC.ChannelLastModifier([x])
    networks["channels last"] = GC.GraphConverter([modifier]).convert(networks["folded"])
    modifier.inputs_cl[0].d = images.transpose(0, 2, 3, 1)
    print("4. A modifier of our own, behind one of the package's")
    networks["leaky"] = GC.GraphConverter([GC.BatchNormalizationFoldingModifier(), LeakyModifier()]).convert(y)
    print(f"  the new input has the shape {modifier.inputs_cl[0].shape}\n")

    result: dict[str, Any] = {}
    for name, converted in networks.items():
        converted.forward()
        difference = float(abs(converted.d - expected).max() / abs(expected).max())
        result[name] = {"functions": counted(converted), "difference": difference, "ms": milliseconds(converted)}
        kinds = ", ".join(f"{count} {kind}" for kind, count in result[name]["functions"].items())
        print(f"{name:14s}{result[name]['ms']:7.2f} ms   answers differ by {difference:.1e}\n  {kinds}")

    figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
    axes.barh(list(result), [entry["ms"] for entry in result.values()], color="tab:blue")
    axes.invert_yaxis()
    axes.set(xlabel="milliseconds for 16 images (this machine)", title="One network, rewritten")
    figure.savefig(args.output / "graph_converters.png", dpi=120)
    plt.close(figure)
    return result


if __name__ == "__main__":
    main()
