"""Folders that take the place of others: completely, or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from nnabla.files.atomic import replacing_folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder, text):
    with open(os.path.join(folder, "a.txt"), "w") as file:
        file.write(text)


def test_new_folder(tmp_path):
    with replacing_folder(tmp_path / "below" / "new") as folder:
        assert not (tmp_path / "below" / "new").exists()
        write(folder, "1")
    assert contents(tmp_path) == {"below/new/a.txt": "1"}
    (tmp_path / "plain").mkdir()
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (tmp_path / "below" / "new", tmp_path / "plain")]
    assert modes[0] == modes[1]


def test_folder_that_is_there(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "b.txt").write_text("0")
    with replacing_folder(tmp_path / "old") as folder:
        write(folder, "1")
        assert contents(tmp_path / "old") == {"b.txt": "0"}
    assert contents(tmp_path) == {"old/a.txt": "1"}


def test_error_in_the_block(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "b.txt").write_text("0")
    with pytest.raises(KeyError), replacing_folder(tmp_path / "old") as folder:
        write(folder, "1")
        raise KeyError
    assert contents(tmp_path) == {"old/b.txt": "0"}
    assert os.listdir(tmp_path) == ["old"]


def test_error_of_the_last_step(tmp_path, monkeypatch):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "b.txt").write_text("0")
    replace = os.replace

    def failing(source, target):
        if os.path.exists(os.path.join(source, "a.txt")):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="No space left"), replacing_folder(tmp_path / "old") as folder:
        write(folder, "1")
    assert contents(tmp_path) == {"old/b.txt": "0"}
    assert os.listdir(tmp_path) == ["old"]
