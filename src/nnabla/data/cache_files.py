"""Caches of data sets: folders whose files hold some samples each, one array for each variable.

Such a folder has

* files ``cache_00000000_00000099.npy``: the samples 0 to 99, the arrays of all variables one after the other, each in
  NumPy's format and of shape (samples, ...); or ``.h5``, a data set for each variable;
* ``cache_index.csv``: names of these files and how many samples they hold, in their order. It is written last and
  removed first, so that a folder that has one is complete;
* ``cache_info.csv`` (with ``.npy``): names of the variables, in the order of the arrays;
* ``order.csv``: of each sample its number and its number in the original data set; ``original.csv``: the original.

This is the layout of NNabla 1.39, and both read each other's. Arrays of Python objects are refused: they are pickles.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..errors import ArgumentError, FormatError
from ..files import hdf5
from ..files.atomic import remove_if_there, replacing
from . import npy_files
from .file_reader import FileReader, inside, open_remote, scheme_of
from .locks import Lock
from .npy_files import Header

INDEX, INFO, ORDER, ORIGINAL = "cache_index.csv", "cache_info.csv", "order.csv", "original.csv"
FORMATS = (".npy", ".h5")

# Files up to this many bytes are read whole when a sample of them is asked for; of larger ones, only those samples.
_WHOLE = 4 * 2**20
_OPEN_FILES = 4


def write_file(path: str, arrays: Mapping[str, np.ndarray], flush: bool = True) -> None:
    """Write one file of a cache; it is there completely or not at all.

    Args:
        path: ending in ``.npy`` or ``.h5``.
        arrays: by name of the variable.
        flush: see `nnabla.files.atomic.replacing`.

    Raises:
        ArgumentError: a variable has Python objects for values.
        OSError: it cannot be written.
    """
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ArgumentError(f"cache: variable {name!r} has values of type {array.dtype}, which no cache can hold")
    with replacing(path, flush=flush) as temporary:
        if path.endswith(".h5"):
            import h5py

            with h5py.File(temporary, "w") as file:
                for name, array in arrays.items():
                    file.create_dataset(name, data=array)
        else:
            with open(temporary, "wb") as stream:
                for array in arrays.values():
                    np.lib.format.write_array(stream, array, allow_pickle=False)


def write_lines(path: str, rows: Sequence[Sequence[Any]], flush: bool = True) -> None:
    """Write a CSV file; it is there completely or not at all."""
    with replacing(path, flush=flush) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def read_lines(path: str) -> list[list[str]]:
    """The rows of a CSV file, without empty ones.

    Raises:
        FormatError: it is no CSV file in UTF-8.
    """
    try:
        with FileReader(path).open(textmode=True) as file:
            return [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path}: {error}") from error


class CacheFile(NamedTuple):
    """A file of a cache: its path, and how many samples it holds, if that is known."""

    path: str
    rows: int | None


def find_files(folder: str, caller: str, allow_outside: bool | None = None) -> list[CacheFile]:
    """The files of a cache, as its index lists them; of HDF5 files without an index, all in the order of their names.

    Raises:
        FileNotFoundError: there is no such folder.
        FormatError: there is neither index nor HDF5 file, the cache was never finished, or the index is wrong.
        ArgumentError: the index names files outside of the folder.
    """
    index = _joined(folder, INDEX)
    try:
        return [_listed(folder, row, caller, allow_outside) for row in read_lines(index)]
    except FileNotFoundError:
        pass
    names = FileReader(folder).listdir() if scheme_of(folder) != "http" else []
    if not names:
        raise FormatError(
            f"{caller}: {folder} has no {INDEX}: it is no cache, or one whose making was interrupted; make it again"
        )
    return [CacheFile(_joined(folder, name), None) for name in names]


def _listed(folder: str, row: Sequence[str], caller: str, allow_outside: bool | None) -> CacheFile:
    if len(row) != 2 or not row[1].strip().isdigit():
        raise FormatError(f"{caller}: {_joined(folder, INDEX)} must list names and numbers of samples, not {list(row)}")
    path = inside(folder, row[0], caller, allow_outside)
    if os.path.splitext(path)[1] not in FORMATS:
        raise FormatError(f"{caller}: files of a cache end in {' or '.join(FORMATS)}; {row[0]!r} does not")
    return CacheFile(path, int(row[1]))


def _joined(folder: str, name: str) -> str:
    return os.path.join(folder, name) if scheme_of(folder) == "file" else f"{folder.rstrip('/')}/{name}"


def find_variables(folder: str, files: Sequence[CacheFile], caller: str) -> list[str]:
    """Names of a cache's variables, in order.

    Raises:
        FormatError: a cache of ``.npy`` files does not tell.
    """
    try:
        return [row[0] for row in read_lines(_joined(folder, INFO))]
    except FileNotFoundError:
        pass
    if files and files[0].path.endswith(".h5"):
        return list(_read_h5(files[0].path))
    raise FormatError(f"{caller}: {folder} has no {INFO}, which says what the arrays in its files are")


class CacheRows:
    """Samples of the files of a cache, of which a few are kept open.

    Args:
        files: as `find_files` returns them.
        variables: names, in the order of the arrays of a sample.

    Raises:
        FormatError: from `take`, a file is damaged, or does not hold what the index says.
    """

    def __init__(self, files: Sequence[CacheFile], variables: Sequence[str]) -> None:
        self.files = list(files)
        self._variables = list(variables)
        self._open: OrderedDict[int, _RowsOfFile] = OrderedDict()
        self._lock = Lock()

    def take(self, file: int, rows: Sequence[int]) -> tuple[np.ndarray, ...]:
        """Some samples of the file of that number: for each variable an array of the caller's."""
        with self._lock:
            opened = self._open.get(file)
            if opened is None:
                opened = _RowsOfFile(self.files[file], self._variables)
                self._open[file] = opened
                while len(self._open) > _OPEN_FILES:
                    self._open.popitem(last=False)[1].close()
            self._open.move_to_end(file)
            return opened.take(rows)

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for opened in self._open.values():
                opened.close()
            self._open.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files, "variables": self._variables}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["files"], state["variables"])  # type: ignore[misc]


