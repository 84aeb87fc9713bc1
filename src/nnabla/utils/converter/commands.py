"""Door to conversions with the arguments of the command line."""

from ...cli.convert_files import convert_files, dump_files, nnb_template
from ...converters.csrc.nnp_exporter import CsrcExporter
from ...converters.function_sets import (
    func_set_import_config,
    func_set_import_nnp,
    func_set_nnabla_support,
    func_set_onnx_support,
)
from ...converters.nnb.nnp_exporter import NnbExporter
from ...converters.nnp.exporter import NnpExporter
from ...converters.nnp.importer import NnpImporter
from ...converters.nnp.releases import func_set_nnabla_version_decorate
from ...logger import logger

__all__ = [
    "CsrcExporter",
    "NnbExporter",
    "NnpExporter",
    "NnpImporter",
    "convert_files",
    "dump_files",
    "func_set_import_config",
    "func_set_import_nnp",
    "func_set_nnabla_support",
    "func_set_nnabla_version_decorate",
    "func_set_onnx_support",
    "logger",
    "nnb_template",
]
