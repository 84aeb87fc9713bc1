"""Model files of the original NNabla, and what networks in model files compute.

    python -m tests.reference.record_nnp

writes ``tests/reference/nnp/``. With the argument ``write`` or ``run`` and a folder, it writes the files of both
implementations, or computes the networks in them and writes the results to ``results.npz``:
`tests/converters/nnp/test_files_of_both.py` runs that on both. Only NNabla's public API is used here.

There are three kinds of files: one with a network for each function, made of the cases in `tests/operators/cases`; one
with a network for each function whose batch is open, see `open_functions`; and those with the networks below, which
have parameters.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.utils.save import create_proto, save

from ..operators.case import Case
from ..operators.cases import TABLES
from ..operators.observe import variables
from . import open_functions

VERSION = "1.39.0"
FOLDER = Path(__file__).resolve().parent / "nnp"
FUNCTIONS = "functions.nnp"
OPEN, FIXED = "open.nnp", "fixed.nnp"

# The original cannot save the one, and leaves out the other.
UNSAVED = {"einsum", "sink"}
MOST_CASES = 3


# ---- a network for each function ---------------------------------------------------------------------------


def function_cases() -> Iterator[tuple[str, Case]]:
    """Names of networks, and the cases that they are made of: some of each function."""
    for table in TABLES.values():
        taken: dict[str, int] = {}
        for case in table:
            count = taken.get(case.function, 0)
            if case.beyond or case.function in UNSAVED or count == MOST_CASES:
                continue
            taken[case.function] = count + 1
            yield f"{case.category}-{case.function}-{case.number}", case


# Functions without cases: what they compute is random, or known with the values only.
OTHERS: dict[str, Callable[[Any], Any]] = {
    "rand": lambda x: F.rand(-1, 2, (2, 3), seed=5),
    "randint": lambda x: F.randint(0, 9, (2, 3), seed=5),
    "randn": lambda x: F.randn(1, 2, (2, 3), seed=5),
    "rand_binomial": lambda x: F.rand_binomial(7, 0.5, (2, 3), seed=5),
    "rand_beta": lambda x: F.rand_beta(0.5, 2, (2, 3), seed=5),
    "rand_gamma": lambda x: F.rand_gamma(2, 3, (2, 3), seed=5),
    "random_choice": lambda x: F.random_choice(x, F.abs(x), (2,), seed=5),
    "random_crop": lambda x: F.random_crop(x, (2, 2), seed=5),
    "random_flip": lambda x: F.random_flip(x, (1,), seed=5),
    "random_shift": lambda x: F.random_shift(x, (1, 2), "reflect", seed=5),
    "random_erase": lambda x: F.random_erase(F.reshape(x, (2, 1, 3, 4)), 0.9, seed=5),
    "image_augmentation": lambda x: F.image_augmentation(F.reshape(x, (2, 1, 3, 4)), (1, 2, 2), angle=0.5, seed=5),
    "fft": lambda x: F.fft(F.reshape(x, (2, 3, 2, 2)), 1, True),
    "ifft": lambda x: F.ifft(F.reshape(x, (2, 3, 2, 2)), 2),
}


def other(name: str) -> dict[str, Any]:
    """What `save` wants to know about the network of one of the others."""
    x = nn.Variable((2, 3, 4))
    return {"name": name, "batch_size": 2, "outputs": {"y0": OTHERS[name](x)}, "names": {"x0": x}}


def entry(name: str, case: Case) -> dict[str, Any] | None:
    """What `save` wants to know about the network of a case; None if it is refused, or nothing is computed."""
    inputs = variables(case, case.arrays())
    found = open_functions.outputs_of(case, inputs)
    if found is None:
        return None
    names = {f"x{i}": x for i, x in enumerate(inputs) if x is not None}
    shape = inputs[0].shape if inputs else ()
    return {"name": name, "batch_size": shape[0] if shape else 1, "outputs": found, "names": names}


def can_be_saved(network: dict[str, Any], any_batch: bool = False) -> bool:
    """Whether there is a function in a network, as the original prunes some, and its batch can be left open."""
    try:
        create_proto({"networks": [network]}, variable_batch_size=any_batch)
    except (ValueError, KeyError, AssertionError) as error:
        print(network["name"], "cannot be saved:", repr(error)[:150])
        return False
    return True


def write_functions(path: Path) -> None:
    """The file with a network for each function."""
    nn.clear_parameters()
    networks = [other(name) for name in OTHERS]
    for name, case in function_cases():
        network = entry(name, case)
        if network is not None and can_be_saved(network):
            networks.append(network)
    save(str(path), {"networks": networks}, variable_batch_size=False)


def run_functions(path: Path) -> dict[str, np.ndarray]:
    """What the networks of that file compute from the inputs of their cases."""
    graph = nn.graph_def.load(str(path))
    results = {}
    for name in OTHERS:
        x = nn.Variable.from_numpy_array(np.linspace(-1, 1, 24).reshape(2, 3, 4))
        y = graph.networks[name](*[x for key in graph.networks[name].inputs])
        if name not in ("fft", "ifft"):  # the original computes them on GPUs only
            y.forward()
        results[f"{name}/y0"] = np.zeros(y.shape)
    for name, case in function_cases():
        if name not in graph.networks:
            continue
        network = graph.networks[name]
        inputs = {f"x{i}": x for i, x in enumerate(variables(case, case.arrays()))}
        if not set(network.inputs) <= inputs.keys():
            continue  # constants, whose values the original does not save
        outputs = network(*[inputs[key] for key in network.inputs])
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        try:
            nn.forward_all(list(outputs))
        except RuntimeError:
            continue  # the original refuses what it has built
        for key, y in dict(zip(network.outputs, outputs, strict=True)).items():
            results[f"{name}/{key}"] = np.array(y.d)
    return results


OPEN_CASES = open_functions.first_cases(function_cases())


# ---- networks with parameters ------------------------------------------------------------------------------


class Network(NamedTuple):
    """A network with parameters.

    Args:
        build: from inputs to outputs by name.
        inputs: shapes of the inputs by name.
    """

    build: Callable[..., dict[str, Any]]
    inputs: dict[str, tuple[int, ...]]


def _mlp(x: Any) -> dict[str, Any]:
    h = F.tanh(PF.affine(x, 5, name="first"))
    return {"y": F.softmax(PF.affine(h, 3, name="second", with_bias=False)), "h": h}


def _lenet(x: Any, t: Any) -> dict[str, Any]:
    h = PF.convolution(x, 4, (5, 5), name="conv1")
    h = F.relu(F.max_pooling(PF.batch_normalization(h, batch_stat=False, name="bn1"), (2, 2)), inplace=True)
    h = PF.convolution(h, 6, (3, 3), name="conv2", pad=(1, 1), with_bias=False)
    h = F.relu(F.average_pooling(h, (2, 2)))
    h = F.relu(PF.affine(h, 8, name="fc1"))
    y = PF.affine(h, 3, name="fc2")
    return {"loss": F.mean(F.softmax_cross_entropy(y, t)), "y": y}


def _residual(x: Any) -> dict[str, Any]:
    with nn.parameter_scope("block"):
        h = PF.convolution(x, 4, (3, 3), pad=(1, 1), with_bias=False, name="c1")
        h = F.relu(PF.batch_normalization(h, batch_stat=False, name="b1"))
        h = PF.convolution(h, 6, (3, 3), pad=(1, 1), stride=(2, 2), with_bias=False, name="c2")
        h = PF.batch_normalization(h, batch_stat=False, name="b2")
        s = PF.convolution(x, 6, (1, 1), stride=(2, 2), with_bias=False, name="skip")
        return {"y": F.global_average_pooling(F.relu(F.add2(h, s)))}


def _reshaping(x: Any) -> dict[str, Any]:
    h = F.reshape(PF.affine(x, 12, name="fc"), (x.shape[0], 3, 4))
    h = F.broadcast(F.reshape(h, (x.shape[0], 3, 4, 1)), (x.shape[0], 3, 4, 2))
    h = F.transpose(h, (0, 2, 1, 3))
    return {"y": PF.affine(h, 2, name="out"), "part": h[:, 1:3]}


def _cells(x: Any, h: Any, c: Any) -> dict[str, Any]:
    h, c = PF.lstm_cell(x, h, c, 3, name="lstm")
    return {"next_h": h, "next_c": c}


def _embedding(i: Any) -> dict[str, Any]:
    h = PF.embed(i, 7, 4, name="words")
    return {"y": PF.affine(F.sum(h, axis=1), 2, name="fc")}


def _normalized(x: Any) -> dict[str, Any]:
    h = PF.convolution(x, 6, (3, 3), pad=(1, 1), name="c")
    h = PF.layer_normalization(h, batch_axis=0, no_bias=True, name="scale_only")
    h = PF.instance_normalization(h, no_scale=True, name="bias_only")
    h = PF.group_normalization(h, 2, no_scale=True, no_bias=True)
    return {"y": PF.batch_normalization(h, batch_stat=False, no_bias=True, name="bn")}


def _upsampled(x: Any) -> dict[str, Any]:
    h = PF.deconvolution(x, 3, (3, 3), stride=(2, 2), name="up")
    h = PF.prelu(h, name="prelu")
    h = PF.depthwise_convolution(h, (3, 3), name="dw")
    return {"y": F.interpolate(h, output_size=(5, 5), mode="linear"), "z": F.unpooling(h, (2, 2))}


def _branches(x: Any, z: Any) -> dict[str, Any]:
    first = F.relu(PF.affine(x, 4, name="tower"))
    second = F.relu(PF.affine(z, 4, name="tower"))
    parts = F.split(F.tanh(first), axis=1)
    return {"y": F.concatenate(first, second, axis=1), "part": parts[1], "less": F.less(first, second)}


def _attention(x: Any) -> dict[str, Any]:
    y, w = PF.multi_head_attention(x, x, x, num_heads=2, name="attention")
    return {"y": y, "w": w}


def _factorized(x: Any) -> dict[str, Any]:
    h = PF.binary_connect_affine(x, 4, name="bc", quantize_zero_to=-1.0)
    h = PF.fixed_point_quantized_affine(h, 3, name="fp")
    return {"y": PF.pow2_quantized_affine(F.elu(h), 2, name="p2")}


def _sequences(x: Any) -> dict[str, Any]:
    h = PF.convolution(x, 4, (3,), name="c")
    h = F.pad(h, (0, 0, 1, 2), mode="constant", constant_value=0.5)
    return {"y": F.flip(F.cumsum(h, axis=2), (2,)), "m": F.max(h, axis=2), "n": F.norm(h, axis=2)}


NETWORKS = {
    "mlp": Network(_mlp, {"x": (4, 6)}),
    "lenet": Network(_lenet, {"x": (4, 1, 12, 12), "t": (4, 1)}),
    "residual": Network(_residual, {"x": (4, 3, 8, 8)}),
    "reshaping": Network(_reshaping, {"x": (4, 6)}),
    "cells": Network(_cells, {"x": (4, 6), "h": (4, 3), "c": (4, 3)}),
    "embedding": Network(_embedding, {"i": (4, 5)}),
    "normalized": Network(_normalized, {"x": (4, 2, 5, 5)}),
    "upsampled": Network(_upsampled, {"x": (4, 2, 4, 4)}),
    "branches": Network(_branches, {"x": (4, 6), "z": (4, 6)}),
    "attention": Network(_attention, {"x": (5, 4, 8)}),
    "factorized": Network(_factorized, {"x": (4, 6)}),
    "sequences": Network(_sequences, {"x": (4, 2, 9)}),
}
# The first axis is time, and samples are put together: the original cannot leave the size of the batch open.
KEEP_THEIR_BATCH = ("attention",)
BATCHES = (4, 2)


def contents(any_batch: bool) -> dict[str, Any]:
    """The networks with parameters, all or those that run with any batch, and how they are run."""
    nn.clear_parameters()
    networks, executors = [], []
    for name, network in NETWORKS.items():
        if any_batch and name in KEEP_THEIR_BATCH:
            continue
        x = {key: nn.Variable(shape) for key, shape in network.inputs.items()}
        with nn.parameter_scope(name):
            outputs = network.build(**x)
        networks.append({"name": name, "batch_size": 4, "outputs": outputs, "names": x})
        executors.append({"name": f"run {name}", "network": name, "data": list(x), "output": [next(iter(outputs))]})
    rng = np.random.RandomState(11)
    for key, param in nn.get_parameters(grad_only=False).items():
        low = 0.5 if key.endswith("var") else -1.0
        param.d = rng.uniform(low, 1, param.shape)
    return {"networks": networks, "executors": executors}


def write_networks(folder: Path) -> None:
    """The files with parameters: with the size of the batch left open, in HDF5, and with it fixed, in messages."""
    save(str(folder / OPEN), contents(True))
    save(str(folder / FIXED), contents(False), variable_batch_size=False, parameter_format=".protobuf")


def inputs_of(name: str, batch: int) -> dict[str, np.ndarray]:
    """Values for the inputs of a network with parameters."""
    found = {}
    for position, (key, shape) in enumerate(NETWORKS[name].inputs.items()):
        rng = np.random.RandomState(position)
        shape = shape if name in KEEP_THEIR_BATCH else (batch, *shape[1:])
        whole = key in ("t", "i")
        found[key] = rng.randint(0, 3, shape) if whole else rng.uniform(-1, 1, shape)
    return found


def run_networks(path: Path, batch: int) -> dict[str, np.ndarray]:
    """What the networks in a file compute."""
    from nnabla.utils.nnp_graph import NnpLoader

    nn.clear_parameters()
    loader = NnpLoader(str(path))
    results = {}
    for name in loader.get_network_names():
        network = loader.get_network(name, batch_size=batch)
        for key, values in inputs_of(name, batch).items():
            network.inputs[key].d = values
        nn.forward_all(list(network.outputs.values()))
        for key, y in network.outputs.items():
            results[f"{path.stem}/{batch}/{name}/{key}"] = np.array(y.d)
    return results


# ----------------------------------------------------------------------------------------------------------------


def write(folder: Path) -> None:
    """All files."""
    write_functions(folder / FUNCTIONS)
    write_networks(folder)
    open_functions.write(folder / open_functions.FILE, OPEN_CASES, can_be_saved)


def run(folder: Path) -> dict[str, np.ndarray]:
    """What all networks in all files compute."""
    results = run_functions(folder / FUNCTIONS) | open_functions.run(folder / open_functions.FILE, OPEN_CASES)
    for batch in BATCHES:
        results |= run_networks(folder / OPEN, batch)
    return results | run_networks(folder / FIXED, BATCHES[0])


def pack(path: Path) -> None:
    """Write an archive once more, deflated, and without the time of writing."""
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def main() -> None:
    """Records, or does as the arguments say."""
    if len(sys.argv) == 3:
        print(nn.__version__)
        task, folder = sys.argv[1], Path(sys.argv[2])
        if task == "write":
            write(folder)
        else:
            np.savez(folder / "results.npz", **run(folder))
        return
    if nn.__version__ != VERSION or not hasattr(nn, "_variable"):
        raise SystemExit(f"the reference is the original NNabla {VERSION}; this is {nn.__version__} at {nn.__file__}")
    FOLDER.mkdir(exist_ok=True)
    write(FOLDER)
    for name in (FUNCTIONS, OPEN, FIXED, open_functions.FILE):
        pack(FOLDER / name)
    results = run(FOLDER)
    recorded = {key: values for key, values in results.items() if key.startswith(("open/", "fixed/"))}
    np.savez_compressed(FOLDER / "results.npz", **recorded)
    opened = {key: values for key, values in results.items() if key.startswith("open functions/")}
    open_functions.record(FOLDER / open_functions.RESULTS, opened)
    print(f"{len(results)} results, {len(recorded) + len(opened)} of them recorded")


if __name__ == "__main__":
    main()
