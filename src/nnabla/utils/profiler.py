"""Door to `nnabla.inspection.graph_profiler`."""

from ..ext_utils import import_extension_module
from ..inspection.graph_profiler import GraphProfiler, GraphProfilerCsvWriter, ProfileStat, convert_time_scale

__all__ = ["GraphProfiler", "GraphProfilerCsvWriter", "ProfileStat", "convert_time_scale", "import_extension_module"]
