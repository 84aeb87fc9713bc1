"""Networks as TensorFlow computes them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tflite

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.tensorflow import save_frozen_graph, save_saved_model
from nnabla.converters.tensorflow.operators import RULES
from nnabla.converters.tflite import rules as tflite_rules
from nnabla.errors import FormatError

from ..tflite.written_cases import ALL_CASES, BY_FUNCTION, check
from .running import in_tensorflow, of_frozen_graph, of_saved_model, tensorflow

tf = tensorflow()
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_case_of_every_function():
    assert check([cases[0] for cases in BY_FUNCTION.values()], in_tensorflow) >= 130


@pytest.mark.heavy
def test_all_cases():
    assert check(ALL_CASES, in_tensorflow) >= 150


@pytest.fixture
def network():
    nn.clear_parameters()
    x = nn.Variable((4, 3, 8, 8))
    h = F.relu(PF.batch_normalization(PF.convolution(x, 4, (3, 3), pad=(1, 1), name="c"), batch_stat=False))
    h = F.max_pooling(PF.depthwise_convolution(h, (3, 3), name="d"), (2, 2))
    y = F.softmax(PF.affine(h, 5, name="a"))
    for parameter in nn.get_parameters(grad_only=False).values():
        parameter.d = np.random.RandomState(0).uniform(0.1, 0.9, parameter.shape)
    x.d = np.random.RandomState(1).standard_normal(x.shape)
    y.forward()
    yield nn.graph_def.create_graph_from_variable("net", y, names={"x": x, "y/1": y})["net"], x.d.copy(), y.d.copy()
    nn.clear_parameters()


def test_a_saved_model(network, tmp_path):
    described, x, y = network
    save_saved_model(described, tmp_path / "m")
    results = of_saved_model(tmp_path / "m", x=x)
    assert list(results) == ["y_1"]
    np.testing.assert_allclose(results["y_1"], y, rtol=1e-4, atol=1e-5)
    variables = tf.saved_model.load(str(tmp_path / "m")).parameters
    assert len(variables) == 6 and "c_conv_W" in {v.name.partition(":")[0] for v in variables}
    assert {v.shape.num_elements() for v in variables} >= {3 * 3 * 3 * 4, 3 * 3 * 4, 4 * 3 * 3 * 5}


def test_channels_last(network, tmp_path):
    described, x, y = network
    save_saved_model(described, tmp_path / "m", channel_last=True)
    results = of_saved_model(tmp_path / "m", x=x.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(results["y_1"], y, rtol=1e-4, atol=1e-5)


def test_a_simplified_graph(network, tmp_path):
    described, x, y = network
    sizes = []
    for optimize in (False, True):
        save_frozen_graph(described, tmp_path / "m.pb", optimize=optimize)
        (result,) = of_frozen_graph(tmp_path / "m.pb", [x], ["x"], ["y_1"])
        np.testing.assert_allclose(result, y, rtol=1e-4, atol=1e-5)
        message = tf.compat.v1.GraphDef.FromString((tmp_path / "m.pb").read_bytes())
        sizes.append(len(message.node))
        assert not [node.op for node in message.node if node.op.startswith("_")]
    assert sizes[1] < sizes[0]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    x = nn.Variable((4, 3))
    described = nn.graph_def.create_graph_from_variable("net", F.nonzero(x), names={"x": x})["net"]
    with pytest.raises(FormatError, match="NonZero"):
        save_saved_model(described, tmp_path / "m")
    with pytest.raises(FormatError, match="NonZero"):
        save_frozen_graph(described, tmp_path / "m.pb")
    assert not list(tmp_path.iterdir())


def test_whatever_is_written_as_tflite_has_a_rule():
    written = set()
    for path in Path(tflite_rules.__file__).parent.glob("*rules.py"):
        if not path.name.startswith("import"):
            written |= set(re.findall(r'"([A-Z][A-Z0-9_]{2,})"', path.read_text(encoding="utf-8")))
    operators = {name for name in vars(tflite.BuiltinOperator) if name.isupper()}
    assert (written & operators) - RULES.keys() == set()
