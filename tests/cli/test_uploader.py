"""Archives of data sets, and sending them: to servers that the tests start."""

from __future__ import annotations

import http.server
import io
import json
import os
import tarfile
import threading
import urllib.parse
from contextlib import contextmanager

import pytest

from nnabla.config import nnabla_config
from nnabla.errors import ArgumentError
from nnabla.utils.cli.uploader import Progress, Uploader

from ..data.s3 import s3_server
from ..data.servers import file_server
from .commands import error_of, status_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    monkeypatch.chdir(root)
    (root / "a" / "x.csv").write_text("1,2\n")
    (root / "a" / "y.csv").write_text("3\n")
    (tmp_path / "secret.csv").write_text("4\n")
    (root / "set.csv").write_text("x,y:label,#note\n./a/x.csv,0,first one\n\na\\y.csv,1e3,nowhere.png\n")
    return root


def members(path):
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def test_archive(folder):
    os.utime("a/x.csv", (1_000_000_000.7, 1_000_000_000.7))
    assert status_of(["create_tar", "set.csv", "out.tar"]) == 0
    assert members("out.tar") == {
        "index.csv": b"x,y:label,#note\r\n"
        b"data/000000000000_x.csv,0,first one\r\n"
        b"data/000000000001_y.csv,1e3,nowhere.png\r\n",
        "data/000000000000_x.csv": b"1,2\n",
        "data/000000000001_y.csv": b"3\n",
    }
    with tarfile.open("out.tar") as archive:
        member = archive.getmember("data/000000000000_x.csv")
    assert (member.mtime, member.mode, member.uid, member.uname) == (1_000_000_000, 0o644, 0, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\na/none.csv\n", "line 2, column 'x': there is no file 'a/none.csv'"),
        ("x,y\na/x.csv,\n", "line 2, column 'y': there is no file ''"),
        ("x\na\n", "there is no file 'a'"),
        ("x\n../secret.csv\n", "line 2, column 'x': '../secret.csv' is not in the folder of the data set"),
        ("x\n{outside}\n", "is not in the folder of the data set"),
        ("x\nlink.csv\n", "secret.csv' is not in the folder of the data set"),
        ("x\nlinked/secret.csv\n", "secret.csv' is not in the folder of the data set"),
        ("x,y\n1\n", "line 2: there are 1 cells, and 2 in the header"),
        ("\n", "bad.csv has no header"),
        ("x\nhttp://127.0.0.1:1/a.csv\n", "'http://127.0.0.1:1/a.csv' is not in the folder of the data set"),
    ],
)
def test_what_no_archive_takes(folder, capsys, text, message):
    (folder / "link.csv").symlink_to("../secret.csv")
    (folder / "linked").symlink_to("..")
    (folder / "bad.csv").write_text(text.replace("{outside}", str(folder.parent / "secret.csv")))
    assert message in error_of(capsys, "create_tar", "bad.csv", "out.tar")
    assert not (folder / "out.tar").exists()


def test_files_outside_are_packed_if_allowed(folder, monkeypatch):
    monkeypatch.setitem(nnabla_config["DATA_ITERATOR"], "allow_files_outside", "True")
    (folder / "link.csv").symlink_to("../secret.csv")
    (folder / "set.csv").write_text("x,y\n../secret.csv,link.csv\n")
    assert status_of(["create_tar", "set.csv", "out.tar"]) == 0
    packed = members("out.tar")
    # The files that links lead to are packed, and never the links.
    assert packed["data/000000000000_secret.csv"] == packed["data/000000000001_link.csv"] == b"4\n"


def test_links_inside_are_followed(folder):
    (folder / "link.csv").symlink_to("a/x.csv")
    (folder / "set.csv").write_text("x\nlink.csv\n")
    assert status_of(["create_tar", "set.csv", "out.tar"]) == 0
    assert members("out.tar")["data/000000000000_link.csv"] == b"1,2\n"


def test_errors_of_files(folder, capsys):
    assert "none.csv" in error_of(capsys, "create_tar", "none.csv", "out.tar")
    assert "there is no directory" in error_of(capsys, "create_tar", "set.csv", "none/out.tar")
    (folder / "latin.csv").write_bytes(b"x\n\xe4.csv\n")
    assert "latin.csv is no CSV file in UTF-8" in error_of(capsys, "create_tar", "latin.csv", "out.tar")


def test_table_of_a_web_server(folder):
    with file_server() as server:
        server.files = {"/d/set.csv": b"x,y\na/x.csv,1\n", "/d/a/x.csv": b"1,2\n"}
        assert status_of(["create_tar", f"{server.url}/d/set.csv", "out.tar"]) == 0
    assert members("out.tar")["data/000000000000_x.csv"] == b"1,2\n"


class _Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        status, answer = self.server.answer
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


KEYS = {"access_key_id": "K", "secret_access_key": "S", "session_token": "T"}


