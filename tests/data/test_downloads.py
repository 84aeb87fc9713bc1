"""Downloads: kept, continued, checked, complete or not there."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import urllib.error

import numpy as np
import pytest

from nnabla.config import nnabla_config
from nnabla.errors import ArgumentError, FormatError
from nnabla.utils.data_source_loader import download, get_data_home

from .servers import file_server

DATA = np.random.RandomState(0).bytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server():
    with file_server() as server:
        server.files["/folder/a.bin"] = DATA
        yield server


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_data_home_is_made(home):
    assert get_data_home() == str(home / "nnabla_data")
    assert (home / "nnabla_data").is_dir()


def test_file_is_fetched_once(server, home, capfd):
    url = f"{server.url}/folder/a.bin"
    with download(url) as file:
        assert file.read() == DATA
        assert file.name == str(home / "nnabla_data" / "a.bin")
    assert "a.bin" in capfd.readouterr().err
    with download(url) as file:
        assert file.read() == DATA
    assert len(server.requests) == 1
    assert download(url, open_file=False) is None
    download(url, allow_overwrite=True).close()
    assert len(server.requests) == 2
    assert os.listdir(home / "nnabla_data") == ["a.bin"]


def test_place_is_chosen(server, tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(nnabla_config["MISC"], "misc_show_progress", "False")
    target = tmp_path / "here.bin"
    download(f"{server.url}/folder/a.bin", output_file=target, open_file=False)
    assert target.read_bytes() == DATA
    assert "here" not in capfd.readouterr().err.replace(str(target), "")
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        download(f"{server.url}/folder/a.bin", output_file=tmp_path / "none" / "a.bin")


def test_download_that_breaks_off_is_continued(server, tmp_path):
    target = tmp_path / "a.bin"
    url = f"{server.url}/folder/a.bin"
    server.cut_after = 100_000
    with pytest.raises(OSError, match=r"a.bin: the connection ended after \d+ of 300000 bytes; call again to go on"):
        download(url, output_file=target)
    assert not target.exists()
    have = (tmp_path / "a.bin.part").stat().st_size
    assert 0 < have <= 100_000
    download(url, output_file=target, open_file=False, sha256=SHA256)
    assert server.requests[-1][2]["Range"] == f"bytes={have}-"
    assert target.read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.bin"]


def test_download_of_a_file_that_changed_begins_anew(server, tmp_path):
    target = tmp_path / "a.bin"
    server.cut_after = 100_000
    with pytest.raises(OSError, match="the connection ended"):
        download(f"{server.url}/folder/a.bin", output_file=target)
    server.files["/folder/a.bin"] = DATA[::-1]
    download(f"{server.url}/folder/a.bin", output_file=target, open_file=False)
    assert target.read_bytes() == DATA[::-1]


def test_server_without_ranges(server, tmp_path):
    server.ranges = False
    target = tmp_path / "a.bin"
    server.cut_after = 100_000
    with pytest.raises(OSError, match="the connection ended"):
        download(f"{server.url}/folder/a.bin", output_file=target)
    download(f"{server.url}/folder/a.bin", output_file=target, open_file=False)
    assert "Range" not in server.requests[-1][2]
    assert target.read_bytes() == DATA


def test_download_that_was_killed_before_the_last_step(server, tmp_path):
    """All bytes are there, but the file was not moved to its place."""
    target = tmp_path / "a.bin"
    server.cut_after = 100_000
    with pytest.raises(OSError, match="the connection ended"):
        download(f"{server.url}/folder/a.bin", output_file=target)
    (tmp_path / "a.bin.part").write_bytes(DATA)
    download(f"{server.url}/folder/a.bin", output_file=target, open_file=False)
    assert target.read_bytes() == DATA


def test_digest(server, tmp_path):
    target = tmp_path / "a.bin"
    url = f"{server.url}/folder/a.bin"
    with pytest.raises(FormatError, match=rf"has the SHA-256 {SHA256}, not 00"):
        download(url, output_file=target, sha256="00")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []
    target.write_bytes(b"something else")
    download(url, output_file=target, open_file=False, sha256=SHA256.upper())
    assert target.read_bytes() == DATA


def test_errors(server, home):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        download(f"{server.url}/none.bin")
    assert not (home / "nnabla_data" / "none.bin").exists()
    with pytest.raises(ArgumentError, match="names no file; give output_file"):
        download(f"{server.url}/folder/")
    with pytest.raises(ArgumentError, match="download: nothing is no address"):
        download("nothing")


def test_file_addresses(tmp_path):
    (tmp_path / "a.bin").write_bytes(DATA)
    with download((tmp_path / "a.bin").as_uri()) as file:
        assert file.read() == DATA


@pytest.mark.skipif(os.name == "nt", reason="files are locked by POSIX's means")
def test_processes_share_a_download(server, tmp_path):
    target = tmp_path / "a.bin"
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=download, args=(f"{server.url}/folder/a.bin", str(target), False)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(600)
        assert process.exitcode == 0
    assert target.read_bytes() == DATA
    assert len(server.requests) == 1
