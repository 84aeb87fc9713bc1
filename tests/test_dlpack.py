"""Arrays are handed to other libraries and taken from them without a copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nnabla as nn
from nnabla.utils.dlpack import from_dlpack, to_dlpack


def test_memory_is_shared_both_ways():
    a = nn.NdArray.from_numpy_array(np.arange(6, dtype=np.float32).reshape(2, 3))
    tensor = torch.utils.dlpack.from_dlpack(to_dlpack(a))
    tensor[0, 0] = 7
    assert a.data[0, 0] == 7
    b = from_dlpack(torch.utils.dlpack.to_dlpack(tensor))
    b.data[1, 2] = 9
    assert a.data[1, 2] == tensor[1, 2] == 9
    assert b.shape == (2, 3) and b.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64])
def test_types(dtype):
    a = nn.NdArray.from_numpy_array(np.array([1, 2, 3], dtype))
    b = from_dlpack(to_dlpack(a))
    assert b.dtype == dtype
    np.testing.assert_array_equal(b.data, a.data)


def test_a_type_that_is_asked_for():
    a = nn.NdArray.from_numpy_array(np.array([1.0, 2.0], np.float32))
    b = from_dlpack(to_dlpack(a, dtype=np.int32))
    assert b.dtype == np.int32 and b.data.tolist() == [1, 2]
    assert a.dtype == np.int32


def test_arrays_of_numpy_and_other_objects():
    array = np.zeros((2, 2), np.float64)
    a = from_dlpack(array)
    a.data[0, 1] = 5
    assert array[0, 1] == 5
    np.testing.assert_array_equal(np.from_dlpack(a), array)


def test_a_given_array_takes_the_memory():
    tensor = torch.ones(2, 3)
    a = nn.NdArray((2, 3))
    assert from_dlpack(tensor, arr=a) is a
    a.data[0, 0] = 4
    assert tensor[0, 0] == 4
    # As with NNabla 1.39, whatever shape it had.
    assert from_dlpack(tensor, arr=nn.NdArray()).shape == (2, 3)


def test_transposed_memory_and_gradients_of_torch():
    tensor = torch.arange(6.0).reshape(2, 3).t()
    np.testing.assert_array_equal(from_dlpack(tensor).data, tensor.numpy())
    assert from_dlpack(torch.ones(2, requires_grad=True).detach()).data.tolist() == [1, 1]


def test_bad_calls():
    a = nn.NdArray((2, 3))
    with pytest.raises(TypeError, match="to_dlpack: a must be an NdArray, not ndarray"):
        to_dlpack(np.zeros(3))
    with pytest.raises(TypeError, match="from_dlpack: dlp must be a capsule or have __dlpack__, not list"):
        from_dlpack([1])
    with pytest.raises(TypeError, match="from_dlpack: arr must be an NdArray, not int"):
        from_dlpack(torch.ones(2), arr=3)
    capsule = to_dlpack(a)
    from_dlpack(capsule)
    with pytest.raises(nn.errors.ArgumentError, match="from_dlpack: the capsule was taken before"):
        from_dlpack(capsule)
    with pytest.raises(nn.errors.ArgumentError, match="from_dlpack: the type torch.complex64 is not supported"):
        from_dlpack(torch.zeros(2, dtype=torch.complex64))
