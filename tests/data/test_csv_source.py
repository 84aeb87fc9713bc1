"""CSV data sets: what a wrong one is told, and cells that are better than in NNabla 1.39."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from nnabla.config import nnabla_config
from nnabla.errors import ArgumentError, FormatError
from nnabla.utils import data_iterator as D
from nnabla.utils.data_source_implements import CsvDataSource

THREADS = pytest.mark.parametrize("use_thread", [False, True])


@pytest.fixture
def table(tmp_path):
    """Writes a CSV file and returns its path."""

    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def plain(path, batch_size=1, **arguments):
    """An iterator without caches."""
    return D.data_iterator_csv_dataset(path, batch_size, with_memory_cache=False, with_file_cache=False, **arguments)


# Errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"table.csv has no header in its first line"),
        ("\nx,y\n1,2\n", r"table.csv has no header in its first line"),
        ("x,,y\n1,2,3\n", r"table.csv: a cell of the header is empty; each must name a variable"),
        ("x,x__0\n1,2\n", r"table.csv: column x__0 stands behind a column x"),
        ('x,y\n1,2\n"' + "a" * 140000 + '",2\n', r"table.csv, line 3 or after: field larger than field limit"),
    ],
)
def test_wrong_tables(table, text, message):
    with pytest.raises(FormatError, match=message):
        CsvDataSource(table(text))


def test_table_that_is_not_utf8(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("x,ä\n1,2\n".encode("latin-1"))
    with pytest.raises(FormatError, match=r"latin.csv is not in UTF-8: .* byte 0xe4"):
        CsvDataSource(path)


def test_no_such_table(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.csv"):
        CsvDataSource(tmp_path / "none.csv")


@THREADS
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x,im\n1,2\n\n3,none.png\n",
            r"table.csv, row 2 \(line 4\), column 'im': 'none.png': .*No such file or directory",
        ),
        ("x__0,x__1\n1,2\n3,some text\n", r"row 2 \(line 3\), column 'x__1': 'some text': File format .* '' is not"),
        ("x,y\n1,2\n3\n", r"CsvDataSource: .*row 2 \(line 3\): there are 1 cells, and 2 in the header"),
        ("x,y\n1,2\n3,4,5\n", r"row 2 \(line 3\): there are 3 cells, and 2 in the header"),
        ("x,y\n1,2\n,4\n", r"row 2 \(line 3\), column 'x': '': the cell is empty"),
        ("x,y\n1,2\nb.zip,4\n", r"row 2 \(line 3\), column 'x': 'b.zip': File format with extension '.zip' is not"),
        ("x,y\n1,2\nempty.npy,4\n", r"column 'x': 'empty.npy': load_npy: .*empty.npy is no .npy file, or truncated"),
        ("x,y\n1,2\nempty.png,4\n", r"column 'x': 'empty.png': imread: .*empty.png is no image that Pillow knows"),
        ("x,y\n1,2\nempty.wav,4\n", r"column 'x': 'empty.wav': .*empty.wav is no wave file"),
        ("x,y\n1,2\n" + "long" * 100 + ",4\n", r"column 'x': 'longlong.*\.\.\.': File format"),
    ],
)
def test_error_of_a_cell_is_raised_in_the_loop(table, tmp_path, text, message, use_thread):
    for name in ("empty.npy", "empty.png", "empty.wav"):
        (tmp_path / name).touch()
    batches = plain(table(text), use_thread=use_thread)
    assert batches.next()[0].ravel()[0] == 1
    for _ in range(2):
        with pytest.raises(FormatError, match=message):
            batches.next()
    batches.close()


def test_error_of_a_cell_while_a_cache_is_made(table, tmp_path):
    path = table("x,y\n" + "1,2\n" * 300 + "none.png,2\n")
    threads = threading.active_count()
    cache = tmp_path / "cache"
    with pytest.raises(FormatError, match=r"row 301 \(line 302\), column 'x': 'none.png'"):
        D.data_iterator_csv_dataset(path, 1, cache_dir=str(cache))
    assert "cache_index.csv" not in {file.name for file in cache.iterdir()}
    assert threading.active_count() == threads


def test_truncated_and_broken_images(table, tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (50, 50, 3)).astype(np.uint8)
    for extension in ("png", "jpg", "bmp", "gif", "tif"):
        Image.fromarray(pixels).save(tmp_path / f"whole.{extension}")
        data = (tmp_path / f"whole.{extension}").read_bytes()
        (tmp_path / f"half.{extension}").write_bytes(data[: len(data) // 2])
        source = CsvDataSource(table(f"x\nwhole.{extension}\nhalf.{extension}\n"))
        assert source.next()[0].shape == (3, 50, 50)
        with pytest.raises(FormatError, match=rf"row 2 \(line 3\), column 'x': 'half.{extension}': imread: "):
            source.next()


# Lines


@pytest.mark.parametrize("text", ["x,y\n1,2\n3,4\n\n\n", "x,y\n\n1,2\n\n3,4", "x,y\r\n1,2\r\n\r\n3,4\r\n"])
def test_lines_without_cells_are_passed_over(table, text):
    source = CsvDataSource(table(text))
    assert source.size == 2
    assert [source.next() for _ in range(2)] == [([1.0], [2.0]), ([3.0], [4.0])]


def test_table_without_rows(table):
    source = CsvDataSource(table("x,y\n"))
    assert (source.size, source.variables) == (0, ("x", "y"))
    with pytest.raises(ArgumentError, match="has no samples"):
        plain(table("x,y\n"))


def test_long_tables_with_files_far_down(table, tmp_path):
    np.save(tmp_path / "a.npy", np.array([7.0]))
    rows = [f"{i},{i * 2}" for i in range(10000)]
    rows[9000] = "9000,a.npy"
    source = CsvDataSource(table("x,y\n" + "\n".join(rows)))
    assert source._get_data(8999) == ([8999.0], [17998.0])
    assert source._get_data(9000)[1].tolist() == [7.0]
    assert source._get_data(9001) == ([9001.0], [18002.0])


# Images with 1 and 16 bits


@pytest.fixture
def deep(table, tmp_path):
    Image.fromarray(np.array([[0, 1, 255, 5000, 65535]], np.uint16)).save(tmp_path / "grey16.png")
    Image.fromarray(np.array([[True, False, True]])).save(tmp_path / "bit.png")
    return table("a,b\ngrey16.png,bit.png\n")


def test_images_keep_their_bits(deep):
    grey, bit = (value[0, 0].tolist() for value in CsvDataSource(deep).next())
    assert (grey, bit) == ([0, 1, 255, 5000, 65535], [1, 0, 1])
    grey, bit = CsvDataSource(deep, normalize=True).next()
    assert (grey.dtype, bit.dtype) == (np.float64, np.float64)
    np.testing.assert_allclose(grey[0, 0], np.array([0, 1, 255, 5000, 65535]) / 65535, rtol=1e-15)
    assert bit[0, 0].tolist() == [1, 0, 1]


def test_numbers_of_nnabla_139_are_there_for_those_who_need_them(deep, monkeypatch):
    monkeypatch.setitem(nnabla_config["DATA_ITERATOR"], "compat_139", "True")
    grey, bit = (value[0, 0].tolist() for value in CsvDataSource(deep).next())
    assert (grey, bit) == ([0, 1, 255, 5000 % 256, 255], [1, 0, 1])
    grey, bit = (value[0, 0].tolist() for value in CsvDataSource(deep, normalize=True).next())
    assert grey == [0, 1 / 255, 1, 136 * (1 / 255), 1]
    assert bit == [1 / 255, 0, 1 / 255]


# Files outside of the data set


@pytest.mark.parametrize("cell", ["../a.npy", "{}/a.npy", "sub/../../a.npy", "..\\a.npy", "http://localhost/a.npy"])
def test_cells_that_leave_the_folder_are_refused(tmp_path, cell, monkeypatch):
    np.save(tmp_path / "a.npy", np.array([7.0]))
    folder = tmp_path / "set"
    folder.mkdir()
    cell = cell.format(tmp_path)
    (folder / "t.csv").write_text(f"x\n{cell}\n", encoding="utf-8")
    path = str(folder / "t.csv")
    with pytest.raises(FormatError, match=r"row 1 \(line 2\), column 'x': .*is not in the folder of the data set"):
        CsvDataSource(path).next()
    if "http" in cell:
        return
    assert CsvDataSource(path, allow_outside=True).next()[0].tolist() == [7.0]
    monkeypatch.setitem(nnabla_config["DATA_ITERATOR"], "allow_files_outside", "True")
    assert CsvDataSource(path).next()[0].tolist() == [7.0]
    with pytest.raises(FormatError, match="is not in the folder"):
        CsvDataSource(path, allow_outside=False).next()


def test_cells_inside_may_be_written_in_any_way(tmp_path):
    np.save(tmp_path / "a.npy", np.array([7.0]))
    for cell in ("a.npy", "./a.npy", "sub/../a.npy", ".\\a.npy", str(tmp_path / "a.npy")):
        (tmp_path / "t.csv").write_text(f"x\n{cell}\n", encoding="utf-8")
        assert CsvDataSource(tmp_path / "t.csv").next()[0].tolist() == [7.0]


def test_pickles_are_never_read(table, tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}, []], object), allow_pickle=True)
    with pytest.raises(FormatError, match=r"holds Python objects, which are never read: they are pickles"):
        CsvDataSource(table("x\nobjects.npy\n")).next()


# Threads


def test_samples_are_decoded_by_several_threads_in_order(table, tmp_path, monkeypatch):
    monkeypatch.setattr("nnabla.data.iterators.reading_threads", lambda: 3)
    for i in range(40):
        Image.fromarray(np.full((2, 2), i, np.uint8)).save(tmp_path / f"{i}.png")
    path = table("x,y\n" + "".join(f"{i}.png,{i}\n" for i in range(40)))
    readers = set()
    several = threading.Event()

    def load(*arguments, **options):
        name = threading.current_thread().name
        if name.startswith("nnabla-data-reader"):
            readers.add(name)
            if len(readers) > 1:
                several.set()
            # On a busy machine, the first one would be done before the second one begins.
            several.wait(10)
            several.set()
        return load_image(*arguments, **options)

    from nnabla.data.loaders import _load_functions, load_image

    monkeypatch.setitem(_load_functions, ".png", load)
    with plain(path, 16, shuffle=True) as batches, plain(path, 16, shuffle=True, use_thread=False) as serial:
        for _ in range(7):
            threaded, alone = batches.next(), serial.next()
            for a, b in zip(threaded, alone, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)
    assert len(readers) > 1


@pytest.mark.parametrize("shuffle", [False, True])
def test_concatenated_tables_are_read_as_arrays(table, shuffle, monkeypatch):
    """They give what they give sample by sample."""
    paths = [
        table("x,y\n" + "".join(f"{i},{i * 2}\n" for i in range(start, start + 7)), f"{start}.csv") for start in (0, 7)
    ]

    def made():
        sources = [CsvDataSource(path, shuffle=shuffle) for path in paths]
        return D.ConcatDataSource(sources, shuffle=shuffle)

    source = made()
    alone = made()
    assert source._get_arrays(0, 14) is not None
    monkeypatch.setattr(alone, "_get_arrays", lambda start, stop: None)
    with D.DataIterator(source, 5) as batches, D.DataIterator(alone, 5) as singly:
        for _ in range(9):
            for a, b in zip(batches.next(), singly.next(), strict=True):
                assert (a.dtype, a.tolist()) == (b.dtype, b.tolist())


def test_concatenated_tables_of_different_widths(table):
    paths = [table("x,y\n1,2\n", "a.csv"), table("x__0,x__1,y\n1,2,3\n", "b.csv")]
    source = D.ConcatDataSource([CsvDataSource(path) for path in paths], shuffle=False)
    assert source._get_arrays(0, 2) is None
    with pytest.raises(ArgumentError, match=r"variable 'x' has \(1,\) and \(2,\)"):
        D.DataIterator(source, 2, use_thread=False).next()