@contextmanager
def service(*answer):
    """Sony's service as NNabla 1.39 was seen to use it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        server.answer, server.asked = answer, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def endpoint(server):
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def bucket(monkeypatch):
    with s3_server(monkeypatch) as client:
        yield client


def test_upload(folder, bucket, capsys):
    """The first request is what NNabla 1.39 sends, to the letter; so is the place of the archive."""
    with service(200, {"upload_path": "s3://bucket/some/path", **KEYS}) as server:
        assert status_of(["upload", "--endpoint", endpoint(server) + "/", "T&a=b +/", "set.csv"]) == 0
        assert status_of(["create_tar", "set.csv", "other.tar"]) == 0
        assert status_of(["upload", "-e", endpoint(server), "TOKEN", "other.tar"]) == 0
    objects = {o["Key"]: o["Size"] for o in bucket.list_objects_v2(Bucket="bucket")["Contents"]}
    assert set(objects) == {"some/path/set.tar", "some/path/other.tar"}
    data = bucket.get_object(Bucket="bucket", Key="some/path/set.tar")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["index.csv", "data/000000000000_x.csv", "data/000000000001_y.csv"]
    assert (folder / "other.tar").read_bytes() == bucket.get_object(Bucket="bucket", Key="some/path/other.tar")[
        "Body"
    ].read()
    assert server.asked == [
        f"/v1/misc/credential?encrypted_text=T%26a%3Db+%2B%2F&dataset_name=set&dataset_size={len(data)}",
        f"/v1/misc/credential?encrypted_text=TOKEN&dataset_name=other&dataset_size={len(data)}",
    ]
    assert "Uploaded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {"message": "token expired"}), "OSError: upload: {at} answers: token expired"),
        ((403, {"message": "forbidden"}), "OSError: upload: {at} answers 403: forbidden"),
        ((500, b"<html>"), "OSError: upload: {at} answers 500: Internal Server Error"),
        ((200, b"<html>"), "ValueError: upload: {at} answers without an upload_path"),
        ((200, []), "ValueError: upload: {at} answers without an upload_path"),
        ((200, {"upload_path": "s3://b/p", **KEYS, "session_token": 3}), "answers without a text 'session_token'"),
        ((200, {"upload_path": "file:///etc", **KEYS}), "names 'file:///etc', which is no address s3://..."),
    ],
)
def test_what_the_service_may_answer(folder, capsys, answer, message):
    with service(*answer) as server:
        assert message.format(at=endpoint(server)) in error_of(
            capsys, "upload", "-e", endpoint(server), "TOKEN", "set.csv"
        )


def test_service_that_is_not_there(folder, capsys):
    with service(200, {}) as server:
        gone = endpoint(server)
    assert f"upload: {gone} cannot be reached" in error_of(capsys, "upload", "-e", gone, "TOKEN", "set.csv")
    assert "-e must be an address http://... or https://..., not 'ftp://x'" in error_of(
        capsys, "upload", "-e", "ftp://x", "TOKEN", "set.csv"
    )
    assert "'set.txt' must end in .csv or .tar" in error_of(capsys, "upload", "-e", gone, "TOKEN", "set.txt")
    assert "there is no token" in error_of(capsys, "upload", "-e", gone, "", "set.csv")


def test_keys_that_s3_refuses(folder, bucket, capsys):
    with service(200, {"upload_path": "s3://none/p", **KEYS}) as server:
        message = error_of(capsys, "upload", "-e", endpoint(server), "TOKEN", "set.csv")
    assert message.startswith(("OSError: ", "FileNotFoundError: "))


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (link("data/a", "/etc/hostname"), "holds 'data/a', which is no file but a link or device"),
        (link("data/a", "../../b", tarfile.LNKTYPE), "holds 'data/a', which is no file but a link or device"),
        (link("data/a", "", tarfile.FIFOTYPE), "holds 'data/a', which is no file but a link or device"),
        (tarfile.TarInfo("../a"), "'../a' is not in the folder of the data set"),
        (tarfile.TarInfo("/etc/a"), "'/etc/a' is not in the folder of the data set"),
        (tarfile.TarInfo("data/a"), "holds no index.csv; create_tar packs data sets"),
    ],
)
def test_archives_that_are_not_sent(folder, capsys, member, message):
    with tarfile.open("bad.tar", "w") as archive:
        archive.addfile(member)
    with service(200, {}) as server:
        assert message in error_of(capsys, "upload", "-e", endpoint(server), "TOKEN", "bad.tar")
    assert server.asked == []


def test_what_is_no_archive(folder, capsys):
    (folder / "bad.tar").write_bytes(b"no tar file")
    assert "'bad.tar' is no tar file" in error_of(capsys, "upload", "-e", "http://127.0.0.1:1", "TOKEN", "bad.tar")
    assert "none.tar" in error_of(capsys, "upload", "-e", "http://127.0.0.1:1", "TOKEN", "none.tar")


def test_uploader_of_scripts(folder, tmp_path):
    lines, ends = [], []
    uploader = Uploader(lines.append)
    table, files = uploader.createCsvData("set.csv")
    assert table[1] == ["data/000000000000_x.csv", "0", "first one"]
    assert files == {
        "data/000000000000_x.csv": str(folder / "a" / "x.csv"),
        "data/000000000001_y.csv": str(folder / "a" / "y.csv"),
    }
    assert uploader.createTemporaryTar("name", table, files, str(tmp_path)) == str(tmp_path / "name.tar")
    with pytest.raises(ArgumentError, match="there is no token"):
        uploader.upload(None, "set.csv", "name", ends.append)
    assert ends == [False]
    with service(200, {"message": "no"}) as server, pytest.raises(OSError, match="answers: no"):
        Uploader(lines.append, token="ABC").upload(None, "set.csv", "name", ends.append, endpoint(server))
    assert urllib.parse.parse_qs(server.asked[0].partition("?")[2])["encrypted_text"] == ["ABC"]
    assert ends == [False, False]


def test_progress_counts(monkeypatch):
    told = []
    monkeypatch.setattr("nnabla.cli.uploader.progress", lambda *given: told.append(given))
    progress = Progress()
    progress.init(4, "Pack")
    progress(1)
    progress(5)
    progress.finish()
    assert told == [("Pack",), ("Pack", 0.25), ("Pack", 1.0), (None,)]
