"""Models that TensorFlow made, read as networks."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.tensorflow import (
    from_checkpoint,
    from_frozen_graph,
    from_saved_model,
    optimized,
    save_frozen_graph,
    save_saved_model,
)
from nnabla.errors import ArgumentError, FormatError

from .running import of_frozen_graph, tensorflow

tf = tensorflow()
pytestmark = pytest.mark.filterwarnings("ignore")

rng = np.random.RandomState(0)


def numbers(*shape):
    return rng.standard_normal(shape).astype(np.float32) * 0.3


def computed(graph, *inputs):
    """What a network that was read computes."""
    y = graph(*[nn.Variable.from_numpy_array(x) for x in inputs])
    ys = y if isinstance(y, tuple) else (y,)
    nn.forward_all(ys)
    return [y.d for y in ys]


class Classifier(tf.Module):
    """Convolutions with normalization, a depthwise one, a branch that is added, poolings, a matrix."""

    def __init__(self):
        super().__init__()
        self.first, self.second = tf.Variable(numbers(3, 3, 3, 8)), tf.Variable(numbers(3, 3, 8, 1))
        self.third, self.table = tf.Variable(numbers(1, 1, 8, 8)), tf.Variable(numbers(8, 5))
        self.scale, self.offset = tf.Variable(np.abs(numbers(8)) + 0.5), tf.Variable(numbers(8))
        self.mean, self.variance = tf.Variable(numbers(8)), tf.Variable(np.abs(numbers(8)) + 0.5)

    @tf.function(input_signature=[tf.TensorSpec((None, 12, 12, 3), tf.float32, name="image")])
    def __call__(self, image):
        h = tf.nn.conv2d(image, self.first, 2, "SAME")
        h = tf.nn.batch_normalization(h, self.mean, self.variance, self.offset, self.scale, 1e-3)
        h = tf.nn.relu6(h)
        g = tf.nn.leaky_relu(tf.nn.depthwise_conv2d(h, self.second, [1, 1, 1, 1], "SAME"), 0.1)
        h = h + tf.nn.conv2d(tf.nn.max_pool2d(g, 2, 1, "SAME"), self.third, 1, "VALID")
        h = tf.reduce_mean(h, axis=[1, 2])
        return {"p": tf.nn.softmax(h @ self.table), "h": tf.tanh(h)}


@pytest.fixture
def saved(tmp_path):
    module = Classifier()
    tf.saved_model.save(module, str(tmp_path / "m"))
    return tmp_path / "m", module


def test_a_saved_model(saved):
    path, module = saved
    graph = from_saved_model(path, batch_size=4)
    network = graph.default_graph()
    assert (network.inputs, sorted(network.outputs)) == (["image"], ["h", "p"])
    x = numbers(4, 12, 12, 3)
    expected = module(tf.constant(x))
    for name, y in zip(network.outputs, computed(graph, x), strict=True):
        np.testing.assert_allclose(y, expected[name], rtol=1e-4, atol=1e-5)
    # The batch stays open.
    assert network.batch_size == 4 and network.variables["image"].shape == (-1, 12, 12, 3)
    for name, y in zip(network.outputs, computed(graph, x[:1]), strict=True):
        np.testing.assert_allclose(y, expected[name][:1], rtol=1e-4, atol=1e-5)


def test_a_model_of_keras(tmp_path):
    layers = tf.keras.layers
    model = tf.keras.Sequential([
        layers.Input((10, 10, 2)), layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(),
        layers.Conv2DTranspose(3, 2, strides=2), layers.AveragePooling2D(2), layers.Flatten(),
        layers.Dense(7, activation="gelu"), layers.Dropout(0.5), layers.LayerNormalization(), layers.Dense(3),
    ])  # fmt: skip
    model.export(str(tmp_path / "m"), verbose=False)
    x = numbers(2, 10, 10, 2)
    (y,) = computed(from_saved_model(tmp_path / "m", batch_size=2), x)
    np.testing.assert_allclose(y, model(x), rtol=1e-4, atol=1e-5)


def test_attention_of_keras(tmp_path):
    layers = tf.keras.layers
    x = layers.Input((6, 8))
    h = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    model = tf.keras.Model(x, layers.LayerNormalization()(h + layers.Dense(8)(layers.Dense(16, "relu")(h))))
    model.export(str(tmp_path / "m"), verbose=False)
    given = numbers(2, 6, 8)
    (y,) = computed(from_saved_model(tmp_path / "m", batch_size=2), given)
    np.testing.assert_allclose(y, model(given), rtol=1e-4, atol=1e-5)


def session_graph():
    """A graph of TensorFlow 1 in the default graph: input, output."""
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, (None, 5), "x")
    w = v1.get_variable("w", initializer=numbers(5, 7))
    table = v1.get_variable("inner/table", initializer=numbers(7, 3))
    h = tf.nn.relu(x @ w + 0.5)
    y = tf.identity(h @ table, "y")
    tf.reduce_sum(y * y, name="loss")
    return x, y


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_checkpoints(tmp_path, version):
    v1 = tf.compat.v1
    given = numbers(3, 5)
    with tf.Graph().as_default(), v1.Session() as session:
        x, y = session_graph()
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(write_version=getattr(v1.train.SaverDef, version))
        saver.save(session, str(tmp_path / "m.ckpt"))
        expected = session.run(y, {x: given})
    path = tmp_path / ("m.ckpt" if version == "V1" else "m.ckpt.meta")
    graph = from_checkpoint(path, ["y"], ["x"], batch_size=3)
    assert graph.default_graph().outputs == ["y"]
    np.testing.assert_allclose(computed(graph, given)[0], expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ArgumentError, match="there is no node 'z' in the graph"):
        from_checkpoint(path, ["z"])
    with pytest.raises(ArgumentError, match="outputs must name a node at least"):
        from_checkpoint(path, [])


@pytest.fixture
def frozen(tmp_path):
    """A frozen graph with a loss behind its output, an input and the output's value."""
    v1 = tf.compat.v1
    given = numbers(3, 5)
    with tf.Graph().as_default() as graph, v1.Session() as session:
        x, y = session_graph()
        session.run(v1.global_variables_initializer())
        message = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y", "loss"])
        expected = session.run(y, {x: given})
    (tmp_path / "m.pb").write_bytes(message.SerializeToString())
    return tmp_path / "m.pb", given, expected