class _RowsOfFile:
    """An open file of a cache: its arrays in memory if it is small, or where they lie in it."""

    def __init__(self, file: CacheFile, variables: Sequence[str]) -> None:
        self._path = file.path
        self._arrays: list[np.ndarray] | None = None
        self._layouts: list[Header] = []
        self._stream: BinaryIO | None = None
        try:
            if file.path.endswith(".h5"):
                self._open_h5(variables)
            else:
                self._open_npy(variables)
        except FileNotFoundError:
            raise FormatError(f"cache: {file.path}, which the index lists, is not there") from None
        shapes = [a.shape for a in self._arrays] if self._arrays is not None else [x.shape for x in self._layouts]
        self.rows = shapes[0][0] if file.rows is None and shapes and shapes[0] else file.rows or 0
        for name, shape in zip(variables, shapes, strict=True):
            if not shape or shape[0] != self.rows:
                self.close()
                raise FormatError(
                    f"cache: {file.path} must hold {self.rows} samples of each variable, as many as the index says; "
                    f"{name!r} has shape {shape}"
                )

    def _open_npy(self, variables: Sequence[str]) -> None:
        stream = _opened(self._path)
        try:
            self._layouts = _npy_layouts(stream, self._path, len(variables))
            self._keep(stream)
        except BaseException:
            stream.close()
            raise

    def _open_h5(self, variables: Sequence[str]) -> None:
        stream = _opened(self._path)
        try:
            layouts = _h5_layouts(stream, self._path, variables)
            if layouts is None:
                self._arrays = list(_read_h5(stream, self._path, variables).values())
                stream.close()
            else:
                self._layouts = layouts
                self._keep(stream)
        except BaseException:
            stream.close()
            raise

    def _keep(self, stream: BinaryIO) -> None:
        """Read a small file; keep a large one open."""
        size = stream.seek(0, os.SEEK_END)
        if size > _WHOLE and not isinstance(stream, io.BytesIO):
            self._stream = stream
            return
        stream.seek(0)
        data = stream.read()
        self._arrays = [
            np.frombuffer(data[x.offset : x.offset + x.nbytes], x.dtype).reshape(x.shape) for x in self._layouts
        ]
        stream.close()

    def take(self, rows: Sequence[int]) -> tuple[np.ndarray, ...]:
        if self._arrays is not None:
            if isinstance(rows, range):
                return tuple(_native(array[rows.start : rows.stop]) for array in self._arrays)
            return tuple(_native(array.take(rows, axis=0)) for array in self._arrays)
        return tuple(_native(self._read(layout, rows)) for layout in self._layouts)

    def _read(self, layout: Header, rows: Sequence[int]) -> np.ndarray:
        result = np.empty((len(rows), *layout.shape[1:]), layout.dtype)
        memory = result.reshape(-1).view(np.uint8).data if result.size else memoryview(b"")
        size = result[:1].nbytes
        assert self._stream is not None
        if isinstance(rows, range):
            pieces = [(rows.start, memory)]
        else:
            pieces = [(int(row), memory[i * size : (i + 1) * size]) for i, row in enumerate(rows)]
        for row, piece in pieces:
            _read_into(self._stream, layout.offset + row * size, piece, self._path)
        return result

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


