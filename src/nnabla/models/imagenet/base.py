"""`ImageNetBase`: what the networks that tell the 1000 categories of ImageNet apart have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...converters.nnp.network_files import NnpLoader
from ...converters.nnp.network_passes import NnpNetworkPass
from ...data.downloads import get_data_home
from ...errors import ArgumentError
from ...graph.variable import Variable
from ...logger import logger
from ..pretrained import PretrainedModel, category_names
from ..utils import get_model_home, get_model_url_base, get_model_url_base_from_env

__all__ = [
    "ImageNetBase",
    "NnpLoader",
    "get_data_home",
    "get_model_home",
    "get_model_url_base",
    "get_model_url_base_from_env",
    "logger",
]


class ImageNetBase(PretrainedModel):
    """Base of the networks trained on ImageNet. What differs between them are the attributes that begin with ``_``."""

    # Names in the model file: of the network, of its input, and of the function in front of it, which is left out.
    _network = "Training"
    _input = "InputX"
    _augmentation = "ImageAugmentationX"
    # The pooling that may be made global, or its type; None for a network that has none.
    _pooling: str | None = "AveragePooling"
    _pooling_by_type = False
    # Functions that are for training only.
    _dropouts: Sequence[str] = ()
    _side = 224

    @property
    def category_names(self) -> list[str]:
        """Names of the 1000 categories, in the order of the network's output."""
        return category_names("imagenet")

    def configure_global_average_pooling(
        self,
        callback: NnpNetworkPass,
        force_global_pooling: bool,
        check_global_pooling: bool,
        name: str,
        by_type: bool = False,
    ) -> None:
        """Let `callback` make a pooling global, or see to it that it is.

        Args:
            callback: changes the network.
            force_global_pooling: make it global.
            check_global_pooling: otherwise, raise an error if it is not.
            name: of the function, or its type.
            by_type: whether it is the type.
        """
        if force_global_pooling:
            callback.force_average_pooling_global(name, by_type=by_type)
        elif check_global_pooling:
            callback.check_average_pooling_global(name, by_type=by_type)

    def __call__(
        self,
        input_var: Variable | None = None,
        use_from: str | None = None,
        use_up_to: str = "classifier",
        training: bool = False,
        force_global_pooling: bool = False,
        check_global_pooling: bool = True,
        returns_net: bool = False,
        verbose: int = 0,
    ) -> Any:
        """Build the network.

        Its parameters are registered in the current scope.

        Args:
            input_var: images of values 0 to 255, shape (samples, channels, height, width); default: a new variable
                for one image of `input_shape`.
            use_from: must be ``None``.
            use_up_to: the part of the network that is built. ``"classifier"`` (default): scores of the 1000
                categories. Others stand in the class.
            training: batch normalization uses the statistics of the batch, dropouts stay, and parameters get
                `need_grad`; else the running statistics, none, and none of them.
            force_global_pooling: let the last average pooling take all of its input, so that images of other sizes
                than `input_shape` can be classified.
            check_global_pooling: raise an error if, without this, it does not.
            returns_net: return the network, with `inputs`, `outputs` and `variables`, instead of its output.
            verbose: 1 and 2 print how the network is changed.

        Raises:
            ArgumentError: `use_from` or `use_up_to` is none of what is allowed, or `input_var` has another shape.
            ValueError: the last pooling is not global.
        """
        self._refuse_use_from(use_from)
        input_var = self.get_input_var(input_var)
        callback = NnpNetworkPass(verbose)
        self._set_input(callback, input_var)
        if self._pooling is not None:
            self.configure_global_average_pooling(
                callback, force_global_pooling, check_global_pooling, self._name(self._pooling), self._pooling_by_type
            )
        callback.set_batch_normalization_batch_stat_all(training)
        self._use(use_up_to, callback)
        if not training:
            for name in self._dropouts:
                callback.remove_and_rewire(self._name(name))
            callback.fix_parameters()
        return self._built(self._network, input_var, callback, returns_net)

    def _set_input(self, callback: NnpNetworkPass, input_var: Variable) -> None:
        callback.remove_and_rewire(self._augmentation)
        callback.set_variable(self._input, input_var)

    def _use(self, use_up_to: str, callback: NnpNetworkPass) -> None:
        self.use_up_to(use_up_to, callback)

    def _name(self, name: str) -> str:
        return name


class AuxiliaryTowers(ImageNetBase):
    """Networks that have further classifiers, for training, on towers beside the network."""

    # Keys of the towers' classifiers, and of the variables where towers leave the network.
    _auxiliary_classifiers: Sequence[str] = ()
    _branching_points: Sequence[str] = ()
    _auxiliary_functions: Sequence[str] = ()
    _with_towers = False

    def __call__(
        self,
        input_var: Variable | None = None,
        use_from: str | None = None,
        use_up_to: str = "classifier",
        training: bool = False,
        force_global_pooling: bool = False,
        check_global_pooling: bool = True,
        returns_net: bool = False,
        verbose: int = 0,
        with_aux_tower: bool = False,
    ) -> Any:
        """Build the network, see `ImageNetBase`.

        Args:
            with_aux_tower: with the classifiers of the auxiliary towers, which are for training only: a list of all
                outputs is returned.

        Raises:
            ArgumentError: `with_aux_tower` is set without `training`.
        """
        if with_aux_tower and not training:
            raise ArgumentError(f"{type(self).__name__}: with_aux_tower needs training: towers are for training only")
        self._with_towers = with_aux_tower
        return super().__call__(
            input_var, use_from, use_up_to, training, force_global_pooling, check_global_pooling, returns_net, verbose
        )

    def _use(self, use_up_to: str, callback: NnpNetworkPass) -> None:
        for key in self._auxiliary_classifiers if self._with_towers else self._branching_points:
            self.use_up_to(key, callback)
        if not self._with_towers:
            callback.drop_function(*self._auxiliary_functions)
        self.use_up_to(use_up_to, callback)

    def _built(self, network: str, input_var: Variable, callback: NnpNetworkPass, returns_net: bool) -> Any:
        if not self._with_towers or returns_net:
            return super()._built(network, input_var, callback, returns_net)
        return list(super()._built(network, input_var, callback, True).outputs.values())
