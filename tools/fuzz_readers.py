"""Damages sound files at random and reads them: no reader may crash, hang, take much memory or raise anything unnamed.

    python tools/fuzz_readers.py --files 20000 --seed 1 [--only h5,protobuf]
    python tools/fuzz_readers.py --files 100000 --only models
    python tools/fuzz_readers.py --files 100000 --only onnx
    python tools/fuzz_readers.py --files 100000 --only tflite

The kind `models` are archives of networks and how they are trained, which are loaded and built; most of its changes are
made inside of members, which are archived anew, and half of these change fields of messages. It is larger than the
others, and left out unless it is named. So are ONNX models, kind `onnx`, and TFLite's, kind `tflite`; most changes are
those of fields.

Each file is read in a process that reads many; one that dies or hangs is named by its kind and number, and the rest go
on without it. The damage is a function of kind and number, so that a finding can be repeated: nothing is stored.
"""

from __future__ import annotations

import argparse
import collections
import io
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import h5py
import model_archives
import numpy as np
from google.protobuf import text_format

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters import nnb
from nnabla.converters.nnb import to_bytes, to_nnb
from nnabla.converters.nnb.settings import Settings, stored_type
from nnabla.errors import ArgumentError, FormatError
from nnabla.files.model_messages import MODEL
from nnabla.solvers import Adam, states

SECONDS = 1.0
"""CPU time that one file may take."""
MEGABYTES = 100
"""Memory that one file may add to the process at its peak."""
LIMITS = {"models": (10.0, 200), "onnx": (SECONDS, 200), "tflite": (SECONDS, 200)}
"""Of kinds that may take more CPU time, as loops may be long, or more memory; that of a process on top of what it has
when it begins to read."""
ADDRESS_SPACE = 2 << 30
"""What the process may have on top of what it starts with, so that a fault does not take the machine down."""


# ---- sound files -----------------------------------------------------------------------------------------


def _parameters() -> dict[str, nn.Variable]:
    rng = np.random.RandomState(0)
    arrays = {
        "conv/W": rng.randn(4, 3, 3, 3).astype(np.float32),
        "conv/b": np.zeros(4, np.float32),
        "bn/mean": np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1),
        "steps": np.array(7, np.int64),
        "mask": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
    }
    return {name: nn.Variable.from_numpy_array(a, need_grad=a.dtype == np.float32) for name, a in arrays.items()}


def _saved(extension: str) -> bytes:
    file = io.BytesIO()
    nn.save_parameters(file, _parameters(), extension=extension)
    return file.getvalue()


def _packed_h5(**settings: object) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w", **settings) as h5:
        for index, (name, param) in enumerate(_parameters().items()):
            packed = {} if param.shape == () else {"chunks": True, "compression": "gzip", "shuffle": True}
            dataset = h5.create_dataset(name, data=param.d, maxshape=(None,) * param.ndim, **packed)
            dataset.attrs.update(need_grad=param.need_grad, index=index)
    return file.getvalue()


def _text() -> bytes:
    model = MODEL.message("NNablaProtoBuf").FromString(_saved(".protobuf"))
    network = model.network.add(name="net", batch_size=2)
    network.variable.add(name="x", type="Buffer").shape.dim.extend([-1, 3])
    network.function.add(name="f", type="ReLU", input=["x"], output=["y"])
    return text_format.MessageToString(model).encode()


