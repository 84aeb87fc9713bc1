"""The scope of parameters that functions are built in."""

import nnabla as nn
from nnabla.parameter import get_parameter_or_create


def test_one_scope_object_entered_again_inside_itself():
    nn.clear_parameters()
    scope = nn.parameter_scope("s")
    outside = nn.parameter.get_current_parameter_scope()
    with scope:
        with scope:
            get_parameter_or_create("inner", (1,))
        get_parameter_or_create("outer", (1,))
    assert nn.parameter.get_current_parameter_scope() is outside
    assert set(nn.get_parameters()) == {"s/s/inner", "s/outer"}
