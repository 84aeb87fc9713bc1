"""Model files: their addresses, and how they come to this machine."""

from __future__ import annotations

import os
import urllib.parse
from typing import NamedTuple

from ..data.downloads import download
from ..errors import FormatError
from .utils import URL_BASE_VARIABLE, get_model_home, get_model_url_base


class Address(NamedTuple):
    """Where a model file is fetched from.

    Attributes:
        url: whole, or what follows `get_model_url_base`.
        sha256: its digest in hexadecimal; ``None`` if it is not known.
        size: bytes; ``None`` if it is not known.
    """

    url: str
    sha256: str | None = None
    size: int | None = None


ADDRESSES: dict[str, Address] = {}
"""Addresses by the name of the file below `get_model_home`, such as ``"imagenet/Resnet-18.nnp"``. Programs may set
others here, before they make a model; without an entry, the class of the model knows it."""


def model_file(name: str, url: str) -> str:
    """The path of a model file, which is fetched if it is not there.

    An interrupted download is continued by the next one, see `nnabla.utils.download.download`.

    Args:
        name: below `get_model_home`, with ``/`` between folders.
        url: where it is, below `get_model_url_base`, unless `ADDRESSES` says otherwise.

    Raises:
        FileNotFoundError: it cannot be fetched; the message says where to put it by hand.
        FormatError: it has another size or digest than its address says.
    """
    address = ADDRESSES.get(name, Address(url))
    whole = urllib.parse.urljoin(get_model_url_base(), address.url)
    path = os.path.join(get_model_home(), *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        download(whole, path, open_file=False, sha256=address.sha256)
    except OSError as error:
        raise FileNotFoundError(
            f"the model file {name} is not on this machine, and {whole} cannot be fetched ({error}). Put it at {path} "
            f"by hand, or name another server: set {URL_BASE_VARIABLE}, or nnabla.models.files.ADDRESSES[{name!r}]"
        ) from error
    found = os.path.getsize(path)
    if address.size is not None and found != address.size:
        raise FormatError(f"the model file {path} has {found} bytes, not {address.size}; remove it to fetch it again")
    return path
