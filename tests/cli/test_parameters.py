"""``decode_param`` and ``encode_param`` against texts that NNabla 1.39 wrote of ``parameters.h5``."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import nnabla as nn
from nnabla.utils.cli.encode_decode_param import load_param_in_txt, save_param_in_txt

from .running import run

FOLDER = Path(__file__).parents[1] / "reference" / "cli"


def test_texts_are_those_of_nnabla(tmp_path):
    assert run("decode_param", "-p", FOLDER / "parameters.h5", "-o", tmp_path / "new") == 0
    assert len(list((tmp_path / "new").iterdir())) == 7
    for path in (FOLDER / "decoded").iterdir():
        assert (tmp_path / "new" / path.name).read_bytes() == path.read_bytes()
    assert nn.get_parameters() == {}


def test_there_and_back(tmp_path):
    values = np.random.default_rng(1).standard_normal((2, 3)).astype(np.float32)
    nn.parameter.set_parameter("a/b/W", nn.Variable.from_numpy_array(values))
    nn.parameter.set_parameter("scalar", nn.Variable.from_numpy_array(np.float32(1e-30)))
    nn.save_parameters(str(tmp_path / "p.h5"))
    assert run("decode_param", "-p", tmp_path / "p.h5", "-o", tmp_path / "texts") == 0
    assert run("encode_param", "-i", tmp_path / "texts", "-p", tmp_path / "q.h5") == 0
    with h5py.File(tmp_path / "q.h5") as file:
        np.testing.assert_array_equal(file["a/b/W"], values)
        assert file["scalar"][()] == np.float32(1e-30)
        # As in NNabla: a text says nothing of need_grad.
        assert file["a/b/W"].attrs["need_grad"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2\n", "the first line must be a shape such as"),
        ("(2,)\n1.0", r"shape \(2,\) has 2 numbers, there are 1"),
        ("(1,)\nx", "could not convert"),
        ("(-1,)\n", "the first line must be a shape"),
    ],
)
def test_other_texts_are_refused(tmp_path, capsys, text, message):
    path = tmp_path / "a~b.txt"
    path.write_text(text)
    with pytest.raises(nn.errors.FormatError, match=f"encode_param: parameter 'a/b' in .*: {message}"):
        load_param_in_txt("a/b", path)
    assert run("encode_param", "-i", tmp_path, "-p", tmp_path / "p.h5") == 255
    assert "ValueError: encode_param: parameter 'a/b'" in capsys.readouterr().err
    assert not (tmp_path / "p.h5").exists()


def test_the_file_must_be_named(tmp_path, capsys):
    for arguments in (["decode_param", "-o", tmp_path], ["encode_param", "-i", tmp_path]):
        assert run(*arguments) == 255
        assert f"ValueError: {arguments[0]}: -p must name the parameter file" in capsys.readouterr().err


def test_empty_arrays(tmp_path):
    save_param_in_txt(np.zeros((0, 3)), tmp_path / "a.txt")
    assert load_param_in_txt("a", tmp_path / "a.txt").shape == (0, 3)