def _archive(compression: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("nnp_version.txt", "0.1\n")
        archive.writestr("network.nntxt", _text())
        archive.writestr("parameter.h5", _saved(".h5"))
        archive.writestr("parameter.protobuf", _saved(".protobuf"))
    return file.getvalue()


def _states(extension: str) -> bytes:
    solver = Adam()
    params = {name: param for name, param in _parameters().items() if param.need_grad and param.size}
    solver.set_parameters(params)
    for param in params.values():
        param.grad.fill(1)
    solver.update()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s{extension}"
        solver.save_states(path)
        with open(path, "rb") as file:
            return file.read()


class Source(NamedTuple):
    """A kind of files."""

    extension: str
    make: Callable[[], bytes]
    """Makes a sound file."""
    load: Callable[[str, int], None]
    """Reads a file at a path, with its number."""
    change: Callable[[bytes, np.random.RandomState, int], bytes]
    """Makes another file of a sound one, by random numbers and the number of the file."""
    refusals: tuple[type[Exception], ...] = (FormatError, ArgumentError)
    """Errors that say that a file is not read."""


def _load_parameters(path: str, number: int) -> None:
    nn.clear_parameters()
    nn.load_parameters(path)
    nn.get_parameters(grad_only=False)


def _load_states(path: str, number: int) -> None:
    states.load(path)


def _damaged(sound: bytes, rng: np.random.RandomState, number: int) -> bytes:
    return damaged(sound, rng)


def _models() -> bytes:
    return model_archives.archived(model_archives.sound()[0])


def _changed_models(sound: bytes, rng: np.random.RandomState, number: int) -> bytes:
    return model_archives.changed(number, rng, damaged)[0]


def _load_models(path: str, number: int) -> None:
    # Ways and archives have no common divisor with what both are counted by.
    model_archives.load_model(path, number // len(model_archives.sound()))


def _nnb() -> bytes:
    nn.clear_parameters()
    x = nn.Variable((1, 2, 6, 6))
    h = F.max_pooling(F.relu(PF.convolution(x, 3, (3, 3), pad=(1, 1))), (2, 2))
    y = F.softmax(PF.affine(F.transpose(F.pad(h, (1, 1)), (0, 2, 3, 1)), 4))
    graph = nn.graph_def.create_graph_from_variable("net", y, names={"x": x})
    return to_bytes(to_nnb(graph["net"], settings=Settings(stored_type("FIXED16_8", "type"))))


def _load_nnb(path: str, number: int) -> None:
    to_bytes(nnb.load(path))


def _onnx() -> bytes:
    import onnx_models

    return onnx_models.sound()[0]


def _changed_onnx(sound: bytes, rng: np.random.RandomState, number: int) -> bytes:
    import onnx_models

    return onnx_models.changed(number, rng, damaged)[0]


def _load_onnx(path: str, number: int) -> None:
    import onnx_models

    onnx_models.load_model(path)


def _tflite() -> bytes:
    import tflite_models

    return tflite_models.sound()[0]


def _changed_tflite(sound: bytes, rng: np.random.RandomState, number: int) -> bytes:
    import tflite_models

    return tflite_models.changed(number, rng, damaged)[0]


def _load_tflite(path: str, number: int) -> None:
    import tflite_models

    tflite_models.load_model(path)


MODELS, ONNX, TFLITE = "models", "onnx", "tflite"
SOURCES = {
    "h5": Source(".h5", lambda: _saved(".h5"), _load_parameters, _damaged),
    "h5-packed": Source(".h5", _packed_h5, _load_parameters, _damaged),
    "h5-latest": Source(".h5", lambda: _packed_h5(libver="latest"), _load_parameters, _damaged),
    "protobuf": Source(".protobuf", lambda: _saved(".protobuf"), _load_parameters, _damaged),
    "text": Source(".nntxt", _text, _load_parameters, _damaged),
    "safetensors": Source(".safetensors", lambda: _saved(".safetensors"), _load_parameters, _damaged),
    "archive": Source(".nnp", lambda: _archive(zipfile.ZIP_STORED), _load_parameters, _damaged),
    "archive-packed": Source(".nnp", lambda: _archive(zipfile.ZIP_DEFLATED), _load_parameters, _damaged),
    "states-h5": Source(".h5", lambda: _states(".h5"), _load_states, _damaged),
    "states-protobuf": Source(".protobuf", lambda: _states(".protobuf"), _load_states, _damaged),
    "nnb": Source(".nnb", _nnb, _load_nnb, _damaged),
    MODELS: Source(".nnp", _models, _load_models, _changed_models, (ValueError, NotImplementedError)),
    ONNX: Source(".onnx", _onnx, _load_onnx, _changed_onnx),
    TFLITE: Source(".tflite", _tflite, _load_tflite, _changed_tflite),
}
"""Kinds of files by name."""


# ---- damage ----------------------------------------------------------------------------------------------

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def damaged(sound: bytes, rng: np.random.RandomState) -> bytes:
    """`sound` after one to four random changes."""
    data = bytearray(sound)
    for _ in range(rng.randint(1, 5)):
        size = len(data)
        if not size:
            break
        at, kind = rng.randint(size), rng.randint(8)
        if kind <= 1:
            data[at] ^= 1 << rng.randint(8)
        elif kind == 2:
            data[at] = rng.randint(256)
        elif kind == 3:
            width = (1, 2, 4, 8)[rng.randint(4)]
            number = _NUMBERS[rng.randint(len(_NUMBERS))] & ((1 << 8 * width) - 1)
            data[at : at + width] = number.to_bytes(width, "little")
        elif kind == 4:  # a number becomes a little larger or smaller
            width = (1, 2, 4, 8)[rng.randint(4)]
            number = int.from_bytes(data[at : at + width], "little") + rng.randint(-9, 10)
            data[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, "little")
        elif kind == 5:  # a piece is copied over another
            length, to = rng.randint(1, 65), rng.randint(size)
            data[to : to + length] = data[at : at + length]
        elif kind == 6:  # a piece stands there many times
            data[at:at] = data[at : at + rng.randint(1, 65)] * rng.randint(1, 100)
        else:
            del data[at : at + rng.randint(1, size)]
    return bytes(data)


# ---- reading ---------------------------------------------------------------------------------------------


def _memory(field: str) -> float:
    """A line of /proc/self/status in MB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) / 1024


def _measured(source: Source, path: str, number: int, before: float | None = None) -> tuple[str, float, float]:
    """Outcome, seconds of CPU time, and MB of reading one file: on top of `before`, or of what there is now."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts at what there is now
    before = _memory("VmRSS") if before is None else before
    start = time.process_time()
    try:
        source.load(path, number)
        outcome = "loaded"
    except source.refusals as error:
        # What does not fit together in a model is named by its network.
        named = os.path.basename(path) in str(error) or source is SOURCES[MODELS]
        # What is not read of a model of others is named by the model's names, however long.
        clear = named and (0 < len(str(error)) < 2000 or source in (SOURCES[ONNX], SOURCES[TFLITE]))
        outcome = "refused" if clear else f"unclear: {str(error)[:200]}"
    except Exception as error:
        outcome = f"{type(error).__name__}: {str(error)[:200]}"
    return outcome, time.process_time() - start, _memory("VmHWM") - before


def _read(kind: str, numbers: list[int], seed: int, folder: str, results: Any) -> None:
    warnings.simplefilter("ignore")
    nn.logger.setLevel("CRITICAL")
    source = SOURCES[kind]
    sound = source.make()
    path = f"{folder}/p{source.extension}"
    rounds = 3 * (len(model_archives.sound()) if kind == MODELS else 5 if kind in (ONNX, TFLITE) else 1)
    for number in range(rounds):  # what is imported late
        for data in (sound, source.change(sound, np.random.RandomState(0), number)):
            with open(path, "wb") as file:
                file.write(data)
            _measured(source, path, number)
    before = _memory("VmRSS") if kind in LIMITS else None
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ADDRESS_SPACE, -1))
    for number in numbers:
        results.send((number, None))
        with open(path, "wb") as file:
            file.write(source.change(sound, np.random.RandomState((seed, number)), number))
        results.send((number, _measured(source, path, number, before)))


