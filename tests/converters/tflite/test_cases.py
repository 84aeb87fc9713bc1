"""Every function with a rule, written as TFLite and computed by LiteRT: equal to what we compute, to 1e-4."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert.interpreter")

from nnabla.converters.tflite import to_tflite
from nnabla.errors import FormatError
from nnabla.utils.save import save as save_nnp

from ...cli.running import run
from .running import computed, in_litert, interpreter
from .written_cases import ALL_CASES, BY_FUNCTION, check


def test_cases_of_every_function():
    assert check([case for found in BY_FUNCTION.values() for case in found[:2]], in_litert) >= 135


def test_arrays_that_are_broadcast():
    """Not every operator of the runtime does that by itself."""
    elementwise = (
        "add2",
        "atan2",
        "div2",
        "greater",
        "logical_xor",
        "maximum2",
        "mod2",
        "mul2",
        "pow2",
        "squared_error",
    )
    chosen = [case for name in elementwise for case in BY_FUNCTION[name]]
    chosen = [case for case in chosen if len({x.shape for x in case.arrays() if x is not None}) > 1]
    assert check(chosen, in_litert) == len(elementwise)


@pytest.mark.heavy
def test_all_cases():
    assert check(ALL_CASES, in_litert) >= 140


def test_what_is_refused_is_named():
    x, w = nn.Variable((1, 2, 4, 4, 4)), nn.Variable((3, 2, 2, 2, 2))
    y = F.convolution(F.relu(x), w)
    network = nn.graph_def.create_graph_from_variable("net", y, names={"x": x, "w": w})["net"]
    with pytest.raises(FormatError, match="(?s)cannot be written as TFLite:.*Convolution .*over one and two axes only"):
        to_tflite(network)


def test_the_command(tmp_path):
    nn.clear_parameters()
    x = nn.Variable((4, 3, 6, 6))
    y = F.softmax(PF.affine(F.average_pooling(F.relu(PF.convolution(x, 2, (3, 3))), (2, 2)), 5))
    x.d = np.random.RandomState(0).randn(*x.shape)
    y.forward()
    content = {
        "networks": [{"name": "net", "batch_size": 4, "outputs": {"y": y}, "names": {"x": x}}],
        "executors": [{"name": "run", "network": "net", "data": ["x"], "output": ["y"]}],
    }
    save_nnp(str(tmp_path / "m.nnp"), content)
    given, expected = x.d.astype(np.float32), y.d.copy()
    for options, batch in (((), 1), (("-b", "3", "-f"), 3)):
        assert run("convert", *options, tmp_path / "m.nnp", tmp_path / "m.tflite") == 0
        model = (tmp_path / "m.tflite").read_bytes()
        assert model[4:8] == b"TFL3"
        np.testing.assert_allclose(computed(model, [given[:batch]])[0], expected[:batch], rtol=1e-4, atol=1e-5)
    names = [entry["name"] for entry in interpreter(model).get_input_details()]
    assert names == ["x"]
