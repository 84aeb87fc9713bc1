"""Door to `nnabla.inspection.monitors`."""

from .inspection.monitors import (
    Monitor,
    MonitorImage,
    MonitorImageTile,
    MonitorSeries,
    MonitorTimeElapsed,
    plot_series,
    plot_time_elapsed,
    tile_images,
)
from .logger import logger

__all__ = [
    "Monitor",
    "MonitorImage",
    "MonitorImageTile",
    "MonitorSeries",
    "MonitorTimeElapsed",
    "logger",
    "plot_series",
    "plot_time_elapsed",
    "tile_images",
]
