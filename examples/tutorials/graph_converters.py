"""Graph converters: ResNet-50 rewritten for where it will run.

What you learn: fold batch normalizations into convolutions, turn those that cannot be folded into a factor and a
shift, move channels last, leave functions out, and write a modifier of your own. After each step the network is
described function by function in a text file, and its answers are compared with those before.

The page of NNabla's manual downloads a trained ResNet-50; here one is built from parametric functions, with random
weights, and shown some random images so that its running statistics mean something.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from debugging import types_and_shapes
from resnet50 import resnet50, set_parameters
from tutorial_options import positive_int, tutorial_parser

import nnabla as nn
import nnabla.experimental.graph_converters as GC
import nnabla.experimental.viewers as V
import nnabla.functions as F
from nnabla.utils.inspection import pprint


class LeakyModifier(GC.FunctionModifier):
    """Every ReLU becomes a leaky one: what `modify` returns stands for a function, None keeps it."""

    def modify(self, f: Any, inputs: list[nn.Variable]) -> nn.Variable | None:
        if f.info.type_name == "ReLU":
            return F.leaky_relu(inputs[0], 0.1)
        return None


def settle_statistics(images: np.ndarray, maps: int, classes: int, iterations: int) -> None:
    """Show the network the images so often that its running statistics are theirs."""
    y = resnet50(nn.Variable.from_numpy_array(images), maps, classes)
    for _ in range(iterations):
        y.forward(clear_buffer=True)


def converted(y: nn.Variable, x: nn.Variable) -> dict[str, nn.Variable]:
    """The network whose scores are `y` and whose images are `x`, and what each converter makes of it."""
    networks = {"as built": y}
    print("1. Folded: a convolution does what its batch normalization did")
    networks["folded"] = GC.GraphConverter([GC.BatchNormalizationFoldingModifier()]).convert(y)
    print("2. Self-folded: a factor and a shift for each channel")
    networks["self-folded"] = GC.GraphConverter([GC.BatchNormalizationSelfFoldingModifier()]).convert(y)
    print("3. Channels last, of the folded network")
    modifier = GC.ChannelLastModifier([x])
    networks["channels last"] = GC.GraphConverter([modifier]).convert(networks["folded"])
    modifier.inputs_cl[0].d = x.d.transpose(0, 2, 3, 1)
    print(f"   the new input has the shape {modifier.inputs_cl[0].shape}")
    print("4. A modifier of our own, behind one of the package's\n")
    networks["leaky"] = GC.GraphConverter([GC.BatchNormalizationFoldingModifier(), LeakyModifier()]).convert(y)
    return networks


def counted(y: nn.Variable) -> dict[str, int]:
    """How many functions of each type lead to `y`."""
    names = [line.partition("(")[0] for line in types_and_shapes(y)]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def milliseconds(y: nn.Variable, runs: int) -> float:
    """Time of a forward, the median of some."""
    times = []
    for _ in range(runs + 2):
        started = time.perf_counter()
        y.forward(clear_buffer=True)
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times[2:]))


def described(y: nn.Variable, path: Path) -> None:
    """Write what `pprint` prints of a network to a file."""
    with open(path, "w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        pprint(y)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the tutorial; for each converted network, the result holds its functions and how far its answers are."""
    parser = tutorial_parser(__doc__, iterations=5)
    parser.add_argument("--size", type=positive_int, default=224, metavar="PIXELS", help="default: %(default)s")
    parser.add_argument("--batch", type=positive_int, default=1, metavar="N", help="images; default: %(default)s")
    parser.add_argument("--maps", type=positive_int, default=64, metavar="M", help="of the stem; default: %(default)s")
    parser.add_argument("--classes", type=positive_int, default=1000, metavar="C", help="default: %(default)s")
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    nn.clear_parameters()
    random = np.random.RandomState(args.seed)

    x = nn.Variable.from_numpy_array(random.standard_normal((args.batch, 3, args.size, args.size)).astype(np.float32))
    y = resnet50(x, args.maps, args.classes, test=True)
    set_parameters(args.seed)
    # Statistics are of several images, also where one is asked for.
    samples = random.standard_normal((max(2, args.batch), *x.shape[1:])).astype(np.float32)
    settle_statistics(samples, args.maps, args.classes, args.iterations)
    networks = converted(y, x)
    for name, network in networks.items():
        described(network, args.output / f"{name.replace(' ', '_')}.txt")

    y.forward()
    expected = y.d.copy()
    result: dict[str, Any] = {}
    for name, network in networks.items():
        network.forward()
        difference = float(abs(network.d - expected).max() / abs(expected).max())
        taken = milliseconds(network, runs=args.iterations)
        result[name] = {"functions": counted(network), "difference": difference, "ms": taken}
        kinds = ", ".join(f"{count} {kind}" for kind, count in result[name]["functions"].items())
        print(f"{name:14s}{taken:8.2f} ms   answers differ by {difference:.1e}\n  {kinds}")

    for name in ("as built", "folded"):
        V.SimpleGraph(format="svg").save(networks[name], str(args.output / name.replace(" ", "_")), cleanup=True)
    figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
    axes.barh(list(result), [entry["ms"] for entry in result.values()], color="tab:blue")
    axes.invert_yaxis()
    axes.set(xlabel=f"milliseconds for {args.batch} x 3 x {args.size} x {args.size} (this machine)")
    axes.set_title("ResNet-50, rewritten")
    figure.savefig(args.output / "graph_converters.png", dpi=120)
    plt.close(figure)
    times = [f"{name} {result[name]['ms']:.1f} ms" for name in ("as built", "folded", "channels last")]
    print(f"result: {', '.join(times)} for {args.batch} images")
    return result


if __name__ == "__main__":
    main()
