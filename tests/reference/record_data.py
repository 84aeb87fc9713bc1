"""What the original NNabla reads from data sets: samples, orders, epochs, types, caches.

    python tests/reference/record_data.py

writes ``tests/reference/data/``: ``recorded.json``, what each scenario gives, and ``cache_npy``, ``cache_uint8`` and
``cache_h5``, caches that the original made. With ``read FOLDER`` it prints what it finds in the caches of that folder.
`tests/data/test_reference.py` runs the same scenarios on this package, and lets both read each other's caches. Only
NNabla's public API is used here.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import shutil
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import nnabla.utils.data_iterator as D
from nnabla.config import nnabla_config
from nnabla.utils.create_cache import CreateCache
from nnabla.utils.data_source import DataSourceWithFileCache
from nnabla.utils.data_source_implements import CacheDataSource, ConcatDataSource, CsvDataSource, SimpleDataSource

FOLDER = Path(__file__).resolve().parent / "data"
CACHES = ("cache_npy", "cache_uint8", "cache_h5")
ROWS = 7


def make_files(folder: Path) -> None:
    """The data sets: pictures and numbers, numbers alone, and a cell of every kind; the same bytes everywhere."""
    (folder / "images").mkdir(parents=True)
    pixels = np.random.RandomState(0).randint(0, 256, (ROWS, 2, 3, 3)).astype(np.uint8)
    lines = ["x__0:left,x__1:right,y:label,#note,image"]
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / "images" / f"{i}.png")
        lines.append(f"{i},{i / 10},{i % 3},row {i},images/{i}.png")
    write(folder / "pictures.csv", lines)
    write(folder / "numbers.csv", ["x__0,x__1,y", *(f"{i},{i / 10},{i % 3}" for i in range(25))])
    cells = folder / "cells"
    cells.mkdir()
    for name in ("float64", "float32", "float16", "int64", "int8", "bool", "uint8", "uint16"):
        for i in range(2):
            np.save(cells / f"{name}_{i}.npy", (np.arange(6).reshape(2, 3) + i).astype(name))
            np.save(cells / f"{name}_scalar_{i}.npy", np.array(3 + i).astype(name))
    for i in range(2):
        write(cells / f"table_{i}.csv", ["1,2,3", f"4,5,{i}"])
        write(cells / f"number_{i}.csv", [str(i)])
        for width in (1, 2, 3, 4):
            with wave.open(str(cells / f"sound{width}_{i}.wav"), "wb") as file:
                file.setnchannels(2)
                file.setsampwidth(width)
                file.setframerate(8000)
                file.writeframes(bytes(i + byte for byte in range(8 * width)))
        Image.fromarray((np.arange(6).reshape(2, 3) + 100 * i).astype(np.uint8)).save(cells / f"grey_{i}.png")


def write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def described(array: Any) -> list[Any]:
    """Type, shape and values of an array; of a list its elements' as well."""
    kind = "list" if isinstance(array, list) else type(array).__name__
    array = np.asarray(array)
    return [kind, str(array.dtype), list(array.shape), array.ravel().tolist()]


def numbers(batch: Any) -> list[int]:
    """The numbers of the samples in a batch."""
    return [int(x) for x in batch[0].reshape(len(batch[0]), -1)[:, 0]]


