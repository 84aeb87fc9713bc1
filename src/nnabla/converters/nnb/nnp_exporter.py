"""Models of NNabla for the C runtime: `NnbExporter` of `nnabla.utils.converter`, and what C source shares with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

from ...errors import ArgumentError
from ...files.atomic import replacing
from ..nnp.importer import ImportedModel
from .executed import Executed, executed
from .exporter import save
from .lowering import lower
from .model import SETTINGS, DataType
from .records import VERSIONS
from .runtime_network import RuntimeNetwork
from .settings import Settings, read_settings, stored_type, template
from .stored_types import StoredType
from .typed_models import checked_level, checked_version, typed

NN_BINARY_FORMAT_VERSION = VERSIONS[0]
"""That is written unless another one is asked for."""


class Nnb:
    """Numbers of the types of variables in the file.

    Attributes:
        from_type_name: by the names that settings have for the types.
        fp_pos_max: the most fraction bits that a type has.
    """

    NN_DATA_TYPE_FLOAT = int(DataType.FLOAT)
    NN_DATA_TYPE_INT16 = int(DataType.INT16)
    NN_DATA_TYPE_INT8 = int(DataType.INT8)
    NN_DATA_TYPE_SIGN = int(DataType.SIGN)

    from_type_name: ClassVar[dict[str, int]] = {name: int(type) for type, name in SETTINGS.items()}
    fp_pos_max: ClassVar[dict[int, int]] = {int(type): type.bits - 1 for type in (DataType.INT16, DataType.INT8)}


Path = str | os.PathLike[str]


class NnbExporter:
    """Write the first executor of a model as NNB.

    Args:
        nnp: what `NnpImporter` gives.
        batch_size: put where shapes leave it open; if negative, as the network says.
        nnb_version: of the format, 2 or 3.
        api_level: from 1 to 45; -1 for that of the released runtime, 44.

    Raises:
        ArgumentError: an argument is not possible.
    """

    def __init__(self, nnp: ImportedModel, batch_size: int, nnb_version: int = 2, api_level: int = -1) -> None:
        self._nnp = nnp
        self._batch_size = batch_size
        self._version = checked_version(nnb_version)
        self._level = checked_level(api_level)

    def execute(
        self,
        nnb_output_filename: Path | None,
        settings_template_filename: Path | None,
        settings_filename: Path | Sequence[Path] | None,
        default_type: str | Sequence[str],
    ) -> None:
        """Write the file, a template of its settings, or both.

        Args:
            nnb_output_filename: the NNB file; ``None`` for none.
            settings_template_filename: YAML with every function and variable; ``None`` for none.
            settings_filename: settings to follow, or a list of one; ``None`` for none.
            default_type: ``FLOAT32``, ``FIXED16_n``, ``FIXED8_n`` or ``SIGN``, or a list of one.

        Raises:
            ArgumentError: the type is not possible, or nothing says which network is meant.
            FormatError: the settings do not fit, or the runtime cannot compute the network.
        """
        default = stored_type(_only(default_type), "default_type")
        path = None if settings_filename is None else _only(settings_filename)
        settings = settings_of(path, default)
        g = lowered(executed(self._nnp.protobuf, self._nnp.graph("NnbExporter")), self._batch_size, settings)
        if settings_template_filename is not None:
            write_template(g, default, settings_template_filename)
        if nnb_output_filename is not None:
            save(typed(g, settings, self._level, self._version), nnb_output_filename)


def _only(given: Path | Sequence[Path]) -> Path:
    return given if isinstance(given, (str, os.PathLike)) else given[0]


def settings_of(path: Path | None, default: StoredType) -> Settings:
    """Settings in a file; without one, those that give every variable the type `default`."""
    if path is None:
        return Settings(default)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path}: not a text: {error}") from None
    return read_settings(text, os.fspath(path), default)


def write_template(g: RuntimeNetwork, default: StoredType, path: Path) -> None:
    """Write settings with every function and variable of a network, to be edited."""
    text = template(g, default)
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def lowered(found: Executed, given: int, settings: Settings) -> RuntimeNetwork:
    """A network in functions of the runtime.

    Args:
        found: the network.
        given: the size of the batch; if negative, as the network says.
        settings: functions with an implementation in it stay as they are.
    """
    batch_size = None if given < 0 else given
    provided = [name for name, number in settings.implement.items() if number]
    return lower(
        found.network,
        batch_size,
        found.inputs,
        found.outputs,
        found.order,
        provided,
        found.drawn(batch_size),
    )
