"""Door to `nnabla.converters.function_sets`."""

from ...converters.function_sets import (
    calc_shape_size,
    func_dict_import_config,
    func_set_import_config,
    func_set_import_nnp,
    func_set_import_onnx_opset,
    func_set_nnabla_support,
    func_set_nncr_support,
    func_set_onnx_support,
    get_api_level_info,
    load_yaml_ordered,
    represent_odict,
    search_network,
    select_executor,
    type_to_pack_format,
)
from ...logger import logger

__all__ = [
    "calc_shape_size",
    "func_dict_import_config",
    "func_set_import_config",
    "func_set_import_nnp",
    "func_set_import_onnx_opset",
    "func_set_nnabla_support",
    "func_set_nncr_support",
    "func_set_onnx_support",
    "get_api_level_info",
    "load_yaml_ordered",
    "logger",
    "represent_odict",
    "search_network",
    "select_executor",
    "type_to_pack_format",
]
