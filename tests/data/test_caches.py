"""Caches in files: writing, reading, and what happens when either fails."""

from __future__ import annotations

import errno
import gc
import os
import resource
import shutil
import threading

import h5py
import numpy as np
import pytest

from nnabla.config import nnabla_config
from nnabla.data import cache_files
from nnabla.errors import ArgumentError, FormatError
from nnabla.utils import data_iterator as D
from nnabla.utils.create_cache import CreateCache
from nnabla.utils.data_source import DataSourceWithFileCache, DataSourceWithFileCacheError
from nnabla.utils.data_source_implements import (
    CacheDataSource,
    CachePrefetcher,
    CacheReaderWithPrefetch,
    SimpleDataSource,
)

from .sample_sources import Reshuffled, load


@pytest.fixture
def rows_in_file(monkeypatch):
    return lambda n: monkeypatch.setitem(nnabla_config["DATA_ITERATOR"], "data_source_file_cache_size", str(n))


@pytest.fixture(params=[".npy", ".h5"])
def extension(request, monkeypatch):
    monkeypatch.setitem(nnabla_config["DATA_ITERATOR"], "cache_file_format", request.param)
    return request.param


@pytest.fixture
def cache(tmp_path, extension, rows_in_file):
    """A cache of 25 samples in files of 10."""
    rows_in_file(10)
    table = tmp_path / "numbers.csv"
    table.write_text("x__0,x__1,y\n" + "".join(f"{i},{i / 10},{i % 3}\n" for i in range(25)), encoding="utf-8")
    folder = tmp_path / "cache"
    CreateCache(table).create(folder)
    return folder


def numbers(folder, **arguments):
    source = CacheDataSource(folder, **arguments)
    at = list(source.variables).index("x")
    return [int(source.next()[at][0]) for _ in range(source.size)]


# Reading


def test_large_files_are_read_row_by_row(cache, monkeypatch):
    whole = numbers(cache, shuffle=True)
    monkeypatch.setattr(cache_files, "_WHOLE", 0)
    source = CacheDataSource(cache, shuffle=True)
    assert [int(source.next()[list(source.variables).index("x")][0]) for _ in range(25)] == whole
    assert all(opened._stream is not None for opened in source._rows._open.values())
    batches = D.data_iterator_cache(cache, 7, with_memory_cache=False)
    found = [batches.next()[list(batches.variables).index("x")][:, 0].astype(int).tolist() for _ in range(4)]
    assert [number for batch in found for number in batch] == [*range(25), *range(3)]
    batches.close()
    monkeypatch.delattr(os, "preadv")
    assert numbers(cache, shuffle=True) == whole


def test_batches_belong_to_the_caller(cache):
    source = CacheDataSource(cache)
    for _ in range(2):
        for array in source._get_arrays(0, 12):
            array += 1
    assert numbers(cache) == list(range(25))


def test_few_files_are_open(cache, rows_in_file, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_files, "_WHOLE", 0)
    rows_in_file(1)
    CreateCache(tmp_path / "numbers.csv").create(tmp_path / "many")
    source = CacheDataSource(tmp_path / "many")
    for _ in range(25):
        source.next()
    assert len(source._rows._open) == 4
    source.close()
    assert not source._rows._open
    with pytest.raises(RuntimeError, match="CacheDataSource: it is closed"):
        source.next()


def test_h5_files_with_chunks_and_compression(cache, extension):
    if extension == ".npy":
        pytest.skip("about HDF5")
    for path in cache.glob("*.h5"):
        with h5py.File(path) as file:
            arrays = {name: data[()] for name, data in file.items()}
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, chunks=True, compression="gzip")
    assert numbers(cache) == list(range(25))


def test_h5_files_without_an_index(cache, extension):
    (cache / "cache_index.csv").unlink()
    if extension == ".h5":
        assert numbers(cache) == list(range(25))
    else:
        with pytest.raises(FormatError, match=r"CacheDataSource: .*cache has no cache_index.csv: it is"):
            CacheDataSource(cache)


def test_prefetching_readers(cache, extension):
    files = [str(path) for path in sorted(cache.glob(f"*{extension}"))]
    variables = list(CacheDataSource(cache).variables)
    prefetcher = CachePrefetcher(str(cache), variables)
    assert not prefetcher.check_if_hit(files[0])
    prefetcher.request(files[0])
    assert prefetcher.check_if_hit(files[0])
    assert prefetcher.read()["x"][:, 0].tolist() == list(range(10))
    with pytest.raises(ArgumentError, match="no file was requested"):
        prefetcher.read()
    prefetcher.close()
    reader = CacheReaderWithPrefetch(str(cache), 2, variables)
    for i, file in enumerate(files):
        arrays = reader.open_and_prefetch_cache(file, files[i + 1 :])
        assert arrays["x"][0, 0] == 10 * i
    reader.close()


