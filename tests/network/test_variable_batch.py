"""Which axes of a network are the batch: what files leave open."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.core.variable_batch_size import variable_batch_size


def saved(build, *shapes):
    """The message of a network, and the network, which must not have changed."""
    nn.clear_parameters()
    x = [nn.Variable(shape) for shape in shapes]
    graph = nn.graph_def.create_graph_from_variable("net", build(*x), names={f"x{i}": v for i, v in enumerate(x)})
    before = str(graph.as_proto(variable_batch_size=False))
    message = graph.as_proto().network[0]
    assert str(graph.as_proto(variable_batch_size=False)) == before
    return message, graph


def shapes_of(message):
    return {v.name: list(v.shape.dim) for v in message.variable if v.type == "Buffer"}


def arguments(message, kind):
    return [f for f in message.function if f.type == kind]


def affine(x, n=5, **kw):
    return PF.affine(x, n, **kw)


def test_the_batch_is_open_where_it_goes():
    def build(x):
        h = F.reshape(affine(x, 12), (4, 3, -1))
        return F.broadcast(F.reshape(h, (4, 3, 4, 1)), (4, 3, 4, 2))

    message, graph = saved(build, (4, 6))
    assert message.batch_size == 4
    assert [v[0] for v in shapes_of(message).values()] == [-1] * 5
    assert [list(f.reshape_param.shape.dim) for f in arguments(message, "Reshape")] == [[-1, 3, 4], [-1, 3, 4, 1]]
    assert list(arguments(message, "Broadcast")[0].broadcast_param.shape.dim) == [-1, 3, 4, 2]
    for batch in (1, 4, 9):
        assert nn.graph_def.ProtoGraph.from_proto(graph.as_proto(), batch_size=batch)().shape == (batch, 3, 4, 2)


def test_axes_of_the_same_length_are_not_taken_for_the_batch():
    # Of (4, 4), transposed, the first axis is that of the features.
    message, _ = saved(lambda x: F.transpose(affine(x, 4), (1, 0)), (4, 6))
    assert shapes_of(message)["@net/Transpose_out"] == [4, 4]
    # With a batch of 1, a reshape to (1, C, 1, 1) may have nothing to do with it.
    message, graph = saved(lambda x: F.mul2(x, F.reshape(F.mean(affine(x, 6), axis=0), (1, 6))), (1, 6))
    assert list(arguments(message, "Reshape")[0].reshape_param.shape.dim) == [1, 6]
    assert nn.graph_def.ProtoGraph.from_proto(graph.as_proto(), batch_size=3)().shape == (3, 6)


def test_what_depends_on_parameters_only_keeps_its_shape():
    def build(x):
        w = nn.parameter.get_parameter_or_create("w", (4, 3, 5))
        return F.affine(x, F.reshape(w, (12, 5)))

    message, _ = saved(build, (12, 12))
    assert shapes_of(message) == {"x0": [-1, 12], "@net/Reshape_out": [12, 5], "@net/Affine_out": [-1, 5]}
    assert list(arguments(message, "Reshape")[0].reshape_param.shape.dim) == [12, 5]


def test_a_network_that_does_not_say_what_its_batch_is():
    message, _ = saved(lambda x: F.tanh(F.reshape(x, (4, 6))), (4, 3, 2))
    assert (message.batch_size, shapes_of(message)["x0"]) == (0, [4, 3, 2])


def test_base_axis_2_keeps_its_axes():
    """1.39 merges the two axes, and the sum then goes over the features."""
    message, graph = saved(lambda x: F.sum(affine(x, base_axis=2), axis=1), (4, 3, 6))
    assert shapes_of(message) == {"x0": [-1, 3, 6], "@net/Affine_out": [-1, 3, 5], "@net/Sum_out": [-1, 5]}
    assert message.function[0].affine_param.base_axis == 2
    assert nn.graph_def.ProtoGraph.from_proto(graph.as_proto(), batch_size=2)().shape == (2, 5)


@pytest.mark.parametrize("shape", [(2, 12), (8, 3)])
def test_samples_that_are_put_together_keep_the_batch(shape, caplog):
    with caplog.at_level(logging.WARNING):
        message, graph = saved(lambda x: F.reshape(affine(x, 6), shape), (4, 6))
    assert "network 'net' keeps its batch size 4: @net/Reshape puts samples of the batch together" in caplog.text
    assert shapes_of(message)["x0"] == [4, 6]
    assert nn.graph_def.ProtoGraph.from_proto(graph.as_proto(), batch_size=2)().shape == shape


def test_random_arrays_follow_the_batch_where_they_must():
    message, graph = saved(lambda x: affine(x, 5) + F.randn(shape=(4, 5)), (4, 3))
    assert list(arguments(message, "Randn")[0].randn_param.shape.dim) == [-1, 5]
    assert nn.graph_def.ProtoGraph.from_proto(graph.as_proto(), batch_size=2)().shape == (2, 5)
    message, _ = saved(lambda x: affine(x, 5) + F.randn(shape=(1, 5)), (4, 3))
    assert list(arguments(message, "Randn")[0].randn_param.shape.dim) == [1, 5]
    # An axis that happens to have the length of the batch, and is another one.
    message, _ = saved(lambda x: affine(x, 5) + F.reshape(F.randn(shape=(4,))[:1], (1, 1)), (4, 3))
    assert list(arguments(message, "Randn")[0].randn_param.shape.dim) == [4]


def test_slices_of_all_samples_take_all_of_any_batch():
    message, graph = saved(lambda x: affine(x, 5)[:, 1:3], (4, 3))
    assert list(arguments(message, "Slice")[0].slice_param.stop) == [2**31 - 1, 3]
    for batch in (2, 9):
        assert nn.graph_def.ProtoGraph.from_proto(graph.as_proto(), batch_size=batch)().shape == (batch, 2)
    message, _ = saved(lambda x: affine(x, 5)[1:3], (4, 3))
    assert list(arguments(message, "Slice")[0].slice_param.stop) == [3, 5]


def test_functions_that_need_values_to_know_their_shape():
    message, _ = saved(lambda x: F.bool_gather(affine(x, 5), F.greater_scalar(affine(x, 5, name="m"), 0)), (4, 3))
    assert shapes_of(message)["@net/Affine_out"] == [-1, 5]


def test_in_place():
    _, graph = saved(lambda x: affine(x), (4, 3))
    network = graph["net"]
    variable_batch_size(network)
    assert (network.variables["x0"].shape, network.batch_size) == ((-1, 3), 4)
    variable_batch_size(network)
    assert network.variables["x0"].shape == (-1, 3)
    x = np.random.RandomState(0).rand(2, 3)
    assert network(nn.Variable.from_numpy_array(x)).shape == (2, 5)


def test_a_split_along_the_batch_keeps_it():
    """Another size of the batch would give another number of outputs."""
    message, graph = saved(lambda x: F.add2(*F.split(affine(x, 5), axis=0)), (2, 3))
    assert len(arguments(message, "Split")[0].output) == 2
    assert shapes_of(message)["@net/Split_out"] == [5]
    assert nn.graph_def.ProtoGraph.from_proto(graph.as_proto())().shape == (5,)
