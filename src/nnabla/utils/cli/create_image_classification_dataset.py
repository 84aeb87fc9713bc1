"""Door to `nnabla.cli.classification_data`."""

from nnabla_cli.commands import create_image_classification_dataset as add_create_image_classification_dataset_command

from ...cli.classification_data import convert_image, create_image_classification_dataset_command
from ...data.images import imread, imresize, imsave
from ...logger import logger

__all__ = [
    "add_create_image_classification_dataset_command",
    "convert_image",
    "create_image_classification_dataset_command",
    "imread",
    "imresize",
    "imsave",
    "logger",
]