def sweep(kind: str, files: int, seed: int, patience: float = 60.0, first: int = 0, slow: float = 1.0) -> list[str]:
    """Reads damaged files of one kind, and prints one line of counts and peaks. Returns what was wrong.

    Args:
        kind: one of `SOURCES`.
        files: how many.
        seed: of the damage.
        patience: seconds without an answer after which a process hangs.
        first: number of the first one.
        slow: how many times slower than usual the CPU may be.
    """
    outcomes: collections.Counter[str] = collections.Counter()
    slowest = largest = 0.0
    wrong: list[str] = []
    numbers = list(range(first, first + files))
    most = LIMITS.get(kind, (SECONDS, MEGABYTES))
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        while numbers:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_read, args=(kind, numbers, seed, folder, there))
            process.start()
            there.close()
            number, hung = None, False
            try:
                while True:
                    if not here.poll(patience if number is not None else 120):
                        hung = True
                        process.kill()
                        break
                    number, found = here.recv()
                    if found is None:
                        continue
                    numbers.remove(number)
                    outcome, seconds, megabytes = found
                    outcomes[outcome if outcome in ("loaded", "refused") else "wrong"] += 1
                    slowest, largest = max(slowest, seconds), max(largest, megabytes)
                    if outcome not in ("loaded", "refused") or seconds > slow * most[0] or megabytes > most[1]:
                        wrong.append(f"{kind} {number}: {outcome}, {seconds:.2f} s, {megabytes:.0f} MB")
            except EOFError:
                pass
            process.join()
            if number in numbers:
                numbers.remove(number)
                end = "hangs" if hung else f"ends the process ({process.exitcode})"
                outcomes["wrong"] += 1
                wrong.append(f"{kind} {number}: {end}")
            elif number is None:
                raise RuntimeError(f"{kind}: the reading process did not start")
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    print(f"{kind:16} {counts}; at most {slowest:.2f} s, {largest:.0f} MB", flush=True)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2000, help="damaged files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    small = ",".join(kind for kind in SOURCES if kind not in LIMITS)
    parser.add_argument("--only", default=small, help="kinds, separated by commas")
    parser.add_argument("--first", type=int, default=0, help="number of the first file of each kind")
    options = parser.parse_args()
    wrong = []
    for kind in options.only.split(","):
        wrong += sweep(kind, options.files, options.seed, first=options.first)
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
