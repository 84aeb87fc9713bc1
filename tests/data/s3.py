"""An S3 service on this machine: moto's server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client for the service, which the environment names to all libraries. Bucket ``bucket`` is there."""
    pytest.importorskip("s3fs")
    botocore = pytest.importorskip("botocore.session")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        client = botocore.get_session().create_client("s3", endpoint_url=url)
        client.create_bucket(Bucket="bucket")
        yield client
        client.close()
    finally:
        server.stop()
        _forget_instances()


def _forget_instances() -> None:
    """fsspec keeps file systems, which would ask a server that is gone."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
