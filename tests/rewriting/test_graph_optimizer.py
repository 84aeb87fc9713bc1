"""Removing functions from described networks, and renaming variables in them."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.core.graph_def import create_graph_from_variable
from nnabla.core.graph_optimizer import IdentityRemover, remove_function, rename_variable


@pytest.fixture
def x():
    return nn.Variable.from_numpy_array(np.random.RandomState(0).randn(2, 3))


def network_with_identities(x):
    h = F.relu(F.identity(x))
    i = F.identity(F.identity(h))
    z = F.identity(F.tanh(i) + i)
    return create_graph_from_variable("n", z, names={"x": x, "h": h, "z": z})["n"]


def links(network):
    return {name: (v.parent, v.required) for name, v in network.variables.items()}


def test_identities_go(x):
    """The names that remain are those that the original keeps."""
    network = network_with_identities(x)
    expected = network(x)
    renamed = {}
    network.execute_on_proto(IdentityRemover(renamed))
    assert [(f.name, f.inputs, f.outputs) for f in network.functions.values()] == [
        ("@n/ReLU", ["x"], ["h"]),
        ("@n/Tanh", ["h"], ["@n/Tanh_out"]),
        ("@n/Add2", ["@n/Tanh_out", "h"], ["z"]),
    ]
    assert renamed == {"@n/Identity_out": "x", "@n/Identity_out_1": "h", "@n/Identity_out_2": "h", "@n/Add2_out": "z"}
    found = links(network)
    network.relink()
    assert found == links(network) and list(found) == ["x", "h", "@n/Tanh_out", "z"]
    again = network(x)
    expected.forward()
    again.forward()
    np.testing.assert_array_equal(again.d, expected.d)


def test_identities_that_shall_stay(x):
    network = network_with_identities(x)
    remover = IdentityRemover(is_required=lambda f: f.name == "@n/Identity_1")
    network.execute_on_proto(remover)
    assert remover.renamed == {"@n/Identity_out_1": "h"}
    assert len(network.functions) == 6


def test_identities_that_the_network_needs(x):
    h = F.relu(x)
    outputs = [F.identity(h), F.tanh(h), F.identity(nn.Variable((1,)))]
    network = create_graph_from_variable("n", outputs)["n"]
    before = network.outputs
    network.execute_on_proto(IdentityRemover())
    assert network.outputs == before and len(network.functions) == 4


def test_a_chain_that_ends_in_an_output(x):
    y = F.relu(x)
    for _ in range(3):
        y = F.identity(y)
    network = create_graph_from_variable("n", y, names={"y": y})["n"]
    remover = IdentityRemover()
    network.execute_on_proto(remover)
    assert network.outputs == ["y"] and list(network.functions) == ["@n/ReLU"]
    assert remover.renamed == {"@n/Identity_out": "y", "@n/Identity_out_1": "y", "@n/ReLU_out": "y"}


def test_any_function_can_be_removed(x):
    y = F.relu(F.add2(F.tanh(x), F.exp(x)))
    network = create_graph_from_variable("n", y, names={"x": x})["n"]
    renamed = {}
    assert remove_function(network.functions["@n/Add2"], renamed)
    assert network.functions["@n/ReLU"].inputs == ["@n/Tanh_out"] and renamed == {"@n/Add2_out": "@n/Tanh_out"}
    assert network.outputs == ["@n/Exp_out", "@n/ReLU_out"]
    network = create_graph_from_variable("n", list(F.split(x)))["n"]
    with pytest.raises(ValueError, match="'@n/Split' must have inputs and one output"):
        remove_function(network.functions["@n/Split"], {})


def test_renaming(x):
    network = network_with_identities(x)
    rename_variable(network, {"h": "H", "x": "X", "absent": "a"})
    assert network.inputs == ["X"] and network.variables["H"].name == "H"
    assert network.functions["@n/ReLU"].outputs == ["H"]
    assert list(network.variables)[:3] == ["X", "@n/Identity_out", "H"]
    y = network(X=x)
    assert y.shape == (2, 3)
    rename_variable(network, {"H": "X", "X": "H"})
    assert network.inputs == ["H"]
    before = list(network.variables)
    with pytest.raises(ValueError, match="two variables would be called 'z'"):
        rename_variable(network, {"X": "z"})
    assert list(network.variables) == before
