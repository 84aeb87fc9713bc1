"""Files equal to those that NNabla 1.39 writes, field by field; recorded by tests/reference/record_nnb.py."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml

from nnabla.converters.nnb import from_bytes
from nnabla.converters.nnb import run as compute
from nnabla.converters.nnb.kernels import KERNELS
from nnabla.converters.nnb.model import Model

from ...cli.running import run

FOLDER = Path(__file__).parents[2] / "reference" / "nnb"
FACTS = json.loads((FOLDER / "facts.json").read_text())
FILES: dict[str, tuple[str, list[str]]] = FACTS["files"]


def fields(model: Model) -> dict[str, object]:
    """Everything that a file says, by where it stands."""
    found: dict[str, object] = {
        name: getattr(model, name) for name in ("version", "api_level", "inputs", "outputs", "buffers")
    }
    for i, variable in enumerate(model.variables):
        for name, value in dataclasses.asdict(variable).items():
            found[f"variable {i} {name}"] = value
    for i, function in enumerate(model.functions):
        for name, value in dataclasses.asdict(function).items():
            found[f"function {i} {name}"] = value
    return found


def written(name: str, folder: Path, output: str = "m.nnb") -> bytes:
    """What this package writes in place of a recorded file."""
    source, options = FILES[name]
    options = [FOLDER / option if option.endswith(".yaml") else option for option in options]
    assert run("convert", *options, FOLDER / source, folder / output) == 0
    return (folder / output).read_bytes()


def test_there_are_thirty_networks():
    assert len(FILES) >= 35 and len({source for source, _ in FILES.values()}) >= 30


# Files of 1.39 that are other networks than the model, and in what ours differ.
OTHERS = {
    "dropped": "Dropout becomes Identity, since the runtime's multiplies by 1 - p",
    "lenet-fixed8": "1.39 makes buffers of version 3 as large as for float32 unless settings name the types",
}


@pytest.mark.parametrize("name", sorted(set(FILES) - {f"{other}.nnb" for other in OTHERS}))
def test_every_field_is_that_of_nnabla(tmp_path, name):
    ours, theirs = from_bytes(written(name, tmp_path)), from_bytes((FOLDER / name).read_bytes())
    found, expected = fields(ours), fields(theirs)
    assert found.keys() == expected.keys()
    if name.startswith("binary"):
        # Means of sizes, which 1.39 sums up in another order.
        for where in [where for where in expected if where.endswith(" data") and expected[where] is not None]:
            np.testing.assert_allclose(found[where], expected.pop(where), rtol=2e-7, err_msg=where)
    for where, value in expected.items():
        np.testing.assert_equal(found[where], value, err_msg=where)
    if name.startswith("binary"):
        return
    assert written(name, tmp_path, "again.nnb") == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", FACTS["onnx"])
def test_what_becomes_of_an_onnx_model(tmp_path, name):
    """Straight from ONNX: the same shapes at the ends as NNabla's, and results as onnxruntime's."""
    assert run("convert", FOLDER / f"onnx-{name}.onnx", tmp_path / "m.nnb") == 0
    both = [from_bytes(path.read_bytes()) for path in (tmp_path / "m.nnb", FOLDER / f"onnx-{name}.nnb")]
    ends = [[[m.variables[v].shape for v in each] for each in (m.inputs, m.outputs)] for m in both]
    assert ends[0] == ends[1]
    rng = np.random.RandomState(0)
    given = [rng.standard_normal(shape).astype(np.float32) for shape in ends[0][0]]
    session = onnxruntime.InferenceSession(str(FOLDER / f"onnx-{name}.onnx"), providers=["CPUExecutionProvider"])
    expected = session.run(None, dict(zip([entry.name for entry in session.get_inputs()], given, strict=True)))
    # NNabla writes functions, too, that the runtime does not have.
    computable = [model for model in both if {f.type for f in model.functions} <= set(KERNELS)]
    assert computable[0] is both[0]
    for model in computable:
        for found, result in zip(compute(model, given), expected, strict=True):
            np.testing.assert_allclose(found, result, rtol=1e-5, atol=1e-6)


def test_the_template_is_that_of_nnabla(tmp_path):
    assert run("nnb_template", FOLDER / "lenet.nnp", tmp_path / "t.yaml") == 0
    ours, theirs = [yaml.safe_load(text) for text in ((tmp_path / "t.yaml").read_text(), FACTS["template"])]
    assert ours == theirs
    assert [list(ours[part]) for part in ours] == [list(theirs[part]) for part in theirs]


def test_the_functions_of_a_model_are_those_of_nnabla(tmp_path):
    assert run("function_info", FOLDER / "lenet.nnp", "-f", "NNB", "-o", tmp_path / "f.txt") == 0
    assert set((tmp_path / "f.txt").read_text().split()) == set(FACTS["functions"].split())


def test_pieces_are_those_of_nnabla(tmp_path, capsys):
    """Their files, and what is printed; NNabla leaves the size of the batch open there."""
    pieces = FACTS["pieces"]
    (tmp_path / "f.txt").write_text("\n".join([*pieces["functions"], ";Affine"]))
    capsys.readouterr()
    assert run("convert", "-c", tmp_path / "f.txt", FOLDER / "lenet.nnp", tmp_path / "b.nnb") == 0
    printed = capsys.readouterr().out
    found = yaml.safe_load(printed[printed.index("\n") :].replace(f"{tmp_path}{os.sep}", "").replace("? ", ""))
    assert list(found) == list(pieces["ends"]) == pieces["files"]
    for name, ends in pieces["ends"].items():
        for what, variables in ends.items():
            shapes = {v["name"]: v["shape"].replace("(-1, ", "(1, ") for v in variables}
            assert {v["name"]: v["shape"] for v in found[name][what]} == shapes
        ours, theirs = from_bytes((tmp_path / name).read_bytes()), from_bytes((FOLDER / f"piece-{name}").read_bytes())
        expected = fields(theirs)
        assert fields(ours).keys() == expected.keys()
        for where, value in expected.items():
            np.testing.assert_equal(fields(ours)[where], value, err_msg=f"{name}: {where}")