def test_a_frozen_graph(frozen):
    path, x, y = frozen
    graph = from_frozen_graph(path, 3, outputs=["y:0"])
    assert (graph.default_graph().inputs, graph.default_graph().outputs) == (["x"], ["y"])
    np.testing.assert_allclose(computed(graph, x)[0], y, rtol=1e-4, atol=1e-5)
    # What no other node reads.
    graph = from_frozen_graph(path, 3)
    assert graph.default_graph().outputs == ["loss"]
    np.testing.assert_allclose(computed(graph, x)[0], (y * y).sum(), rtol=1e-4)
    with pytest.raises(ArgumentError, match="there is no node 'z' in the graph"):
        from_frozen_graph(path, outputs=["z"])


def test_a_graph_is_simplified(frozen, tmp_path):
    path, x, y = frozen
    before = path.read_bytes()
    (tmp_path / "o.pb").write_bytes(optimized(before, ["y"]))
    np.testing.assert_allclose(of_frozen_graph(tmp_path / "o.pb", [x], ["x"], ["y"])[0], y, rtol=1e-4, atol=1e-5)
    nodes = [[node.name for node in tf.compat.v1.GraphDef.FromString(data).node]
             for data in (before, (tmp_path / "o.pb").read_bytes())]  # fmt: skip
    assert "loss" in nodes[0] and "loss" not in nodes[1] and len(nodes[1]) < len(nodes[0])
    with pytest.raises(ArgumentError, match="there is no node 'z' in the graph"):
        optimized(before, ["z"])


@pytest.mark.parametrize("form", ["folder", "file"])
def test_there_and_back(tmp_path, form):
    nn.clear_parameters()
    x = nn.Variable((2, 3, 8, 8))
    h = F.relu(PF.convolution(x, 4, (3, 3), pad=(1, 1), stride=(2, 2)))
    y = PF.affine(F.average_pooling(h, (2, 2)), 5)
    x.d = numbers(2, 3, 8, 8)
    y.forward()
    described = nn.graph_def.create_graph_from_variable("net", y, names={"x": x, "y": y})["net"]
    if form == "folder":
        save_saved_model(described, tmp_path / "m")
        graph = from_saved_model(tmp_path / "m", batch_size=2)
    else:
        save_frozen_graph(described, tmp_path / "m.pb")
        graph = from_frozen_graph(tmp_path / "m.pb", 2)
    found = graph.default_graph()
    assert (found.inputs, found.outputs) == (["x"], ["y"])
    # Axes are turned on the way there, and not any more on the way back.
    assert [f.type for f in found.functions.values() if f.type in ("Convolution", "Transpose")] == ["Convolution"]
    np.testing.assert_allclose(computed(graph, x.d.astype(np.float32))[0], y.d, rtol=1e-4, atol=1e-5)
    nn.clear_parameters()


def test_what_is_refused(saved, tmp_path):
    path, _ = saved
    with pytest.raises(FormatError, match=r"it has no signature 'train', only \['serving_default'\]"):
        from_saved_model(path, signature="train")
    with pytest.raises(ArgumentError, match="batch_size must be at least 1, not 0"):
        from_saved_model(path, batch_size=0)
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        from_saved_model(tmp_path / "nothing")
    (tmp_path / "bad").mkdir()
    with pytest.raises(FormatError, match="TensorFlow cannot read it"):
        from_saved_model(tmp_path / "bad")
    (tmp_path / "bad.pb").write_bytes(b"no graph at all")
    with pytest.raises(FormatError, match="this is no frozen graph of TensorFlow, or it is damaged"):
        from_frozen_graph(tmp_path / "bad.pb")
    (tmp_path / "empty.pb").write_bytes(b"")
    with pytest.raises(FormatError, match="the graph has no nodes"):
        from_frozen_graph(tmp_path / "empty.pb")
    with pytest.raises(FileNotFoundError, match="there is no file .*m.ckpt.meta with the graph"):
        from_checkpoint(tmp_path / "m.ckpt", ["y"])


def test_an_axis_that_is_open(tmp_path):
    module = tf.Module()
    module.f = tf.function(tf.nn.relu, input_signature=[tf.TensorSpec((2, None), tf.float32, name="x")])
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.f.get_concrete_function())
    with pytest.raises(FormatError, match="input 'x' must have lengths for all axes but the first"):
        from_saved_model(tmp_path / "m")


def test_an_operator_without_counterpart(tmp_path):
    module = tf.Module()
    module.f = tf.function(lambda x: tf.linalg.det(x), input_signature=[tf.TensorSpec((2, 3, 3), tf.float32, name="x")])
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.f.get_concrete_function())
    with pytest.raises(FormatError, match="MatrixDeterminant"):
        from_saved_model(tmp_path / "m")
