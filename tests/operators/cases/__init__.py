"""The tables of cases: every module beside this file is one, with a list `CASES`.

A table holds a category of functions, or with ``_more`` at the end of its name what was added to one; ``variants``
holds the sizes, axes and arguments that the others leave out.
"""

from __future__ import annotations

import importlib
import pkgutil

from ..case import Case, numbered

TABLES: dict[str, list[Case]] = {
    module.name: numbered(module.name, importlib.import_module(f"{__name__}.{module.name}").CASES)
    for module in pkgutil.iter_modules(__path__)
}

ALL: list[Case] = [case for table in TABLES.values() for case in table]
RECORDED: list[Case] = [case for case in ALL if not case.beyond]
