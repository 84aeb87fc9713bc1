"""Door to `nnabla.converters.function_sets` and `nnabla.converters.nnp.releases`."""

from ...converters.function_sets import (
    calc_shape_size,
    func_dict_import_config,
    func_set_export_yaml,
    func_set_import_config,
    func_set_import_nnp,
    func_set_import_onnx_opset,
    func_set_nnabla_support,
    func_set_nncr_support,
    func_set_onnx_support,
    get_api_level_info,
    get_category_info,
    get_category_info_string,
    get_category_info_version,
    get_function_info,
    load_yaml_ordered,
    represent_odict,
    search_network,
    select_executor,
    type_to_pack_format,
)
from ...converters.nnp.releases import func_set_nnabla_version_decorate
from ...logger import logger

__all__ = [
    "calc_shape_size",
    "func_dict_import_config",
    "func_set_export_yaml",
    "func_set_import_config",
    "func_set_import_nnp",
    "func_set_import_onnx_opset",
    "func_set_nnabla_support",
    "func_set_nnabla_version_decorate",
    "func_set_nncr_support",
    "func_set_onnx_support",
    "get_api_level_info",
    "get_category_info",
    "get_category_info_string",
    "get_category_info_version",
    "get_function_info",
    "load_yaml_ordered",
    "logger",
    "represent_odict",
    "search_network",
    "select_executor",
    "type_to_pack_format",
]
