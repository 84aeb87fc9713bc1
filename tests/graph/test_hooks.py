"""Hooks run around every function, and see it by name."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F


def network():
    x = nn.Variable.from_numpy_array(np.ones(2, np.float32), need_grad=True)
    x.grad.zero()
    return x, F.tanh(F.relu(x))


def test_own_hooks():
    _, y = network()
    calls = []
    y.forward(
        function_pre_hook=lambda f: calls.append(("pre", f.name)),
        function_post_hook=lambda f: calls.append(("post", f.name)),
    )
    assert calls == [("pre", "ReLU"), ("post", "ReLU"), ("pre", "Tanh"), ("post", "Tanh")]
    calls.clear()
    y.backward(function_pre_hook=lambda f: calls.append(f.name))
    assert calls == ["Tanh", "ReLU"]


def test_hooks_see_values():
    _, y = network()
    seen = []
    y.forward(clear_buffer=True, function_post_hook=lambda f: seen.append(f.outputs[0].d.copy()))
    np.testing.assert_allclose(seen, [[1, 1], np.tanh([1, 1])], rtol=1e-6)


def test_global_hooks():
    _, y = network()
    calls = []
    nn.set_function_pre_hook("k", lambda f: calls.append(f.name))
    nn.set_function_post_hook("k", lambda f: calls.append("after"))
    y.forward()
    assert calls == ["ReLU", "after", "Tanh", "after"]
    with nn.auto_forward():
        F.sigmoid(y)
    assert calls[4:] == ["Sigmoid", "after"]
    nn.unset_function_pre_hook("k")
    nn.unset_function_post_hook("k")
    nn.unset_function_post_hook("k")
    calls.clear()
    y.forward()
    assert calls == []
    with pytest.raises(TypeError, match="set_function_pre_hook: hook 'k' must be callable, not int"):
        nn.set_function_pre_hook("k", 3)


def test_an_error_in_a_hook_comes_out_as_it_is():
    _, y = network()

    def bad(function):
        raise KeyError("boo")

    with pytest.raises(KeyError, match="boo"):
        y.forward(function_pre_hook=bad)
    y.forward()


def test_communicator_callbacks():
    _, y = network()
    calls = []

    class Callback:
        def on_finish_function_backward(self, function):
            calls.append(function.name)

        def on_finish_backward(self):
            calls.append("end")

    y.forward()
    y.backward(communicator_callbacks=Callback())
    assert calls == ["Tanh", "ReLU", "end"]
    y.backward(communicator_callbacks=[Callback(), Callback()])
    assert calls[3:] == ["Tanh", "Tanh", "ReLU", "ReLU", "end", "end"]
    with pytest.raises(TypeError, match="must be CommunicatorBackwardCallback objects, not int"):
        y.backward(communicator_callbacks=3)


def test_shared_hooks_are_around_those_of_a_call():
    x, _ = network()
    calls = []

    def noting(what):
        return lambda *of: calls.append(what)

    own = {"function_pre_hook": noting("own"), "function_post_hook": noting("own after")}
    nn.set_function_pre_hook("k", noting("shared"))
    nn.set_function_post_hook("k", noting("shared after"))
    z = F.relu(x)
    z.forward(**own)
    z.backward(**own)
    nn.forward_all([z], **own)
    assert calls == ["shared", "own", "own after", "shared after"] * 3


@pytest.mark.parametrize("clear", [False, True])
def test_hooks_may_write_to_gradients(clear):
    """To those of one variable, although Add2 gives both inputs the same one."""
    x, _ = network()
    y = F.add2(F.mul_scalar(x, 3.0), F.mul_scalar(x, 5.0))

    def halve_the_first(function):
        if function.name == "Add2":
            function.inputs[0].g[...] *= 0.5

    for _ in range(3):
        x.grad.zero()
        y.forward()
        y.backward(clear_buffer=clear, function_post_hook=halve_the_first)
        np.testing.assert_array_equal(x.g, [6.5, 6.5])


def test_hooks_may_write_to_results():
    x, _ = network()
    h = F.mul_scalar(x, 3.0)
    turned = F.transpose(F.reshape(h, (2, 1)), (1, 0))
    y = F.sum(F.add2(F.reshape(turned, (2,)), h))

    def hide(function):
        if function.name == "Transpose":
            function.outputs[0].d[...] = 0

    y.forward(function_post_hook=hide)
    assert float(y.d) == 6
