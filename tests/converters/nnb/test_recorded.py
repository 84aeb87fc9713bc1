"""Files equal to those that NNabla 1.39 writes, field by field; recorded by tests/reference/record_nnb.py."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from nnabla.converters.nnb import from_bytes
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
