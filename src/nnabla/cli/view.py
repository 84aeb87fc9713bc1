"""``nnabla_cli view``: a model in Netron, in the browser."""

from __future__ import annotations

import argparse
import os

from ..errors import ExtensionError


def view_command(args: argparse.Namespace) -> bool:
    """Serve the model to the browser of this machine until Ctrl-C.

    Raises:
        FileNotFoundError: there is no such file.
        ExtensionError: Netron is not installed.
    """
    if not os.path.isfile(args.file):
        raise FileNotFoundError(f"view: there is no file {args.file!r}")
    try:
        import netron
    except ImportError:
        raise ExtensionError("view: Netron is not installed: pip install 'nnabla[view]'") from None
    host, port = netron.start(args.file, address=args.port or None, browse=True)
    print(f"{args.file} is shown at http://{host}:{port}; Ctrl-C ends it.", flush=True)
    try:
        netron.wait()
    finally:
        netron.stop()
    return True
