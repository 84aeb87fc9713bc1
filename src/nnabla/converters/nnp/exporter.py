"""NNabla's model files from a message: `NnpExporter` of `nnabla.utils.converter`."""

from __future__ import annotations

import os
from typing import Any

from ...errors import ArgumentError
from ...files import model_files, parameter_messages
from .importer import ImportedModel

_MEMBERS = {"protobuf": ".protobuf", "h5": ".h5", "included": "", "none": ""}


class NnpExporter:
    """Write a model to an archive, to one file, or into a folder.

    Args:
        nnp: what `NnpImporter` gives.
        batch_size: taken for the sake of other exporters; shapes leave the size of the batch as open as they do.
        parameter_type: where parameters go: ``"protobuf"`` or ``"h5"``, into a file of that form beside the network;
            ``"included"``, into the text of the network; ``"none"``, nowhere.
        force: taken as NNabla does; what exists is written over in any case.

    Raises:
        ArgumentError: there is no such `parameter_type`.
    """

    def __init__(
        self, nnp: ImportedModel, batch_size: int, parameter_type: str = "protobuf", force: bool = False
    ) -> None:
        if parameter_type not in _MEMBERS:
            raise ArgumentError(f"NnpExporter: parameter_type must be one of {list(_MEMBERS)}, not {parameter_type!r}")
        self._nnp = nnp.protobuf
        self._parameter_type = parameter_type
        self._force = force

    def execute(self, *args: str | os.PathLike[str]) -> None:
        """Write the model.

        Args:
            args: one path: of a folder that is there, which gets the members of an archive; or of a file, ``.nnp``, or
                ``.nntxt``, ``.prototxt`` or ``.protobuf``, which holds the parameters itself unless they go nowhere.

        Raises:
            ArgumentError: it is not one path, or of another format.
        """
        if len(args) != 1:
            raise ArgumentError(f"NnpExporter: one path must be given, not {len(args)}")
        path = os.fspath(args[0])
        if os.path.isdir(path):
            self._into(path)
            return
        extension = os.path.splitext(path)[1]
        if extension not in model_files.WRITERS:
            known = ", ".join(model_files.WRITERS)
            raise ArgumentError(f"NnpExporter: {path} must be a folder that is there, or end with {known}")
        kind = _MEMBERS[self._parameter_type] if extension == ".nnp" else ""
        inside = self._parameter_type == "included" or (extension != ".nnp" and self._parameter_type != "none")
        stored = parameter_messages.contents(self._nnp, "NnpExporter") if kind else []
        model_files.write(path, extension, model_files.Model(self._message(inside), stored, kind))

    def _message(self, with_parameters: bool) -> Any:
        message = type(self._nnp)()
        message.CopyFrom(self._nnp)
        if not with_parameters:
            del message.parameter[:]
        return message

    def _into(self, folder: str) -> None:
        from ...files.atomic import replacing
        from ...parameter_files import SAVERS

        kind = _MEMBERS[self._parameter_type]
        with replacing(os.path.join(folder, "nnp_version.txt")) as temporary, open(temporary, "w") as file:
            file.write(f"{model_files.VERSION}\n")
        network = model_files.Model(self._message(self._parameter_type == "included"), [])
        model_files.write(os.path.join(folder, "network.nntxt"), ".nntxt", network)
        if kind:
            stored = parameter_messages.contents(self._nnp, "NnpExporter")
            with replacing(os.path.join(folder, f"parameter{kind}")) as temporary:
                SAVERS[kind](os.fspath(temporary), stored)
