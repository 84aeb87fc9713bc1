"""``nnabla_cli create_tar`` and ``upload``: data sets as archives, for Neural Network Console.

An archive is a tar file with ``index.csv``, the table, and the files that its cells name, as
``data/000000000000_a.png``, numbered in the order of the cells.

Uploading takes two steps: ``GET ENDPOINT/v1/misc/credential`` with the token (``encrypted_text``), ``dataset_name`` and
``dataset_size`` in bytes gives ``upload_path``, an address ``s3://bucket/folder``, and ``access_key_id``,
``secret_access_key`` and ``session_token`` for it; then the archive is put there as ``NAME.tar``.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from ..config import nnabla_config
from ..data.file_reader import FileReader, inside, scheme_of
from ..errors import ArgumentError, ExtensionError, FormatError, shown
from ..files.atomic import replacing
from ..progress import progress
from .data_rows import is_float
from .reporting import bars_shown

ENDPOINT = "https://console-api.dl.sony.com"
_INDEX = "index.csv"
_SECONDS = 60.0


def create_tar_command(args: argparse.Namespace) -> bool:
    """Write a tar file of a CSV data set; it is there completely or not at all.

    Raises:
        FileNotFoundError: the table, or a file that it names, is not there.
        FormatError: the table is no CSV file in UTF-8, or a row of another length than the header.
        ArgumentError: a cell names a file outside of the folder of the table, by a link, too.
    """
    with bars_shown():
        Uploader(log, progress=Progress()).convert(args.source, args.destination)
    return True


def upload_command(args: argparse.Namespace) -> bool:
    """Send a data set, a CSV file or an archive, to the service.

    Raises:
        ArgumentError: the file is neither, or names files outside of the folder of the data set.
        FormatError: the archive is none of a data set, or the service answers something else than it should.
        OSError: the service cannot be reached, or refuses the data set.
        ExtensionError: the packages for S3 are not installed.
    """
    name = os.path.splitext(os.path.basename(args.filename))[0]
    with bars_shown():
        Uploader(log, progress=Progress()).upload(args.token, args.filename, name, endpoint=args.endpoint)
    return True


def log(string: str) -> None:
    """Print a line."""
    print(string, flush=True)


class Progress:
    """Tells `nnabla.progress` how far something has come."""

    def __init__(self) -> None:
        self._label, self._maximum, self._amount = "", 0, 0

    def init(self, maximum: int, label: str) -> None:
        """Begin something of `maximum` steps."""
        self._label, self._maximum, self._amount = label, maximum, 0
        progress(label)

    def __call__(self, amount: int) -> None:
        """So many steps more are done."""
        self._amount += amount
        progress(self._label, min(1.0, self._amount / max(1, self._maximum)))

    def finish(self) -> None:
        """It is done."""
        progress(None)


class Uploader:
    """Packs data sets and sends them.

    Args:
        log: called with lines that say what is being done.
        token: that the service gave, for `upload` without one.
        progress: told how far each step has come; default nothing is.
    """

    def __init__(self, log: Callable[[str], Any], token: str | None = None, progress: Progress | None = None) -> None:
        self._log = log
        self._token = token
        self._progress = progress

    def createCsvData(self, csvfilename: str) -> tuple[list[list[str]], dict[str, str]]:
        """The table of an archive, with the names that files have in it, and the files by these names.

        Cells of columns whose name begins with ``#``, and numbers, stay as they are; any other names a file.

        Args:
            csvfilename: path or address of the table.

        Raises:
            FormatError, FileNotFoundError, ArgumentError: as for `create_tar_command`.
        """
        reader = FileReader(csvfilename)
        lines = _lines(reader, csvfilename)
        (_, header), rows = lines[0], lines[1:]
        table, files = [header], dict[str, str]()
        self._begin(len(rows), "Read table")
        for line, row in rows:
            if len(row) != len(header):
                raise FormatError(
                    f"{csvfilename}, line {line}: there are {len(row)} cells, and {len(header)} in the header"
                )
            packed = list(row)
            for column, cell in enumerate(row):
                if header[column].startswith("#") or is_float(cell):
                    continue
                where = f"{csvfilename}, line {line}, column {header[column]!r}"
                path = _path_of(reader, cell, where)
                packed[column] = f"data/{len(files):012}_{os.path.basename(path)}"
                files[packed[column]] = path
            table.append(packed)
            self._step(1)
        self._end()
        return table, files

    def createTemporaryTar(
        self, name: str, csv_data: Sequence[Sequence[str]], data_files: Mapping[str, str], tmpdir: str
    ) -> str:
        """Write ``name.tar`` into a folder, of what `createCsvData` gave; its path."""
        path = os.path.join(tmpdir, f"{name}.tar")
        self._write_tar(path, csv_data, data_files)
        return path

    def _write_tar(self, path: str, csv_data: Sequence[Sequence[str]], data_files: Mapping[str, str]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(csv_data)
        index = text.getvalue().encode()
        self._log(f"Packing {len(data_files)} files")
        self._begin(len(data_files), "Pack")
        with replacing(path) as temporary, tarfile.open(temporary, "w") as archive:
            _add(archive, _INDEX, io.BytesIO(index), len(index), time.time())
            for name, original in data_files.items():
                if scheme_of(original) == "file":
                    # What a link leads to is packed, and not the link.
                    with open(original, "rb") as file:
                        status = os.fstat(file.fileno())
                        _add(archive, name, file, status.st_size, status.st_mtime)
                else:
                    with FileReader(original).open() as remote:
                        data = remote.read()
                    _add(archive, name, io.BytesIO(data), len(data), time.time())
                self._step(1)
        self._end()

    def convert(self, source: str, destination: str) -> None:
        """Pack a CSV data set into a tar file."""
        table, files = self.createCsvData(source)
        self._write_tar(destination, table, files)

    def uploadFile(self, endpoint: str, token: str, filename: str, name: str) -> bool:
        """Send an archive; True.

        Args:
            endpoint: address of the service.
            token: that the service gave for the upload.
            filename: the archive.
            name: of the data set.
        """
        size = os.path.getsize(filename)
        self._log(f"Asking {endpoint} where to upload")
        answer = _credential(endpoint, token, name, size)
        target = f"{answer['upload_path'].rstrip('/')}/{name}.tar"
        self._log(f"Uploading to {target}")
        self._begin(size, "Upload")
        _put(filename, target, answer, self._step)
        self._end()
        self._log("Uploaded")
        return True

    def upload(
        self,
        token: str | None,
        filename: str,
        name: str,
        finishCallback: Callable[[bool], Any] | None = None,
        endpoint: str | None = None,
    ) -> None:
        """Send a data set.

        Args:
            token: that the service gave for the upload; default that of the uploader.
            filename: CSV file, or tar file that `convert` wrote.
            name: of the data set.
            finishCallback: called in the end, with whether it succeeded.
            endpoint: address of the service; default Sony's.

        Raises:
            Exception: as for `upload_command`.
        """
        done = False
        endpoint = (endpoint or ENDPOINT).rstrip("/")
        try:
            token = token or self._token
            if not token:
                raise ArgumentError("upload: there is no token")
            extension = os.path.splitext(filename)[1].lower()
            if extension == ".csv":
                table, files = self.createCsvData(filename)
                with tempfile.TemporaryDirectory() as folder:
                    archive = self.createTemporaryTar(name, table, files, folder)
                    done = self.uploadFile(endpoint, token, archive, name)
            elif extension == ".tar":
                check_archive(filename)
                done = self.uploadFile(endpoint, token, filename, name)
            else:
                raise ArgumentError(f"upload: {filename!r} must end in .csv or .tar")
        finally:
            if finishCallback is not None:
                finishCallback(done)

    def _begin(self, maximum: int, label: str) -> None:
        if self._progress is not None:
            self._progress.init(maximum, label)

    def _step(self, amount: int) -> None:
        if self._progress is not None:
            self._progress(amount)

    def _end(self) -> None:
        if self._progress is not None:
            self._progress.finish()


def _lines(reader: FileReader, name: str) -> list[tuple[int, list[str]]]:
    """The rows that have cells, with the number of the line that each ends at."""
    found = []
    try:
        with reader.open(textmode=True) as file:
            rows = csv.reader(file)
            found = [(rows.line_num, row) for row in rows if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{name} is no CSV file in UTF-8: {error}") from error
    if not found:
        raise FormatError(f"{name} has no header")
    return found


def _path_of(reader: FileReader, cell: str, where: str) -> str:
    """The file that a cell names; links are followed, and must not lead out of the folder, either."""
    folder = reader.folder
    path = inside(folder, cell, where)
    if scheme_of(path) != "file":
        return path
    if not cell.strip() or not os.path.isfile(path):
        raise FileNotFoundError(f"{where}: there is no file {shown(cell)!r}")
    inside(os.path.realpath(folder), os.path.realpath(path), where)
    return path


def _add(archive: tarfile.TarFile, name: str, file: BinaryIO, size: int, modified: float) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = size, int(modified)
    archive.addfile(member, file)


def check_archive(path: str) -> None:
    """Refuse what is no archive of a data set, before it is sent.

    Raises:
        FormatError: it is no tar file, has no ``index.csv``, or holds links, devices, or files that would be unpacked
            outside of the folder, unless ``allow_files_outside`` in the configuration allows these.
        FileNotFoundError: there is no such file.
    """
    allowed = nnabla_config.getboolean("DATA_ITERATOR", "allow_files_outside")
    names = set()
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                names.add(member.name)
                if not allowed and not (member.isreg() or member.isdir()):
                    raise FormatError(
                        f"upload: {path!r} holds {shown(member.name)!r}, which is no file but a link or device"
                    )
                inside(path, member.name, f"upload: {path!r}", allowed)
    except tarfile.TarError as error:
        raise FormatError(f"upload: {path!r} is no tar file: {error}") from error
    if _INDEX not in names:
        raise FormatError(f"upload: {path!r} holds no {_INDEX}; create_tar packs data sets")


def _credential(endpoint: str, token: str, name: str, size: int) -> dict[str, str]:
    """Where to put an archive, and the keys for it."""
    query = urllib.parse.urlencode({"encrypted_text": token, "dataset_name": name, "dataset_size": size})
    if urllib.parse.urlsplit(endpoint).scheme not in ("http", "https"):
        raise ArgumentError(f"upload: -e must be an address http://... or https://..., not {endpoint!r}")
    request = urllib.request.Request(f"{endpoint}/v1/misc/credential?{query}", headers={"User-Agent": "nnabla"})
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            data = response.read()
    except urllib.error.HTTPError as error:
        with error:
            message = _message(error.read())
        raise OSError(f"upload: {endpoint} answers {error.code}: {message or error.reason}") from None
    except urllib.error.URLError as error:
        raise OSError(f"upload: {endpoint} cannot be reached: {error.reason}") from error
    answer = _parsed(data)
    if "upload_path" not in answer:
        if message := _message(data):
            raise OSError(f"upload: {endpoint} answers: {message}")
        raise FormatError(f"upload: {endpoint} answers without an upload_path")
    needed = ("upload_path", "access_key_id", "secret_access_key", "session_token")
    for key in needed:
        if not isinstance(answer.get(key), str):
            raise FormatError(f"upload: {endpoint} answers without a text {key!r}")
    if scheme_of(answer["upload_path"]) != "s3":
        raise FormatError(f"upload: {endpoint} names {shown(answer['upload_path'])!r}, which is no address s3://...")
    return {key: answer[key] for key in needed}


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _message(data: bytes) -> str:
    return shown(str(_parsed(data).get("message", "")))


def _put(filename: str, target: str, answer: Mapping[str, str], step: Callable[[int], None]) -> None:
    """Put a file to S3."""
    try:
        import fsspec
        from fsspec.callbacks import Callback

        store = fsspec.filesystem(
            "s3",
            key=answer["access_key_id"],
            secret=answer["secret_access_key"],
            token=answer["session_token"],
            skip_instance_cache=True,
        )
    except ImportError as error:
        raise ExtensionError(f"upload needs more packages: pip install nnabla[s3] ({error})") from error

    class Steps(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            step(inc)

    store.put_file(filename, target, callback=Steps())
