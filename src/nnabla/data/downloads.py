"""Fetching files once and keeping them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..config import nnabla_config
from ..errors import ArgumentError, FormatError
from ..files.atomic import remove_if_there
from ..logger import logger
from .file_reader import open_remote, scheme_of

_CHUNK = 2**16
_SECONDS = 60
"""Without an answer, after which a server is given up."""


def get_data_home() -> str:
    """The folder for data that programs download: ``nnabla_data`` in the user's home; it is made if it is not there."""
    home = os.path.join(os.path.expanduser("~"), "nnabla_data")
    os.makedirs(home, exist_ok=True)
    return home


def download(
    url: str,
    output_file: str | os.PathLike[str] | None = None,
    open_file: bool = True,
    allow_overwrite: bool = False,
    *,
    sha256: str | None = None,
) -> BinaryIO | None:
    """Fetch a file, unless it is there already.

    It is written beside its place, with the extension ``.part``, and moved there when it is complete. What an
    interrupted download has left is continued by the next one, if the server can tell that the file is still the same.
    Several processes that ask for the same file fetch it once, where the system can lock files.

    Args:
        url: address, ``http(s)://``, ``ftp://``, ``file://``, or ``s3://`` (which needs the extra ``s3``).
        output_file: where to put it; default its name in `get_data_home`.
        open_file: return it, opened in binary mode.
        allow_overwrite: fetch it even if it is there.
        sha256: the file's digest, in hexadecimal.

    Raises:
        ArgumentError: the address names no file.
        FormatError: the file does not have the digest; it is removed.
        OSError: the file cannot be fetched, or not completely.
    """
    name = url.rsplit("/", 1)[-1]
    if output_file is None and not name:
        raise ArgumentError(f"download: {url} names no file; give output_file")
    target = os.path.join(get_data_home(), name) if output_file is None else os.fspath(output_file)
    folder = os.path.dirname(os.path.abspath(target))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"download: cannot write {target!r}: there is no directory {folder!r}")
    if not allow_overwrite and _is_whole(target, sha256):
        logger.info("> %s is there already.", target)
    else:
        logger.info("> Downloading %s to %s", url, target)
        _fetch(url, target, name, sha256, allow_overwrite)
    return open(target, "rb") if open_file else None


def _is_whole(target: str, sha256: str | None) -> bool:
    return os.path.exists(target) and (sha256 is None or _digest(target) == sha256.lower())


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch(url: str, target: str, name: str, sha256: str | None, allow_overwrite: bool) -> None:
    part = f"{target}.part"
    with open(part, "ab") as file, _locked(file):
        # Another process may have been faster.
        if not allow_overwrite and _is_whole(target, sha256):
            remove_if_there(part)
            return
        _write(url, file, f"{part}.json", name)
        file.flush()
        os.fsync(file.fileno())
        if sha256 is not None and _digest(part) != sha256.lower():
            found = _digest(part)
            _remove(part)
            raise FormatError(f"download: {url} has the SHA-256 {found}, not {sha256}")
        os.replace(part, target)
        remove_if_there(f"{part}.json")


def _remove(part: str) -> None:
    remove_if_there(part)
    remove_if_there(f"{part}.json")


@contextlib.contextmanager
def _locked(file: BinaryIO) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _write(url: str, file: BinaryIO, notes: str, name: str) -> None:
    """Write what is missing of a file, or all of it."""
    if scheme_of(url) == "s3":
        file.truncate(0)
        with open_remote(url) as remote:
            _copy(remote, file, name, getattr(remote, "size", None), 0)
        return
    have = file.seek(0, os.SEEK_END)
    version = _noted(notes, url) if have else None
    headers = {"User-Agent": "nnabla"}
    if version is not None:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_SECONDS)
    except ValueError as error:
        raise ArgumentError(f"download: {url} is no address: {error}") from error
    except urllib.error.HTTPError as error:
        if error.code == 416 and version is not None:
            # All of it is there.
            error.close()
            return
        raise
    with response:
        continued = version is not None and response.status == 206
        if not continued:
            have = 0
            file.truncate(0)
            # A weak tag does not tell whether every byte is the same.
            tag = response.headers.get("ETag") or ""
            _note(notes, url, tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified"))
        length = response.headers.get("Content-Length")
        _copy(response, file, name, None if length is None else have + int(length), have)


def _noted(notes: str, url: str) -> str | None:
    """The version of the file that is partly there, as the server calls it."""
    try:
        with open(notes, encoding="utf-8") as file:
            noted = json.load(file)
        return str(noted["version"]) if noted["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(notes: str, url: str, version: str | None) -> None:
    if version is None:
        remove_if_there(notes)
        return
    with open(notes, "w", encoding="utf-8") as file:
        json.dump({"url": url, "version": version}, file)


def _copy(source: Any, file: BinaryIO, name: str, size: int | None, have: int) -> None:
    from tqdm import tqdm

    show = nnabla_config.getboolean("MISC", "misc_show_progress")
    with tqdm(
        total=size, initial=have, desc=name, unit="B", unit_scale=True, unit_divisor=1024, disable=not show
    ) as bar:
        while chunk := source.read(_CHUNK):
            file.write(chunk)
            have += len(chunk)
            bar.update(len(chunk))
    if size is not None and have < size:
        raise OSError(f"download: {name}: the connection ended after {have} of {size} bytes; call again to go on")
