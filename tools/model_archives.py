"""Sound model archives, and changes at random inside of their members: what `fuzz_readers` loads as whole models."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from message_changes import change_fields

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.files.model_messages import MODEL
from nnabla.utils.load import load
from nnabla.utils.nnp_graph import NnpLoader
from nnabla.utils.save import create_proto, save

Members = dict[str, bytes]

# ---- sound archives ----------------------------------------------------------------------------------------


def _training() -> dict[str, Any]:
    """A network that is trained, monitored and run."""
    x, t = nn.Variable((4, 1, 6, 6)), nn.Variable((4, 1))
    h = F.max_pooling(F.relu(PF.batch_normalization(PF.convolution(x, 2, (3, 3), name="c"), name="b")), (2, 2))
    y = PF.affine(F.dropout(h), 3, name="fc")
    loss = F.mean(F.softmax_cross_entropy(y, t))
    solver = S.Adam()
    solver.set_parameters(nn.get_parameters())
    data = {"x": "x", "t": "t"}
    uses = {"network": "net", "dataset": "data", "data_variables": data}
    return {
        "global_config": {"default_context": nn.Context(["cpu:float"])},
        "training_config": {"max_epoch": 3, "iter_per_epoch": 2, "save_best": True},
        "networks": [{"name": "net", "batch_size": 4, "outputs": {"loss": loss}, "names": {"x": x, "t": t, "y": y}}],
        "datasets": [
            {
                "name": "data",
                "uri": "data.csv",
                "variables": data,
                "shuffle": True,
                "batch_size": 4,
                "no_image_normalization": False,
            }
        ],
        "optimizers": [
            {
                "name": "opt",
                "solver": solver,
                "weight_decay": 0.5,
                "lr_decay": 0.5,
                "lr_decay_interval": 2,
                "update_interval": 2,
                **uses,
            }
        ],
        "monitors": [{"name": "mon", **uses}],
        "executors": [{"name": "run", "network": "net", "data": ["x"], "output": ["y"], "generator_variables": ["t"]}],
    }


def _shapes() -> dict[str, Any]:
    """Functions whose arguments say how large their outputs are."""
    x, i = nn.Variable((4, 6)), nn.Variable((4, 2))
    h = PF.affine(x, 8, name="fc")
    a = F.broadcast(F.reshape(h, (4, 2, 4, 1)), (4, 2, 4, 3))
    b = F.pad(F.tile(F.slice(h, (0, 1), (4, 5), (1, 2)), (1, 2)), (0, 0, 1, 2), mode="constant")
    c = F.one_hot(i, (5, 4)) * F.constant(2, (4, 1, 1)) + F.randn(shape=(4, 1, 1))
    d = F.interpolate(a, output_size=(5, 6), mode="linear")
    e = PF.embed(i, 5, 3, name="words")
    outputs = {"b": b, "c": c, "d": F.top_k_data(d, 2), "e": F.shift(e, (1,)), "f": F.arange(0, 5, 1)}
    return {"networks": [{"name": "net", "batch_size": 4, "outputs": outputs, "names": {"x": x, "i": i}}]}


_LOOPS = """
network { name: "net" batch_size: 2
  repeat_info { id: "r" times: 3 }
  variable { name: "x" type: "Buffer" shape { dim: -1 dim: 5 dim: 4 } }
  variable { name: "h0" type: "Parameter" shape { dim: 2 dim: 3 } initializer { type: "Constant" multiplier: 1 } }
  variable { name: "W" type: "Parameter" repeat_id: "r" shape { dim: 4 dim: 4 }
    initializer { type: "NormalAffineHe" multiplier: 1 } }
  variable { name: "s" type: "Buffer" repeat_id: "r" shape { dim: -1 dim: 5 dim: 4 } }
  variable { name: "a" type: "Buffer" repeat_id: "r" shape { dim: -1 dim: 5 dim: 4 } }
  variable { name: "u" type: "Buffer" shape { dim: -1 dim: 5 dim: 4 } }
  variable { name: "xt" type: "Buffer" repeat_id: "q" shape { dim: -1 dim: 4 } }
  variable { name: "V" type: "Parameter" shape { dim: 7 dim: 3 } initializer { type: "Uniform" multiplier: 0.5 } }
  variable { name: "d" type: "Buffer" repeat_id: "q" shape { dim: -1 dim: 3 } }
  variable { name: "k" type: "Buffer" repeat_id: "q" shape { dim: -1 dim: 7 } }
  variable { name: "h" type: "Buffer" repeat_id: "q" shape { dim: -1 dim: 3 } }
  variable { name: "y" type: "Buffer" shape { dim: 5 dim: -1 dim: 3 } }
  function { name: "fs" type: "RepeatStart" repeat_id: "r" repeat_param { repeat_id: "r" times: 3 }
    input: "x" input: "a" output: "s" }
  function { name: "fa" type: "Affine" repeat_id: "r" input: "s" input: "W" output: "a" affine_param { base_axis: 2 } }
  function { name: "fe" type: "RepeatEnd" repeat_param { repeat_id: "r" times: 3 } input: "a" output: "u" }
  function { name: "fi" type: "RecurrentInput" repeat_id: "q" input: "u" output: "xt"
    recurrent_param { repeat_id: "q" length: 5 axis: 1 } }
  function { name: "fd" type: "Delay" repeat_id: "q" input: "h" input: "h0" output: "d"
    recurrent_param { repeat_id: "q" length: 5 axis: 1 } }
  function { name: "fc" type: "Concatenate" repeat_id: "q" input: "xt" input: "d" output: "k"
    concatenate_param { axis: 1 } }
  function { name: "fh" type: "Affine" repeat_id: "q" input: "k" input: "V" output: "h" affine_param { base_axis: 1 } }
  function { name: "fo" type: "RecurrentOutput" input: "h" output: "y"
    recurrent_param { repeat_id: "q" length: 5 axis: 0 } }
}
executor { name: "run" network_name: "net" data_variable { variable_name: "x" data_name: "x" }
  generator_variable { variable_name: "x" type: "Uniform" multiplier: 1 }
  output_variable { variable_name: "y" data_name: "y" } }
