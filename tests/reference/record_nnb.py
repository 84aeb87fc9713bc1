"""Records what NNabla 1.39 writes for its C runtime: NNB files of small networks, C sources, pieces, templates.

It needs the original with its converter:

    python3.10 -m venv converter-env
    converter-env/bin/pip install nnabla==1.39.0 "numpy<2" "protobuf<3.21" onnx==1.13.1
    converter-env/bin/pip install --no-deps nnabla-converter==1.39.0
    converter-env/bin/python tests/reference/record_nnb.py

For each network there are NAME.nnp and NAME.nnb, or several of the latter, in tests/reference/nnb; for some also
onnx-NAME.onnx and onnx-NAME.nnb, written straight from it. With names of networks behind it, ``pieces``, or ``onnx``,
it records these alone.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.utils.save import save

FOLDER = Path(__file__).resolve().parent / "nnb"
# What writes TensorFlow's formats is imported for every format, and nothing here needs it.
START = """
import sys, types
for name in ("tensorflow", "tflite"):
    sys.modules[f"nnabla.utils.converter.{name}"] = types.ModuleType(name)
from nnabla.utils.cli.cli import main
main()
"""
CLI = [sys.executable, "-c", START]

rng = np.random.RandomState(0)


def image(c=2, h=6, w=6, batch=1):
    return nn.Variable((batch, c, h, w))


def lenet(x):
    h = F.relu(F.max_pooling(PF.convolution(x, 4, (3, 3), name="c1"), (2, 2)))
    h = F.tanh(F.average_pooling(PF.convolution(h, 6, (2, 2), name="c2"), (1, 1)))
    h = F.relu(PF.affine(h, 8, name="a1"))
    return F.softmax(PF.affine(h, 3, name="a2"))


def residual(x):
    h = x
    for i in range(3):
        with nn.parameter_scope(f"r{i}"):
            g = PF.batch_normalization(PF.convolution(h, 2, (3, 3), pad=(1, 1)), batch_stat=False)
            h = F.add2(h, F.relu(g))
    return F.sum(h, axis=(2, 3))


def branches(x):
    a = PF.convolution(x, 2, (1, 1), name="a")
    b = F.max_pooling(PF.convolution(x, 3, (3, 3), pad=(1, 1), name="b"), (3, 3), (1, 1), pad=(1, 1))
    c = F.sigmoid(PF.convolution(b, 2, (1, 1), name="c"))
    return F.concatenate(a, b, c, axis=1)


def shared_weight(x):
    w = nn.parameter.get_parameter_or_create("w", (4, 4), need_grad=True)
    return F.affine(F.tanh(F.affine(x, w)), w)


def arithmetic(x):
    y = F.add_scalar(F.mul_scalar(x, 2.0), -1.0)
    return F.div2(F.mul2(F.sub2(x, y), F.add2(x, y)), F.add_scalar(F.abs(y), 1.0))


def scalars(x):
    y = F.r_sub_scalar(F.pow_scalar(F.abs(x), 1.5), 3.0)
    return F.maximum_scalar(F.minimum_scalar(F.r_div_scalar(F.r_pow_scalar(y, 2.0), 1.5), 0.9), 0.1)


def extrema(x):
    return F.maximum2(F.minimum2(F.exp(x), F.log(F.add_scalar(F.abs(x), 1.0))), F.round(x))


def activations(x):
    h = F.elu(F.leaky_relu(x, 0.2), 0.7)
    h = F.selu(F.swish(h))
    return F.celu(F.crelu(h, axis=1), 0.5, axis=1)


def prelu(x):
    return PF.prelu(PF.convolution(x, 3, (3, 3)), base_axis=1)


def layout(x):
    h = F.transpose(x, (0, 2, 3, 1))
    h = F.flip(F.shift(h, (0, 1, -1, 0)), (1,))
    return F.reshape(h[:, 1:5:2, ::1, :], (1, 2, 12))


def parts(x):
    a, b = F.split(x, axis=1)
    return F.stack(a, b, F.add2(a, b), axis=1)


def padded(x):
    return F.pad(F.pad(x, (0, 0, 0, 0, 1, 2, 2, 1), "constant", 0.5), (0, 0, 0, 0, 1, 1, 1, 1), "reflect")


def pooled(x):
    h = F.sum_pooling(x, (2, 2), (1, 1))
    h = F.average_pooling(h, (3, 3), (2, 2), ignore_border=False, pad=(1, 1), including_pad=False)
    return F.unpooling(h, (2, 2))


def transposed(x):
    return PF.deconvolution(PF.depthwise_convolution(x, (3, 3), multiplier=2), 3, (2, 2), stride=(2, 2))


def dilated(x):
    h = PF.convolution(x, 4, (2, 2), dilation=(2, 2), group=2, with_bias=False, name="a")
    return PF.convolution(h, 2, (3, 1), stride=(2, 1), pad=(1, 0), name="b")


def matrices(x):
    return F.matrix_diag_part(F.batch_matmul(F.matrix_diag(x), F.matrix_diag(F.sign(x, 1.0))))


def binary(x):
    h = F.binary_tanh(PF.binary_connect_affine(x, 5, name="a"))
    return F.binary_sigmoid(PF.binary_weight_affine(h, 4, name="b"))


def binary_images(x):
    h = PF.binary_connect_convolution(x, 3, (3, 3), pad=(1, 1), name="a")
    return PF.binary_weight_convolution(h, 2, (2, 2), name="b")


def normalized(x):
    h = PF.batch_normalization(x, batch_stat=False)
    return PF.mean_subtraction(F.identity(h), update_running_mean=False)


def batch_statistics(x):
    return PF.batch_normalization(PF.affine(x, 4), batch_stat=True)


def power(x):
    return F.pow2(F.add_scalar(F.abs(x), 0.5), F.tanh(x))


def two_outputs(x):
    h = F.relu(PF.affine(x, 5, name="h"), inplace=True)
    return h, PF.affine(h, 2, name="y")


def two_inputs(x, z):
    return F.concatenate(PF.affine(x, 3, name="a"), F.tanh(z), axis=1)


def dropped(x):
    return PF.affine(F.dropout(PF.affine(x, 4, name="a"), 0.25), 2, name="b")


def sums(x):
    return F.sum(F.sum(x, axis=1, keepdims=True), axis=(2, 3))


def deep(x):
    h = x
    for i, width in enumerate((7, 3, 9, 2, 8, 4)):
        h = F.relu(PF.affine(h, width, name=f"l{i}"))
    return h


def diamond(x):
    a = PF.affine(x, 6, name="a")
    b, c = F.tanh(a), F.sigmoid(a)
    return F.add2(F.mul2(b, c), F.add2(a, b))


def volumes(x):
    return F.max_pooling(PF.convolution(x, 2, (2, 2, 2)), (2, 2, 2))


def signals(x):
    return F.relu(PF.convolution(x, 4, (3,), stride=(2,)))


def attention(x):
    scores = F.softmax(F.batch_matmul(x, F.transpose(F.tanh(x), (0, 2, 1))), axis=2)
    return F.batch_matmul(scores, F.relu(x))


def reductions(x):
    return F.sum(F.softmax(x, axis=1), axis=(1, 3), keepdims=True)


def signs(x):
    return F.relu(PF.binary_connect_affine(x, 4, name="a"))


def autoencoder(x):
    h = F.elu(PF.convolution(x, 4, (2, 2), stride=(2, 2), name="e"))
    return F.sigmoid(PF.deconvolution(h, 2, (2, 2), stride=(2, 2), name="d"))


NETWORKS = {
    "attention": (attention, [nn.Variable((2, 3, 5))]),
    "reductions": (reductions, [image()]),
    "autoencoder": (autoencoder, [image()]),
    "lenet": (lenet, [image(1, 10, 10)]),
    "residual": (residual, [image()]),
    "branches": (branches, [image()]),
    "shared_weight": (shared_weight, [nn.Variable((1, 4))]),
    "arithmetic": (arithmetic, [nn.Variable((1, 5))]),
    "scalars": (scalars, [nn.Variable((1, 5))]),
    "extrema": (extrema, [nn.Variable((1, 5))]),
    "activations": (activations, [image()]),
    "prelu": (prelu, [image()]),
    "layout": (layout, [image()]),
    "parts": (parts, [image()]),
    "padded": (padded, [image()]),
    "pooled": (pooled, [image()]),
    "transposed": (transposed, [image()]),
    "dilated": (dilated, [image()]),
    "matrices": (matrices, [nn.Variable((2, 4))]),
    "binary": (binary, [nn.Variable((1, 6))]),
    "binary_images": (binary_images, [image()]),
    "normalized": (normalized, [image()]),
    "batch_statistics": (batch_statistics, [nn.Variable((4, 6))]),
    "power": (power, [nn.Variable((1, 6))]),
    "two_outputs": (two_outputs, [nn.Variable((1, 6))]),
    "two_inputs": (two_inputs, [nn.Variable((2, 6)), nn.Variable((2, 3))]),
    "dropped": (dropped, [nn.Variable((1, 6))]),
    "sums": (sums, [image()]),
    "deep": (deep, [nn.Variable((3, 5))]),
    "diamond": (diamond, [nn.Variable((1, 5))]),
    "volumes": (volumes, [nn.Variable((1, 1, 4, 5, 5))]),
    "signals": (signals, [nn.Variable((1, 3, 9))]),
    "signs": (signs, [nn.Variable((1, 8))]),
    "mixed": (lenet, [image(1, 10, 10)]),
}
# Settings for a network: NAME-settings.nnb is written with those in NAME.yaml.
SETTINGS = {
    "signs": {"variables": {"a/bicon_affine/Wb": "SIGN"}},
    "mixed": {
        "functions": {"@mixed/ReLU": {"implement": 3}},
        "variables": {
            "x0": "FIXED8_5", "@mixed/Convolution_out": "FIXED16_9", "@mixed/MaxPooling_out": "FIXED16_9",
            "c1/conv/W": "FIXED8", "c1/conv/b": "FIXED16", "a1/affine/W": "FIXED8_5", "a2/affine/b": "FIXED16_12",
        },
    },
}  # fmt: skip
# Further files of a network: name and options.
VARIANTS = {
    "lenet": [
        ("fixed16", ["-T", "FIXED16_8"]),
        ("fixed8", ["-T", "FIXED8_4", "-d", "nnb_3"]),
        ("level1", ["--api", "1"]),
        ("batch5", ["-b", "5"]),
        ("batch", ["-b", "-1"]),
    ],
    "deep": [("batch7", ["-b", "7"]), ("version3", ["-d", "nnb_3"])],
    "diamond": [("level20", ["--api", "20"])],
}


OF_ONNX = ["lenet", "residual"]
"""Networks that are converted by way of ONNX, too, as not many can be: concatenation already fails there."""


def cli(*arguments, folder=None):
    done = subprocess.run([*CLI, *arguments], capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def saved(name, build, inputs):
    nn.clear_parameters()
    outputs = build(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for parameter in nn.get_parameters(grad_only=False).values():
        values = np.asarray(rng.randn(*parameter.shape), np.float32)
        parameter.d = values
    for key, parameter in nn.get_parameters(grad_only=False).items():
        if key.endswith("/var"):
            parameter.d = np.abs(parameter.d) + 0.5
    # Binary layers write down the signs of their weights.
    nn.forward_all(outputs)
    names = {f"x{i}": x for i, x in enumerate(inputs)}
    results = {f"y{i}": y for i, y in enumerate(outputs)}
    contents = {
        "networks": [{"name": name, "batch_size": inputs[0].shape[0], "names": names | results, "outputs": results}],
        "executors": [{"name": "run", "network": name, "data": list(names), "output": list(results)}],
    }
    path = FOLDER / f"{name}.nnp"
    save(str(path), contents)
    return path


def written(name):
    """The files of a network, with their options."""
    build, inputs = NETWORKS[name]
    path, files = saved(name, build, inputs), {}
    variants = [("", []), *VARIANTS.get(name, [])]
    if name in SETTINGS:
        (FOLDER / f"{name}.yaml").write_text(yaml.safe_dump(SETTINGS[name], sort_keys=False))
        variants.append(("settings", ["-s", f"{name}.yaml"]))
    for word, options in variants:
        target = FOLDER / (f"{name}-{word}.nnb" if word else f"{name}.nnb")
        level = [] if "--api" in options else ["--api", "44"]
        try:
            cli("convert", "-O", "NNB", *level, *options, path.name, target.name, folder=FOLDER)
        except RuntimeError as error:
            print(name, word, str(error)[-400:])
            continue
        files[target.name] = [path.name, [*level, *options]]
    return files


def pieces():
    """What is printed for the pieces of a network without its affine layers, and their files."""
    with tempfile.TemporaryDirectory() as folder:
        functions = sorted({"Convolution", "MaxPooling", "ReLU", "AveragePooling", "Tanh", "Softmax"})
        Path(folder, "f.txt").write_text("\n".join([*functions, ";Affine"]) + "\n")
        printed = cli("convert", "--api", "44", "-c", "f.txt", str(FOLDER / "lenet.nnp"), "b.nnb", folder=folder)
        files = sorted(Path(folder).glob("*.nnb"))
        for path in files:
            shutil.copy(path, FOLDER / f"piece-{path.name}")
    ends = yaml.safe_load(printed[printed.index("b_0_") :].partition("]\n")[2].rpartition("].\n")[2])
    return {"functions": functions, "files": [path.name for path in files], "ends": ends}


def from_onnx():
    """Networks that the converter writes as ONNX, and from that as NNB."""
    for name in OF_ONNX:
        cli("convert", f"{name}.nnp", f"onnx-{name}.onnx", folder=FOLDER)
        cli("convert", "-O", "NNB", "--api", "44", f"onnx-{name}.onnx", f"onnx-{name}.nnb", folder=FOLDER)
    return OF_ONNX


def main(names):
    if not names:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
    facts_file = FOLDER / "facts.json"
    facts = json.loads(facts_file.read_text()) if names else {"files": {}}
    for name in names or NETWORKS:
        if name not in ("pieces", "onnx"):
            facts["files"] |= written(name)
    if not names or "pieces" in names:
        facts["pieces"] = pieces()
    if not names or "onnx" in names:
        facts["onnx"] = from_onnx()
    if not names:
        with tempfile.TemporaryDirectory() as folder:
            cli("nnb_template", str(FOLDER / "lenet.nnp"), f"{folder}/t.yaml")
            facts["template"] = Path(folder, "t.yaml").read_text()
            cli("function_info", str(FOLDER / "lenet.nnp"), "-f", "NNB", "-o", f"{folder}/functions.txt")
            facts["functions"] = Path(folder, "functions.txt").read_text()
    facts_file.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
