"""Text that is written line by line is read as protobuf reads it; what else there is, is left to protobuf."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from google.protobuf import text_format

from nnabla.files.messages import parse_text
from nnabla.files.plain_text import parsed_lines
from nnabla.utils import nnabla_pb2

REFERENCE = Path(__file__).parents[1] / "reference"


def both(text):
    """The message by protobuf (None if it refuses the text), that by lines, and whether it was read so."""
    expected, found = nnabla_pb2.NNablaProtoBuf(), nnabla_pb2.NNablaProtoBuf()
    try:
        text_format.Parse(text, expected)
    except text_format.ParseError:
        expected = None
    return expected, found, parsed_lines(found, text)


def written():
    """Texts of the original."""
    for path in sorted((REFERENCE / "nnp").glob("*.nnp")):
        with zipfile.ZipFile(path) as archive:
            yield path.name, archive.read("network.nntxt").decode()
    for path in sorted((REFERENCE / "cli" / "train").glob("*.nntxt")):
        yield path.name, path.read_text()


def test_files_of_the_original_are_read_by_lines():
    for name, text in written():
        expected, found, by_lines = both(text)
        assert by_lines, name
        assert found == expected, name
        assert text_format.MessageToString(found) == text_format.MessageToString(expected), name


LINES = (
    'network {\n  name: "n"\n  batch_size: 3\n  variable {\n    shape {\n      dim: -1\n      dim: 4\n    }\n  }\n}\n'
)


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        LINES.replace("3", "-9223372036854775808"),
        LINES.replace("shape {\n      dim: -1\n      dim: 4\n    }", "shape {\n    }"),
        "",
        "\n\n  \n",
        'version: "äö"\n',
        "network {\n}\nnetwork {\n}",
        "optimizer {\n  solver {\n    weight_decay: 1e-05\n    lr_decay: inf\n  }\n}",
        "optimizer {\n  solver {\n    weight_decay: nan\n    lr_decay: -0.0\n  }\n}",
        "training_config {\n  save_best: true\n}",
        "global_config {\n}",
    ],
)
def test_lines(text):
    expected, found, by_lines = both(text)
    assert by_lines
    assert found.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    "text",
    [
        # Other ways to write the same.
        LINES.replace("\n", " "),
        LINES.replace("network {", "network: {"),
        LINES.replace('"n"', "'n'"),
        LINES.replace('"n"', '"\\156"'),
        LINES.replace('"n"', '"n" "m"'),
        LINES.replace("3", "0x10"),
        LINES.replace("3", "010"),
        LINES.replace("dim: -1\n", "dim: [1, 2]\n"),
        LINES + "# the end",
        LINES.replace("batch_size: 3", "batch_size: 3  # samples"),
        'optimizer { solver { states { key: "w" value { t: 3 } } } }'.replace("{ ", "{\n").replace(" }", "\n}"),
        # What is wrong.
        LINES.replace("batch_size", "batch"),
        LINES.replace("batch_size: 3", "batch_size: 3\n  batch_size: 3"),
        LINES.replace("3", "1_0"),
        LINES.replace("3", "3.5"),
        LINES.replace("3", "９"),
        LINES.replace("3", "9223372036854775808"),
        LINES.replace("batch_size: 3", "batch_size:"),
        LINES[:-2],
        LINES + "}",
        LINES.replace("dim: 4", "dim {\n}"),
        "training_config {\n  save_best: yes\n}",
        "training_config {\n}\ntraining_config {\n}",
        "network {\n  function {\n    affine_param {\n    }\n    convolution_param {\n    }\n  }\n}",
        "parameter {\n  data: 1__5\n}",
    ],
)
def test_other_texts_are_left_to_protobuf(text):
    expected, found, by_lines = both(text)
    assert not by_lines
    assert found == nnabla_pb2.NNablaProtoBuf()
    if expected is not None:
        parse_text(found, text.encode(), "here")
        assert found == expected