def options(**values: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    """Every combination of the values of some arguments."""
    for chosen in itertools.product(*values.values()):
        yield dict(zip(values, chosen))  # noqa: B905 (the original runs on Python 3.8)


def text(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items())


def load(i: int) -> tuple[Any, ...]:
    return np.full((2,), i, np.float32), i * i


class Scenarios:
    """Functions by name; each gives something that JSON can hold."""

    def __init__(self, folder: Path, caches: Path) -> None:
        self.pictures, self.numbers = str(folder / "pictures.csv"), str(folder / "numbers.csv")
        self.cells, self.caches, self.scratch = folder / "cells", caches, folder / "scratch"
        self.all: dict[str, Callable[[], Any]] = {}
        for sizes in ({"files": 100}, {"files": 3}):
            self._iterators(sizes["files"])
        self._callbacks()
        self._sources_beyond_memory()
        self._sources()
        self._slices()
        self._cells()
        self._headers()
        self._cached_values()

    def run(self, name: str) -> Any:
        """What a scenario gives."""
        self.scratch.mkdir(exist_ok=True)
        size = nnabla_config.get("DATA_ITERATOR", "data_source_file_cache_size")
        try:
            return json.loads(json.dumps(self.all[name]()))
        finally:
            nnabla_config.set("DATA_ITERATOR", "data_source_file_cache_size", size)
            nnabla_config.set("DATA_ITERATOR", "cache_file_format", ".npy")
            shutil.rmtree(self.scratch)

    def _iterators(self, rows_in_file: int) -> None:
        """Samples, epochs and positions of every kind of iterator."""
        made: dict[str, Callable[[], D.DataIterator]] = {}
        for shuffle, memory, threads, stop in itertools.product((False, True), repeat=4):
            common = dict(shuffle=shuffle, use_thread=threads, with_memory_cache=memory, stop_exhausted=stop)
            for file in (False, True):
                given = dict(common, with_file_cache=file)
                made[f"csv({text(given)})"] = lambda a=given: D.data_iterator_csv_dataset(self.pictures, 3, **a)
                made[f"numbers({text(given)})"] = lambda a=given: D.data_iterator_csv_dataset(
                    self.numbers, 4, rng=np.random.RandomState(3), **a
                )
                made[f"simple({text(given)})"] = lambda a=given: D.data_iterator_simple(load, 10, 3, **a)
                made[f"concat({text(given)})"] = lambda a=given: D.data_iterator_concat_datasets(
                    [CsvDataSource(self.numbers), CsvDataSource(self.numbers, shuffle=True)], 11, **a
                )
            if shuffle and not stop:
                for file in (False, True):
                    made[f"data_iterator(rng, threads={threads}, memory={memory}, file={file})"] = (
                        lambda m=memory, t=threads, f=file: self._with_generator(m, t, f)
                    )
            made[f"cache({text(common)})"] = lambda a=common: D.data_iterator_cache(self._cache(), 4, **a)
        for name, make in made.items():
            self.all[f"iterator {name}, files of {rows_in_file}"] = lambda m=make: self._batches(m, rows_in_file)

    def _with_generator(self, memory: bool, threads: bool, file: bool) -> D.DataIterator:
        """An iterator that was given a random generator."""
        source = CsvDataSource(self.numbers, shuffle=True)
        return D.data_iterator(
            source, 4, np.random.RandomState(3), threads, with_memory_cache=memory, with_file_cache=file
        )

    def _cache(self) -> str:
        """A cache of the data set of numbers, its rows in an order of their own."""
        folder = self.scratch / "cache"
        folder.mkdir()
        CreateCache(self.numbers, rng=np.random.RandomState(1), shuffle=True).create(str(folder))
        return str(folder)

    def _batches(self, make: Callable[[], D.DataIterator], rows_in_file: int) -> Any:
        nnabla_config.set("DATA_ITERATOR", "data_source_file_cache_size", str(rows_in_file))
        iterator = make()
        found = []
        for _ in range(20):
            try:
                batch = iterator.next()
            except StopIteration:
                found.append("stop")
                break
            found.append([numbers(batch), iterator.epoch])
        last = [[str(array.dtype), list(array.shape)] for array in batch]
        iterator.close()
        return found, last, list(iterator.variables), iterator.size

    def _callbacks(self) -> None:
        """Which callbacks are called by the end of each `next`, without the thread, which may be ahead."""
        for batch_size, stop, memory in itertools.product((2, 5, 8), (False, True), (False, True)):

            def called(batch_size: int = batch_size, stop: bool = stop, memory: bool = memory) -> Any:
                calls: list[Any] = []
                iterator = D.data_iterator_simple(
                    load,
                    5,
                    batch_size,
                    use_thread=False,
                    with_memory_cache=memory,
                    stop_exhausted=stop,
                    epoch_begin_callbacks=[lambda epoch: calls.append(["begin", epoch])],
                    epoch_end_callbacks=[lambda epoch: calls.append(["end", epoch])],
                )
                iterator.register_epoch_begin_callback(lambda epoch: calls.append(["begin, registered", epoch]))
                iterator.register_epoch_end_callback(lambda epoch: calls.append(["end, registered", epoch]))
                found = []
                for _ in range(8):
                    try:
                        iterator.next()
                    except StopIteration:
                        found.append("stop")
                        break
                    found.append([list(calls), iterator.epoch])
                return found

            self.all[f"callbacks, batch_size={batch_size}, stop_exhausted={stop}, memory={memory}"] = called

    def _sources_beyond_memory(self) -> None:
        """What a memory cache gives of a data set that is larger than it may be."""
        for shuffle, file in itertools.product((False, True), repeat=2):

            def beyond(shuffle: bool = shuffle, file: bool = file) -> Any:
                size = nnabla_config.get("DATA_ITERATOR", "data_source_buffer_max_size")
                nnabla_config.set("DATA_ITERATOR", "data_source_buffer_max_size", "100")
                try:
                    return self._batches(
                        lambda: D.data_iterator_csv_dataset(
                            self.numbers, 4, shuffle=shuffle, with_file_cache=file, use_thread=False
                        ),
                        10,
                    )
                finally:
                    nnabla_config.set("DATA_ITERATOR", "data_source_buffer_max_size", size)

            self.all[f"beyond memory, shuffle={shuffle}, file={file}"] = beyond

    def _sources(self) -> None:
        """Sources that are read and reset by hand."""
        for arguments in options(shuffle=(False, True), normalize=(False, True)):
            self.all[f"CsvDataSource({text(arguments)})"] = lambda a=arguments: self._epochs(
                CsvDataSource(self.pictures, **a)
            )
        for inner, outer, rows in itertools.product((False, True), (False, True), (100, 3)):

            def cached(inner: bool = inner, outer: bool = outer, rows: int = rows) -> Any:
                nnabla_config.set("DATA_ITERATOR", "data_source_file_cache_size", str(rows))
                source = CsvDataSource(self.numbers, shuffle=inner)
                cache = DataSourceWithFileCache(source, cache_dir=str(self.scratch), shuffle=outer)
                cache.reset()
                return self._epochs(cache), self._folder(self.scratch)

            self.all[f"DataSourceWithFileCache, shuffle={outer} on {inner}, files of {rows}"] = cached
        for shuffle, name in itertools.product((False, True), CACHES):
            self.all[f"CacheDataSource({name}, shuffle={shuffle})"] = lambda s=shuffle, n=name: self._epochs(
                CacheDataSource(str(self.caches / n), shuffle=s)
            )

    def _epochs(self, source: Any) -> Any:
        """Three epochs of a source."""
        found = []
        for _ in range(3):
            samples = [source.next() for _ in range(source.size)]
            found.append([[described(value) for value in sample] for sample in samples[:2]])
            label = list(source.variables).index("x") if "x" in source.variables else 0
            found.append([float(np.ravel(sample[label])[0]) for sample in samples])
            found.append(source.position)
            source.reset()
        source.close()
        return found, list(source.variables), source.size

    def _folder(self, folder: Path) -> Any:
        """What the files of a cache hold."""
        found: dict[str, Any] = {}
        for path in sorted(folder.iterdir()):
            if path.suffix == ".csv":
                found[path.name] = path.read_text(encoding="utf-8")
            else:
                found[path.name] = [described(array) for array in arrays_of(path)]
        return found

    def _slices(self) -> None:
        """What each of two processes gets of a shared data set."""
        made: dict[str, Callable[[bool], D.DataIterator]] = {
            "csv": lambda s: D.data_iterator_csv_dataset(
                self.numbers, 4, shuffle=s, use_thread=False, with_memory_cache=False, with_file_cache=False
            ),
            "csv, file cache": lambda s: D.data_iterator_csv_dataset(
                self.numbers, 4, shuffle=s, use_thread=False, with_memory_cache=False
            ),
            "cache": lambda s: D.data_iterator_cache(
                self._cache(), 4, shuffle=s, use_thread=False, with_memory_cache=False
            ),
        }
        parts: list[dict[str, Any]] = [
            dict(num_of_slices=2, slice_pos=0),
            dict(num_of_slices=2, slice_pos=1),
            dict(num_of_slices=2, slice_pos=1, drop_last=True),
            dict(slice_start=3, slice_end=10),
            dict(slice_start=3, slice_end=10, use_cache=True),
        ]
        for (kind, make), shuffle, part, first in itertools.product(made.items(), (False, True), parts, (False, True)):

            def sliced(make: Any = make, shuffle: bool = shuffle, part: Any = part, first: bool = first) -> Any:
                nnabla_config.set("DATA_ITERATOR", "data_source_file_cache_size", "10")
                whole = make(shuffle)
                if first:
                    whole.next()
                iterator = whole.slice(None, **part)
                found = [numbers(iterator.next()) for _ in range(12)], iterator.size, iterator.epoch
                iterator.close()
                whole.close()
                return found

            name = f"slice({text(part)}) of {kind}, shuffle={shuffle}, {'after a batch' if first else 'at once'}"
            self.all[name] = sliced

    def _cells(self) -> None:
        """Cells of every kind, alone and in a vector, with and without a file cache."""
        names = sorted({path.name.replace("_0.", "_%d.") for path in self.cells.iterdir() if "_0." in path.name})
        for cell in [*names, "%d", "0.1", " 1e3 ", "nan", "-inf", "1_000"]:
            for vector, normalize, cached in itertools.product((False, True), repeat=3):
                given = {"vector": vector, "normalize": normalize, "cached": cached}
                self.all[f"cell {cell!r}({text(given)})"] = lambda c=cell, g=given: self._cell(c, **g)

    def _cell(self, cell: str, vector: bool, normalize: bool, cached: bool) -> Any:
        header, row = ("v__0,v__1", f"{cell},{cell}") if vector else ("v", cell)
        table = self.cells / "cell.csv"
        write(table, [header, *(row.replace("%d", str(i)) for i in range(2))])
        iterator = D.data_iterator_csv_dataset(
            str(table), 2, normalize=normalize, with_file_cache=cached, with_memory_cache=False, use_thread=False
        )
        return [described(array) for array in iterator.next()]

    def _headers(self) -> None:
        """Names of columns, and what becomes of them."""
        for header, row in (
            ("a__b__0,a__b__1,y", "1,2,3"),
            ("x:l:m,y", "1,2"),
            ("x__0__1,y", "1,2"),
            ("x__,y", "1,2"),
            ("__0,y", "1,2"),
            ("x__0:a:b,y", "1,2"),
            ("#x,y", "1,2"),
            ("x, #y", "1,2"),
            ("x y,y-1", "1,2"),
            ("x:,y", "1,2"),
            (":l,y", "1,2"),
            ("x__1,x__0,z", "1,2,3"),
            ("x__0,z,x__2", "1,2,3"),
            ("x__a,x__b", "1,2"),
            ("x,y,y", "1,2,3"),
            ("x__0,x,y", "1,2,3"),
            ("X,y", '"1",2'),
            ('"x",y', "1,2"),
        ):
            self.all[f"header {header!r}"] = lambda h=header, r=row: self._header([h, r])
        self.all["byte order mark"] = lambda: self._header(["\ufeffx,y", "1,2"])
        self.all["CRLF, no last newline"] = lambda: self._header(["x,y\r", "1,2\r", "3,4"], end="")

    def _header(self, lines: list[str], end: str = "\n") -> Any:
        table = self.scratch / "table.csv"
        table.write_bytes(("\n".join(lines) + end).encode())
        source = CsvDataSource(str(table))
        return list(source.variables), source.size, [described(value) for value in source.next()]

    def _cached_values(self) -> None:
        """What a file cache makes of the values that a function returns."""
        values: dict[str, Callable[[int], Any]] = {
            "float64 array": lambda i: np.full((2,), i / 3.0),
            "integer": lambda i: i,
            "float": lambda i: i / 3.0,
            "list": lambda i: [i, i + 1],
            "tuple": lambda i: (i, 2.5),
            "truth": lambda i: i % 2 == 0,
            "int16": lambda i: np.int16(i),
            "float64": lambda i: np.float64(i / 3),
            "0-d array": lambda i: np.array(i / 3.0),
            "float32 and float64": lambda i: np.zeros(2, np.float32 if i % 2 else np.float64),
            "integers and float64": lambda i: np.full(2, i + 0.5) if i else np.zeros(2, np.int64),
            "columns first": lambda i: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "none": lambda i: None,
            "large integer": lambda i: 2**40 + i,
        }
        for name, value in values.items():

            def cached(value: Any = value) -> Any:
                iterator = D.data_iterator_simple(
                    lambda i: (value(i),), 5, 4, with_file_cache=True, cache_dir=str(self.scratch), use_thread=False
                )
                return [described(array) for array in iterator.next()], sorted(os.listdir(self.scratch))

            self.all[f"cached {name}"] = cached

        def concatenated() -> Any:
            source = ConcatDataSource([SimpleDataSource(load, 5), SimpleDataSource(load, 2)], shuffle=False)
            cache = DataSourceWithFileCache(source, str(self.scratch))
            cache.reset()
            return self._epochs(cache)

        self.all["cached source of two"] = concatenated


def arrays_of(path: Path) -> list[Any]:
    """The arrays in a file of a cache."""
    if path.suffix == ".h5":
        import h5py

        with h5py.File(path, "r") as file:
            return [file[name][()] for name in file]
    found = []
    with open(path, "rb") as file:
        while file.read(1):
            file.seek(-1, os.SEEK_CUR)
            found.append(np.load(file))
    return found


def make_caches(folder: Path, files: Path) -> None:
    """The caches that both implementations must be able to read; three rows in a file."""
    nnabla_config.set("DATA_ITERATOR", "data_source_file_cache_size", "3")
    for name in CACHES:
        nnabla_config.set("DATA_ITERATOR", "cache_file_format", ".h5" if name == "cache_h5" else ".npy")
        target = folder / name
        target.mkdir()
        CreateCache(str(files / "pictures.csv"), shuffle=True).create(str(target), normalize=name != "cache_uint8")
    nnabla_config.set("DATA_ITERATOR", "data_source_file_cache_size", "100")
    nnabla_config.set("DATA_ITERATOR", "cache_file_format", ".npy")


def read_caches(folder: Path) -> Any:
    """What iterators over the caches of a folder give."""
    found = {}
    for name in CACHES:
        for arguments in options(shuffle=(False, True), normalize=(False, True), with_memory_cache=(False, True)):
            iterator = D.data_iterator_cache(str(folder / name), 4, use_thread=False, **arguments)
            batches = [[described(array) for array in iterator.next()] for _ in range(6)]
            found[f"{name}({text(arguments)})"] = list(iterator.variables), batches
            iterator.close()
    return found


def main() -> None:
    logging.disable(logging.INFO)
    if sys.argv[1:2] == ["read"]:
        print(json.dumps(read_caches(Path(sys.argv[2]))))
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "files"
        make_files(files)
        make_caches(FOLDER, files)
        scenarios = Scenarios(files, FOLDER)
        recorded = {"caches": read_caches(FOLDER)}
        for name in scenarios.all:
            try:
                recorded[name] = scenarios.run(name)
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {error}")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in recorded.items())
    (FOLDER / "recorded.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
