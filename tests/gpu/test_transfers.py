"""Pinned memory and copies beside the work of a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
from nnabla._transfers import moved, pinned
from nnabla.ext_utils import get_extension_context
from nnabla.utils import data_iterator as D

pytestmark = pytest.mark.gpu


def busy(device):
    """Queue work that takes long, and return an event that is reached behind it."""
    matrix = torch.rand(8192, 8192, device=device)
    for _ in range(200):
        matrix = torch.tanh(matrix @ matrix)
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return event


@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_copy_waits_for_nothing(is_pinned):
    device = torch.device("cuda", 0)
    values = np.random.RandomState(0).standard_normal((1000, 1000)).astype(np.float32)
    given = pinned(values) if is_pinned else values.copy()
    moved(torch.from_numpy(given), device)  # the first one sets things up
    torch.cuda.synchronize(device)
    event = busy(device)
    copied = moved(torch.from_numpy(given), device)
    assert not event.query(), "the program has waited for the GPU"
    given[...] = 0
    np.testing.assert_array_equal(copied.cpu().numpy(), values)


def test_batches():
    context = get_extension_context("cudnn", device_id="0")
    images = np.random.RandomState(0).randint(0, 256, (40, 3, 8, 8)).astype(np.uint8)
    found = []
    with (
        nn.context_scope(context),
        D.data_iterator_simple(lambda i: (images[i], np.float32(i)), 40, 8) as batches,
    ):
        x, t = nn.Variable((8, 3, 8, 8)), nn.Variable((8,))
        y = F.sum(x, axis=(1, 2, 3)) + t
        for _ in range(5):
            x.d, t.d = given = batches.next()
            assert all(torch.from_numpy(array).is_pinned() for array in given)
            y.forward()
            for array in given:
                array[...] = 0
            found += y.d.tolist()
    assert found == (images.sum((1, 2, 3)) + np.arange(40)).tolist()


def test_batches_of_processes():
    with nn.context_scope(get_extension_context("cudnn", device_id="0")):
        batches = D.data_iterator_simple(lambda i: (np.full(3, i),), 12, 4, num_workers=D.Workers(2, prefetch=1))
    with batches:
        for first in (0, 4, 8):
            (array,) = batches.next()
            assert torch.from_numpy(array).is_pinned()
            assert array[:, 0].tolist() == list(range(first, first + 4))
