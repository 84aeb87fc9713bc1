"""NNB files that are damaged: refused by name, at once."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from nnabla.converters.nnb import from_bytes, load, run, to_bytes
from nnabla.errors import ArgumentError, FormatError, ShapeError

from ...cpu_time import takes_at_most

FOLDER = Path(__file__).parents[2] / "reference" / "nnb"
SOUND = (FOLDER / "lenet.nnb").read_bytes()


def with_number(at, value):
    return SOUND[:at] + struct.pack("<i", value) + SOUND[at + 4 :]


def test_it_is_read_and_written_again():
    assert to_bytes(from_bytes(SOUND)) == SOUND


def test_every_length_is_refused():
    def read_each():
        for length in [*range(400), *range(400, len(SOUND), 97)]:
            with pytest.raises(FormatError, match="bytes"):
                from_bytes(SOUND[:length])

    assert takes_at_most(10, read_each)


def test_bits_that_are_turned():
    rng = np.random.RandomState(0)
    refused = set()
    for _ in range(1500):
        data = bytearray(SOUND)
        data[rng.randint(min(len(data), 2500))] ^= 1 << rng.randint(8)

        def read(data=bytes(data)):
            try:
                run_it(from_bytes(data))
            except FormatError as error:
                refused.add(data)
                assert 10 < len(str(error)) < 500

        assert takes_at_most(5, read)
    assert len(refused) > 300


def run_it(model):
    run(model, [np.zeros(model.variables[v].shape) for v in model.inputs])


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, 7, "the version of the format must be 2 or 3, not 7"),
        (4, 99, "the API level must be from 1 to 45, not 99"),
        (8, 2**30, "buffers: a list of 1073741824 numbers is larger than the file"),
        (20, 10**6, "variables: there are \\d+ entries in the index, no number 1000000"),
        (52, 5, "the file must have \\d+ bytes by what its header says, not \\d+"),
        (56, -8, "inputs: 4 bytes at -8 are not within the \\d+ bytes of data"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, at, value, message):
    path = tmp_path / "damaged.nnb"
    path.write_bytes(with_number(at, value))
    with pytest.raises(FormatError, match=f"{re.escape(str(path))}: {message}"):
        load(path)


def test_a_list_that_stands_for_many():
    """The same large list as the shape of every variable would take time that no sound file takes."""
    count = 20000
    shape = struct.pack(f"<{count}i", *[1] * count)
    record = struct.pack("<I Ii B3x i", 0, count, 1, 0, -1)
    header = struct.pack("<II 10i II", 2, 44, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 3, 256 + len(shape) + len(record))
    index = struct.pack("<3i", 0, 256, 256 + len(shape))
    with pytest.raises(FormatError, match="variable 0: it says|has 20000 axes|number 0"):
        from_bytes(header + index + struct.pack("<64i", *[2] * 64) + shape + record)


def test_inputs_must_fit():
    model = from_bytes(SOUND, "lenet")
    with pytest.raises(ArgumentError, match="network 'lenet' has 1 inputs, 2 were given"):
        run(model, [0, 0])
    with pytest.raises(ShapeError, match=r"input 'v0' must have shape \(1, 1, 10, 10\), not \(1, 10, 10\)"):
        run(model, [np.zeros((1, 10, 10))])