def _native(array: np.ndarray) -> np.ndarray:
    """The array in this machine's byte order, and the caller's own."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.flags.owndata and array.flags.writeable else array.copy()


def _read_into(stream: BinaryIO, offset: int, memory: memoryview, path: str) -> None:
    done = 0
    while done < len(memory):
        if hasattr(os, "preadv"):
            count = os.preadv(stream.fileno(), [memory[done:]], offset + done)
        else:
            stream.seek(offset + done)
            count = stream.readinto(memory[done:])  # type: ignore[attr-defined]
        if not count:
            raise FormatError(f"cache: {path} is truncated")
        done += count


def _npy_layouts(stream: BinaryIO, path: str, count: int) -> list[Header]:
    """Where the arrays of a file lie; the file is as long as they say."""
    size = stream.seek(0, os.SEEK_END)
    layouts: list[Header] = []
    end = 0
    while end < size:
        stream.seek(end)
        layout = npy_files.read_header(stream, f"cache: {path}")
        if layout.by_columns and len(layout.shape) > 1:
            raise FormatError(f"cache: {path} holds an array stored by columns; caches are stored by rows")
        end = layout.offset + layout.nbytes
        if end > size:
            raise FormatError(f"cache: {path} is truncated: {size} bytes, and its arrays need {end}")
        layouts.append(layout)
    if len(layouts) != count:
        raise FormatError(f"cache: {path} must hold {count} arrays, one for each variable; it has {len(layouts)}")
    return layouts


def _opened(path: str) -> BinaryIO:
    """A file of this machine, or all bytes of one of another."""
    if scheme_of(path) == "file":
        return open(path, "rb")
    with open_remote(path) as file:
        return io.BytesIO(file.read())


def _h5_layouts(stream: BinaryIO, path: str, variables: Sequence[str]) -> list[Header] | None:
    """Where the arrays of an HDF5 file lie, if each lies in one piece and as it is in memory."""
    import h5py

    size = stream.seek(0, os.SEEK_END)
    with _h5_errors(path), h5py.File(stream, "r") as file:
        found = dict(hdf5.Reader(file, f"cache: {path}").datasets())
        layouts = []
        for name in variables:
            dataset = found.get(name)
            if dataset is None:
                raise FormatError(f"cache: {path} has no array {name!r}")
            offset = dataset.id.get_offset()
            if offset is None or dataset.chunks or dataset.is_virtual or dataset.external or file.userblock_size:
                return None
            if dataset.dtype.kind not in "biufc" or offset + dataset.nbytes > size:
                raise FormatError(f"cache: {path}: {name!r} holds no numbers, or is truncated")
            layouts.append(Header(dataset.shape, False, dataset.dtype, offset))
    return layouts


def _read_h5(source: Any, path: str | None = None, variables: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an HDF5 file; those of the variables in their order, or all."""
    import h5py

    path = str(source) if path is None else path
    source = _opened(source) if isinstance(source, str) and scheme_of(source) != "file" else source
    where = f"cache: {path}"
    with _h5_errors(path), h5py.File(source, "r") as file:
        reader = hdf5.Reader(file, where)
        found = dict(reader.datasets())
        missing = [name for name in variables or () if name not in found]
        if missing:
            raise FormatError(f"{where} has no array {missing[0]!r}")
        return {name: reader.values(found[name], name) for name in variables or found}


@contextlib.contextmanager
def _h5_errors(path: str) -> Iterator[None]:
    try:
        yield
    except (FormatError, FileNotFoundError):
        raise
    except hdf5.DAMAGE as error:
        raise FormatError(f"cache: {path} is damaged: {error}") from error


def read_file(path: str, variables: Sequence[str]) -> dict[str, np.ndarray]:
    """All arrays of a file of a cache, by name of the variable.

    Raises:
        FormatError: it is damaged, or does not hold these variables.
    """
    opened = _RowsOfFile(CacheFile(path, None), variables)
    try:
        return dict(zip(variables, opened.take(range(opened.rows)), strict=True))
    finally:
        opened.close()


def counted(files: Sequence[CacheFile], variables: Sequence[str]) -> list[CacheFile]:
    """The same files, their samples counted where the index does not tell."""
    return [
        file if file.rows is not None else CacheFile(file.path, len(read_file(file.path, variables)[variables[0]]))
        for file in files
    ]


def start_over(folder: str) -> None:
    """Make the folder one that holds no finished cache, before files of another are written to it."""
    remove_if_there(os.path.join(folder, INDEX))
    remove_if_there(os.path.join(folder, INFO))
