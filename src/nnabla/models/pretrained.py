"""What all ready-made networks share: the file that they come from, and how a part of them is built."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, ClassVar

from ..converters.nnp.network_files import NnpLoader
from ..converters.nnp.network_passes import NnpNetworkPass
from ..errors import ArgumentError
from ..graph.variable import Variable
from .files import model_file


def category_names(name: str) -> list[str]:
    """Names of the categories of a data set, in the order of their numbers.

    Args:
        name: ``"imagenet"``, ``"voc"`` or ``"coco"``.
    """
    text = files(__package__).joinpath("categories").joinpath(f"{name}.txt").read_text(encoding="utf-8")
    return text.splitlines()


class PretrainedModel:
    """Base of the ready-made networks.

    Derived classes say in `_KEY_VARIABLE` how the variables are called up to which a network may be used, and call
    `_load_nnp` in their constructor.
    """

    # Names of variables by the keys of `use_up_to`; there may be fields of `str.format` in them.
    _KEY_VARIABLE: ClassVar[Mapping[str, str]] = {}
    nnp: NnpLoader
    # Height and width of the images of training.
    _side: int

    def _load_nnp(self, rel_name: str, rel_url: str | None = None) -> None:
        """Load the model file, which is fetched if it is not there.

        Args:
            rel_name: where it lies, below `nnabla.models.utils.get_model_home`.
            rel_url: its address, below `nnabla.models.utils.get_model_url_base`; default: that of
                `nnabla.models.files.ADDRESSES`, which also goes before it.
        """
        self.nnp = NnpLoader(model_file(rel_name, rel_url))

    def _input_shape(self) -> tuple[int, int, int]:
        return 3, self._side, self._side

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of an image as the network was trained: channels, height, width."""
        return self._input_shape()

    def use_up_to(self, key: str, callback: NnpNetworkPass, **variable_format_dict: Any) -> None:
        """Let `callback` leave out what follows the variable that `key` stands for.

        Args:
            key: one of the keys of the model.
            callback: changes the network.
            variable_format_dict: values of fields in the name of the variable.

        Raises:
            ArgumentError: the model has no such key.
        """
        if key not in self._KEY_VARIABLE:
            raise ArgumentError(
                f'The key "{key}" is not present in {type(self).__name__}. '
                f"Available keys are {list(self._KEY_VARIABLE)}."
            )
        callback.use_up_to(self._KEY_VARIABLE[key].format(**variable_format_dict))

    def get_input_var(self, input_var: Variable | None) -> Variable:
        """`input_var`, or for ``None`` a new variable with one image of `input_shape`.

        Raises:
            TypeError: it is no Variable.
            ArgumentError: it does not have the shape (samples, channels, height, width) with the network's channels.
        """
        if input_var is None:
            return Variable((1, *self.input_shape))
        if not isinstance(input_var, Variable):
            raise TypeError(f"{type(self).__name__}: input_var must be a Variable, not {type(input_var).__name__}")
        channels = self.input_shape[0]
        if input_var.ndim != 4 or input_var.shape[1] != channels:
            raise ArgumentError(
                f"{type(self).__name__}: input_var must have the shape (samples, {channels}, height, width), "
                f"not {input_var.shape}"
            )
        return input_var

    def _refuse_use_from(self, use_from: Any) -> None:
        if use_from is not None:
            raise ArgumentError(f"{type(self).__name__}: use_from must be None: networks are used from their input")

    def _built(self, network: str, input_var: Variable, callback: NnpNetworkPass, returns_net: bool) -> Any:
        """The network, or its output.

        Args:
            network: its name in the model file.
            input_var: the input.
            callback: changes the network.
            returns_net: whether the network is wanted.
        """
        built = self.nnp.get_network(network, batch_size=input_var.shape[0], callback=callback)
        return built if returns_net else next(iter(built.outputs.values()))


class RuntimeModel(PretrainedModel):
    """Base of those whose file has the network as it runs, for images of any size, under the name ``"runtime"``."""

    def _build(
        self,
        input_var: Variable | None,
        use_from: str | None,
        use_up_to: str,
        training: bool,
        returns_net: bool,
        verbose: int,
    ) -> Any:
        self._refuse_use_from(use_from)
        input_var = self.get_input_var(input_var)
        callback = NnpNetworkPass(verbose)
        callback.set_variable("x", input_var)
        self._resize(callback, input_var)
        callback.set_batch_normalization_batch_stat_all(training)
        self._use(use_up_to, callback)
        if not training:
            callback.fix_parameters()
        return self._built("runtime", input_var, callback, returns_net)

    def _use(self, use_up_to: str, callback: NnpNetworkPass) -> None:
        self.use_up_to(use_up_to, callback)

    def _resize(self, callback: NnpNetworkPass, input_var: Variable) -> None:
        """Let `callback` fit functions to the size of the images."""
