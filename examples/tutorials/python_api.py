"""A walk through the Python API, from arrays to a trained and saved network.

What you learn: `NdArray`, `Variable`, functions and their gradients, parametric functions and parameter
scopes, imperative computation, solvers, and how to save memory. The last part trains a network that tells the
length of a vector in the plane.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from tutorial_options import tutorial_parser

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla import solvers as S

PARAMETER_FILE = "vector_length.h5"
BATCH = 100
GRID = np.linspace(-1, 1, 100)


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def show_arrays(random: np.random.RandomState) -> None:
    """`NdArray`: memory that lives on the device of whoever uses it, seen from here as NumPy."""
    heading("NdArray")
    array = nn.NdArray((2, 3, 4))
    print("new, with whatever the memory held:", array.data.shape, array.data.dtype)
    array.data = random.randn(*array.shape)
    # `data` is a view, so changing a part of it changes the NdArray.
    array.data[0, :, ::2] = 0
    print("random, with zeros in two columns:\n", array.data[0])
    array.fill(1)  # Happens when the values are next needed, on the device where they are needed.
    print("sum after fill(1):", array.data.sum())
    copied = nn.NdArray.from_numpy_array(np.ones(array.shape))
    print("made from a NumPy array:", copied)


def show_variables() -> nn.Variable:
    """`Variable`: a node of a graph with one `NdArray` for values and one for gradients."""
    heading("Variable")
    variable = nn.Variable([2, 3, 4], need_grad=True)
    print("shape:", variable.shape, "values:", variable.data, "gradients:", variable.grad)
    variable.d = 1.2345
    variable.g = 1.2345
    print("d is the NumPy view of data:", np.all(variable.d == variable.data.data))
    variable.grad.zero()
    print("sum of g after grad.zero():", variable.g.sum())
    filled = nn.Variable.from_numpy_array(np.ones((3,)), np.zeros((3,)), need_grad=True)
    print("made from NumPy arrays:", filled.d, filled.g)
    print("function that computed it:", variable.parent)
    return variable


def show_functions(x: nn.Variable, random: np.random.RandomState) -> dict[str, float]:
    """Functions connect variables; `forward` and `backward` execute what they connected."""
    heading("Function")
    squashed = F.sigmoid(x)
    total = F.reduce_sum(squashed)
    print("parents:", squashed.parent.name, "<-", total.parent.name)
    total.forward()
    expected = np.sum(1 / (1 + np.exp(-x.d)))
    print("sum of sigmoids:", total.d, "NumPy:", expected)
    x.grad.zero()
    total.backward()
    # d sigmoid(x) / dx = sigmoid(x) (1 - sigmoid(x))
    slope = squashed.d * (1 - squashed.d)
    print("largest deviation of the gradient from the formula:", np.abs(x.g - slope).max())

    heading("Parameters as inputs of a function")
    points = nn.Variable([5, 2])
    weight = nn.Variable([2, 3], need_grad=True)
    bias = nn.Variable([3], need_grad=True)
    mapped = F.affine(points, weight, bias)
    for variable in (points, weight, bias):
        variable.d = random.randn(*variable.shape)
        variable.grad.zero()
    mapped.forward()
    mapped.backward()  # From a result that is no scalar, each of its elements starts with gradient 1.
    print("largest deviation from NumPy:", np.abs(mapped.d - (points.d @ weight.d + bias.d)).max())
    print("gradient of the weight:\n", weight.g)
    print("gradient of the bias:", bias.g)
    print("points need no gradient and got none:", points.g.ravel().tolist())
    return {
        "sigmoid_sum_error": float(abs(total.d - expected)),
        "sigmoid_gradient_error": float(np.abs(x.g - slope).max()),
        "affine_weight_gradient_error": float(np.abs(weight.g - points.d.sum(axis=0)[:, np.newaxis]).max()),
        "affine_bias_gradient_error": float(np.abs(bias.g - len(points.d)).max()),
        "unneeded_gradient": float(np.abs(points.g).max()),
    }


def print_parameters() -> None:
    for name, parameter in nn.get_parameters().items():
        print(f"  {name:18s}{parameter.shape}")


def show_parameter_scopes() -> dict[str, int]:
    """Parametric functions create parameters on first use and name them after the scopes around them."""
    heading("Parametric functions and scopes")
    nn.clear_parameters()
    points = nn.Variable([5, 2])
    with nn.parameter_scope("affine1"):
        PF.affine(points, 3)
    # `name` is a scope of one call, so this finds the parameters that the lines above made.
    again = PF.affine(points, 3, name="affine1")
    print("shape of the result:", again.shape)
    with nn.parameter_scope("foo"):
        below = PF.affine(points, 3)
        with nn.parameter_scope("bar"):
            PF.affine(below, 4)
    print("all parameters:")
    print_parameters()
    every = len(nn.get_parameters())
    with nn.parameter_scope("foo"):
        print("seen from inside foo:")
        print_parameters()
        inside = len(nn.get_parameters())
        nn.clear_parameters()
    print("after clearing foo:")
    print_parameters()
    return {"parameters": every, "parameters_in_foo": inside, "parameters_left": len(nn.get_parameters())}


def show_training_by_hand(random: np.random.RandomState) -> dict[str, float]:
    """One step of gradient descent written out, then the same step by a solver."""
    heading("A network and its gradients")
    nn.clear_parameters()
    points = nn.Variable([16, 2])
    with nn.parameter_scope("fc1"):
        hidden = F.tanh(PF.affine(points, 512))
    with nn.parameter_scope("fc2"):
        answer = PF.affine(hidden, 1)
    print("shapes:", hidden.shape, answer.shape)
    print_parameters()
    points.d = random.randn(*points.shape)
    answer.forward()
    print("first answers:", answer.d[:3].ravel())
    target = nn.Variable([16, 1])
    target.d = random.randn(*target.shape)
    loss = F.reduce_mean(F.squared_error(answer, target))
    loss.forward()
    before = float(loss.d)
    for parameter in nn.get_parameters().values():
        parameter.grad.zero()
    loss.backward()

    heading("Imperative computation")
    # Functions of NdArrays, and so their operators, compute at once and build no graph.
    for parameter in nn.get_parameters().values():
        parameter.data -= parameter.grad * 0.001
    loss.forward()
    by_hand = float(loss.d)
    print("loss before and after a step by hand:", before, by_hand)
    values = nn.NdArray.from_numpy_array(np.arange(4).reshape(2, 2))
    print("relu(values - 1):\n", F.relu(values - 1).data)
    values.copy_from(values + 1)  # `values = values + 1` would bind the name to a new NdArray instead.
    values += 1
    print("values after adding 1 twice in place:\n", values.data)

    heading("Solver")
    solver = S.Sgd(lr=0.00001)
    solver.set_parameters(nn.get_parameters())
    points.d = random.randn(*points.shape)
    target.d = random.randn(*target.shape)
    loss.forward()
    solver_before = float(loss.d)
    solver.zero_grad()
    loss.backward()
    solver.update()
    loss.forward()
    print("loss before and after a step of Sgd:", solver_before, float(loss.d))
    return {
        "by_hand_gain": before - by_hand,
        "solver_gain": solver_before - float(loss.d),
        "in_place_sum": float(values.data.sum()),
    }


def vector_length(points: np.ndarray) -> np.ndarray:
    """Euclidean length, shape ``(B, 1)``, of points of shape ``(B, 2)``."""
    return np.linalg.norm(points, axis=1, keepdims=True)


def length_network(points: nn.Variable | nn.NdArray) -> nn.Variable | nn.NdArray:
    """Estimate of the length, shape ``(B, 1)``, by four tanh layers and a linear one."""
    for number, width in enumerate((4, 8, 4, 2)):
        points = F.tanh(PF.affine(points, width, name=f"fc{number}"))
    return PF.affine(points, 1, name="fc")


def predict(points: np.ndarray) -> np.ndarray:
    """Answers of the trained network to ``(N, 2)`` points, computed imperatively batch by batch."""
    batches = np.split(points, range(BATCH, len(points), BATCH))
    return np.vstack([length_network(nn.NdArray.from_numpy_array(batch)).data for batch in batches])


def save_contours(points: np.ndarray, estimate: np.ndarray, path: Path) -> None:
    """Write truth, estimate and their difference over the square [-1, 1] x [-1, 1] into one PNG."""
    truth = vector_length(points)
    levels = np.linspace(0, 1.5, 13)
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained", sharey=True)
    for panel, title, values in zip(axes, ("True length", "Network"), (truth, estimate), strict=False):
        filled = panel.contourf(GRID, GRID, values.reshape(100, 100), levels=levels, extend="both")
        panel.set_title(title)
    figure.colorbar(filled, ax=axes[:2], label="length")
    error = (estimate - truth).reshape(100, 100)
    bound = np.abs(error).max()
    difference = axes[2].contourf(GRID, GRID, error, levels=np.linspace(-bound, bound, 13), cmap="RdBu")
    axes[2].set_title("Network minus truth")
    figure.colorbar(difference, ax=axes[2], label="difference")
    for panel in axes:
        panel.set(xlabel="x", aspect="equal")
    axes[0].set_ylabel("y")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def train_length_network(iterations: int, random: np.random.RandomState, output: Path) -> dict[str, float | bool]:
    """Train, draw, save and reload the network that estimates lengths."""
    heading("Training a network that knows how long a vector is")
    nn.clear_parameters()
    points = nn.Variable([BATCH, 2])
    target = nn.Variable([BATCH, 1])
    answer = length_network(points)
    loss = F.reduce_mean(F.squared_error(answer, target))
    solver = S.Adam(alpha=0.01)
    solver.set_parameters(nn.get_parameters())
    losses = []
    for iteration in range(iterations):
        points.d = random.uniform(-1, 1, size=points.shape)
        target.d = vector_length(points.d)
        # Both flags let the memory of values go as soon as nothing needs them any more.
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.weight_decay(1e-6)
        solver.update()
        losses.append(float(loss.d))
        if iteration % 100 == 0 or iteration == iterations - 1:
            print(f"  iteration {iteration:5d}   loss {losses[-1]:.6f}")

    loss.forward(clear_buffer=True)
    cleared = answer.data.clear_called
    answer.persistent = True
    loss.forward(clear_buffer=True)
    kept = not answer.data.clear_called
    print(f"intermediate result cleared: {cleared}; kept once it is persistent: {kept}")

    grid = np.stack(np.meshgrid(GRID, GRID), axis=-1).reshape(-1, 2)
    estimate = predict(grid)
    save_contours(grid, estimate, output / "vector_length.png")
    mean_error = float(np.abs(estimate - vector_length(grid)).mean())
    print(f"mean absolute error over the square: {mean_error:.4f}")

    heading("Saving and loading")
    path = str(output / PARAMETER_FILE)
    nn.save_parameters(path)
    nn.clear_parameters()
    print("parameters after clearing:", len(nn.get_parameters()))
    nn.load_parameters(path)
    same = bool(np.array_equal(predict(grid), estimate))
    with nn.parameter_scope("foo"):
        nn.load_parameters(path)
    print_parameters()
    print("reloaded network gives the same answers:", same)
    return {
        "initial_loss": losses[0],
        "final_loss": float(np.mean(losses[-20:])),
        "mean_error": mean_error,
        "cleared": bool(cleared),
        "kept": bool(kept),
        "reloaded_same": same,
        "loaded_twice": len(nn.get_parameters()),
    }


def main(argv: list[str] | None = None) -> dict[str, float | int | bool]:
    """Run the tutorial; the result holds what each part measured."""
    args = tutorial_parser(__doc__, iterations=2000).parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    nn.clear_parameters()
    nn.seed(args.seed)
    random = np.random.RandomState(args.seed)
    show_arrays(random)
    results: dict[str, float | int | bool] = {}
    results |= show_functions(show_variables(), random)
    results |= show_parameter_scopes()
    results |= show_training_by_hand(random)
    results |= train_length_network(args.iterations, random, args.output)
    print(f"result: lengths learned with a mean error of {results['mean_error']:.4f}")
    return results


if __name__ == "__main__":
    main()