"""


def _saved(contents: dict[str, Any], **options: Any) -> Members:
    file = io.BytesIO()
    save(file, contents, **options)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@cache
def sound() -> list[Members]:
    """Members of sound archives: text and HDF5, messages alone, loops with initializers."""
    nn.clear_parameters()
    training = _training()
    found = [
        _saved(training, include_solver_state=True),
        _saved(training, include_solver_state=True, parameter_format=".protobuf", solver_state_format=".protobuf"),
        {"net.protobuf": create_proto(training, include_params=True, save_solver_in_proto=True).SerializeToString()},
    ]
    nn.clear_parameters()
    shapes = _shapes()
    found += [
        _saved(shapes, parameter_format=".protobuf"),
        {"net.protobuf": create_proto(shapes, include_params=True, variable_batch_size=False).SerializeToString()},
        {"net.nntxt": _LOOPS.encode()},
        {"net.protobuf": text_format.Parse(_LOOPS, MODEL.message("NNablaProtoBuf")()).SerializeToString()},
    ]
    nn.clear_parameters()
    return found


def archived(members: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return file.getvalue()


# ---- changes -----------------------------------------------------------------------------------------------


@cache
def _binary(text: bytes) -> bytes:
    return text_format.Parse(text.decode(), MODEL.message("NNablaProtoBuf")()).SerializeToString()


def _changed_message(data: bytes, text: bool, rng: np.random.RandomState) -> bytes:
    """A model after one to three changes of its fields."""
    model = MODEL.message("NNablaProtoBuf").FromString(_binary(data) if text else data)
    change_fields(model, rng)
    try:
        return text_format.MessageToString(model).encode() if text else model.SerializeToString()
    except UnicodeEncodeError:  # a character of several bytes was cut in two
        return data


def changed(number: int, rng: np.random.RandomState, damaged: Callable[..., bytes]) -> tuple[bytes, bool]:
    """An archive after a change, and whether that was inside of a member, and the rest was archived anew.

    Args:
        number: which of the sound archives.
        rng: draws the change.
        damaged: changes bytes.
    """
    archives = sound()
    members = dict(archives[number % len(archives)])
    compression = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[rng.randint(2)]
    how = rng.rand()
    if how < 0.12:
        return damaged(archived(members, compression), rng), False
    names = [name for name in members if name != "nnp_version.txt"]
    name = names[rng.randint(len(names))]
    suffix = Path(name).suffix
    if how < 0.2:  # members that are missing, there twice, or of another format
        if rng.rand() < 0.5:
            del members[name]
        else:
            members[f"more{(suffix, '.h5', '.protobuf', '.nntxt', '.optimizer')[rng.randint(5)]}"] = members[name]
        return archived(members, compression), True
    message = suffix in (".nntxt", ".protobuf") or name.endswith(".protobuf.optimizer")
    if message and how < 0.7:
        members[name] = _changed_message(members[name], suffix == ".nntxt", rng)
    else:
        members[name] = damaged(members[name], rng)
    return archived(members, compression), True


# ---- reading -----------------------------------------------------------------------------------------------


def load_model(path: str, way: int) -> None:
    """Load a model as training does, as inference does, or as descriptions."""
    nn.clear_parameters()
    if way % 3 == 0:
        load(path)
    elif way % 3 == 1:
        loader = NnpLoader(path)
        for name in loader.get_network_names():
            loader.get_network(name, batch_size=2)
    else:
        for network in nn.graph_def.load(path).networks.values():
            network()