def test_files_and_names_given_by_hand(cache, extension):
    source = CacheDataSource(cache)
    first = sorted(path.name for path in cache.glob(f"*{extension}"))[0]
    source.initialize_cache_files(first)
    assert source.size == 10
    source.initialize_cache_files_with_index("cache_index.csv")
    assert source.size == 25
    if extension == ".npy":
        (cache / "cache_info.csv").write_text("a\nb\n")
        source.initialize_cache_info("cache_info.csv")
        assert source.variables == ["a", "b"]


# Broken caches


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "is truncated"),
        (lambda data: data[: len(data) // 2], "is truncated"),
        (lambda data: b"", "must hold 2 arrays|is damaged|truncated"),
        (lambda data: data + data, "must hold 2 arrays, one for each variable; it has 4"),
        (lambda data: b"garbage" * 100, "is no .npy file"),
        (lambda data: data.replace(b"(10, 2)", b"(11, 2)"), "is truncated|is no .npy file|damaged"),
        (lambda data: data.replace(b"(10, 2)", b"(9999999999999999999999, 2)"), "truncated|damaged|no .npy"),
    ],
)
def test_damaged_npy_files(tmp_path, rows_in_file, change, message):
    rows_in_file(10)
    table = tmp_path / "numbers.csv"
    table.write_text("x__0,x__1,y\n" + "1,2,3\n" * 25)
    cache = tmp_path / "cache"
    CreateCache(table).create(cache)
    path = cache / "cache_00000010_00000019.npy"
    path.write_bytes(change(path.read_bytes()))
    batches = D.data_iterator_cache(cache, 10)
    batches.next()
    for _ in range(2):
        with pytest.raises(FormatError, match=rf"cache: .*cache_00000010_00000019.npy.*({message})"):
            batches.next()
    batches.close()


def test_file_that_holds_less_than_the_index_says(cache):
    index = (cache / "cache_index.csv").read_text()
    (cache / "cache_index.csv").write_text(index.replace(",10", ",11"))
    with pytest.raises(FormatError, match=r"must hold 11 samples of each variable, .*; '[xy]' has shape \(10, [12]\)"):
        CacheDataSource(cache).next()


def test_damaged_h5_files(cache, extension):
    if extension == ".npy":
        pytest.skip("about HDF5")
    path = sorted(cache.glob("*.h5"))[1]
    data = path.read_bytes()
    for broken, message in ((data[: len(data) // 2], "damaged|truncated"), (b"", "damaged"), (b"no" * 500, "damaged")):
        path.write_bytes(broken)
        source = CacheDataSource(cache)
        with pytest.raises(FormatError, match=message):
            source._get_data(12)
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros((10, 2))
    with pytest.raises(FormatError, match="has no array 'y'"):
        CacheDataSource(cache)._get_data(12)


def test_missing_file_of_a_cache(cache, extension):
    sorted(cache.glob(f"*{extension}"))[1].unlink()
    with pytest.raises(FormatError, match=r"cache: .*, which the index lists, is not there"):
        CacheDataSource(cache)._get_data(12)


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("a.npy", FormatError, "must list names and numbers of samples, not"),
        ("a.npy,ten", FormatError, "must list names and numbers of samples, not"),
        ("a.npy,-1", FormatError, "must list names and numbers of samples, not"),
        ("a.zip,10", FormatError, "files of a cache end in .npy or .h5; 'a.zip' does not"),
        ("../a.npy,10", ArgumentError, "'../a.npy' is not in the folder of the data set"),
        ("/etc/a.npy,10", ArgumentError, "is not in the folder of the data set"),
    ],
)
def test_wrong_indexes(cache, line, error, message):
    (cache / "cache_index.csv").write_text(line + "\n")
    with pytest.raises(error, match=f"CacheDataSource: .*{message}"):
        CacheDataSource(cache)


def test_index_may_leave_the_folder_if_allowed(cache, extension):
    shutil.move(cache / f"cache_00000000_00000009{extension}", cache.parent / f"a{extension}")
    (cache / "cache_index.csv").write_text(f"../a{extension},10\n")
    source = CacheDataSource(cache, allow_outside=True)
    assert source.size == 10
    source.next()


def test_pickles_are_never_read(tmp_path):
    with open(tmp_path / "cache_00000000_00000001.npy", "wb") as file:
        np.save(file, np.array([{}, {}], object), allow_pickle=True)
    (tmp_path / "cache_index.csv").write_text("cache_00000000_00000001.npy,2\n")
    (tmp_path / "cache_info.csv").write_text("x\n")
    with pytest.raises(FormatError, match="holds Python objects, which are never read: they are pickles"):
        CacheDataSource(tmp_path).next()


def test_cache_without_names_of_variables(cache, extension):
    if extension == ".h5":
        pytest.skip("HDF5 has names")
    (cache / "cache_info.csv").unlink()
    with pytest.raises(FormatError, match="has no cache_info.csv, which says what the arrays in its files are"):
        CacheDataSource(cache)


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        CacheDataSource(tmp_path / "none")


# Writing


def test_temporary_cache_is_removed(extension):
    source = DataSourceWithFileCache(SimpleDataSource(load, 5))
    folder = source._cache_dir
    assert os.path.isdir(folder)
    source.close()
    assert not os.path.exists(folder)
    source = DataSourceWithFileCache(SimpleDataSource(load, 5))
    folder = source._cache_dir
    del source
    gc.collect()
    assert not os.path.exists(folder)


def test_place_of_temporary_caches(tmp_path, monkeypatch):
    monkeypatch.setitem(
        nnabla_config["DATA_ITERATOR"], "data_source_file_cache_location", str(tmp_path / "here" / "it is")
    )
    with DataSourceWithFileCache(SimpleDataSource(load, 5)) as source:
        assert os.path.dirname(source._cache_dir) == str(tmp_path / "here" / "it is")


def test_other_files_of_a_folder_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with D.data_iterator_simple(load, 5, 2, with_file_cache=True, cache_dir=str(tmp_path)) as batches:
        batches.next()
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert (tmp_path / "cache_index.csv").exists()


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4, 5])
def test_full_disk(cache, extension, tmp_path, monkeypatch, at):
    """Whichever file cannot be written: a clear error, no thread left, and no cache that looks finished."""
    calls = []
    replace = os.replace

    def failing(source, target):
        calls.append(target)
        if len(calls) == at + 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    threads = threading.active_count()
    creator = CreateCache(tmp_path / "numbers.csv")
    if at >= (6 if extension == ".npy" else 5):
        pytest.skip("there are fewer files")
    with pytest.raises(DataSourceWithFileCacheError, match=r"CreateCache: the cache in .*No space left on device"):
        creator.create(cache)
    assert threading.active_count() == threads
    assert not [path for path in cache.iterdir() if path.name.startswith(".")]
    if extension == ".npy":
        with pytest.raises(FormatError, match="one whose making was interrupted"):
            CacheDataSource(cache)
    assert not (cache / "cache_index.csv").exists()


