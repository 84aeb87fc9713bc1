"""Train a convolutional network on scikit-learn's digits for 8-bit integers.

Three stages follow each other in one loop:

1. training in float32;
2. recording: functions in front of each layer note how large its inputs and weights become;
3. training with inputs and weights rounded to 8 bits, as the integers will be.

The network is saved, written for the C runtime with fixed point numbers and computed as that does, and, where `onnx`
and `onnxruntime` are installed, written as an ONNX model with QuantizeLinear and DequantizeLinear, which is run. The
exit status is 1 if one of them has an error on digits that were not trained on that is more than 1 % above that of the
network in float32.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from example_options import positive_int
from tqdm import tqdm
from train_digits import shifted_minibatches, split_digits

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.converters import nnb
from nnabla.utils.qnn import QATScheduler, QATTensorRTConfig, QNNState

BATCH = 64


def digit_cnn(image: nn.Variable, test: bool = False) -> nn.Variable:
    """Scores ``(B, 10)`` for images ``(B, 1, 8, 8)`` of values 0 to 16."""

    def block(h: nn.Variable, maps: int, name: str) -> nn.Variable:
        with nn.parameter_scope(name):
            h = PF.convolution(h, maps, (3, 3), pad=(1, 1), with_bias=False)
            return F.relu(PF.batch_normalization(h, batch_stat=not test))

    h = F.max_pooling(block(image * (1 / 16), 16, "conv1"), (2, 2))
    h = F.max_pooling(block(h, 32, "conv2"), (2, 2))
    h = F.relu(PF.affine(h, 64, name="fc3"))
    return PF.affine(h, 10, name="classifier")


def errors(scores: np.ndarray, labels: np.ndarray) -> float:
    """Share of wrong answers, percent."""
    return 100 * float(np.mean(scores.argmax(axis=1) != labels.ravel()))


def run_as_onnx(path: Path, images: np.ndarray, output: Path, weight_bits: int) -> np.ndarray | None:
    """Scores of the saved network as an ONNX model in onnxruntime; ``None`` where that is not installed."""
    try:
        import onnx
        import onnxruntime
    except ImportError:
        return None
    from nnabla.converters.onnx import to_onnx

    model = to_onnx(nn.graph_def.load(str(path))["digits"], batch_size=-1)
    onnx.save(model, str(output))
    kinds = [node.op_type for node in model.graph.node]
    print(f"{output.name}: QuantizeLinear {kinds.count('QuantizeLinear')} times, DequantizeLinear as often")
    options = onnxruntime.SessionOptions()
    if weight_bits > 7:
        # Without VNNI an x86 adds two products in 16 bits, too little for weights of 8 bits: run it as written.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(output), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def run_as_nnb(path: Path, images: np.ndarray, output: Path) -> np.ndarray:
    """Scores of the saved network as the C runtime computes them from a file with fixed point numbers."""
    model = nnb.to_nnb(nn.graph_def.load(str(path))["digits"], batch_size=len(images))
    nnb.save(model, output)
    fixed = [v for v in model.variables if v.type.name == "INT8"]
    print(f"{output.name}: {len(fixed)} of {len(model.variables)} variables have 8 bits")
    return nnb.run(nnb.load(output), [images])[0]


def save_figure(
    losses: list[float], starts: dict[str, int], weights: np.ndarray, rounded: np.ndarray, path: Path
) -> None:
    """Write the loss in all three stages, and a layer's weights before and after rounding, into one PNG."""
    figure, panels = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    panels[0].semilogy(np.convolve(losses, np.full(20, 1 / 20), mode="valid"), color="#0072B2")
    for name, start in starts.items():
        panels[0].axvline(start, color="#D55E00", linestyle=":")
        inside = panels[0].get_xaxis_transform()
        panels[0].text(start, 0.97, f" {name}", color="#D55E00", va="top", transform=inside)
    panels[0].set(xlabel="update", ylabel="loss (mean of 20)", title="Float, recording, 8 bits")
    panels[1].hist(weights.ravel(), bins=200, color="#0072B2", alpha=0.5, label="as trained")
    panels[1].hist(rounded.ravel(), bins=200, color="#D55E00", alpha=0.6, label="rounded to 8 bits")
    panels[1].set(xlabel="weight", ylabel="number", title="Weights of the second convolution")
    panels[1].legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Command line of the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, default=Path("demo-output"), metavar="DIR", help="directory for all files")
    add("--float-iterations", type=positive_int, default=600, metavar="N", help="updates in float32 (default 600)")
    add("--recording-iterations", type=positive_int, default=300, metavar="N", help="batches to record (default 300)")
    add("--iterations", type=positive_int, default=300, metavar="N", help="updates with 8 bits (default 300)")
    add("--weight-bits", type=int, choices=range(2, 9), default=8, metavar="B", help="bits of weights (default 8)")
    add("--seed", type=int, default=0, metavar="S", help="of the split, weights and order (default 0)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict[str, float | bool]:
    """Run the example; the result holds the test errors, percent, and whether all is well."""
    args = parse_arguments(argv)
    logging.getLogger("nnabla").setLevel(logging.WARNING)  # Its messages would cut through the progress bar.
    args.output.mkdir(parents=True, exist_ok=True)
    split = split_digits(args.seed)
    nn.clear_parameters()
    nn.seed(args.seed)
    batches = shifted_minibatches(split, args.seed)

    image, label = nn.Variable((BATCH, 1, 8, 8)), nn.Variable((BATCH, 1))
    scores = digit_cnn(image)
    loss = F.mean(F.softmax_cross_entropy(scores, label))
    test_image = nn.Variable.from_numpy_array(split.test_images)
    test_scores = digit_cnn(test_image, test=True)
    solver = S.Adam(3e-3)
    solver.set_parameters(nn.get_parameters())

    config = QATTensorRTConfig()
    config.niter_to_recording = args.float_iterations
    config.niter_to_training = args.float_iterations + args.recording_iterations
    config.skip_bias = True  # Biases stay in more than 8 bits, as integer hardware has them.
    config.weight_bits = args.weight_bits
    scheduler = QATScheduler(config, solver)
    scheduler(scores)
    scheduler(test_scores, training=False)

    losses: list[float] = []
    found: dict[str, float] = {}
    total = config.niter_to_training + args.iterations
    with tqdm(range(total), desc="float", ncols=100) as progress:
        for iteration in progress:
            if iteration == config.niter_to_recording:
                test_scores.forward(clear_buffer=True)
                found["float"] = errors(test_scores.d, split.test_labels)
            scheduler.step()
            image.d, label.d = batches.next()
            loss.forward(clear_no_need_grad=True)
            losses.append(float(loss.d))
            if scheduler.state != QNNState.RECORDING:
                solver.zero_grad()
                loss.backward(clear_buffer=True)
                solver.update()
            if iteration % 20 == 0:
                progress.set_description(scheduler.state.name.lower())
                progress.set_postfix(loss=f"{np.mean(losses[-20:]):.4f}", refresh=False)
    batches.close()
    test_scores.forward()
    found["8 bits"] = errors(test_scores.d, split.test_labels)

    path = args.output / "digits_8_bits.nnp"
    scheduler.save(str(path), test_image, batch_size=len(split.test_images), net_name="digits")
    parameters = nn.get_parameters(grad_only=False)
    weights = parameters["conv2/conv/w-folded"].d
    scope = next(name.rpartition("/")[0] for name, v in parameters.items() if name.endswith("scale-w0"))
    scale = parameters[f"{scope}/scale-w0"].d.item()
    rounded = np.clip(np.round(weights / scale), -128, 127) * scale
    starts = {"recording": config.niter_to_recording, "8 bits": config.niter_to_training}
    save_figure(losses, starts, weights, rounded, args.output / "quantization_aware_training.png")
    nnb_scores = run_as_nnb(path, split.test_images, args.output / "digits_8_bits.nnb")
    found["C runtime"] = errors(nnb_scores, split.test_labels)
    onnx_scores = run_as_onnx(path, split.test_images, args.output / "digits_8_bits.onnx", args.weight_bits)
    if onnx_scores is not None:
        found["onnxruntime"] = errors(onnx_scores, split.test_labels)

    for name, error in found.items():
        print(f"{name:12s}{error:6.2f} % of {len(split.test_labels)} digits wrong")
    passed = all(error <= found["float"] + 1 for error in found.values())
    print(f"files in {args.output}/; {'at most' if passed else 'FAILED: more than'} 1 % above the network in float32")
    print(f"result: {', '.join(f'{name} {error:.2f} %' for name, error in found.items())} wrong")
    return {**found, "passed": passed}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
