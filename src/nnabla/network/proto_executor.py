"""`ProtoExecutor`: how a described network is run on data, as model files say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class ProtoExecutor:
    """What of a network is given and what is wanted.

    Args:
        proto: a message ``Executor`` of a model file.

    Attributes:
        proto: as given.
        network_name: of the network.
        renaming: names of data by the variables that they are for, where they differ.
    """

    def __init__(self, proto: Any) -> None:
        self.proto = proto
        self.network_name: str = proto.network_name
        assigned = [*proto.data_variable, *proto.output_variable]
        self.renaming = {v.variable_name: v.data_name for v in assigned if v.data_name not in ("", v.variable_name)}

    @staticmethod
    def from_proto(proto: Any) -> ProtoExecutor:
        """The executor in a message ``Executor``."""
        return ProtoExecutor(proto)

    @staticmethod
    def create_from_dict(executor: Mapping[str, Any], network: Any) -> ProtoExecutor:
        """The executor that one of the entries ``executors`` of `nnabla.utils.save.save` describes.

        Args:
            executor: ``name`` and, where wanted, ``data`` and ``output`` (names of variables; default the inputs and
                outputs of the network), ``generator_variables`` (names), ``remp`` (names of data by variables),
                ``no_image_normalization``, ``num_evaluations``, ``repeat_evaluation_type``,
                ``need_back_propagation``, ``loss_variables`` (names; default the outputs, with
                ``need_back_propagation``).
            network: a `ProtoNetwork`.

        Raises:
            KeyError: there is no ``name``.
            ValueError: the network has no variable of a name.
        """
        from ..files.model_messages import MODEL

        message = MODEL.message("Executor")(name=executor["name"], network_name=network.name)
        renames: Mapping[str, str] = executor.get("remp") or {}
        for name in known(executor.get("data", network.inputs), network):
            message.data_variable.add(variable_name=name, data_name=renames.get(name, name))
        outputs = known(executor.get("output", network.outputs), network)
        for name in outputs:
            message.output_variable.add(variable_name=name, data_name=renames.get(name, name))
        for name in known(executor.get("generator_variables", ()), network):
            message.generator_variable.add(variable_name=name, type="Constant", multiplier=0)
        for name in network.parameters:
            message.parameter_variable.add(variable_name=name)
        message.num_evaluations = executor.get("num_evaluations", 0)
        message.repeat_evaluation_type = executor.get("repeat_evaluation_type", "")
        message.need_back_propagation = executor.get("need_back_propagation", False)
        message.no_image_normalization = executor.get("no_image_normalization", False)
        # Without losses there is nothing to go back from.
        default = outputs if message.need_back_propagation else ()
        for name in known(executor.get("loss_variables", default), network):
            message.loss_variable.add(variable_name=name)
        return ProtoExecutor(message)

    def get_network_renaming(self) -> tuple[str, dict[str, str]]:
        """`network_name` and `renaming`."""
        return self.network_name, self.renaming

    def as_proto(self) -> Any:
        """A message ``Executor``."""
        return self.proto


def known(names: Iterable[str], network: Any) -> list[str]:
    """`names`, all of which are variables of a network.

    Raises:
        ValueError: one is not.
    """
    found = list(names)
    for name in found:
        if name not in network.variables and name not in network.parameters:
            raise ValueError(f"{name} is not found in networks! Network {network.name!r} has no such variable.")
    return found
