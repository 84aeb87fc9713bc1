"""`SemanticSegmentation`: base of the networks that tell the category of each pixel."""

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
    "SemanticSegmentation",
    "get_data_home",
    "get_model_home",
    "get_model_url_base",
    "get_model_url_base_from_env",
    "logger",
]


class SemanticSegmentation(RuntimeModel):
    """Base of the networks that tell the category of each pixel."""

    _dataset_name = "voc"
    _side = 513

    @property
    def category_names(self) -> list[str]:
        """Names of the categories, in the order of the network's output, without the background."""
        return category_names("voc")

    def __call__(
        self,
        input_var: Variable | None = None,
        use_from: str | None = None,
        use_up_to: str = "segmentation",
        training: bool = False,
        returns_net: bool = False,
        verbose: int = 0,
    ) -> Any:
        """Build the network. Its parameters are registered in the current scope.

        Args:
            input_var: images, shape (samples, 3, height, width), values of -1 to 1; default: a new variable for one
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
