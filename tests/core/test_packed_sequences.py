"""`nnabla.utils.rnn` beyond what `tests/inspection/test_reference.py` compares: gradients and refusals."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence


def sequences(*lengths):
    rng = np.random.RandomState(0)
    return [nn.Variable.from_numpy_array(rng.rand(n, 2).astype(np.float32), need_grad=True) for n in lengths]


def test_what_was_packed_comes_back_static_and_dynamic():
    for automatic in (False, True):
        xs = sequences(2, 4, 3)
        with nn.auto_forward(automatic):
            padded, lengths = pad_packed_sequence(pack_sequence(xs, enforce_sorted=False))
        nn.forward_all([padded, lengths])
        assert lengths.d.tolist() == [2, 4, 3]
        for i, x in enumerate(xs):
            np.testing.assert_array_equal(padded.d[: x.shape[0], i], x.d)
            assert not padded.d[x.shape[0] :, i].any()


def test_gradients_reach_each_sequence():
    xs = sequences(2, 4, 3)
    loss = F.sum(pack_sequence(xs, enforce_sorted=False).data ** 2)
    loss.forward()
    for x in xs:
        x.grad.zero()
    loss.backward()
    for x in xs:
        np.testing.assert_allclose(x.g, 2 * x.d, rtol=1e-6)


def test_bad_calls():
    xs = sequences(2, 4)
    with pytest.raises(
        nn.errors.ArgumentError, match="pad_sequence: sequences must be a list of Variables, and not empty"
    ):
        pad_sequence([])
    with pytest.raises(TypeError, match=r"pack_sequence: sequences\[1\] must be a Variable, not int"):
        pack_sequence([xs[0], 3])
    with pytest.raises(nn.errors.ShapeError, match=r"sequences\[1\] has \(2, 3\), sequences\[0\] \(2, 2\)"):
        pad_sequence([xs[0], nn.Variable((2, 3))])
    with pytest.raises(TypeError, match="pad_packed_sequence: sequence must be a PackedSequence, not Variable"):
        pad_packed_sequence(xs[0])
    with (
        pytest.raises(nn.errors.ArgumentError, match=r"lengths must fall and be in \[0, 4\], not 2, 4"),
        nn.auto_forward(),
    ):
        pack_padded_sequence(pad_sequence(xs), [2, 4])
