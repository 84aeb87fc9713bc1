"""``nnabla_cli convert`` to TensorFlow's formats and from them."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.nnb import load
from nnabla.converters.nnb import run as compute

from .running import run, save_networks

needs = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="the extra `tensorflow` is not installed"
)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def archive(tmp_path):
    """A model file, an input of a batch of 4, and its result."""
    nn.clear_parameters()
    x = nn.Variable((4, 3, 6, 6))
    y = F.softmax(PF.affine(F.max_pooling(F.relu(PF.convolution(x, 2, (3, 3), name="c")), (2, 2)), 5, name="a"))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y.forward()
    save_networks(tmp_path / "m.nnp", x, ("net", "run", {"y": y}))
    nn.clear_parameters()
    return tmp_path / "m.nnp", x.d.astype(np.float32), y.d.copy()


def computed(path, x):
    graph = nn.graph_def.load(str(path))
    y = graph(nn.Variable.from_numpy_array(x))
    y.forward()
    return y.d


@needs
def test_a_saved_model(archive, tmp_path):
    path, x, y = archive
    assert run("convert", "-O", "SAVED_MODEL", "-b", "2", path, tmp_path / "saved") == 0
    assert run("convert", "-b", "2", tmp_path / "saved", tmp_path / "n.nnp") == 0
    np.testing.assert_allclose(computed(tmp_path / "n.nnp", x[:2]), y[:2], rtol=1e-4, atol=1e-5)


@needs
def test_a_frozen_graph(archive, tmp_path, capsys):
    from ..converters.tensorflow.running import of_frozen_graph

    path, x, y = archive
    sizes = []
    for options in ((), ("--enable-optimize-pb",)):
        assert run("convert", "-f", "-b", "-1", "--channel-last", *options, path, tmp_path / "m.pb") == 0
        (found,) = of_frozen_graph(tmp_path / "m.pb", [x.transpose(0, 2, 3, 1)], ["x"], ["y"])
        np.testing.assert_allclose(found, y, rtol=1e-4, atol=1e-5)
        sizes.append((tmp_path / "m.pb").stat().st_size)
    assert sizes[1] < sizes[0]
    capsys.readouterr()
    assert run("convert", "--outputs", "y", "--inputs", "x", tmp_path / "m.pb", tmp_path / "n.nnp") == 0
    np.testing.assert_allclose(computed(tmp_path / "n.nnp", x.transpose(0, 2, 3, 1)), y, rtol=1e-4, atol=1e-5)
    assert run("optimize", tmp_path / "m.pb", tmp_path / "o.pb") == 0
    (found,) = of_frozen_graph(tmp_path / "o.pb", [x.transpose(0, 2, 3, 1)], ["x"], ["y"])
    np.testing.assert_allclose(found, y, rtol=1e-4, atol=1e-5)


@needs
@pytest.mark.parametrize(("name", "options"), [("m.pb", ("--outputs", "y")), ("saved", ("-O", "NNB"))])
def test_files_of_the_runtime(archive, tmp_path, name, options):
    path, x, y = archive
    target = () if name == "m.pb" else ("-O", "SAVED_MODEL")
    assert run("convert", *target, "-b", "4", path, tmp_path / name) == 0
    assert run("convert", *options, "-b", "4", tmp_path / name, tmp_path / "m.nnb") == 0
    np.testing.assert_allclose(compute(load(tmp_path / "m.nnb"), [x])[0], y, rtol=1e-4, atol=1e-5)
    assert run("check", "--target", "nnb", tmp_path / name) == 0
    assert run("nnb_template", tmp_path / name, tmp_path / "t.yaml") == 0
    assert "Convolution" in (tmp_path / "t.yaml").read_text()


@needs
@pytest.mark.parametrize("version", ["V1", "V2"])
def test_a_checkpoint(tmp_path, capfd, version):
    import tensorflow as tf

    given = np.random.RandomState(0).standard_normal((3, 4)).astype(np.float32)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 4), "x")
        y = tf.nn.relu(x @ tf.compat.v1.get_variable("w", (4, 2)), name="y")
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(write_version=getattr(tf.compat.v1.train.SaverDef, version))
        saver.save(session, str(tmp_path / "m.ckpt"))
        expected = session.run(y, {x: given})
    source = tmp_path / ("m.ckpt" if version == "V1" else "m.ckpt.meta")
    assert run("convert", source, tmp_path / "n.nnp") == 255
    assert "checkpoints need --outputs" in capfd.readouterr().err
    assert run("convert", "-b", "3", "--inputs", "x", "--outputs", "y", source, tmp_path / "n.nnp") == 0
    np.testing.assert_allclose(computed(tmp_path / "n.nnp", given), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="the extra `tensorflow` is installed")
def test_without_tensorflow(archive, tmp_path, capfd):
    path, _, _ = archive
    (tmp_path / "folder").mkdir()
    (tmp_path / "m.pb").write_bytes(b"")
    commands = (
        ("convert", "-O", "SAVED_MODEL", path, tmp_path / "saved"),
        ("convert", path, tmp_path / "n.pb"),
        ("convert", tmp_path / "folder", tmp_path / "n.nnp"),
        ("convert", tmp_path / "m.pb", tmp_path / "n.nnp"),
        ("optimize", tmp_path / "m.pb", tmp_path / "o.pb"),
    )
    for command in commands:
        assert run(*command) == 255
        message = "TensorFlow's formats need the package 'tensorflow': pip install nnabla[tensorflow]"
        assert f"{command[0]}: {message}" in capfd.readouterr().err
    assert {p.name for p in tmp_path.iterdir()} == {"m.nnp", "folder", "m.pb"}


@pytest.mark.parametrize(
    ("options", "output", "message"),
    [
        (("-T", "FLOAT16"), "m.pb", "from NNP to TF_PB does not take -T"),
        (("--inputs", "x"), "m.pb", "from NNP to TF_PB does not take --inputs"),
        (("--enable-optimize-pb", "-O", "SAVED_MODEL"), "saved", "to SAVED_MODEL does not take --enable-optimize-pb"),
    ],
)
def test_what_is_refused(archive, tmp_path, capfd, options, output, message):
    assert run("convert", *options, archive[0], tmp_path / output) == 255
    assert message in capfd.readouterr().err
    assert not (tmp_path / output).exists()
