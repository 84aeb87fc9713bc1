"""Models of NNabla as C source: `CsrcExporter` of `nnabla.utils.converter`."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ...errors import ArgumentError
from ...files.atomic import replacing
from ..nnb.executed import executed
from ..nnb.nnp_exporter import lowered
from ..nnb.settings import Settings
from ..nnb.typed_models import typed
from ..nnp.importer import ImportedModel
from .library_source import LibrarySources


class CsrcExporter:
    """Write the first executor of a model as C source against the library of the C runtime.

    Args:
        nnp: what `NnpImporter` gives.
        batch_size: put where shapes leave it open; if negative, as the network says.
    """

    def __init__(self, nnp: ImportedModel, batch_size: int) -> None:
        self._nnp = nnp
        self._batch_size = batch_size

    def execute(self, *args: str | os.PathLike[str]) -> None:
        """Write the files into a folder that is there.

        Args:
            args: one path, that of the folder. Files of the same names are written over.

        Raises:
            ArgumentError: it is not one path, or no folder.
            FormatError: the runtime cannot compute the network.
        """
        if len(args) != 1 or not os.path.isdir(args[0]):
            raise ArgumentError(f"CsrcExporter: one folder that is there must be given, not {args!r}")
        settings = Settings()
        g = lowered(executed(self._nnp.protobuf, self._nnp.graph("CsrcExporter")), self._batch_size, settings)
        files: Mapping[str, str] = LibrarySources(typed(g, settings, version=3)).files
        for name, text in files.items():
            with replacing(os.path.join(args[0], name)) as temporary, open(temporary, "w", encoding="ascii") as file:
                file.write(text)
