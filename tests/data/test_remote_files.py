"""Data sets, caches and single files of web servers and of S3, by servers that the tests start."""

from __future__ import annotations

import builtins
import io

import numpy as np
import pytest
from PIL import Image

from nnabla.config import nnabla_config
from nnabla.data.file_reader import inside
from nnabla.errors import ArgumentError, ExtensionError, FormatError
from nnabla.utils.create_cache import CreateCache
from nnabla.utils.data_iterator import data_iterator_cache, data_iterator_csv_dataset
from nnabla.utils.data_source_loader import FileReader, download, load_csv, load_image, load_npy, load_wav
from nnabla_cli import main

from .s3 import s3_server
from .servers import file_server

ROWS = 5


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A data set and its caches: bytes by path."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "set" / "images").mkdir(parents=True)
    lines = ["x,y"]
    for i in range(ROWS):
        Image.fromarray(np.full((2, 3), 10 * i, np.uint8)).save(folder / "set" / "images" / f"{i}.png")
        lines.append(f"images/{i}.png,{i}")
    (folder / "set" / "table.csv").write_text("\n".join(lines))
    for name in ("npy", "h5"):
        nnabla_config.set("DATA_ITERATOR", "cache_file_format", f".{name}")
        CreateCache(folder / "set" / "table.csv").create(folder / name, normalize=False)
    nnabla_config.set("DATA_ITERATOR", "cache_file_format", ".npy")
    np.save(folder / "a.npy", np.arange(3))
    return {
        f"/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(params=["http", "s3"])
def root(request, files, monkeypatch):
    """The address of a server of each kind."""
    if request.param == "http":
        pytest.importorskip("aiohttp")
        with file_server() as server:
            server.files = dict(files)
            yield server.url
        return
    with s3_server(monkeypatch) as client:
        for path, data in files.items():
            client.put_object(Bucket="bucket", Key=f"deep{path}", Body=data)
        yield "s3://bucket/deep"


def first_pixels(batches):
    x, y = batches.next()
    batches.close()
    return x[:, 0, 0, 0].tolist(), y.ravel().tolist()


EXPECTED = [10.0 * i for i in range(ROWS)], [float(i) for i in range(ROWS)]


@pytest.mark.parametrize("cached", [False, True])
def test_tables(root, cached):
    batches = data_iterator_csv_dataset(f"{root}/set/table.csv", ROWS, normalize=False, with_file_cache=cached)
    assert first_pixels(batches) == EXPECTED


@pytest.mark.parametrize("kind", ["npy", "h5"])
def test_caches(root, kind):
    assert first_pixels(data_iterator_cache(f"{root}/{kind}", ROWS, normalize=False)) == EXPECTED


def test_conv_dataset(root, tmp_path):
    for source in ("set/table.csv", "npy"):
        with pytest.raises(SystemExit) as end:
            main(["conv_dataset", f"{root}/{source}", str(tmp_path / "out"), "-F"])
        assert end.value.code == 0
        assert first_pixels(data_iterator_cache(tmp_path / "out", ROWS, normalize=False)) == EXPECTED


def test_single_files(root):
    assert load_image(f"{root}/set/images/3.png").tolist() == [[[30] * 3] * 2]
    assert load_image(f"{root}/set/images/3.png", shape=(1, 4, 5)).shape == (1, 4, 5)
    assert load_npy(f"{root}/a.npy").tolist() == [0, 1, 2]
    with pytest.raises(FileNotFoundError):
        load_csv(f"{root}/none.csv")
    with pytest.raises(FormatError, match="a.npy"):
        load_wav(f"{root}/a.npy")


def test_readers(root, files):
    reader = FileReader(f"{root}/set/table.csv")
    with reader.open() as file:
        assert file.read() == files["/set/table.csv"]
    with reader.open("images/1.png") as file:
        assert file.read() == files["/set/images/1.png"]
    with reader.open(textmode=True) as file:
        assert next(file) == "x,y\n"
    with FileReader(f"{root}/h5").open_cache("cache_00000000_00000004.h5") as file:
        assert file["y"][()].ravel().tolist() == EXPECTED[1]


def test_folders_of_s3_are_listed(files, monkeypatch):
    with s3_server(monkeypatch) as client:
        for path, data in files.items():
            if path.endswith(".h5"):
                client.put_object(Bucket="bucket", Key=f"bare{path}", Body=data)
        assert FileReader("s3://bucket/bare/h5").listdir() == ["cache_00000000_00000004.h5"]
        assert (
            FileReader("s3://bucket/table.csv").read_s3_object("bare/h5/cache_00000000_00000004.h5")[:4] == b"\x89HDF"
        )
        # A cache without an index.
        assert first_pixels(data_iterator_cache("s3://bucket/bare/h5", ROWS, normalize=False)) == EXPECTED
    with pytest.raises(ArgumentError, match="a web server does not list its files"):
        FileReader("http://127.0.0.1:1/x").listdir()


def test_what_is_missing_is_named(root, files):
    with pytest.raises(FileNotFoundError):
        data_iterator_csv_dataset(f"{root}/none.csv", 1)
    with pytest.raises(FormatError, match="has no cache_index.csv: it is no cache"):
        data_iterator_cache(f"{root}/set", 1)


def test_a_cell_whose_file_is_missing(files):
    with file_server() as server:
        server.files = {path: data for path, data in files.items() if not path.endswith("3.png")}
        batches = data_iterator_csv_dataset(
            f"{server.url}/set/table.csv", ROWS, with_file_cache=False, with_memory_cache=False
        )
        with pytest.raises(FormatError, match=r"set/table.csv, row 4 \(line 5\), column 'x': 'images/3.png'"):
            batches.next()
        batches.close()


@pytest.mark.parametrize(
    "cell", ["../a.npy", "/a.npy", "{root}/a.npy", "images/../../a.npy", "..\\a.npy", "%2e%2E/a.npy"]
)
def test_cells_that_leave_the_folder_are_refused(files, cell):
    with file_server() as server:
        text = "x\n" + cell.replace("{root}", server.url) + "\n"
        server.files = {**files, "/set/table.csv": text.encode()}
        batches = data_iterator_csv_dataset(
            f"{server.url}/set/table.csv", 1, with_file_cache=False, with_memory_cache=False
        )
        with pytest.raises(FormatError, match="is not in the folder of the data set"):
            batches.next()
        batches.close()
        assert [path for _, path, _ in server.requests if path.endswith("a.npy")] == []


@pytest.mark.parametrize(
    ("base", "name", "expected"),
    [
        ("s3://bucket/deep", "a b/c.png", "s3://bucket/deep/a b/c.png"),
        ("s3://bucket", "c.png", "s3://bucket/c.png"),
        ("s3://bucket/deep/", "./x/../c.png", "s3://bucket/deep/c.png"),
        ("http://host:80/d", "x\\c.png", "http://host:80/d/x/c.png"),
        ("https://host", "..c.png", "https://host/..c.png"),
    ],
)
def test_names_within(base, name, expected):
    assert inside(base, name, "test", allow_outside=False) == expected


@pytest.mark.parametrize(
    ("base", "name", "expected"),
    [
        ("s3://bucket/deep", "../c.png", "s3://bucket/c.png"),
        ("s3://bucket/deep", "/c.png", "s3://bucket/c.png"),
        ("s3://bucket/deep", "../deeper/c.png", "s3://bucket/deeper/c.png"),
        ("http://host/d", "http://other/c.png", "http://other/c.png"),
    ],
)
def test_names_outside(base, name, expected):
    assert inside(base, name, "test", allow_outside=True) == expected
    with pytest.raises(ArgumentError, match="is not in the folder of the data set"):
        inside(base, name, "test", allow_outside=False)


def test_cells_may_leave_the_folder_if_allowed(files, monkeypatch):
    monkeypatch.setitem(nnabla_config["DATA_ITERATOR"], "allow_files_outside", "True")
    with file_server() as server:
        server.files = {**files, "/set/table.csv": f"x,y\n../a.npy,{server.url}/a.npy\n".encode()}
        with data_iterator_csv_dataset(f"{server.url}/set/table.csv", 1, with_file_cache=False) as batches:
            x, y = batches.next()
    assert x.tolist() == y.tolist() == [[0, 1, 2]]


def test_pickles_of_servers_are_never_read(root, files):
    data = io.BytesIO()
    np.save(data, np.array([{}], dtype=object), allow_pickle=True)
    with file_server() as server:
        server.files = {"/a.npy": data.getvalue()}
        with pytest.raises(FormatError, match="object"):
            load_npy(f"{server.url}/a.npy")


def test_downloads_from_s3(files, monkeypatch, tmp_path):
    with s3_server(monkeypatch) as client:
        client.put_object(Bucket="bucket", Key="a/b.bin", Body=b"123")
        with download("s3://bucket/a/b.bin", output_file=tmp_path / "b.bin") as file:
            assert file.read() == b"123"


@pytest.mark.parametrize(("address", "extra"), [("s3://bucket/a.npy", "s3"), ("http://127.0.0.1:1/a.npy", "http")])
def test_what_to_install_is_named(monkeypatch, address, extra):
    original = builtins.__import__

    def without(name, *arguments, **options):
        if name == "fsspec":
            raise ImportError("No module named 'fsspec'")
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExtensionError, match=rf"{address} needs more packages: pip install nnabla\[{extra}\]"):
        load_npy(address)
