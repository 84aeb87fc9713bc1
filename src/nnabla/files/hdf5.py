"""NNabla's HDF5 parameter files: one dataset for each parameter, groups made by the slashes in its name."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, BinaryIO

import numpy as np

from ..errors import ArgumentError, FormatError, shown
from .expansion import NUMBERS
from .stored import LARGEST_DEPTH, StoredParameter

DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, zlib.error)
"""What h5py raises for files that are not HDF5, or damaged."""

_PER_CHUNK = 512
"""Bytes of memory in which HDF5 keeps the place of one chunk while it reads a dataset."""


def write(target: str | BinaryIO, params: Sequence[StoredParameter]) -> None:
    """Write `params`.

    Each dataset has the parameter's shape and type and the attributes ``need_grad`` and ``index`` (its position).

    Raises:
        ArgumentError: HDF5 cannot store a name.
    """
    import h5py
    from h5py import h5a, h5d, h5p, h5s, h5t

    # The plain calls of HDF5: those of h5py's groups and attributes take several times as long for each parameter.
    links = h5p.create(h5p.LINK_CREATE)
    links.set_char_encoding(h5t.CSET_UTF8)
    links.set_create_intermediate_group(True)
    settings = h5p.create(h5p.DATASET_CREATE)
    settings.set_obj_track_times(False)
    scalar = h5s.create(h5s.SCALAR)
    with h5py.File(target, "w") as file:
        for index, (name, values, need_grad) in enumerate(params):
            values = np.asarray(values, order="C")
            space = h5s.create_simple(values.shape) if values.shape else scalar
            try:
                dataset = h5d.create(file.id, name.encode(), _stored_type(values.dtype), space, settings, links)
            except (ValueError, RuntimeError) as error:
                # Such as a name with a part that is a dot.
                raise ArgumentError(f"save_parameters: HDF5 cannot store parameter {name!r}: {error}") from None
            dataset.write(h5s.ALL, h5s.ALL, values)
            for attribute, value in ((b"need_grad", np.array(bool(need_grad))), (b"index", np.array(index, np.int64))):
                h5a.create(dataset, attribute, _stored_type(value.dtype), scalar).write(value)


@cache
def _stored_type(dtype: np.dtype) -> Any:
    from h5py import h5t

    return h5t.py_create(dtype, logical=True)


def read(source: str | os.PathLike[str] | BinaryIO, where: str, packed: int | None = None) -> list[StoredParameter]:
    """All parameters in a file, in the order in which they were saved.

    Args:
        packed: bytes that the file takes in an archive, if it is in one.

    Raises:
        FormatError: `where`, and that it is truncated, damaged, or not a parameter file.
    """
    import h5py

    try:
        with h5py.File(source, "r") as file:
            reader = Reader(file, where, packed)
            entries = [
                (reader.number(item, "index", name, default=position), _parameter(reader, name, item))
                for position, (name, item) in enumerate(reader.datasets())
            ]
    except FormatError:
        raise
    except DAMAGE as error:
        raise FormatError(f"{where} is not a readable HDF5 file: {shown(str(error))}") from error
    return [entry for _, entry in sorted(entries, key=lambda e: (e[0], e[1].name))]


def _parameter(reader: Reader, name: str, dataset: Any) -> StoredParameter:
    values = reader.values(dataset, name)
    return StoredParameter(name, values, bool(reader.number(dataset, "need_grad", name)))


class Reader:
    """Reads a file that is not trusted: what is read is bounded by the file's size.

    Args:
        file: an open `h5py.File`.
        where: what error messages begin with.
        packed: bytes that the file takes in an archive, if it is in one.
    """

    def __init__(self, file: Any, where: str, packed: int | None = None) -> None:
        self._file = file
        self._where = where
        self._size = file.id.get_filesize()
        self._packed = self._size if packed is None else packed
        self._stored = self._claimed = 0

    def items(self) -> Iterator[tuple[str, Any]]:
        """Each group and dataset with its path, groups before what they hold, otherwise by name.

        An object with several names appears once. Links to other places and other files are not followed.

        Raises:
            FormatError: groups are nested too deeply, or a name is not UTF-8.
        """
        # h5py's own visititems lists a group within HDF5, which does not survive all damaged files.
        import h5py
        from h5py import h5d, h5g, h5l, h5o

        seen: set[tuple[int, int]] = set()  # where objects lie in the file
        waiting: list[tuple[str, Any, bytes]] = [("", self._file.id, b".")]
        while waiting:
            path, parent, link = waiting.pop()
            item = h5o.open(parent, link)
            identity = h5g.get_objinfo(item).objno
            if identity in seen:
                continue
            seen.add(identity)
            if isinstance(item, h5d.DatasetID):
                yield path, h5py.Dataset(item)
            elif isinstance(item, h5g.GroupID):
                if path:
                    yield path, h5py.Group(item)
                if path.count("/") >= LARGEST_DEPTH:  # what is in it has two parts more than slashes here
                    raise FormatError(f"{self._where}: group {shown(path)!r} is more than {LARGEST_DEPTH} levels deep")
                names: list[bytes] = []
                item.links.iterate(names.append)
                hard = [name for name in names if item.links.get_info(name).type == h5l.TYPE_HARD]
                waiting += [(self._path(path, name), item, name) for name in reversed(hard)]

    def _path(self, parent: str, name: bytes) -> str:
        try:
            return f"{parent}/{name.decode()}" if parent else name.decode()
        except UnicodeDecodeError:
            raise FormatError(f"{self._where}: {shown(repr(name))} in {shown(parent)!r} is not UTF-8") from None

    def datasets(self) -> Iterator[tuple[str, Any]]:
        """Each dataset with its path."""
        import h5py

        return ((path, item) for path, item in self.items() if isinstance(item, h5py.Dataset))

    def number(self, item: Any, attribute: str, name: str, default: int | None = None) -> int:
        """A whole number, or true or false, that is an attribute of an item.

        Raises:
            FormatError: it is missing and there is no default, or it is something else.
        """
        from h5py import h5a

        key = attribute.encode()
        if not h5a.exists(item.id, key):
            if default is None:
                raise FormatError(f"{self._where}: {shown(name)!r} has no attribute {attribute}")
            return default
        found = h5a.open(item.id, key)
        shape, dtype = found.shape, found.dtype
        if shape not in ((), (1,)) or dtype.kind not in "biu":
            where = f"{self._where}: {shown(name)!r}"
            raise FormatError(f"{where}: attribute {attribute} is not a number, but {dtype} of {shape}")
        value = np.empty(shape, dtype)
        found.read(value)
        return int(value.item())

    def values(self, dataset: Any, name: str) -> np.ndarray:
        """The numbers of a dataset, after a check that the file holds as many as the dataset claims.

        Raises:
            FormatError: it holds no numbers, or not those that it claims.
        """
        from h5py import h5s

        where = f"{self._where}: dataset {shown(name)!r}"
        if dataset.is_virtual or dataset.external:
            raise FormatError(f"{where} refers to other files")
        shape, dtype, chunks = dataset.shape, dataset.dtype, dataset.chunks
        if dtype.kind not in "biuf":
            raise FormatError(f"{where} holds {dtype}, not numbers")
        if shape is None:
            raise FormatError(f"{where} has no shape")
        nbytes = math.prod(shape) * dtype.itemsize
        stored = dataset.id.get_storage_size()
        self._stored += stored
        if self._stored > self._size:
            raise FormatError(f"{self._where}: its datasets claim {self._stored} bytes, more than the file has")
        if chunks is None:
            if stored < nbytes:
                raise FormatError(f"{where} claims {nbytes} bytes, but only {stored} are stored")
            self._claimed += nbytes
        else:
            size = math.prod(chunks) * dtype.itemsize
            grid = math.prod(-(-length // step) for length, step in zip(shape, chunks, strict=True))
            claimed = max(nbytes, dataset.id.get_num_chunks() * size) + _PER_CHUNK * grid
            NUMBERS.check(nbytes, stored, where)
            NUMBERS.check(claimed, stored, f"{where}, of {grid} chunks,")
            self._claimed += claimed
        NUMBERS.check(self._claimed, min(self._stored, self._packed), self._where)
        if chunks is not None:
            _check_chunks(dataset, size, where)
        values = np.empty(shape, dtype)
        if values.size:
            dataset.id.read(h5s.ALL, h5s.ALL, values)
        return values


def _check_chunks(dataset: Any, size: int, where: str) -> None:
    """Make sure that every chunk of a dataset expands to `size` bytes, which HDF5 relies on.

    Raises:
        FormatError: `where`, and that it does not, or is packed by something else than deflate.
    """
    from h5py import h5z

    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(i) for i in range(properties.get_nfilters())]
    codes = [code for code, *_ in filters]
    known = {h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE, h5z.FILTER_FLETCHER32}
    if len({*codes}) < len(codes) or not {*codes} <= known:
        names = ", ".join(name.decode(errors="replace") for *_, name in filters)
        raise FormatError(f"{where} is packed by {shown(names)}, not by deflate")
    if not codes:
        return
    places: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda chunk: places.append(chunk.chunk_offset))
    for place in places:
        skipped, data = dataset.id.read_direct_chunk(place)
        for position, code in reversed([*enumerate(codes)]):
            if skipped >> position & 1:
                continue
            if code == h5z.FILTER_FLETCHER32:
                data = data[:-4]  # a checksum
            elif code == h5z.FILTER_DEFLATE:
                # One byte more than allowed, to see whether there is more.
                data = zlib.decompressobj().decompress(data, size + 5)
        if len(data) != size:
            raise FormatError(f"{where} has a chunk of {len(data)} bytes at {place}, not of {size}")
