"""Door to `nnabla.cli.uploader`."""

from nnabla_cli.commands import create_tar as add_create_tar_command
from nnabla_cli.commands import upload as add_upload_command

from ...cli.uploader import Progress, Uploader, create_tar_command, log, upload_command

__all__ = [
    "Progress",
    "Uploader",
    "add_create_tar_command",
    "add_upload_command",
    "create_tar_command",
    "log",
    "upload_command",
]