def test_error_of_the_source_while_a_cache_is_made(tmp_path, extension):
    class Failing(Reshuffled):
        def _get_data(self, position):
            if position == 7:
                raise OSError("the camera is gone")
            return super()._get_data(position)

    with pytest.raises(OSError, match="the camera is gone"):
        DataSourceWithFileCache(Failing(10), cache_dir=tmp_path)
    assert not (tmp_path / "cache_index.csv").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda i: "text", "cache: text is neither a number nor an array"),
        (lambda i: 1j, "cache: 1j is complex; caches keep complex values of arrays only"),
        (lambda i: np.zeros(i), r"cache: samples of a file must have the same shape; variable 'x0' has \(0,\) and"),
        (lambda i: np.array([{}]), "cache: variable 'x0' has values of type object, which no cache can hold"),
    ],
)
def test_values_that_no_cache_holds(tmp_path, value, message):
    with pytest.raises(ArgumentError, match=message.replace("cache: samples", "DataSourceWithFileCache: samples")):
        DataSourceWithFileCache(SimpleDataSource(lambda i: (value(i),), 5), cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("cache_file_format", ".zip", "cache_file_format in section DATA_ITERATOR must be .npy or .h5, not '.zip'"),
        ("data_source_file_cache_size", "0", "data_source_file_cache_size in section DATA_ITERATOR must be positive"),
    ],
)
def test_wrong_options(tmp_path, monkeypatch, option, value, message):
    monkeypatch.setitem(nnabla_config["DATA_ITERATOR"], option, value)
    with pytest.raises(ArgumentError, match=message):
        DataSourceWithFileCache(SimpleDataSource(load, 5), cache_dir=tmp_path)


# Memory


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="measures with Linux's means")
def test_epoch_over_ten_times_the_memory_cache_takes_little_memory(tmp_path, monkeypatch):
    """The data set does not fit into the memory cache: it is read from its files, a batch at a time."""
    megabyte = 2**20
    monkeypatch.setitem(nnabla_config["DATA_ITERATOR"], "data_source_buffer_max_size", str(8 * megabyte))
    sample = np.zeros(megabyte // 8)
    batches = D.data_iterator_simple(
        lambda i: (sample + i,), 80, 4, use_thread=False, with_memory_cache=True, with_file_cache=True
    )
    resident = _resident()
    for i in range(20):
        assert batches.next()[0][0, 0] == 4 * i
    assert _resident() - resident < 58 * megabyte
    batches.close()


def _resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
