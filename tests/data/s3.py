"""An S3 service on this machine: moto's server, one for all tests of a process."""

from __future__ import annotations

import atexit
import functools
import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client for the service, which the environment names to all libraries. It holds an empty bucket ``bucket``."""
    s3fs = pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    url, client = _server()
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    client.create_bucket(Bucket="bucket")
    try:
        yield client
    finally:
        urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
        for filesystem in list(s3fs.S3FileSystem._cache.values()):
            filesystem.invalidate_cache()


@functools.cache
def _server() -> tuple[str, Any]:
    """Its address, and a client."""
    from botocore.session import get_session
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    atexit.register(server.stop)
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    return url, get_session().create_client("s3", endpoint_url=url)
