"""Function list and converter: which functions a model has, which of them a target has, and what to do about the
others.

What you learn: `nnabla_cli function_info` and `nnabla_cli convert`, for ONNX and for the C runtime (NNB), which has
fewer functions. A network is cut where a function shall be left out, and the pieces, run one after the other with
that function between them, give what the whole network gives.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from tutorial_options import tutorial_parser

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.nnb import load as load_nnb
from nnabla.converters.nnb import run as run_nnb
from nnabla.utils.save import save
from nnabla_cli import main as nnabla_cli


def lenet(x: nn.Variable) -> nn.Variable:
    """Scores ``(B, 10)`` for images ``(B, 1, 28, 28)``; behind the second layer stands an ELU."""
    h = F.relu(F.max_pooling(PF.convolution(x, 8, (5, 5), name="conv1"), (2, 2)))
    h = F.elu(F.max_pooling(PF.convolution(h, 8, (5, 5), name="conv2"), (2, 2)))
    return F.softmax(PF.affine(F.relu(PF.affine(h, 32, name="affine1")), 10, name="affine2"))


def save_model(path: Path, x: nn.Variable, y: nn.Variable) -> None:
    """Write a network with its executor."""
    network = {"name": "LeNet", "batch_size": 1, "outputs": {"y": y}, "names": {"x": x}}
    executor = {"name": "run", "network": "LeNet", "data": ["x"], "output": ["y"]}
    save(str(path), {"networks": [network], "executors": [executor]})


def command(*words: str) -> str:
    """What a command prints."""
    print("$ nnabla_cli", *words)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            nnabla_cli(words)
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"nnabla_cli {words[0]} failed") from None
    return printed.getvalue()


def shown(text: str, lines: int = 12) -> None:
    """Print the beginning of what a command said."""
    given = text.splitlines()
    for line in given[:lines]:
        print(f"  {line}")
    if len(given) > lines:
        print(f"  ... {len(given) - lines} more lines")


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the tutorial; the result holds what the commands said and how far the pieces are from the whole."""
    args = tutorial_parser(__doc__, iterations=1).parse_args(argv)
    folder = args.output / "function_list"
    folder.mkdir(parents=True, exist_ok=True)
    nn.clear_parameters()
    nn.seed(args.seed)
    x = nn.Variable((1, 1, 28, 28))
    y = lenet(x)
    model = str(folder / "lenet.nnp")
    save_model(Path(model), x, y)
    result: dict[str, Any] = {}

    print("1. All functions, and those of a target")
    for target in ("", "NNB", "ONNX"):
        words = ["function_info", *(["-f", target] if target else [])]
        result[f"functions {target}".strip()] = text = command(*words)
        shown(text, 4)

    print("2. Those of a model, and which of them the runtime has")
    result["model"] = command("function_info", model)
    shown(result["model"])
    result["model NNB"] = command("function_info", model, "-f", "NNB")
    shown(result["model NNB"])

    print("3. A list, from which ELU is taken, and the settings of a library with no more functions than that")
    functions = folder / "functions.txt"
    command("function_info", model, "-f", "NNB", "-o", str(functions))
    lines = functions.read_text(encoding="utf-8").splitlines(keepends=True)
    functions.write_text("".join(f";{line}" if line.startswith("ELU") else line for line in lines), encoding="utf-8")
    print(functions.read_text(encoding="utf-8"))
    command("function_info", "-c", str(functions), "-o", str(folder / "functions.yaml"))

    print("4. The network, cut at ELU")
    result["pieces"] = command("convert", "-c", str(functions), model, str(folder / "lenet.nnb"))
    shown(result["pieces"])
    pieces = sorted(folder.glob("lenet_*.nnb"), key=lambda path: int(path.stem.split("_")[-2]))
    x.d = np.random.RandomState(args.seed).rand(*x.shape)
    first, last = (load_nnb(str(path)) for path in pieces)
    (between,) = run_nnb(first, [x.d])
    between = np.where(between > 0, between, np.expm1(between))
    (found,) = run_nnb(last, [between.reshape(last.variables[last.inputs[0]].shape).astype(np.float32)])
    y.forward()
    result["difference"] = float(abs(found.reshape(y.shape) - y.d).max())
    result["files"] = [path.name for path in pieces]
    print(f"  {' -> ELU in NumPy -> '.join(result['files'])}: differs by {result['difference']:.1e} from the whole")

    print("5. ONNX has ELU")
    command("convert", model, str(folder / "lenet.onnx"))
    result["onnx_bytes"] = (folder / "lenet.onnx").stat().st_size
    print(f"  {result['onnx_bytes']} bytes")
    print(f"result: {len(pieces)} pieces, which differ from the whole by {result['difference']:.1e}")
    return result


if __name__ == "__main__":
    main()
