"""Door to `nnabla.cli.detection_data`."""

from nnabla_cli.commands import create_object_detection_dataset as add_create_object_detection_dataset_command

from ...cli.detection_data import convert_image, create_object_detection_dataset_command, get_anchors
from ...data.boxes import ObjectRect, load_label
from ...data.images import imread, imresize, imsave
from ...logger import logger

__all__ = [
    "ObjectRect",
    "add_create_object_detection_dataset_command",
    "convert_image",
    "create_object_detection_dataset_command",
    "get_anchors",
    "imread",
    "imresize",
    "imsave",
    "load_label",
    "logger",
]
