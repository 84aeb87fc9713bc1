"""`ObjectDetection`: base of the networks that find objects in images."""

from __future__ import annotations

from typing import Any

from ...converters.nnp.network_files import NnpLoader
from ...data.downloads import get_data_home
from ...graph.variable import Variable
from ...logger import logger
from ..pretrained import RuntimeModel, category_names
from ..utils import get_model_home, get_model_url_base, get_model_url_base_from_env

__all__ = [
    "NnpLoader",
    "ObjectDetection",
    "get_data_home",
    "get_model_home",
    "get_model_url_base",
    "get_model_url_base_from_env",
    "logger",
]


class ObjectDetection(RuntimeModel):
    """Base of the networks that find objects in images."""

    _dataset_name = "voc"
    _side = 416

    def get_category_names(self) -> list[str]:
        """Names of the categories, in the order of the network's output."""
        return category_names(self._dataset_name)

    def get_nnp_input_size(self) -> tuple[int, int]:
        """Height and width of the images for which the network in the file was written."""
        height, width = self.nnp.network_dict["runtime"].variables["x"].shape[-2:]
        return int(height), int(width)

    def __call__(
        self,
        input_var: Variable | None = None,
        use_from: str | None = None,
        use_up_to: str = "detection",
        training: bool = False,
        returns_net: bool = False,
        verbose: int = 0,
    ) -> Any:
        """Build the network. Its parameters are registered in the current scope.

        Args:
            input_var: images, shape (samples, 3, height, width), values of 0 to 1; default: a new variable for one
                image of `input_shape`.
            use_from: must be ``None``.
            use_up_to: the part of the network that is built, see the class.
            training: batch normalization uses the statistics of the batch, and parameters get `need_grad`.
            returns_net: return the network, with `inputs`, `outputs` and `variables`, instead of its output.
            verbose: 1 and 2 print how the network is changed.

        Raises:
            ArgumentError: `use_from` or `use_up_to` is none of what is allowed, or `input_var` has another shape.
        """
        return self._build(input_var, use_from, use_up_to, training, returns_net, verbose)
