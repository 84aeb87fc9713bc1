"""``forward``: tables, images and matrices against those of NNabla 1.39 (``forward.zip``), hooks, errors."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nnabla as nn
import nnabla.functions as F
from nnabla import host_hooks
from nnabla.utils.save import save

from .running import run

ARCHIVE = Path(__file__).parents[1] / "reference" / "cli" / "forward.zip"
ROOM = Path(__file__).parents[1] / "reference" / "record_forward.py"


def recorded_cases():
    """The arguments of each case, as the recorder has them; it cannot be imported without the original's API."""
    text = ROOM.read_text(encoding="utf-8")
    block = text[text.index("CASES = {") : text.index("}\n", text.index("CASES = {"))]
    return {name: re.findall(r'"([^"]+)"', rest) for name, rest in re.findall(r'^    "(\w+)": \[(.*)\],$', block, re.M)}


CASES = recorded_cases()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The recorded models and data sets, and an empty folder ``new``."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if not name.startswith("out/")])
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table():
    """The rows that were written."""
    with open("new/output_result.csv", encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("case", sorted(CASES))
def test_files_are_those_of_nnabla(folder, case):
    assert run("forward", *CASES[case], "-o", "new") == 0
    with zipfile.ZipFile(ARCHIVE) as archive:
        expected = {n.split("/", 2)[2]: archive.read(n) for n in archive.namelist() if n.startswith(f"out/{case}/")}
    found = {path.relative_to("new").as_posix(): path for path in Path("new").rglob("*") if path.is_file()}
    assert found.pop("progress.txt").read_bytes() == b""
    assert found.keys() == expected.keys()
    for name, path in found.items():
        data = path.read_bytes()
        if name.endswith(".png"):
            np.testing.assert_array_equal(pixels(data), pixels(expected[name]))
        else:
            assert data.replace(os.path.realpath(folder).encode(), b"/ROOT") == expected[name]


def test_every_case_was_recorded_whole():
    with zipfile.ZipFile(ARCHIVE) as archive:
        tables = {name.split("/")[1] for name in archive.namelist() if re.fullmatch(r"out/\w+/\w+\.csv", name)}
    assert tables == set(CASES)
    assert len(CASES) > 10


@pytest.mark.parametrize(("option", "lines"), [(3, (3, 6, 9, 10)), (100, (10,)), (-1, (4, 8, 10))])
def test_the_batch_size_can_be_another(folder, capsys, option, lines):
    """NNabla 1.39 refuses all but that of the model."""
    shutil.copytree(ARCHIVE.parent / "train", "train")
    arguments = ["forward", "-c", "train/trained.nnp", "-d", "train/valid.csv", "-o", "new"]
    assert run(*arguments) == 0
    expected = table()
    capsys.readouterr()
    assert run(*arguments, "-b", option) == 0
    assert re.findall(r"data (\d+) / 10", capsys.readouterr().err) == [str(n) for n in lines]
    found = table()
    assert found[0] == expected[0]
    np.testing.assert_allclose(np.array(found[1:], float), np.array(expected[1:], float), rtol=1e-5, atol=1e-6)


def test_a_batch_size_that_the_model_does_not_leave_open(folder, capsys):
    assert run("forward", "-c", "one.nnp", "-d", "long.csv", "-o", "new", "-b", "600") == 0
    assert "the model keeps its batch size 2; -b 600 changes nothing" in capsys.readouterr().err


def test_parameters_of_another_file(folder):
    x = nn.Variable((2, 2))
    w = nn.parameter.get_parameter_or_create("w", (2, 2), np.eye(2))
    contents = {
        "networks": [{"name": "net", "batch_size": 2, "outputs": {"y": F.affine(x, w)}, "names": {"x": x}}],
        "executors": [{"name": "rt", "network": "net", "data": ["x"], "output": ["y"]}],
    }
    save("affine.nnp", contents)
    w.d = [[2, 0], [0, 0.5]]
    nn.save_parameters("others.h5")
    Path("two.csv").write_text("x__0,x__1\n1,2\n3,4\n")
    assert run("forward", "-c", "affine.nnp", "-p", "others.h5", "-d", "two.csv", "-o", "new") == 0
    assert Path("new/output_result.csv").read_text() == "x__0,x__1,y__0,y__1\n1,2,2.0,1.0\n3,4,6.0,2.0\n"


def test_the_data_set_of_the_configuration(folder, capsys):
    with zipfile.ZipFile("shapes.nnp") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in members if name.endswith(".nntxt"))
    members[name] += b'dataset {\n  name: "d"\n  uri: "table.csv"\n  batch_size: 2\n}\n'
    with zipfile.ZipFile("own.nnp", "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    assert run("forward", "-c", "own.nnp", "-o", "new") == 0
    with zipfile.ZipFile(ARCHIVE) as archive:
        assert Path("new/output_result.csv").read_bytes() == archive.read("out/shapes/output_result.csv")
    assert run("forward", "-c", "shapes.nnp", "-o", "new") == 255
    assert "ValueError: forward: -d must name the data set; the configuration has []" in capsys.readouterr().err


def test_an_absolute_folder_for_files(folder):
    place = folder / "elsewhere"
    assert run("forward", "-c", "arrays.nnp", "-d", "data/arrays.csv", "-o", "new", "--result_outdir", place) == 0
    assert table()[1][-1] == f"{place.as_posix()}/0_0000/0.csv"
    assert len(list((place / "0_0000").iterdir())) == 4


def test_a_cache_without_its_original(folder):
    os.remove("table.cache/original.csv")
    assert run("forward", "-c", "shapes.nnp", "-d", "table.cache", "-o", "new") == 0
    with zipfile.ZipFile(ARCHIVE) as archive:
        expected = archive.read("out/cached/output_result.csv").decode()
    rows = list(csv.reader(io.StringIO(expected)))
    assert table() == [row[13:] for row in rows]


@pytest.mark.parametrize("broken", ["0,0\n1,1\n", "a,b\n", "".join(f"{i},0\n" for i in range(5))])
def test_a_cache_with_another_order_is_refused(folder, capsys, broken):
    Path("table.cache/order.csv").write_text(broken)
    assert run("forward", "-c", "shapes.nnp", "-d", "table.cache", "-o", "new") == 255
    assert "is no order of 5 samples" in capsys.readouterr().err
    assert not os.path.exists("new/output_result.csv")


def test_hooks_are_called(folder, monkeypatch):
    """In the order in which NNabla 1.39 calls them."""
    calls = []
    names = ["update_status", "update_progress", "update_forward_time", "process_evaluation_result"]
    hooks = {name: staticmethod(lambda *args, name=name: calls.append((name, *args))) for name in names}
    monkeypatch.setattr(host_hooks, "callback_list", [type("Console", (), hooks)])
    assert run("forward", "-c", "shapes.nnp", "-d", "table.csv", "-o", "new") == 0
    assert calls[0][0] == "update_status"
    assert calls[0][1].dataset == "table.csv"
    none = ("update_progress", "None (0.00%)")
    # As NNabla joins it, without quotes.
    header = ",".join(table()[0])
    columns = len(table()[0])
    batches = [
        call
        for done in (2, 4, 5)
        for call in (
            ("update_status", ("data.current", done), False, None),
            ("update_forward_time",),
            ("update_status", None, False, None),
        )
    ]
    assert calls[1:] == [
        none,
        ("update_status", ("data.max", 5), False, None),
        ("update_status", ("data.current", 0), False, None),
        ("update_status", "processing", True, None),
        *batches,
        ("process_evaluation_result", "new", os.path.join("new", "output_result.csv")),
        none,
        ("update_status", ("output_result.csv_header", header), False, None),
        ("update_status", ("output_result.column_num", columns), False, None),
        ("update_status", ("output_result.data_num", 5), False, None),
        ("update_status", "finished", False, None),
    ]


def test_lines_of_the_log(folder, capsys):
    assert run("forward", "-c", "shapes.nnp", "-d", "table.csv", "-o", "new") == 0
    lines = [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines() if "[Level 99]" in line]
    assert lines[1:] == ["data 2 / 5", "data 4 / 5", "data 5 / 5", "Forward Completed."]


def scalar_model(name):
    x = nn.Variable((2, 2))
    contents = {
        "networks": [{"name": "net", "batch_size": 2, "outputs": {"y": F.sum(x)}, "names": {"x": x}}],
        "executors": [{"name": "rt", "network": "net", "data": ["x"], "output": ["y"]}],
    }
    save(name, contents)


def test_errors(folder, capsys):
    scalar_model("scalar.nnp")
    Path("two.csv").write_text("x__0,x__1\n1,2\n")
    Path("other.csv").write_text("z__0,z__1\n1,2\n")
    for arguments, message in (
        (["-c", "shapes.nnp", "-d", "table.csv", "-o", "nowhere"], "FileNotFoundError"),
        (["-c", "shapes.nnp", "-d", "missing.csv", "-o", "new"], "FileNotFoundError"),
        # The Console looks for `^ValueError: c`.
        (["-c", "shapes.nnp", "-d", "two.csv", "-o", "new"], "\nValueError: cannot reshape array of size 4 into shape"),
        (
            ["-c", "one.nnp", "-d", "other.csv", "-o", "new"],
            'Data "x" for variable "x" is not found; there are [\'z\']',
        ),
        (
            ["-c", "scalar.nnp", "-d", "two.csv", "-o", "new"],
            "output 'y' has shape (): there is no value for each sample",
        ),
        (["-c", "shapes.nnp", "-d", "table.csv", "-o", "new", "-f", "no/such.csv"], "there is no directory"),
    ):
        assert run("forward", *arguments) == 255, arguments
        assert message in "\n" + capsys.readouterr().err, arguments
        assert not os.path.exists("new/output_result.csv")


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_a_bar_on_a_terminal(folder, monkeypatch):
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert run("forward", "-c", "shapes.nnp", "-d", "table.csv", "-o", "new") == 0
        terminal.flush()
        os.set_blocking(master, False)
        shown = b""
        while True:
            try:
                shown += os.read(master, 1 << 16)
            except BlockingIOError:
                break
    os.close(master)
    shown = shown.decode()
    assert "data 2 / 5:  40%|" in shown
    assert "]: data 2 / 5" not in shown
    assert "Forward Completed." in shown
