"""What models of TensorFlow compute, where it is installed."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest


def tensorflow():
    """The module; a test that asks for it without the package is skipped."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tensorflow", reason="the extra `tensorflow` is not installed")


def of_frozen_graph(path, inputs, names, outputs):
    """What the nodes `outputs` of a ``.pb`` file compute of arrays for the nodes `names`."""
    tf = tensorflow()
    message = tf.compat.v1.GraphDef()
    message.ParseFromString(path.read_bytes())
    whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(message, name=""), [])
    ends = [[whole.graph.get_tensor_by_name(f"{name}:0") for name in group] for group in (names, outputs)]
    return [y.numpy() for y in whole.prune(*ends)(*[tf.constant(np.asarray(x, np.float32)) for x in inputs])]


def of_saved_model(path, **inputs):
    """What the signature of a SavedModel computes, by names of outputs."""
    tf = tensorflow()
    function = tf.saved_model.load(str(path)).signatures["serving_default"]
    return {
        name: y.numpy()
        for name, y in function(**{k: tf.constant(np.asarray(x, np.float32)) for k, x in inputs.items()}).items()
    }


def in_tensorflow(network, given, outputs):
    """What TensorFlow computes of a network, as a frozen graph."""
    from nnabla.converters.tensorflow import save_frozen_graph

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.pb"
        save_frozen_graph(network, path, outputs=outputs)
        return of_frozen_graph(path, given, network.inputs, outputs)
