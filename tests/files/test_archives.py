"""Archives are the same whether members are written in place or by way of a temporary file."""

from __future__ import annotations

import io
import zipfile

import h5py
import numpy as np
import pytest

from nnabla.files import archives


class _WriteOnly(io.RawIOBase):
    """A file that can be sought in and not be read."""

    def __init__(self):
        self.held = io.BytesIO()

    def writable(self):
        return True

    def seekable(self):
        return True

    def seek(self, *args):
        return self.held.seek(*args)

    def tell(self):
        return self.held.tell()

    def write(self, data):
        return self.held.write(data)


def _parameters(file):
    with h5py.File(file, "w") as h5:
        h5["a/b"] = np.arange(3_000_000, dtype=np.float32)
        h5["c"] = np.float64(2.5)


MEMBERS = [
    ("first.txt", b"first"),
    ("parameter.h5", _parameters),
    ("backwards", lambda file: (file.seek(3), file.write(b"def"), file.seek(0), file.write(b"abc"))),
    ("shorter", lambda file: (file.write(b"123456"), file.truncate(2))),
    ("nothing", lambda file: None),
    ("last.txt", b"last"),
]


@pytest.mark.parametrize("before", [0, 11])
@pytest.mark.parametrize("kind", ["file", "memory", "write only"])
def test_members(kind, before, tmp_path):
    target = {"file": lambda: (tmp_path / "a.nnp").open("wb+"), "memory": io.BytesIO, "write only": _WriteOnly}[kind]()
    target.write(b"x" * before)
    archives.write(target, MEMBERS)
    target.flush()
    written = io.BytesIO(
        (tmp_path / "a.nnp").read_bytes() if kind == "file" else getattr(target, "held", target).getvalue()
    )
    target.close()
    with zipfile.ZipFile(written) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [name for name, _ in MEMBERS]
        assert [archive.read(name) for name in ("first.txt", "backwards", "shorter", "nothing", "last.txt")] == [
            b"first", b"abcdef", b"12", b"", b"last",
        ]  # fmt: skip
        with h5py.File(io.BytesIO(archive.read("parameter.h5"))) as h5:
            assert np.array_equal(h5["a/b"], np.arange(3_000_000, dtype=np.float32))
            assert h5["c"][()] == 2.5


def test_what_a_member_raises_is_raised(tmp_path):
    def fail(file):
        file.write(b"some")
        raise OSError("disk full")

    with open(tmp_path / "a.nnp", "wb+") as target, pytest.raises(OSError, match="disk full"):
        archives.write(target, [("a", fail)])
