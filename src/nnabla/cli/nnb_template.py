"""``nnabla_cli nnb_template``: settings for NNB files, to be edited."""

from __future__ import annotations

import argparse

from ..converters.nnb.nnp_exporter import lowered, write_template
from ..converters.nnb.settings import Settings, stored_type
from ..converters.nnb.typed_models import checked_level
from ..errors import ArgumentError
from .model_formats import READ, executed_in, resolve_file_format


def nnb_template_command(args: argparse.Namespace) -> bool:
    """Write settings with every function and variable of a model, to be edited and given to ``convert -s``.

    Raises:
        ArgumentError: files are missing, or the format, type or level is not possible.
        FormatError: a file is damaged, or the runtime cannot compute the network.
    """
    if len(args.files) < 2:
        raise ArgumentError("nnb_template: two files must be given at least, models and then the file to write")
    *inputs, output = args.files
    resolve_file_format(args, inputs)
    if args.import_format not in READ:
        raise ArgumentError(f"nnb_template: -I must be one of {', '.join(READ)}, not {args.import_format}")
    default = stored_type(args.default_variable_type[0], "-T")
    checked_level(args.api)
    write_template(lowered(executed_in(args, inputs), args.batch_size, Settings()), default, output)
    return True
